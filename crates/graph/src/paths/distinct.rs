//! Other ways to an object: who else holds it, or holds one of its holders.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use fixedbitset::FixedBitSet;
use rustc_hash::{FxHashMap, FxHashSet};

use super::incoming::Incoming;
use crate::reach::Parent;
use crate::{ClassIx, ObjIx, Path, RootIx, Step, Strength, TypePaths};

/// Holders of a path, from the object on, whose other holders are looked for.
const NEAR: usize = 48;
/// Kinds of other holders that are kept of one object, the nearest to a root first.
const MAX_KINDS: usize = 64;
/// Ways tried for each one asked for: many are the same in types and fields.
const TRIES: usize = 4;
/// Steps up in which a circle is looked for; a way that is longer counts as one.
const MAX_CLIMB: usize = 1 << 16;
/// References of one kind that are tried for one that makes no circle.
const MAX_ATTEMPTS: u64 = 16;
/// Passes over all references before they are sorted by target, which costs as much as a few passes.
const MAX_PASSES: u32 = 3;
/// References kept at the start and at the end of a path.
const HEAD: usize = 12;
const TAIL: usize = 36;

/// One of several ways to an object that differ in types or fields.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DistinctPath {
    /// One such way.
    pub path: Path,
    /// It in types and fields.
    pub class: ClassIx,
    /// References and roots met that make such a way.
    pub alike: u64,
}

/// Where a way starts that ends with known references.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Start {
    /// Along the first path to this object.
    Along(ObjIx),
    /// At this root.
    Root(RootIx),
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Candidate {
    order: (Strength, u8),
    length: usize,
    number: usize,
    start: Start,
    /// The object where `suffix` begins.
    first: ObjIx,
    suffix: Vec<u32>,
    alike: u64,
}

/// References of one kind to one object, or roots of one name.
#[derive(Clone, Copy)]
struct Kind {
    start: Start,
    edge: Option<u32>,
    alike: u64,
}

struct Search<'p, 'a> {
    paths: &'p mut TypePaths<'a>,
    kinds: FxHashMap<ObjIx, Vec<Kind>>,
    heap: BinaryHeap<Reverse<Candidate>>,
    made: usize,
}

impl TypePaths<'_> {
    /// Up to `most` ways to `object` that differ in holders' types and fields: the one over which the traversal came
    /// first, then others, from the roots known best and shortest first. None where no root reaches it. The first
    /// few searches pass over all references; then these are sorted by target, for 4 bytes each and 4 per object.
    pub fn distinct(&mut self, object: ObjIx, most: usize) -> Vec<DistinctPath> {
        let mut found: Vec<DistinctPath> = Vec::new();
        let mut place = FxHashMap::default();
        let mut search = Search {
            paths: self,
            kinds: FxHashMap::default(),
            heap: BinaryHeap::new(),
            made: 0,
        };
        search.push(Start::Along(object), object, Vec::new(), 1);
        for _ in 0..most.saturating_mul(TRIES) {
            let Some(Reverse(candidate)) = search.heap.pop() else {
                break;
            };
            let Some(class) = search.class(&candidate) else {
                continue;
            };
            if let Some(known) = place.get(&class) {
                let known: &mut DistinctPath = &mut found[*known];
                known.alike = known.alike.saturating_add(candidate.alike);
            } else if found.len() >= most {
                break;
            } else if let Some(path) = search.spell(&candidate) {
                place.insert(class, found.len());
                found.push(DistinctPath {
                    path,
                    class: ClassIx(class),
                    alike: candidate.alike,
                });
            }
            search.leave(&candidate);
        }
        // What is left is no way of its own any more, but may be one more of those found.
        while let Some(Reverse(candidate)) = search.heap.pop() {
            if let Some(known) = search.class(&candidate).and_then(|c| place.get(&c)) {
                let known = &mut found[*known];
                known.alike = known.alike.saturating_add(candidate.alike);
            }
        }
        found
    }
}

