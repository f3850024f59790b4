//! Where memory accumulates, the most telling place first. Finds and measures; what a finding is called is the caller's.
//!
//! Large nodes of the dominator tree are followed down from the roots. A node whose bytes are nearly all in one child is
//! only on the way; where they fall apart into many small parts is an accumulation point. Machinery of collections
//! ([`Resolver::is_internal`]) is looked through, and lists and trees are one structure. Each byte counts for one
//! point only, so that what the points accumulate adds up to no more than what roots reach.

mod entries;
mod points;

use std::cmp::Reverse;

use self::entries::Collector;
pub use self::entries::{Entries, EntryKind};
pub(crate) use self::points::Internal;
use self::points::{Large, topmost};
use crate::{Dominators, HeapGraph, Node, Resolver, Strength};

/// How much is worth telling.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Threshold {
    /// Least share of the bytes that roots reach, in thousandths.
    pub permille: u32,
    /// Least bytes, whatever their share.
    pub bytes: u64,
}

impl Default for Threshold {
    /// A hundredth of the heap, and no less than 64 KiB.
    fn default() -> Self {
        Self {
            permille: 10,
            bytes: 64 << 10,
        }
    }
}

impl Threshold {
    /// The least bytes of a place that is told of a heap.
    pub fn least(self, tree: &Dominators) -> u64 {
        let share = u128::from(tree.held_bytes()) * u128::from(self.permille) / 1000;
        self.bytes.max(share as u64).max(1)
    }
}

/// A place where bytes accumulate.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Suspect {
    /// The object or group that holds them. [`Node::Top`] where no single one does: then all `entries` are of one kind.
    pub point: Node,
    /// Whether strong roots reach it.
    pub strength: Strength,
    /// The node below the virtual root that holds the point: a group of roots, or an object that several hold.
    pub topmost: Node,
    /// What the point retains, other points below it included.
    pub retained: u64,
    /// Of these, what belongs to no other point: the size to rank and to add up.
    pub accumulated: u64,
    /// `accumulated` as a share of what roots reach, in thousandths.
    pub share: u32,
    /// How sharply the bytes fall apart, in thousandths: near 1000 where each entry is a tiny part, 0 where one object is
    /// all there is.
    pub sharpness: u32,
    /// What the point consists of by kind, most bytes first; kinds that hold less than a hundredth of it are left out.
    /// Empty for one large object.
    pub entries: Vec<Entries>,
    /// All entries: number and bytes. What `accumulated` has more is the point itself and its machinery.
    pub all_entries: u64,
    /// Rank among others: accumulated bytes, half of them for being large and half for being sharp.
    pub score: u64,
}

/// Finds the accumulation points of a heap, highest score first. Two passes over what is large.
pub fn suspects(
    graph: &HeapGraph,
    tree: &Dominators,
    resolver: &dyn Resolver,
    threshold: Threshold,
) -> Vec<Suspect> {
    let total = tree.held_bytes();
    let internal = Internal::of(graph, resolver);
    let large = Large {
        tree,
        graph,
        internal: &internal,
        least: threshold.least(tree),
    };
    let points = large.points();
    let wanted: Vec<u32> = points.large(large.least).map(|(id, _)| id).collect();
    let mut entries = Collector::collect(&large, &points, &wanted);
    let mut found = Vec::new();
    for (id, point) in points.large(large.least) {
        let mut entries = entries.remove(&id).unwrap_or_default();
        entries.sort_by_key(|e| (Reverse(e.sum.bytes), e.strength, e.kind));
        let mut add = |accumulated, entries| {
            found.push(suspect(tree, point.position, accumulated, entries, total));
        };
        if point.position == 0 {
            // Nothing holds these together but their kind.
            for kind in entries.into_iter().filter(|e| e.sum.bytes >= large.least) {
                add(kind.sum.bytes, vec![kind]);
            }
        } else {
            add(point.bytes, entries);
        }
    }
    found.sort_by_key(|s| (Reverse(s.score), s.point, s.entries.first().map(|e| e.kind)));
    found
}

fn suspect(
    tree: &Dominators,
    position: u32,
    accumulated: u64,
    mut entries: Vec<Entries>,
    total: u64,
) -> Suspect {
    let permille = |part: u64, of: u64| (u128::from(part) * 1000 / u128::from(of.max(1))) as u32;
    let largest = entries.iter().map(|e| e.largest).max().unwrap_or(0);
    let all_entries: u64 = entries.iter().map(|e| e.sum.objects).sum();
    let in_entries: u64 = entries
        .iter()
        .map(|e| e.sum.bytes)
        .fold(0, u64::saturating_add);
    // Of what is in entries, the part that is not in the largest one.
    let sharpness = permille(
        in_entries.saturating_sub(largest).min(accumulated),
        accumulated,
    )
    .min(1000);
    let strength = match entries.first() {
        Some(kind) if position == 0 => kind.strength,
        _ if position <= tree.strong_end() => Strength::Strong,
        _ => Strength::Conservative,
    };
    entries.retain(|e| u128::from(e.sum.bytes) * 100 >= u128::from(accumulated));
    let point = tree.node(position);
    Suspect {
        point,
        strength,
        topmost: topmost(tree, position),
        retained: if position == 0 {
            accumulated
        } else {
            tree.retained_at(position)
        },
        accumulated,
        share: permille(accumulated, total),
        sharpness,
        entries,
        all_entries,
        score: (u128::from(accumulated) * u128::from(1000 + sharpness) / 2000) as u64,
    }
}
