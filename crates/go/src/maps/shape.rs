//! What all maps of one type have in common, for whoever judges maps.

use leakscope_goabi::{AllocRules, ClassicMap, Footprint, GROUP_SLOTS, SwissMap};

use crate::heap::GoHeap;
use crate::types::{Kind, TypeId, TypeTable};

use super::MapInfo;
use super::kinds::{MapKind, Walker};

/// Types inside types deeper than this are not looked into: no program has such keys, and looking is recursive.
const MAX_DEPTH: u32 = 16;
/// Keys of more fields than this are not looked into: none that long has a function of its own.
const MAX_FIELDS: usize = 64;

/// The function that the compiler calls for `m[k] = v` (`cmd/compile/internal/walk.mapfast`, Go 1.21 to 1.27).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Assign {
    /// `mapassign_fast32`: keys of four bytes that are compared as memory.
    Fast32,
    /// `mapassign_fast64`: of eight.
    Fast64,
    /// `mapassign_fast64ptr`: pointers.
    Fast64Pointer,
    /// `mapassign_faststr`: strings.
    FastString,
    /// `mapassign`: any other, and all maps whose elems are indirect.
    General,
}

/// What all maps of one type have in common.
#[derive(Clone, Copy, Debug)]
pub struct MapShape {
    kind: MapKind,
    assign: Assign,
    elem_bytes: u64,
    elem_pointers: bool,
}

impl MapShape {
    pub(crate) fn of(types: &TypeTable, kind: MapKind) -> Self {
        let general = kind.indirect_elem;
        Self {
            elem_bytes: types.size(kind.elem),
            elem_pointers: !types.slots(kind.elem).is_empty(),
            assign: if general {
                Assign::General
            } else {
                assign(types, kind.key)
            },
            kind,
        }
    }

    /// How entries are assigned.
    pub fn assign(&self) -> Assign {
        self.assign
    }

    /// Twice the entries per bucket at which a map of buckets grows (`runtime.loadFactorNum`); `None` for groups.
    pub fn load_factor_num(&self) -> Option<u64> {
        match self.kind.walker {
            Walker::Classic(layout, _) => Some(layout.load_factor_num),
            Walker::Swiss(..) => None,
        }
    }

    /// Keys or elems lie outside of the cells, which point to them.
    pub fn indirect(&self) -> bool {
        self.kind.indirect_key || self.kind.indirect_elem
    }

    /// Elems lie outside of the cells.
    pub fn indirect_elems(&self) -> bool {
        self.kind.indirect_elem
    }

    /// Bytes of a key as it lies in a cell.
    pub fn key_bytes(&self) -> u64 {
        self.kind.cell.key_size
    }

    /// Bytes from one cell to the next: of key and elem, with what aligns them.
    pub fn slot_bytes(&self) -> u64 {
        let cell = &self.kind.cell;
        match cell.is_split() {
            true => cell.key_stride.saturating_add(cell.elem_stride),
            false => cell.key_stride,
        }
    }

    /// Bytes of a bucket or group.
    pub fn group_bytes(&self) -> u64 {
        self.kind.cell.size
    }

    /// What a map of groups made for `entries` entries takes if keys and elems are arrays of bytes of the same lengths, which
    /// nothing aligns (`reflectdata.groupType`); `None` for buckets, which align nothing between slots, and where slots hold
    /// pointers.
    pub fn packed_footprint(&self, entries: u64) -> Option<Footprint> {
        let cell = &self.kind.cell;
        let Walker::Swiss(_, facts) = self.kind.walker else {
            return None;
        };
        // A last field without bytes gets one.
        let slot = cell.key_size.checked_add(cell.elem_size.max(1))?;
        let group = GROUP_SLOTS.checked_mul(slot)?.checked_add(GROUP_SLOTS)?;
        let packed = SwissMap {
            group_size: group.next_multiple_of(8),
            ..facts
        };
        (cell.noscan && !self.indirect() && packed.group_size < facts.group_size)
            .then(|| packed.footprint(entries))
    }

    /// Bytes of an elem, wherever it lies.
    pub fn elem_bytes(&self) -> u64 {
        self.elem_bytes
    }

    /// What an object of `elems` elems takes.
    pub fn elems_bytes(&self, elems: u64) -> u64 {
        let bytes = elems.saturating_mul(self.elem_bytes);
        self.alloc().slot_size(bytes, !self.elem_pointers)
    }

