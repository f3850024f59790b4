//! What the roots reach, and over which reference each object was reached first.

use std::hint::black_box;
use std::ops::Range;

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
/// Objects of a frontier whose references are fetched before it is their turn.
const AHEAD: usize = 8;

/// Asks for what will be read of objects later in the frontier, so that the misses of several overlap: where their
/// references begin, and some steps later the first of these.
#[inline]
fn fetch(graph: &HeapGraph, frontier: &[ObjIx], at: usize) {
    let first = |ahead: usize| {
        let object = frontier.get(at + ahead)?;
        graph.first_edge.get(object.index()).copied()
    };
    black_box(first(2 * AHEAD));
    if let Some(edge) = first(AHEAD) {
        black_box(graph.edge_to.get(edge as usize).copied());
    }
}

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
    /// Memory: 4 bytes and 2 bits per object, plus the widest frontier.
    pub fn of(graph: &HeapGraph) -> Self {
        let n = graph.objects() as usize;
        let mut reach = Self {
            reached: FixedBitSet::with_capacity(n),
            strong: FixedBitSet::new(),
            before: Vec::new(),
            parent: vec![UNREACHED; n],
            edges: graph.edges(),
        };
        reach.follow(graph, Strength::Strong);
        reach.strong = reach.reached.clone();
        reach.follow(graph, Strength::Conservative);
        reach
    }

    /// Looks again at what only conservative roots reach, which other objects were turned to since
    /// ([`HeapGraph::turn_root`]). What strong roots reach stays as it is.
    pub fn follow_conservative_again(&mut self, graph: &HeapGraph) {
        for object in self.reached.difference(&self.strong) {
            self.parent[object] = UNREACHED;
        }
        self.reached.clone_from(&self.strong);
        self.follow(graph, Strength::Conservative);
    }

    /// From the roots of this strength to what nothing before reached.
    fn follow(&mut self, graph: &HeapGraph, strength: Strength) {
        let n = graph.objects() as usize;
        let rank = |r: u32| graph.roots[r as usize].rank;
        let of_strength = |r: &u32| graph.roots[*r as usize].strength == strength;
        let mut order: Vec<u32> = (0..graph.roots.len() as u32).filter(of_strength).collect();
        order.sort_by_key(|&r| (rank(r), r));
        let mut frontier = Vec::new();
        let mut next = Vec::new();
        for same in order.chunk_by(|&a, &b| rank(a) == rank(b)) {
            if strength == Strength::Strong {
                self.before.push((rank(same[0]), self.reached.clone()));
            }
            for &r in same {
                let to = graph.roots[r as usize].to;
                if to.index() < n && !self.reached.put(to.index()) {
                    self.parent[to.index()] = self.edges + r;
                    frontier.push(to);
                }
            }
            while !frontier.is_empty() {
                for (at, &object) in frontier.iter().enumerate() {
                    fetch(graph, &frontier, at);
                    for e in graph.row(object) {
                        let to = graph.edge_to[e];
                        if !self.reached.put(to.index()) {
                            self.parent[to.index()] = e as u32;
                            next.push(to);
                        }
                    }
                }
                frontier.clear();
                std::mem::swap(&mut frontier, &mut next);
            }
        }
    }

    /// Objects that conservative roots reach and strong ones do not, in order.
    pub fn conservative(&self) -> impl Iterator<Item = ObjIx> + '_ {
        let only = self.reached.difference(&self.strong);
        only.map(|object| ObjIx(object as u32))
    }

    /// Whether any root reaches `object`.
    pub fn is_reached(&self, object: ObjIx) -> bool {
        self.reached.contains(object.index())
    }

    /// How many objects of a range of numbers any root reaches. Numbers of no object are reached by none.
    pub fn reached_among(&self, objects: Range<u32>) -> u32 {
        let end = (objects.end as usize).min(self.reached.len());
        let start = (objects.start as usize).min(end);
        u32::try_from(self.reached.count_ones(start..end)).unwrap_or(u32::MAX)
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
