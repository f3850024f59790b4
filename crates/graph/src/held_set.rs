//! Several nodes of the dominator tree and all that they hold, to be asked of many objects.

use std::ops::Range;

use crate::suspects::Internal;
use crate::{
    Dominators, EntryKind, HeapGraph, Node, ObjIx, Resolver, Strength, Suspect, Threshold,
};

/// What some nodes hold, themselves included. Eight bytes for each node at most.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct HeldSet {
    /// Positions in the tree, ascending and disjoint.
    ranges: Vec<Range<u32>>,
}

impl HeldSet {
    /// What `nodes` hold. Nodes that no root reaches hold nothing.
    pub fn of(tree: &Dominators, nodes: impl IntoIterator<Item = Node>) -> Self {
        let positions = nodes.into_iter().filter_map(|node| tree.position(node));
        Self::joined(positions.map(|at| tree.range(at)).collect())
    }

    /// What the entries of a suspect hold that has no single point ([`Node::Top`]): every one of its kind that hangs below the
    /// virtual root and is not large itself. One pass over what hangs there.
    pub fn of_scattered(
        graph: &HeapGraph,
        tree: &Dominators,
        resolver: &dyn Resolver,
        threshold: Threshold,
        suspect: &Suspect,
    ) -> Self {
        let Some(kind) = suspect.entries.first() else {
            return Self::default();
        };
        let internal = Internal::of(graph, resolver);
        let least = threshold.least(tree);
        let mut ranges = Vec::new();
        let mut todo: Vec<u32> = Vec::new();
        for top in tree.child_positions(0) {
            if tree.retained_at(top) < least {
                todo.push(top);
            }
            while let Some(at) = todo.pop() {
                let type_ = tree.object(at).map(|o| graph.type_of(o));
                let strong = at <= tree.strong_end();
                match type_ {
                    Some(type_) if internal.contains(type_) => {
                        todo.extend(tree.child_positions(at))
                    }
                    _ if strong != (kind.strength == Strength::Strong) => {}
                    _ if type_.map_or(EntryKind::Group, EntryKind::Object) == kind.kind => {
                        ranges.push(tree.range(at));
                    }
                    _ => {}
                }
            }
        }
        Self::joined(ranges)
    }

    /// What either of both holds.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.ranges.extend(other.ranges);
        Self::joined(self.ranges)
    }

    fn joined(mut ranges: Vec<Range<u32>>) -> Self {
        ranges.sort_unstable_by_key(|r| (r.start, r.end));
        let mut joined: Vec<Range<u32>> = Vec::new();
        for range in ranges {
            match joined.last_mut() {
                Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
                _ => joined.push(range),
            }
        }
        Self { ranges: joined }
    }

    /// Whether `object` is among them. `tree` is the one that the set was made of.
    pub fn contains(&self, tree: &Dominators, object: ObjIx) -> bool {
        let Some(at) = tree.position(Node::Object(object)) else {
            return false;
        };
        let after = self.ranges.partition_point(|r| r.end <= at);
        self.ranges.get(after).is_some_and(|r| r.start <= at)
    }
}