impl Search<'_, '_> {
    fn push(&mut self, start: Start, first: ObjIx, suffix: Vec<u32>, alike: u64) {
        let (root, depth) = match start {
            Start::Root(root) => (root, 0),
            Start::Along(object) => {
                let Some(class) = self.paths.class(object) else {
                    return;
                };
                (
                    self.paths.root_of(class.0),
                    self.paths.depth(object) as usize,
                )
            }
        };
        self.made += 1;
        self.heap.push(Reverse(Candidate {
            order: self.paths.start_order(root),
            length: depth + suffix.len(),
            number: self.made,
            start,
            first,
            suffix,
            alike,
        }));
    }

    fn class(&mut self, candidate: &Candidate) -> Option<u32> {
        let graph = self.paths.graph;
        let mut class = match candidate.start {
            Start::Root(root) => self.paths.root_class(root, graph.type_of(candidate.first)),
            Start::Along(object) => self.paths.class(object)?.0,
        };
        for edge in &candidate.suffix {
            let (holder, slot) = (graph.source(*edge), graph.edge_slot[*edge as usize]);
            let to = graph.type_of(graph.edge_to[*edge as usize]);
            class = self.paths.step(class, graph.type_of(holder), slot, to);
        }
        Some(class)
    }

    fn spell(&mut self, candidate: &Candidate) -> Option<Path> {
        let graph = self.paths.graph;
        let tail = TAIL.saturating_sub(candidate.suffix.len());
        let mut path = match candidate.start {
            Start::Root(root) => Path {
                root,
                steps: Vec::new(),
                omitted: None,
            },
            Start::Along(object) => Path::folded(graph, self.paths.reach, object, HEAD, tail)?,
        };
        path.steps.extend(candidate.suffix.iter().map(|edge| Step {
            holder: graph.source(*edge),
            slot: graph.edge_slot[*edge as usize],
        }));
        Some(path)
    }

    /// Adds the ways that differ from `candidate` in who holds an object of its first path.
    fn leave(&mut self, candidate: &Candidate) {
        let Start::Along(object) = candidate.start else {
            return;
        };
        let mut chain = vec![object];
        let mut edges = Vec::new();
        while chain.len() < NEAR
            && let Some(Parent::Edge(edge)) = chain.last().and_then(|o| self.paths.reach.parent(*o))
        {
            edges.push(edge);
            chain.push(self.paths.graph.source(edge));
        }
        self.find_kinds(&chain);
        let mut suffix = candidate.suffix.clone();
        let mut passed: FxHashSet<ObjIx> = suffix
            .iter()
            .map(|e| self.paths.graph.edge_to[*e as usize])
            .collect();
        for (i, at) in chain.iter().enumerate() {
            passed.insert(*at);
            for kind in self.kinds.get(at).cloned().unwrap_or_default() {
                let circle = match kind.start {
                    Start::Along(holder) => self.passes(holder, |o| passed.contains(&o)),
                    Start::Root(_) => false,
                };
                if !circle {
                    let whole = kind.edge.into_iter().chain(suffix.iter().copied());
                    self.push(kind.start, *at, whole.collect(), kind.alike);
                }
            }
            if let Some(edge) = edges.get(i) {
                suffix.insert(0, *edge);
            }
        }
    }

    /// Whether the first path to `object` leads over one for which `over` holds.
    fn passes(&self, object: ObjIx, over: impl Fn(ObjIx) -> bool) -> bool {
        let mut at = object;
        for _ in 0..MAX_CLIMB {
            if over(at) {
                return true;
            }
            match self.paths.reach.parent(at) {
                Some(Parent::Edge(edge)) => at = self.paths.graph.source(edge),
                _ => return false,
            }
        }
        true
    }

    /// Whether `object` is on the first path to `below`, which is deeper if so.
    fn is_above(&mut self, object: ObjIx, below: ObjIx) -> bool {
        let depth = self.paths.depth(object);
        let mut at = below;
        for _ in 0..MAX_CLIMB {
            if at == object {
                return true;
            }
            match self.paths.reach.parent(at) {
                Some(Parent::Edge(edge)) if self.paths.depth(at) > depth => {
                    at = self.paths.graph.source(edge);
                }
                _ => return false,
            }
        }
        true
    }