    /// What a map made for `entries` entries takes if its elems are of another size, with or without pointers, and not indirect.
    pub fn footprint_with(&self, elem: u64, pointers: bool, entries: u64) -> Footprint {
        let cell = &self.kind.cell;
        let noscan = cell.keys_stay && !pointers;
        match self.kind.walker {
            Walker::Classic(_, facts) => {
                let cells = GROUP_SLOTS * (cell.key_size + elem);
                let changed = ClassicMap {
                    // A byte for each cell before, a pointer behind.
                    bucket_size: GROUP_SLOTS + cells + 8,
                    noscan,
                    ..facts
                };
                changed.footprint(entries)
            }
            Walker::Swiss(_, facts) => {
                let group = if cell.is_split() {
                    (cell.keys + GROUP_SLOTS * cell.key_size).next_multiple_of(align(elem))
                        + GROUP_SLOTS * elem
                } else {
                    cell.keys + GROUP_SLOTS * pair(cell.key_size, elem)
                };
                let changed = SwissMap {
                    group_size: group.next_multiple_of(8),
                    noscan,
                    ..facts
                };
                changed.footprint(entries)
            }
        }
    }

    fn alloc(&self) -> AllocRules {
        match self.kind.walker {
            Walker::Classic(_, facts) => facts.alloc,
            Walker::Swiss(_, facts) => facts.alloc,
        }
    }

    /// What the array takes to which a map of 2^`b` buckets grows (`runtime.hashGrow`), bytes; `None` for groups.
    pub fn grown_array_bytes(&self, b: u8) -> Option<u64> {
        match self.kind.walker {
            Walker::Classic(_, facts) => Some(facts.array_bytes(b.checked_add(1)?)),
            Walker::Swiss(..) => None,
        }
    }

    /// What a slice of `entries` keys with their elems takes, without its header: `[]struct{key K; elem V}`.
    pub fn slice_bytes(&self, entries: u64) -> u64 {
        let cell = &self.kind.cell;
        let bytes = entries.saturating_mul(pair(cell.key_size, cell.elem_size));
        if bytes == 0 {
            0
        } else {
            self.alloc().slot_size(bytes, cell.noscan)
        }
    }
}

/// The strictest alignment that values of this size can have.
fn align(size: u64) -> u64 {
    if size == 0 {
        1
    } else {
        1 << size.trailing_zeros().min(3)
    }
}

/// Bytes of `struct{key; elem}`.
fn pair(key: u64, elem: u64) -> u64 {
    let end = key.next_multiple_of(align(elem)) + elem;
    end.next_multiple_of(align(key).max(align(elem)))
}

fn assign(types: &TypeTable, key: TypeId) -> Assign {
    match (compared(types, key, 0), types.size(key)) {
        (Compared::Text, _) => Assign::FastString,
        (Compared::Memory, 4) => Assign::Fast32,
        (Compared::Memory, 8) if types.slots(key).is_empty() => Assign::Fast64,
        (Compared::Memory, 8) => Assign::Fast64Pointer,
        _ => Assign::General,
    }
}

/// How two values are compared (`cmd/compile/internal/types.AlgType`).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Compared {
    Memory,
    Text,
    Special,
}

fn compared(types: &TypeTable, type_: TypeId, depth: u32) -> Compared {
    if depth > MAX_DEPTH {
        return Compared::Special;
    }
    match types.kind(type_) {
        Kind::Bool
        | Kind::Int
        | Kind::Uint
        | Kind::Uintptr
        | Kind::Pointer(_)
        | Kind::UnsafePointer
        | Kind::Chan(_) => Compared::Memory,
        Kind::String => Compared::Text,
        Kind::Array { len: 0, .. } => Compared::Memory,
        Kind::Array { elem, len } => match compared(types, elem, depth + 1) {
            Compared::Memory => Compared::Memory,
            one if len == 1 => one,
            _ => Compared::Special,
        },
        Kind::Struct => fields(types, type_, depth),
        _ => Compared::Special,
    }
}

fn fields(types: &TypeTable, type_: TypeId, depth: u32) -> Compared {
    let fields = types.fields(type_);
    if fields.iter().any(|field| field.name == "_") || fields.len() > MAX_FIELDS {
        return Compared::Special;
    }
    if let [only] = fields.as_slice() {
        return compared(types, only.type_, depth + 1);
    }
    let mut end = 0;
    for field in &fields {
        // Bytes between fields are not compared.
        if field.offset != end || compared(types, field.type_, depth + 1) != Compared::Memory {
            return Compared::Special;
        }
        end += types.size(field.type_);
    }
    if end == types.size(type_) {
        Compared::Memory
    } else {
        Compared::Special
    }
}

impl GoHeap {
    /// What a map's type says; `None` for a map of another heap.
    pub fn map_shape(&self, map: &MapInfo) -> Option<MapShape> {
        let kind = self.names.map_kind(map.type_)?;
        Some(MapShape::of(self.names.types_table(), kind))
    }
}
