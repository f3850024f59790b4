//! What patterns see.

use std::collections::BTreeMap;

use leakscope_go::heap::GoHeap;
use leakscope_go::maps::{MapInfo, OddMap};
use leakscope_graph::{Dominators, GroupIx, Node, RootGroups, Strength};
use leakscope_target::Addr;

/// What is not worth a finding however small the heap is.
const SMALL_BYTES: u64 = 1 << 20;
/// Nor is less than this part of the heap.
const SMALL_PART: u64 = 100;

/// A heap, and who holds what in it.
pub struct Seen<'a> {
    /// The heap.
    pub heap: &'a GoHeap,
    /// The dominator tree over `groups`.
    pub tree: &'a Dominators,
    /// The groups of roots.
    pub groups: &'a RootGroups,
    /// The group of each goroutine that has roots, by its index.
    pub goroutines: BTreeMap<u32, GroupIx>,
}

impl Seen<'_> {
    /// The function that has code at this address; empty where there is none.
    pub(crate) fn function(&self, pc: Addr) -> &str {
        let function = self.heap.names.program().functions().find(pc);
        function.map_or("", |f| f.name())
    }

    /// Maps that are whole, not being written, and in use: with their index.
    pub(crate) fn maps(&self) -> impl Iterator<Item = (usize, &MapInfo)> {
        let maps = self.heap.maps.iter().enumerate();
        maps.filter(|(_, map)| !map.torn && !map.incomplete && self.is_used(map))
    }

    /// Whether a root reaches the map. Of a header that is no object, but lies on a stack, nobody knows whether its function still
    /// uses it: what is left there of a map that has ended may lead to memory that others have by now.
    pub(crate) fn is_used(&self, map: &MapInfo) -> bool {
        let reached = |object| self.heap.reach.is_reached(object);
        map.object.is_some_and(reached)
    }

    /// Maps in use that are not as a good hash makes them.
    pub(crate) fn odd_maps(&self) -> impl Iterator<Item = (&OddMap, &MapInfo)> {
        let odd = self.heap.keys.odd.iter();
        odd.filter_map(|odd| Some((odd, self.heap.maps.get(odd.map)?)))
            .filter(|(_, map)| self.is_used(map))
    }

    /// Bytes below which waste is small: 1 MiB, or a hundredth of a large heap.
    pub(crate) fn small_waste(&self) -> u64 {
        SMALL_BYTES.max(self.heap.totals.reachable.bytes / SMALL_PART)
    }

    /// The node of a map: its header, where that is an object.
    pub(crate) fn point(&self, map: &MapInfo) -> Vec<Node> {
        map.object.map(Node::Object).into_iter().collect()
    }

    /// The change that copies a map of this type into a new one.
    pub(crate) fn copied(&self, type_: &str) -> Vec<String> {
        vec![
            format!("+   fresh := make({type_}, len(m))"),
            "+   for k, v := range m {".to_owned(),
            "+       fresh[k] = v".to_owned(),
            "+   }".to_owned(),
            "+   m = fresh".to_owned(),
        ]
    }

    /// Bytes that the roots of a group alone hold, whatever their strength.
    pub(crate) fn held(&self, group: GroupIx) -> u64 {
        let held = |strength| self.tree.held(Node::Group(group, strength)).bytes;
        held(Strength::Strong).saturating_add(held(Strength::Conservative))
    }
}
