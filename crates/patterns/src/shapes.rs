//! What map types say, asked for once per type.

use std::collections::BTreeMap;

use leakscope_go::maps::{MapInfo, MapShape};
use leakscope_graph::TypeIx;

use crate::seen::Seen;

/// Map types met so far.
pub(crate) struct Shapes<'a> {
    seen: &'a Seen<'a>,
    known: BTreeMap<TypeIx, Option<MapShape>>,
}

impl<'a> Shapes<'a> {
    pub(crate) fn new(seen: &'a Seen<'a>) -> Self {
        Self {
            seen,
            known: BTreeMap::new(),
        }
    }

    pub(crate) fn of(&mut self, map: &MapInfo) -> Option<MapShape> {
        let known = self.known.entry(map.type_);
        *known.or_insert_with(|| self.seen.heap.map_shape(map))
    }
}
