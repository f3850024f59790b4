//! Depth first over everything that roots reach: numbers, the tree, and the references outside of it.

use super::fan::Fan;
use crate::{HeapGraph, ObjIx, Strength};

/// Ends a list of [`Cross`].
pub(super) const NONE: u32 = u32::MAX;

/// A numbered node.
#[derive(Clone, Copy)]
pub(super) struct Tree {
    /// Number of the node it was reached from.
    pub(super) parent: u32,
    /// Its first other reference, an index of [`Walk::cross`].
    pub(super) cross: u32,
}

/// A reference that is not in the tree.
#[derive(Clone, Copy)]
pub(super) struct Cross {
    /// Number of the node that refers.
    pub(super) from: u32,
    /// The next one to the same node.
    pub(super) next: u32,
}

/// The walk's result. Numbers are preorder; 0 is the virtual root, and as an entry of [`Walk::number`] "not reached".
///
/// An object that is the target of one reference only, as most objects are, has no cross reference and costs nothing
/// later: what dominates it is what refers to it.
pub(super) struct Walk {
    pub(super) number: Vec<u32>,
    pub(super) node: Vec<u32>,
    pub(super) tree: Vec<Tree>,
    pub(super) cross: Vec<Cross>,
    /// Highest number that strong roots reach.
    pub(super) strong: u32,
}

struct Rows<'a> {
    graph: &'a HeapGraph,
    fan: &'a Fan,
}

impl<'a> Rows<'a> {
    fn of(&self, node: u32) -> &'a [ObjIx] {
        if node < self.graph.objects() {
            &self.graph.edge_to[self.graph.row(ObjIx(node))]
        } else {
            self.fan.row(node)
        }
    }
}

impl Walk {
    /// Walks from the strong roots, then from the others over what is left. References into what strong roots reach do
    /// not count in the second pass: what may be a pointer weakens no holder that is certain.
    pub(super) fn of(graph: &HeapGraph, fan: &Fan) -> Self {
        let nodes = graph.objects() as usize + fan.len();
        let mut walk = Self {
            number: vec![0; nodes],
            node: Vec::with_capacity(nodes),
            tree: Vec::with_capacity(nodes),
            cross: Vec::new(),
            strong: 0,
        };
        let rows = Rows { graph, fan };
        let top = Tree {
            parent: 0,
            cross: NONE,
        };
        walk.node.push(fan.top(Strength::Strong));
        walk.tree.push(top);
        let mut stack = Vec::new();
        walk.descend(&rows, &mut stack);
        walk.strong = walk.node.len() as u32 - 1;
        walk.node[0] = fan.top(Strength::Conservative);
        walk.descend(&rows, &mut stack);
        walk
    }

    /// One pass from the virtual root. `stack` holds `(number, references followed)` of nodes that have more to follow;
    /// a list whose link is the last reference of its element needs none of it.
    fn descend(&mut self, rows: &Rows<'_>, stack: &mut Vec<(u32, u32)>) {
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
            followed += 1;
            let seen = self.number[to.index()];
            if seen == 0 {
                let number = self.node.len() as u32;
                self.number[to.index()] = number;
                self.node.push(to.0);
                self.tree.push(Tree {
                    parent: at,
                    cross: NONE,
                });
                let below = rows.of(to.0);
                if !below.is_empty() {
                    if followed < row.len() {
                        stack.push((at, followed as u32));
                    }
                    (at, row, followed) = (number, below, 0);
                }
            } else if seen > closed && seen != at && last != (at, seen) {
                let entry = &mut self.tree[seen as usize];
                if entry.parent != at {
                    self.cross.push(Cross {
                        from: at,
                        next: entry.cross,
                    });
                    entry.cross = self.cross.len() as u32 - 1;
                    last = (at, seen);
                }
            }
        }
    }
}
