//! Where the pointers of a value are.

use super::{Kind, TypeField, TypeId, TypeTable};

/// A place in a value that holds a pointer, or a part with many of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Slot {
    /// Byte offset in the value.
    pub offset: u32,
    /// What is there.
    pub kind: SlotKind,
}

/// What a slot holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SlotKind {
    /// A pointer to a value of this type.
    Pointer(TypeId),
    /// A slice header of elements of this type: pointer, length, capacity.
    Slice(TypeId),
    /// A string header: pointer, length.
    String,
    /// An interface without methods: pointer to the type, data word.
    EmptyInterface,
    /// An interface with methods: pointer to the itab, data word.
    Interface,
    /// A map of this type.
    Map(TypeId),
    /// A channel of this type.
    Chan(TypeId),
    /// A function value.
    Func,
    /// A pointer of which nothing is known.
    Unsafe,
    /// A weak pointer to a value of this type: points to the handle, which holds the value's address unseen by the
    /// collector.
    Weak(TypeId),
    /// Values of another type with many slots of its own, one after the other: element `i` lies at
    /// `offset + i * stride`; see its own slots.
    Repeat {
        /// Their type.
        elem: TypeId,
        /// Distance from one to the next in bytes.
        stride: u32,
        /// How many.
        count: u32,
    },
}

/// Parts with more slots than this are referred to instead of copied, so that the slots of a type are never more than
/// this times its fields.
const MAX_COPIED: usize = 64;

/// Most slots of one type.
const MAX_SLOTS: usize = 1 << 20;

/// Deepest nesting of values in values.
const MAX_DEPTH: usize = 128;

/// Types of `sync/atomic.Pointer`'s shape whose name alone says what they point to, and whether weakly.
const NAMED_POINTERS: [(&str, bool); 4] = [
    ("internal/runtime/atomic.Pointer[", false),
    ("runtime/internal/atomic.Pointer[", false),
    ("internal/weak.Pointer[", true),
    ("weak.Pointer[", true),
];

/// The shape that generic code sees every type argument in that is a pointer, whatever it points to
/// (`cmd/compile/internal/noder/reader.go`, `shapify`).
const ANY_POINTER: &str = "go.shape.*uint8";

impl TypeTable {
    /// The pointer slots of one value of the type, by offset.
    pub fn slots(&self, id: TypeId) -> &[Slot] {
        self.slots_within(id, &mut Vec::new())
    }

    /// `outer` are the types whose slots are being worked out: a type that contains itself is damaged and has none.
    fn slots_within(&self, id: TypeId, outer: &mut Vec<TypeId>) -> &[Slot] {
        let Some(known) = self.slots_cell(id) else {
            return &[];
        };
        if let Some(slots) = known.get() {
            return slots;
        }
        if outer.len() >= MAX_DEPTH || outer.contains(&id) {
            return &[];
        }
        outer.push(id);
        let slots = self.flatten(id, outer);
        outer.pop();
        known.get_or_init(|| slots.into_boxed_slice())
    }

    fn flatten(&self, id: TypeId, outer: &mut Vec<TypeId>) -> Vec<Slot> {
        let one = |kind| vec![Slot { offset: 0, kind }];
        match self.kind(id) {
            Kind::Pointer(target) | Kind::Slice(target) if self.is_not_in_heap(target) => {
                Vec::new()
            }
            Kind::Pointer(_) if self.linker_name(id) == ANY_POINTER => one(SlotKind::Unsafe),
            Kind::Pointer(target) => one(SlotKind::Pointer(target)),
            Kind::UnsafePointer => one(SlotKind::Unsafe),
            Kind::String => one(SlotKind::String),
            Kind::Slice(elem) => one(SlotKind::Slice(elem)),
            Kind::Map { .. } => one(SlotKind::Map(id)),
            Kind::Chan(_) => one(SlotKind::Chan(id)),
            Kind::Func => one(SlotKind::Func),
            Kind::Interface { empty: true } => one(SlotKind::EmptyInterface),
            Kind::Interface { empty: false } => one(SlotKind::Interface),
            Kind::Array { elem, len } => {
                let mut out = Vec::new();
                self.add_part(&mut out, 0, elem, len, outer);
                out
            }
            Kind::Struct => self.flatten_struct(id, outer),
            Kind::Bool
            | Kind::Int
            | Kind::Uint
            | Kind::Uintptr
            | Kind::Float
            | Kind::Complex
            | Kind::Unknown => Vec::new(),
        }
    }

