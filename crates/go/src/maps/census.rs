//! Walking every map once and noting what it is.

use leakscope_goabi::AllocRules;
use leakscope_graph::{ObjIx, TypeIx};
use leakscope_target::{Addr, Image};

use crate::coverage::Gaps;
use crate::objects::Objects;

use super::classic::ClassicWalk;
use super::kinds::{MapKind, Walker};
use super::layouts::MapLayouts;
use super::swiss::SwissWalk;
use super::walk::{Visitor, Walk, Walked};
use super::{MapInfo, Moved};

/// Entries by which the count of a map and its cells may differ for writes of several goroutines at once. The runtime ends the
/// program when it notices two (`fatal error: concurrent map writes`): even if it missed every other pair, nobody would see so many
/// missed ones in a row. More is damage.
const MOST_UNCOUNTED: u64 = 64;

/// Bytes of cells that walks over all maps may walk over. No two maps of a sound heap share cells, so all cells together are
/// smaller than the heap; maps that functions keep on their stacks come on top and are at most a group each.
pub(super) fn budget(objects: &Objects) -> u64 {
    objects.totals().span_bytes.saturating_mul(2)
}

/// Walks the map at `at`. `None` where not even its header makes sense.
pub(super) fn walk_map(
    walk: &mut Walk<'_>,
    kind: &MapKind,
    visitor: &mut impl Visitor,
    at: Addr,
) -> Option<Walked> {
    match &kind.walker {
        Walker::Classic(layout, facts) => {
            ClassicWalk::run(walk, layout, &kind.cell, facts, visitor, at)
        }
        Walker::Swiss(layout, _) => SwissWalk::run(walk, layout, &kind.cell, visitor, at),
    }
}

/// The census under way.
pub(crate) struct Census<'a> {
    pub(crate) image: &'a Image,
    pub(crate) objects: &'a Objects,
    pub(crate) alloc: AllocRules,
    pub(crate) layouts: MapLayouts,
    pub(crate) gaps: &'a mut Gaps,
    budget: u64,
    maps: Vec<MapInfo>,
    moved: Vec<Moved>,
}

impl<'a> Census<'a> {
    pub(crate) fn new(
        image: &'a Image,
        objects: &'a Objects,
        alloc: AllocRules,
        layouts: MapLayouts,
        gaps: &'a mut Gaps,
    ) -> Self {
        Self {
            image,
            objects,
            alloc,
            layouts,
            gaps,
            budget: budget(objects),
            maps: Vec::new(),
            moved: Vec::new(),
        }
    }

    /// Walks the map at `at`, of which `type_` is the header's type in the graph.
    pub(crate) fn walk(
        &mut self,
        at: Addr,
        type_: TypeIx,
        kind: &MapKind,
        visitor: &mut impl Visitor,
    ) {
        let mut walk = Walk {
            image: self.image,
            objects: self.objects,
            gaps: self.gaps,
            alloc: self.alloc,
            in_heap: self.objects.find(at.0).is_some(),
            budget: &mut self.budget,
        };
        let Some(mut walked) = walk_map(&mut walk, kind, visitor, at) else {
            return;
        };
        let Some(structure) = walked.structure else {
            return;
        };
        if let Some(mut moved) = walked.moved.take() {
            moved.parts.sort_unstable();
            moved.buckets.sort_unstable();
            self.moved.push(moved);
        }
        let wrong = walked.cells.abs_diff(walked.len);
        if !walked.incomplete && !walked.writing && wrong > MOST_UNCOUNTED {
            (self.gaps).add("map count far from the entries that are there", at);
            walked.incomplete = true;
        }
        self.maps.push(MapInfo {
            address: at,
            object: self.objects.find(at.0).map(|hit| ObjIx(hit.obj)),
            type_,
            len: walked.len,
            cells: walked.cells,
            slots: walked.slots,
            structure,
            bytes: walked.bytes,
            rebuilt_bytes: kind.footprint(walked.len).total(),
            stale_keys: kind.cell.keys_stay.then_some(walked.stale_keys),
            touched: walked.touched,
            torn: walked.writing || walked.miscounted || (!walked.incomplete && wrong != 0),
            incomplete: walked.incomplete,
        });
    }

    /// Every map, and what growths have moved without clearing it, by address.
    pub(crate) fn finish(self) -> (Vec<MapInfo>, Vec<Moved>) {
        let (mut maps, mut moved) = (self.maps, self.moved);
        maps.sort_by_key(|m| m.address);
        moved.sort_by_key(|m| m.map);
        (maps, moved)
    }
}
