//! Which objects matter: those that lead to something awaited.

use fixedbitset::FixedBitSet;
use leakscope_graph::{HeapGraph, ObjIx};

/// Most passes over all references. Each costs about 20 ms for 12 million; what a leaked goroutine waits for is led to by
/// little, which few passes find. Beyond, one marking of everything is as cheap.
const MAX_PASSES: u32 = 8;
/// Largest share of all objects that is worth it, as one in so many.
const MAX_SHARE: usize = 8;

/// What marking is asked.
pub(super) struct Question<'a> {
    pub(super) graph: &'a HeapGraph,
    /// Objects somebody waits for.
    pub(super) awaited: &'a FixedBitSet,
    /// Objects that certainly are marked: what leads to them does not matter.
    pub(super) rooted: &'a FixedBitSet,
    /// Objects with a reference that does not count, and these references, ascending.
    pub(super) with_hidden: &'a FixedBitSet,
    pub(super) hidden: &'a [(ObjIx, u32)],
}

impl Question<'_> {
    /// All objects from which references lead to an awaited one without passing a rooted one, with the awaited ones
    /// themselves. None where that takes too long to find.
    pub(super) fn relevant(&self) -> Option<FixedBitSet> {
        let objects = self.graph.objects();
        let mut found = Relevant {
            inside: self.awaited.clone(),
            open: self.awaited.clone(),
            count: 0,
        };
        found.open.difference_with(self.rooted);
        // Passes in both directions: a chain in the order of addresses takes one.
        for pass in 0..MAX_PASSES {
            let before = found.count;
            if pass % 2 == 0 {
                (0..objects).for_each(|object| self.look(ObjIx(object), &mut found));
            } else {
                (0..objects)
                    .rev()
                    .for_each(|object| self.look(ObjIx(object), &mut found));
            }
            if found.count == before {
                return Some(found.inside);
            }
            if found.count > objects as usize / MAX_SHARE {
                return None;
            }
        }
        None
    }

    #[inline]
    fn look(&self, object: ObjIx, found: &mut Relevant) {
        let mut out = self.graph.out(object);
        if !out.any(|edge| found.open.contains(edge.to.index())) {
            return;
        }
        let index = object.index();
        if found.inside.contains(index) {
            return;
        }
        if self.with_hidden.contains(index) {
            let counts = |slot| self.hidden.binary_search(&(object, slot)).is_err();
            let mut out = self.graph.out(object);
            if !out.any(|edge| found.open.contains(edge.to.index()) && counts(edge.slot)) {
                return;
            }
        }
        found.inside.insert(index);
        found.count += 1;
        if !self.rooted.contains(index) {
            found.open.insert(index);
        }
    }
}

struct Relevant {
    inside: FixedBitSet,
    /// Those of `inside` whose own holders matter.
    open: FixedBitSet,
    /// How many were added to `inside`.
    count: usize,
}