    fn flatten_struct(&self, id: TypeId, outer: &mut Vec<TypeId>) -> Vec<Slot> {
        let fields = self.fields(id);
        if let Some(slot) = self.typed_unsafe_pointer(id, &fields) {
            return vec![slot];
        }
        let mut out = Vec::new();
        for f in &fields {
            self.add_part(&mut out, f.offset, f.type_, 1, outer);
        }
        out.sort_by_key(|s| s.offset);
        out
    }

    /// Adds the slots of `count` values of a type from `offset` on.
    fn add_part(
        &self,
        out: &mut Vec<Slot>,
        offset: u64,
        elem: TypeId,
        count: u64,
        outer: &mut Vec<TypeId>,
    ) {
        let slots = self.slots_within(elem, outer);
        let stride = self.size(elem);
        if slots.is_empty() || stride == 0 {
            return;
        }
        let total = count.saturating_mul(slots.len() as u64);
        if total > MAX_COPIED as u64 {
            let (Ok(offset), Ok(stride)) = (u32::try_from(offset), u32::try_from(stride)) else {
                return;
            };
            // What lies past 4 GiB in one value is out of reach.
            let count = count.min(u64::from((u32::MAX - offset) / stride)) as u32;
            out.push(Slot {
                offset,
                kind: SlotKind::Repeat {
                    elem,
                    stride,
                    count,
                },
            });
            return;
        }
        for i in 0..count {
            for s in slots {
                let at = offset
                    .saturating_add(i * stride)
                    .saturating_add(u64::from(s.offset));
                if let Ok(offset) = u32::try_from(at)
                    && out.len() < MAX_SLOTS
                {
                    out.push(Slot {
                        offset,
                        kind: s.kind,
                    });
                }
            }
        }
    }

    /// The one slot of a struct that wraps an `unsafe.Pointer` to a known type: `sync/atomic.Pointer[T]` and everything
    /// else that carries a `[0]*T` beside it (the idiom that keeps such types from being converted), or is known by name.
    fn typed_unsafe_pointer(&self, id: TypeId, fields: &[TypeField<'_>]) -> Option<Slot> {
        let full_name = self.full_name(id);
        let named = NAMED_POINTERS
            .iter()
            .find(|(prefix, _)| full_name.starts_with(prefix));
        if let Some((prefix, weak)) = named
            && let Some(arg) = full_name
                .get(prefix.len()..)
                .and_then(|a| a.strip_suffix(']'))
            && let Some(target) = self.by_full_name(arg)
        {
            let kind = if *weak {
                SlotKind::Weak(target)
            } else {
                SlotKind::Pointer(target)
            };
            return Some(Slot { offset: 0, kind });
        }
        let target = fields.iter().find_map(|f| match self.kind(f.type_) {
            Kind::Array { elem, len: 0 } => match self.kind(elem) {
                Kind::Pointer(target) => Some(target),
                _ => None,
            },
            _ => None,
        })?;
        let mut pointers = fields.iter().filter(|f| self.size(f.type_) > 0);
        let (Some(only), None) = (pointers.next(), pointers.next()) else {
            return None;
        };
        if self.kind(only.type_) != Kind::UnsafePointer {
            return None;
        }
        let offset = u32::try_from(only.offset).ok()?;
        let weak = named.is_some_and(|(_, weak)| *weak);
        let kind = if weak {
            SlotKind::Weak(target)
        } else {
            SlotKind::Pointer(target)
        };
        Some(Slot { offset, kind })
    }
}
