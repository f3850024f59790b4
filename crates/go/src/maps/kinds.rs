//! What all maps of one type have in common.

use leakscope_goabi::{AllocRules, ClassicMap, Footprint, GROUP_SLOTS, SwissMap};

use crate::layouts::Layouts;
use crate::types::{MapCells, TypeId, TypeTable};

use super::layouts::{ClassicLayout, MapLayouts, SwissLayout};
use super::walk::CellShape;

/// How maps of one type are walked, and what a fresh one costs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MapKind {
    pub(crate) key: TypeId,
    pub(crate) elem: TypeId,
    pub(crate) indirect_key: bool,
    pub(crate) indirect_elem: bool,
    pub(crate) cell: CellShape,
    pub(crate) walker: Walker,
}

/// The implementation that a map type uses.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Walker {
    Classic(ClassicLayout, ClassicMap),
    Swiss(SwissLayout, SwissMap),
}

/// The two parts of a cell of a map.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum CellPart {
    Key,
    Elem,
}

/// How the allocator of this build rounds sizes.
pub(crate) fn alloc_rules(layouts: &Layouts) -> AllocRules {
    AllocRules {
        malloc_header: layouts.heap.header != 0,
    }
}

/// Largest key or elem kept inside a cell (`internal/abi.MapMaxKeyBytes`, `MapMaxElemBytes`), and some air.
const MAX_CELL_PART: u64 = 256;
/// More than the largest bucket or group: eight of the largest keys and elems, control bytes, overflow pointer.
pub(super) const MAX_CELLS_SIZE: u64 = 8 * 2 * MAX_CELL_PART;

impl MapKind {
    /// The kind of a map type; `None` where its descriptor or the runtime's structures are not known, or the descriptor
    /// is not plausible.
    pub(crate) fn of(
        types: &TypeTable,
        map: TypeId,
        layouts: &MapLayouts,
        alloc: AllocRules,
    ) -> Option<Self> {
        let layout = types.map_layout(map)?;
        let pointers = |type_, indirect| indirect || !types.slots(type_).is_empty();
        let keys_stay = !pointers(layout.key, layout.indirect_key);
        let noscan = keys_stay && !pointers(layout.elem, layout.indirect_elem);
        let stored = |type_, indirect| if indirect { 8 } else { types.size(type_) };
        let (cell, walker) = match layout.cells {
            MapCells::Classic {
                key_size,
                elem_size,
                bucket_size,
            } => {
                let cell = CellShape {
                    size: bucket_size,
                    // The control bytes come first, one per cell.
                    keys: GROUP_SLOTS,
                    key_stride: key_size,
                    key_size,
                    elems: GROUP_SLOTS + GROUP_SLOTS * key_size,
                    elem_stride: elem_size,
                    elem_size,
                    noscan,
                    visit: !noscan,
                    keys_stay,
                };
                let structures = layouts.classic?;
                let facts = ClassicMap {
                    header_size: structures.size,
                    bucket_size,
                    noscan,
                    load_factor_num: structures.load_factor_num,
                    alloc,
                };
                (cell, Walker::Classic(structures, facts))
            }
            MapCells::Swiss {
                group_size,
                keys,
                key_stride,
                elems,
                elem_stride,
            } => {
                let cell = CellShape {
                    size: group_size,
                    keys,
                    key_stride,
                    key_size: stored(layout.key, layout.indirect_key),
                    elems,
                    elem_stride,
                    elem_size: stored(layout.elem, layout.indirect_elem),
                    noscan,
                    visit: !noscan,
                    keys_stay,
                };
                let facts = SwissMap {
                    group_size,
                    noscan,
                    alloc,
                };
                (cell, Walker::Swiss(layouts.swiss?, facts))
            }
        };
        cell.is_plausible().then_some(Self {
            key: layout.key,
            elem: layout.elem,
            indirect_key: layout.indirect_key,
            indirect_elem: layout.indirect_elem,
            cell,
            walker,
        })
    }

    /// Which part of a cell lies at `offset` of an array of buckets or groups, and where in that part; `None` for what
    /// belongs to no cell, such as the pointer to the next overflow bucket.
    pub(crate) fn part_of_cell(&self, offset: u64) -> Option<(CellPart, u64)> {
        let cell = &self.cell;
        let within = offset % cell.size.max(1);
        let part = |first: u64, stride: u64, size: u64| {
            let at = within.checked_sub(first)?;
            (at / stride.max(1) < GROUP_SLOTS && at % stride.max(1) < size).then(|| at % stride)
        };
        let elem = part(cell.elems, cell.elem_stride, cell.elem_size);
        let key = || part(cell.keys, cell.key_stride, cell.key_size);
        elem.map(|at| (CellPart::Elem, at))
            .or_else(|| Some((CellPart::Key, key()?)))
    }

    /// What a fresh map for `entries` entries takes.
    pub(crate) fn footprint(&self, entries: u64) -> Footprint {
        match &self.walker {
            Walker::Classic(_, facts) => facts.footprint(entries),
            Walker::Swiss(_, facts) => facts.footprint(entries),
        }
    }
}

impl CellShape {
    fn is_plausible(&self) -> bool {
        let inside = |first: u64, stride: u64, size: u64| {
            size <= MAX_CELL_PART
                && stride <= MAX_CELLS_SIZE
                && first <= self.size
                && first + (GROUP_SLOTS - 1) * stride + size <= self.size
        };
        (GROUP_SLOTS + 1..=MAX_CELLS_SIZE).contains(&self.size)
            && inside(self.keys, self.key_stride, self.key_size)
            && inside(self.elems, self.elem_stride, self.elem_size)
    }
}
