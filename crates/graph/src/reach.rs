//! What the roots reach, and over which reference each object was reached first.

use fixedbitset::FixedBitSet;

use crate::{HeapGraph, ObjIx, RootIx};

/// Whether the collector itself follows a root.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Strength {
    /// The collector follows it: what it reaches is live.
    Strong,
    /// A word that may be a pointer (a register, an unmapped frame): what only such words reach is live perhaps.
    Conservative,
}

const UNREACHED: u32 = u32::MAX;

/// How an object was reached first.
pub(crate) enum Parent {
    Edge(u32),
    Root(RootIx),
}

/// The result of one traversal: shortest paths within each rank of roots.
pub struct Reach {
    reached: FixedBitSet,
    strong: FixedBitSet,
    /// What strong roots of lower ranks reach, by rank.
    before: Vec<(u8, FixedBitSet)>,
    /// Edge row, or number of edges + root; [`UNREACHED`] elsewhere.
    parent: Vec<u32>,
    edges: u32,
}

impl Reach {
    /// Breadth first from the strong roots, rank by rank, then from the conservative ones.
    /// Memory: 4 bytes per object, 2 bits and one for each rank, plus the widest frontier.
    pub fn of(graph: &HeapGraph) -> Self {
        let n = graph.objects() as usize;
        let mut reach = Self {
            reached: FixedBitSet::with_capacity(n),
            strong: FixedBitSet::new(),
            before: Vec::new(),
            parent: vec![UNREACHED; n],
            edges: graph.edges(),
        };
        let mut order: Vec<u32> = (0..graph.roots.len() as u32).collect();
        order.sort_by_key(|&r| {
            (
                graph.roots[r as usize].strength,
                graph.roots[r as usize].rank,
                r,
            )
        });
        let mut frontier = Vec::new();
        let mut next = Vec::new();
        let level = |r: u32| {
            (
                graph.roots[r as usize].strength,
                graph.roots[r as usize].rank,
            )
        };
        let mut strong_done = false;
        for same in order.chunk_by(|&a, &b| level(a) == level(b)) {
            if level(same[0]).0 == Strength::Conservative && !strong_done {
                reach.strong = reach.reached.clone();
                strong_done = true;
            }
            if let (Strength::Strong, rank) = level(same[0]) {
                reach.before.push((rank, reach.reached.clone()));
            }
            for &r in same {
                let to = graph.roots[r as usize].to;
                if to.index() < n && !reach.reached.put(to.index()) {
                    reach.parent[to.index()] = reach.edges + r;
                    frontier.push(to);
                }
            }
            while !frontier.is_empty() {
                for &object in &frontier {
                    for e in graph.row(object) {
                        let to = graph.edge_to[e];
                        if !reach.reached.put(to.index()) {
                            reach.parent[to.index()] = e as u32;
                            next.push(to);
                        }
                    }
                }
                frontier.clear();
                std::mem::swap(&mut frontier, &mut next);
            }
        }
        if !strong_done {
            reach.strong = reach.reached.clone();
        }
        reach
    }

    /// Whether any root reaches `object`.
    pub fn is_reached(&self, object: ObjIx) -> bool {
        self.reached.contains(object.index())
    }

    /// Whether a root that the collector follows reaches `object`.
    pub fn is_strong(&self, object: ObjIx) -> bool {
        self.strong.contains(object.index())
    }

    /// Whether a strong root of a rank below `rank` reaches `object`.
    pub fn is_reached_before(&self, object: ObjIx, rank: u8) -> bool {
        let known = self.before.iter().find(|(r, _)| *r >= rank);
        let known = known.map_or(&self.strong, |(_, reached)| reached);
        known.contains(object.index())
    }

    /// Number of objects reached by any root.
    pub fn count(&self) -> usize {
        self.reached.count_ones(..)
    }

    pub(crate) fn parent(&self, object: ObjIx) -> Option<Parent> {
        match *self.parent.get(object.index())? {
            UNREACHED => None,
            p if p < self.edges => Some(Parent::Edge(p)),
            p => Some(Parent::Root(RootIx(p - self.edges))),
        }
    }
}
