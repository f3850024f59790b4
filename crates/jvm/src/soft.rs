//! What soft references keep: only those that are kept themselves keep anything.

use fixedbitset::FixedBitSet;
use leakscope_graph::{HeapGraph, ObjIx, Reach, RootIx};
use rustc_hash::FxHashMap;

/// Soft references and what they refer to, whose roots in `graph` are the last ones, in this order. Takes the roots of
/// those out that are garbage, and looks again at what is reached where that makes a difference.
pub(crate) fn forget_garbage(graph: &mut HeapGraph, reach: &mut Reach, soft: &[(u32, u32)]) {
    let first = graph.roots().len() - soft.len();
    let Some(kept) = graph.roots()[..first].first().map(|root| root.to) else {
        return;
    };
    let weaker = |object: u32| !reach.is_strong(ObjIx(object));
    let matters = |(_, referent): &(u32, u32)| weaker(*referent);
    if !soft.iter().any(|s| weaker(s.0) && matters(s)) {
        return;
    }
    let living = living(graph, reach, soft);
    for (nth, (reference, _)) in soft.iter().enumerate() {
        if !reach.is_strong(ObjIx(*reference)) && !living.contains(*reference as usize) {
            // A root that is followed last, to what is reached already, says nothing.
            graph.turn_root(RootIx((first + nth) as u32), kept);
        }
    }
    reach.follow_conservative_again(graph);
}

/// What soft references keep that strong references do not, in any number of steps.
fn living(graph: &HeapGraph, reach: &Reach, soft: &[(u32, u32)]) -> FixedBitSet {
    let (strong, weaker): (Vec<_>, Vec<_>) =
        (soft.iter().copied()).partition(|(reference, _)| reach.is_strong(ObjIx(*reference)));
    let weaker: FxHashMap<u32, u32> = weaker.into_iter().collect();
    let mut living = FixedBitSet::with_capacity(graph.objects() as usize);
    let mut todo: Vec<u32> = strong.into_iter().map(|(_, referent)| referent).collect();
    while let Some(object) = todo.pop() {
        if reach.is_strong(ObjIx(object)) || living.put(object as usize) {
            continue;
        }
        todo.extend(weaker.get(&object));
        todo.extend(graph.out(ObjIx(object)).map(|edge| edge.to.0));
    }
    living
}
