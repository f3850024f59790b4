//! Following the typed pointers of one object.

use leakscope_target::Addr;

use crate::objects::Hit;
use crate::types::{SlotKind, TypeId};

use super::offer::{Claim, SHAPE_MASK};
use super::programs::{Op, Program, Step};
use super::shapes::{Shape, ShapeInfo};
use super::{NONE, OfType, Todo, Typing};

/// Values of an array that are walked before what they point to: keeps the worklist short however long the array.
const CHUNK: u64 = 1024;
/// Objects on the worklist before whoever adds to it from the side (a walk over a map) has it drained.
const HIGH_WATER: usize = 4096;
/// Objects walked between two looks at the worklist.
const BATCH: usize = 32;
/// Bytes that one cache miss brings in.
const CACHE_LINE: usize = 64;

impl<'a> Typing<'a> {
    /// Puts an object on the worklist.
    #[inline]
    pub(super) fn push(&mut self, hit: Hit) {
        self.todo.push(Todo { hit, from: 0 });
    }

    /// Walks until nothing is left to walk but maps.
    pub(super) fn drain(&mut self) {
        let mut batch = [Todo::default(); BATCH];
        loop {
            let Some(len) = self.take(&mut batch) else {
                if self.pending.is_empty() {
                    return;
                }
                self.flush();
                continue;
            };
            for todo in &batch[..len] {
                self.object(*todo);
            }
        }
    }

    /// Takes some objects off the worklist. Touches their bytes first, all together: each is a cache miss that would
    /// otherwise be waited for alone.
    fn take(&mut self, batch: &mut [Todo; BATCH]) -> Option<usize> {
        let len = self.todo.len().min(BATCH);
        let rest = self.todo.len() - len;
        batch[..len].copy_from_slice(&self.todo[rest..]);
        self.todo.truncate(rest);
        let mut touched = 0u8;
        for todo in &batch[..len] {
            let data = self.data(todo.hit);
            touched ^= data.first().copied().unwrap_or(0);
            touched ^= data.get(CACHE_LINE).copied().unwrap_or(0);
        }
        std::hint::black_box(touched);
        (len > 0).then_some(len)
    }

    /// [`Self::drain`], if there is much to walk.
    #[inline]
    pub(super) fn drain_if_long(&mut self) {
        if self.todo.len() > HIGH_WATER {
            self.drain();
        }
    }

