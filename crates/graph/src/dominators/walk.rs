//! Depth first over everything that roots reach: numbers, the tree, and the references outside of it.

use std::hint::black_box;

use fixedbitset::FixedBitSet;

use super::fan::Fan;
use crate::{HeapGraph, ObjIx, Strength};

/// A numbered node.
#[derive(Clone, Copy)]
pub(super) struct Tree {
    /// Number of the node it was reached from.
    pub(super) parent: u32,
    /// What [`Walk::sort_cross`] says; 0 until then.
    pub(super) cross: u32,
}

/// Memory of the steps after the walk; each says what it means there.
#[derive(Clone, Copy, Default)]
pub(super) struct Pair {
    pub(super) up: u32,
    pub(super) value: u32,
}

/// A reference that is not in the tree, by the numbers of its ends.
#[derive(Clone, Copy)]
struct Cross {
    from: u32,
    to: u32,
}

/// The walk's result. Numbers are preorder; 0 is the virtual root.
///
/// An object that is the target of one reference only, as most objects are, has no cross reference and costs nothing
/// later: what dominates it is what refers to it.
pub(super) struct Walk {
    /// Number of each node that is the target of several references, 0 where it is not reached; of no use for others.
    pub(super) number: Vec<u32>,
    pub(super) node: Vec<u32>,
    pub(super) tree: Vec<Tree>,
    cross: Vec<Cross>,
    /// Highest number that strong roots reach.
    pub(super) strong: u32,
}

/// References whose targets are fetched before it is their turn.
const AHEAD: usize = 8;

struct Rows<'a> {
    graph: &'a HeapGraph,
    fan: &'a Fan,
    /// Targets of more than one reference.
    shared: FixedBitSet,
    /// Objects that refer to nothing.
    leaves: FixedBitSet,
}

impl<'a> Rows<'a> {
    fn of_graph(graph: &'a HeapGraph, fan: &'a Fan) -> Self {
        let nodes = graph.objects() as usize + fan.len();
        let mut targets = FixedBitSet::with_capacity(nodes);
        let mut shared = FixedBitSet::with_capacity(nodes);
        for to in graph.edge_to.iter().chain(fan.targets()) {
            if targets.put(to.index()) {
                shared.insert(to.index());
            }
        }
        // From here on `targets` serves for the leaves: both are as long as all nodes.
        let mut leaves = targets;
        leaves.clear();
        for (object, ends) in graph.first_edge.windows(2).enumerate() {
            if ends[0] == ends[1] {
                leaves.insert(object);
            }
        }
        Self {
            graph,
            fan,
            shared,
            leaves,
        }
    }

    fn of(&self, node: u32) -> &'a [ObjIx] {
        if node < self.graph.objects() {
            &self.graph.edge_to[self.graph.row(ObjIx(node))]
        } else {
            self.fan.row(node)
        }
    }

    /// Asks for what [`Walk::descend`] will read of `to`, so that the misses of several targets overlap.
    fn fetch(&self, to: ObjIx, number: &[u32]) {
        if self.shared.contains(to.index()) {
            black_box(number.get(to.index()).copied());
        }
        if !self.leaves.contains(to.index())
            && let Some(first) = self.graph.first_edge.get(to.index())
        {
            black_box(self.graph.edge_to.get(*first as usize).copied());
        }
    }
}

impl Walk {
    /// Walks from the strong roots, then from the others over what is left. References into what strong roots reach do
    /// not count in the second pass: what may be a pointer weakens no holder that is certain.
    pub(super) fn of(graph: &HeapGraph, fan: &Fan) -> Self {
        let nodes = graph.objects() as usize + fan.len();
        let mut walk = Self {
            number: Vec::new(),
            node: Vec::with_capacity(nodes),
            tree: Vec::with_capacity(nodes),
            cross: Vec::new(),
            strong: 0,
        };
        let rows = Rows::of_graph(graph, fan);
        let top = Tree {
            parent: 0,
            cross: 0,
        };
        walk.node.push(fan.top(Strength::Strong));
        walk.tree.push(top);
        let mut number = vec![0; nodes];
        let mut stack = Vec::new();
        walk.descend(&rows, &mut number, &mut stack);
        walk.strong = walk.node.len() as u32 - 1;
        walk.node[0] = fan.top(Strength::Conservative);
        walk.descend(&rows, &mut number, &mut stack);
        walk.number = number;
        walk
    }

    /// Sorts the other references by target: [`Tree::cross`] becomes the end of each number's own among the result, where the
    /// next number's begin. Apart from the walk, since here the misses of many references overlap.
    pub(super) fn sort_cross(&mut self) -> Vec<u32> {
        let cross = std::mem::take(&mut self.cross);
        for c in &cross {
            let entry = &mut self.tree[c.to as usize];
            // Beside a reference of the tree another one between the same two nodes says nothing.
            entry.cross += u32::from(entry.parent != c.from);
        }
        let mut before = 0;
        for entry in &mut self.tree {
            before += std::mem::replace(&mut entry.cross, before);
        }
        let mut sorted = vec![0; before as usize];
        for c in &cross {
            let entry = &mut self.tree[c.to as usize];
            if entry.parent != c.from {
                sorted[entry.cross as usize] = c.from;
                entry.cross += 1;
            }
        }
        sorted
    }

    /// One pass from the virtual root. `number` is that of each shared node met, else 0. `stack` holds `(number,
    /// references followed)` of nodes that have more to follow; a list whose link is the last reference of its element
    /// needs none of it.
    fn descend(&mut self, rows: &Rows<'_>, number: &mut [u32], stack: &mut Vec<(u32, u32)>) {
        let closed = self.strong;
        let mut at = 0;
        let mut row = rows.of(self.node[0]);
        let mut followed = 0;
        let mut last = (0, 0);
        loop {
            let Some(&to) = row.get(followed) else {
                let Some((number, after)) = stack.pop() else {
                    return;
                };
                at = number;
                row = rows.of(self.node[at as usize]);
                followed = after as usize;
                continue;
            };
            if let Some(later) = row.get(followed + AHEAD) {
                rows.fetch(*later, number);
            }
            followed += 1;
            let is_shared = rows.shared.contains(to.index());
            let seen = if is_shared { number[to.index()] } else { 0 };
            if seen == 0 {
                let met = self.node.len() as u32;
                if is_shared {
                    number[to.index()] = met;
                }
                self.node.push(to.0);
                self.tree.push(Tree {
                    parent: at,
                    cross: 0,
                });
                if rows.leaves.contains(to.index()) {
                    continue;
                }
                let below = rows.of(to.0);
                if followed < row.len() {
                    stack.push((at, followed as u32));
                }
                (at, row, followed) = (met, below, 0);
                for soon in row.iter().take(AHEAD) {
                    rows.fetch(*soon, number);
                }
            } else if seen > closed && seen != at && last != (at, seen) {
                self.cross.push(Cross { from: at, to: seen });
                last = (at, seen);
            }
        }
    }
}