    /// References by target, once they are worth their memory; taken out of its place, where it must be put again.
    fn incoming(&mut self) -> Option<Incoming> {
        self.paths.passes = self.paths.passes.saturating_add(1);
        if self.paths.passes <= MAX_PASSES {
            return None;
        }
        let made = self.paths.incoming.take();
        Some(made.unwrap_or_else(|| Incoming::of(self.paths.graph)))
    }

    /// Finds who else refers to the objects of `chain`.
    fn find_kinds(&mut self, chain: &[ObjIx]) {
        let graph = self.paths.graph;
        let mut wanted = FixedBitSet::with_capacity(graph.objects() as usize);
        for object in chain {
            if !self.kinds.contains_key(object) {
                self.kinds.insert(*object, Vec::new());
                wanted.insert(object.index());
            }
        }
        if wanted.is_clear() {
            return;
        }
        let mut found: FxHashMap<(ObjIx, u64, u64), (u64, Option<Kind>)> = FxHashMap::default();
        let mut order = Vec::new();
        if let Some(incoming) = self.incoming() {
            for to in wanted.ones().map(|o| ObjIx(o as u32)) {
                for edge in incoming.to(to) {
                    self.add_reference(*edge, to, &mut found, &mut order);
                }
            }
            self.paths.incoming = Some(incoming);
        } else {
            for (edge, to) in graph.edge_to.iter().enumerate() {
                if wanted.contains(to.index()) {
                    self.add_reference(edge as u32, *to, &mut found, &mut order);
                }
            }
        }
        for (root, to) in graph
            .roots()
            .iter()
            .enumerate()
            .map(|(i, r)| (i as u32, r.to))
        {
            if to.0 < graph.objects() && wanted.contains(to.index()) {
                self.add_root(RootIx(root), to, &mut found, &mut order);
            }
        }
        for key in order {
            if let Some((alike, Some(kind))) = found.get(&key)
                && let Some(kinds) = self.kinds.get_mut(&key.0)
            {
                kinds.push(Kind {
                    alike: *alike,
                    ..*kind
                });
            }
        }
        for object in chain {
            if let Some(kinds) = self.kinds.get_mut(object) {
                kinds.sort_by_key(|kind| match kind.start {
                    Start::Root(_) => 0,
                    Start::Along(holder) => self.paths.depth(holder) + 1,
                });
                kinds.truncate(MAX_KINDS);
            }
        }
    }

    fn add_reference(
        &mut self,
        edge: u32,
        to: ObjIx,
        found: &mut FxHashMap<(ObjIx, u64, u64), (u64, Option<Kind>)>,
        order: &mut Vec<(ObjIx, u64, u64)>,
    ) {
        let graph = self.paths.graph;
        let holder = graph.source(edge);
        let first = matches!(self.paths.reach.parent(to), Some(Parent::Edge(e)) if e == edge);
        let Some(class) = self.paths.class(holder).filter(|_| !first) else {
            return;
        };
        let slot = graph.edge_slot[edge as usize];
        let slot = self.paths.resolver.field(graph.type_of(holder), slot);
        let key = (to, u64::from(class.0), u64::from(slot));
        let entry = found.entry(key).or_insert_with(|| {
            order.push(key);
            (0, None)
        });
        entry.0 += 1;
        if entry.1.is_none() && entry.0 <= MAX_ATTEMPTS && !self.is_above(to, holder) {
            entry.1 = Some(Kind {
                start: Start::Along(holder),
                edge: Some(edge),
                alike: 0,
            });
        }
    }

    fn add_root(
        &mut self,
        root: RootIx,
        to: ObjIx,
        found: &mut FxHashMap<(ObjIx, u64, u64), (u64, Option<Kind>)>,
        order: &mut Vec<(ObjIx, u64, u64)>,
    ) {
        /// No class has so high an id.
        const ROOTS: u64 = u64::MAX;
        if matches!(self.paths.reach.parent(to), Some(Parent::Root(r)) if r == root) {
            return;
        }
        let class = self.paths.root_class(root, self.paths.graph.type_of(to));
        let key = (to, ROOTS, u64::from(class));
        let entry = found.entry(key).or_insert_with(|| {
            order.push(key);
            (0, None)
        });
        entry.0 += 1;
        entry.1.get_or_insert(Kind {
            start: Start::Root(root),
            edge: None,
            alike: 0,
        });
    }
}
