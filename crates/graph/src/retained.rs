//! Retained bytes of sets: of a type, a package, or any column the caller has.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::hint::black_box;

use fixedbitset::FixedBitSet;

use crate::{Dominators, HeapGraph, Held, ObjIx, Reach, Resolver, Strength, TypeIx};

/// Positions whose keys are looked up before it is their turn.
const AHEAD: u32 = 16;

/// What the objects of one set hold.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct SetRow {
    /// The set, as the caller numbers it.
    pub key: u32,
    /// Objects of the set that roots reach, and their shallow sizes.
    pub own: Held,
    /// Bytes held by single objects of the set that strong roots reach, each byte once. Never more than what would be
    /// freed with the whole set; less where several of its objects hold something only together.
    pub retained: u64,
    /// The same over what only other roots reach.
    pub maybe_retained: u64,
}

/// A set known by its name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NamedSetRow {
    /// Import path; empty for types that no package declares.
    pub name: String,
    /// What it holds. The key has no meaning.
    pub set: SetRow,
}

impl Dominators {
    /// Sums by `key`, which must be below `keys`; objects without one are in no set. Largest first, then by key; sets
    /// without a reached object are left out. Time is one pass over the objects in the tree's order.
    pub fn retained_by(
        &self,
        graph: &HeapGraph,
        keys: u32,
        key: impl Fn(ObjIx) -> Option<u32>,
    ) -> Vec<SetRow> {
        let mut rows: Vec<SetRow> = (0..keys)
            .map(|key| SetRow {
                key,
                ..SetRow::default()
            })
            .collect();
        // What an object holds is the range of positions after it: within it, others of its set add nothing.
        let mut covered = vec![0u32; keys as usize];
        for position in 1..self.len() {
            // Keys are far from each other in this order: some are asked for ahead, so that their misses overlap.
            if position + AHEAD < self.len() {
                black_box(self.object(position + AHEAD).and_then(&key));
            }
            let Some(object) = self.object(position) else {
                continue;
            };
            let Some(row) = key(object).and_then(|k| rows.get_mut(k as usize)) else {
                continue;
            };
            row.own.objects += 1;
            let covered = &mut covered[row.key as usize];
            if position < *covered {
                continue;
            }
            *covered = self.range(position).end;
            let sum = if position <= self.strong_end() {
                &mut row.retained
            } else {
                &mut row.maybe_retained
            };
            *sum = sum.saturating_add(self.retained_at(position));
        }
        for (object, size) in graph.sizes().filter(|(o, _)| self.is_reached(*o)) {
            if let Some(row) = key(object).and_then(|k| rows.get_mut(k as usize)) {
                row.own.bytes = row.own.bytes.saturating_add(size);
            }
        }
        rows.retain(|row| row.own.objects > 0);
        rows.sort_by_key(|row| (Reverse((row.retained, row.maybe_retained)), row.key));
        rows
    }

    /// [`Self::retained_by`] type; keys are type ids.
    pub fn retained_by_type(&self, graph: &HeapGraph) -> Vec<SetRow> {
        let keys = graph.types.iter().map(|t| t.0 + 1).max().unwrap_or(0);
        self.retained_by(graph, keys, |object| Some(graph.type_of(object).0))
    }

    /// [`Self::retained_by`] package, by name.
    pub fn retained_by_package(
        &self,
        graph: &HeapGraph,
        resolver: &dyn Resolver,
    ) -> Vec<NamedSetRow> {
        let types = graph.types.iter().map(|t| t.0 + 1).max().unwrap_or(0);
        let mut ids: BTreeMap<String, u32> = BTreeMap::new();
        let of_type: Vec<u32> = (0..types)
            .map(|t| {
                let next = ids.len() as u32;
                *ids.entry(resolver.package(TypeIx(t)).into_owned())
                    .or_insert(next)
            })
            .collect();
        let mut names = vec![String::new(); ids.len()];
        for (name, id) in ids {
            names[id as usize] = name;
        }
        let rows = self.retained_by(graph, names.len() as u32, |object| {
            of_type.get(graph.type_of(object).index()).copied()
        });
        let mut rows: Vec<NamedSetRow> = rows
            .into_iter()
            .map(|set| NamedSetRow {
                name: std::mem::take(&mut names[set.key as usize]),
                set: SetRow { key: 0, ..set },
            })
            .collect();
        rows.sort_by(|a, b| {
            let of = |row: &NamedSetRow| (row.set.retained, row.set.maybe_retained);
            of(b).cmp(&of(a)).then_with(|| a.name.cmp(&b.name))
        });
        rows
    }

    fn is_reached(&self, object: ObjIx) -> bool {
        self.position(crate::Node::Object(object)).is_some()
    }
}

/// Exactly what would be freed if all objects for which `gone` holds went: what strong roots reach now and would not
/// then. One traversal; [`Dominators::retained_by`] answers for all sets at once, with less where objects share.
pub fn freed_without(graph: &HeapGraph, reach: &Reach, gone: impl Fn(ObjIx) -> bool) -> Held {
    let mut left = FixedBitSet::with_capacity(graph.objects() as usize);
    let mut todo = Vec::new();
    for root in graph
        .roots()
        .iter()
        .filter(|r| r.strength == Strength::Strong)
    {
        if root.to.0 < graph.objects() && !gone(root.to) && !left.put(root.to.index()) {
            todo.push(root.to);
            while let Some(object) = todo.pop() {
                for to in &graph.edge_to[graph.row(object)] {
                    if !left.contains(to.index()) && !gone(*to) {
                        left.insert(to.index());
                        todo.push(*to);
                    }
                }
            }
        }
    }
    let mut freed = Held::default();
    for (object, size) in graph.sizes() {
        if reach.is_strong(object) && !left.contains(object.index()) {
            freed.objects += 1;
            freed.bytes = freed.bytes.saturating_add(size);
        }
    }
    freed
}