    /// The data of an object: without its malloc header, up to the end of its slot.
    pub(super) fn data(&self, hit: Hit) -> &'a [u8] {
        let (start, bytes) = self.spans[hit.span as usize];
        let facts = &self.facts[hit.span as usize];
        let from = (hit.base - start) as usize + usize::from(facts.header);
        let to = from.saturating_add(facts.usable as usize);
        bytes.get(from..to).unwrap_or_default()
    }

    fn object(&mut self, todo: Todo) {
        let Todo { hit, from } = todo;
        let info = *self.shapes.get(self.type_of[hit.obj as usize] & SHAPE_MASK);
        let data = self.data(hit);
        if !info.tiled {
            return self.values(info.program, data);
        }
        let Ok(size @ 1..) = usize::try_from(info.size) else {
            return;
        };
        // A better type may have replaced the one whose first part was walked: `from` then only costs or saves work.
        let rest = data.get(from as usize * size..).unwrap_or_default();
        if rest.len() / size > CHUNK as usize {
            self.todo.push(Todo {
                hit,
                from: from + CHUNK,
            });
        }
        for value in rest.chunks_exact(size).take(CHUNK as usize) {
            self.values(info.program, value);
        }
    }

    /// Follows every pointer of one value.
    #[inline]
    pub(super) fn values(&mut self, program: Program, value: &[u8]) {
        for i in program.range() {
            let Step { offset, op } = self.programs.step(i);
            let rest = value.get(offset as usize..).unwrap_or_default();
            if let Op::Repeat {
                program,
                stride,
                count,
            } = op
            {
                let values = rest.chunks_exact(stride.max(1) as usize);
                for value in values.take(count as usize) {
                    self.values(program, value);
                }
            } else if let Some(first) = word(rest, 0).filter(|w| *w != 0) {
                match op {
                    Op::Slot(kind) => self.slot(kind, first, rest),
                    Op::TrieNode(trie) => self.trie_node(first, trie, rest),
                    Op::Repeat { .. } => {}
                }
            }
        }
    }

    /// A slot of this kind whose first word is `first`, and which starts with the bytes of `rest`.
    #[inline]
    fn slot(&mut self, kind: SlotKind, first: u64, rest: &[u8]) {
        match kind {
            SlotKind::Pointer(target) => self.pointer(first, target, rest),
            SlotKind::Slice(elem) => {
                // An empty slice may point past its array, at another object.
                if word(rest, 16) != Some(0) {
                    let array = self.of_type(elem).array;
                    self.claim(first, array, Claim::Slice, rest);
                }
            }
            SlotKind::String => {
                if word(rest, 8) != Some(0) {
                    self.claim(first, self.fixed.string, Claim::Slice, rest);
                }
            }
            SlotKind::EmptyInterface => self.boxed(false, first, rest.get(8..).unwrap_or_default()),
            SlotKind::Interface => self.boxed(true, first, rest.get(8..).unwrap_or_default()),
            SlotKind::Map(map) => self.map(Addr(first), map),
            SlotKind::Chan(chan) => self.chan(first, chan),
            SlotKind::Func => self.func(first),
            SlotKind::Weak(_) | SlotKind::Unsafe | SlotKind::Repeat { .. } => {}
        }
    }

    /// A pointer to a node of a trie: the node itself says what it is.
    fn trie_node(&mut self, at: u64, trie: u32, rest: &[u8]) {
        let trie = self.programs.trie(trie);
        let Some(hit) = self.objects.find(at) else {
            return;
        };
        let data = self.data(hit);
        let is_entry = data.get(trie.is_entry as usize).is_some_and(|b| *b != 0);
        let target = if is_entry { trie.entry } else { trie.indirect };
        if let Some(target) = target {
            self.pointer(at, target, rest);
        }
    }

    /// A pointer to a value of type `target`, which stands at the start of `rest`.
    #[inline]
    pub(super) fn pointer(&mut self, pointer: u64, target: TypeId, rest: &[u8]) {
        let shape = self.of_type(target).value;
        self.claim(pointer, shape, Claim::Value, rest);
    }

    /// The two shapes of a type.
    #[inline]
    pub(super) fn of_type(&mut self, type_: TypeId) -> OfType {
        match self.of_type.get(type_.0 as usize) {
            Some(known) if known.value != NONE => *known,
            _ => self.make_shapes(type_),
        }
    }

    fn make_shapes(&mut self, type_: TypeId) -> OfType {
        let allocated = self.allocated_as(type_);
        let size = self.types.size(allocated);
        let program = self.programs.of(self.types, allocated);
        let pointers = !program.is_empty();
        let map_cells = pointers && is_map_cells(self.types.name(type_));
        let mut info = ShapeInfo {
            shape: Shape::Value(type_),
            size,
            slot: self.alloc.slot_size(size, !pointers),
            pointers,
            tiled: map_cells,
            program,
            machinery: false,
            map_cells,
        };
        let value = self.shapes.number(info);
        info.shape = Shape::Array(type_);
        info.tiled = true;
        let shapes = OfType {
            value,
            array: self.shapes.number(info),
        };
        let i = type_.0 as usize;
        if self.of_type.len() <= i {
            let none = OfType {
                value: NONE,
                array: NONE,
            };
            self.of_type.resize(i + 1, none);
        }
        self.of_type[i] = shapes;
        shapes
    }
}

/// Whether a type is the runtime's own for groups or buckets of maps.
fn is_map_cells(name: &str) -> bool {
    let name = name.strip_prefix("noalg.").unwrap_or(name);
    name.starts_with("map.group[") || name.starts_with("map.bucket[")
}

/// The little-endian word at `at`.
#[inline]
pub(super) fn word(bytes: &[u8], at: usize) -> Option<u64> {
    let bytes = bytes.get(at..at.checked_add(8)?)?;
    Some(u64::from_le_bytes(bytes.try_into().ok()?))
}
