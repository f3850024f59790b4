//! Which words of an object are no user data, by what the object is.

use leakscope_goabi::GROUP_SLOTS;
use rustc_hash::FxHashMap;

use crate::maps::Walker;
use crate::program::Program;
use crate::types::{SlotKind, TypeId, TypeTable};
use crate::typing::{Shape, Typed};

/// Most words kept of one value by their offset; of larger ones the rest is kept only where it looks like addresses.
const MAX_WORDS: usize = 1 << 14;
/// Bytes of a pointer.
const POINTER: u64 = 8;
/// Bytes of control words in front of the cells of a bucket or group.
const CONTROL: u32 = 8;

/// What stays of an object.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Keep {
    /// Everything.
    All,
    /// Nothing.
    Nothing,
    /// What could be addresses.
    Addresses,
    /// The first bytes, and after them what could be addresses.
    First(usize),
    /// Of each value, the words at these offsets (rising), and if it holds pointers what could be addresses.
    Words {
        words: Vec<u32>,
        stride: usize,
        pointers: bool,
    },
}

/// The rules of one heap.
pub(super) struct Rules<'a> {
    types: &'a TypeTable,
    typed: &'a Typed,
    /// Bytes of a channel's header.
    channel: usize,
    by_shape: FxHashMap<u32, Keep>,
}

/// Packages that hold no user data in structures of their own: the runtime and what it is made of.
pub(super) fn is_of_runtime(package: &str) -> bool {
    const EXACT: [&str; 6] = ["runtime", "sync", "sync/atomic", "time", "unique", "weak"];
    EXACT.contains(&package) || package.starts_with("runtime/") || package.starts_with("internal/")
}

impl<'a> Rules<'a> {
    pub(super) fn new(types: &'a TypeTable, typed: &'a Typed, program: &Program) -> Self {
        let channel = program.debug().struct_layout("runtime.hchan");
        Self {
            types,
            typed,
            channel: channel.map_or(0, |c| c.size as usize),
            by_shape: FxHashMap::default(),
        }
    }

    /// The rule for objects of the shape of this number.
    pub(super) fn of(&mut self, shape: u32) -> &Keep {
        if !self.by_shape.contains_key(&shape) {
            let keep = self.make(shape);
            self.by_shape.insert(shape, keep);
        }
        self.by_shape.get(&shape).unwrap_or(&Keep::Nothing)
    }

    fn make(&self, number: u32) -> Keep {
        let info = self.typed.shapes.get(number);
        match info.shape {
            Shape::UntypedNoscan | Shape::StringData => Keep::Nothing,
            Shape::UntypedScan => Keep::Addresses,
            Shape::MapHeader(_)
            | Shape::MapTable
            | Shape::MapDirectory
            | Shape::MapExtra
            | Shape::MapOverflowList
            | Shape::MapOverflowArray => Keep::All,
            Shape::MapCells(map) => self.cells(map),
            Shape::Chan(_) => Keep::First(self.channel),
            Shape::FuncValue | Shape::Closure(_) => Keep::First(CONTROL as usize),
            Shape::Value(type_) | Shape::Array(type_) => {
                self.values(type_, info.size, info.map_cells)
            }
        }
    }

    fn values(&self, type_: TypeId, size: u64, map_cells: bool) -> Keep {
        if is_of_runtime(self.types.package(type_)) {
            return Keep::All;
        }
        let pointers = !self.types.slots(type_).is_empty();
        let mut words = self.lengths(type_);
        if map_cells {
            words.insert(0, 0);
        }
        if !pointers && words.is_empty() {
            return Keep::Nothing;
        }
        Keep::Words {
            words,
            stride: size as usize,
            pointers,
        }
    }

    /// Buckets or groups: control words, and of keys and elems what their types say.
    fn cells(&self, map: TypeId) -> Keep {
        let Some(kind) = self.typed.kinds.get(&map) else {
            return Keep::Addresses;
        };
        let cell = &kind.cell;
        let mut words = vec![0];
        if let Walker::Classic(..) = kind.walker {
            // The next overflow bucket: no pointer to the collector where keys and elems are none (map.go, `bmap`).
            words.push((cell.size - POINTER).try_into().unwrap_or(0));
        }
        for (type_, indirect, first, stride) in [
            (kind.key, kind.indirect_key, cell.keys, cell.key_stride),
            (kind.elem, kind.indirect_elem, cell.elems, cell.elem_stride),
        ] {
            let lengths = if indirect {
                Vec::new()
            } else {
                self.lengths(type_)
            };
            for i in 0..GROUP_SLOTS {
                let at = (first + i * stride) as u32;
                words.extend(lengths.iter().map(|offset| at.saturating_add(*offset)));
            }
        }
        words.sort_unstable();
        words.truncate(MAX_WORDS);
        Keep::Words {
            words,
            stride: cell.size as usize,
            pointers: !cell.noscan,
        }
    }

    /// Offsets of the words in a value of a type that are lengths or capacities, rising.
    pub(super) fn lengths(&self, type_: TypeId) -> Vec<u32> {
        let mut words = Vec::new();
        self.add_lengths(type_, 0, &mut words);
        words.sort_unstable();
        words.truncate(MAX_WORDS);
        words
    }

    fn add_lengths(&self, type_: TypeId, at: u32, words: &mut Vec<u32>) {
        for slot in self.types.slots(type_) {
            if words.len() >= MAX_WORDS {
                return;
            }
            let offset = at.saturating_add(slot.offset);
            match slot.kind {
                SlotKind::Slice(_) => {
                    words.extend([offset.saturating_add(8), offset.saturating_add(16)]);
                }
                SlotKind::String => words.push(offset.saturating_add(8)),
                SlotKind::Repeat {
                    elem,
                    stride,
                    count,
                } => {
                    for i in 0..count {
                        if words.len() >= MAX_WORDS {
                            return;
                        }
                        self.add_lengths(
                            elem,
                            offset.saturating_add(i.saturating_mul(stride)),
                            words,
                        );
                    }
                }
                _ => {}
            }
        }
    }
}
