//! What the walk over a map tells about the objects it meets.

use crate::maps::{Part, Visitor};
use crate::objects::Hit;

use super::offer::Sure;
use super::{MapFacts, Typing};

/// Names the parts of one map, and follows its keys and elems.
pub(super) struct Cells<'t, 'a> {
    pub(super) typing: &'t mut Typing<'a>,
    pub(super) facts: MapFacts,
}

impl Visitor for Cells<'_, '_> {
    fn part(&mut self, hit: Hit, part: Part) {
        let fixed = &self.typing.fixed;
        let shape = match part {
            Part::Header => self.facts.header,
            Part::Cells => self.facts.cells,
            Part::Table => fixed.table,
            Part::Directory => fixed.directory,
            Part::Extra => fixed.extra,
            Part::OverflowList => fixed.overflow_list,
            Part::OverflowArray => fixed.overflow_array,
        };
        self.typing.offer(hit, Sure::Machinery, shape);
    }

    #[inline]
    fn cell(&mut self, key: &[u8], elem: &[u8]) {
        self.typing.values(self.facts.key, key);
        self.typing.values(self.facts.elem, elem);
        self.typing.drain_if_long();
    }
}
