//! What an accumulation point consists of: entries, with the machinery of collections looked through.

use rustc_hash::FxHashMap;

use super::points::{Large, Points};
use crate::{Held, Node, Strength, TypeIx};

/// What an entry is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum EntryKind {
    /// An object of this type.
    Object(TypeIx),
    /// A group of roots inside the point's group: a goroutine of a site.
    Group,
}

/// Entries of one kind.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entries {
    /// Their kind.
    pub kind: EntryKind,
    /// Whether strong roots reach them.
    pub strength: Strength,
    /// Their number, and the sum of what they hold.
    pub sum: Held,
    /// What the largest of them holds.
    pub largest: u64,
    /// One of them.
    pub example: Node,
}

/// Entries by point, each point's in the order in which they were met.
pub(super) struct Collector<'a> {
    large: &'a Large<'a>,
    place: FxHashMap<(u32, EntryKind, Strength), usize>,
    of_point: FxHashMap<u32, Vec<Entries>>,
    todo: Vec<u32>,
}

impl<'a> Collector<'a> {
    /// Collects the entries of `wanted` points. One pass over the large nodes, their children, and what is looked
    /// through.
    pub(super) fn collect(
        large: &'a Large<'a>,
        points: &Points,
        wanted: &[u32],
    ) -> FxHashMap<u32, Vec<Entries>> {
        let mut collector = Self {
            large,
            place: FxHashMap::default(),
            of_point: wanted.iter().map(|p| (*p, Vec::new())).collect(),
            todo: Vec::new(),
        };
        large.each(points, |position, point| {
            if collector.of_point.contains_key(&point) {
                collector.large_node(points.points[point as usize].position, point, position);
            }
        });
        collector.of_point
    }

    /// A large node that is the point's own or one more element of it.
    fn large_node(&mut self, head: u32, point: u32, position: u32) {
        let tree = self.large.tree;
        let repeated = self.large.type_at(head);
        if position != head && repeated.is_some() && self.large.type_at(position) == repeated {
            let bytes = self.element(position, repeated);
            self.add(point, position, repeated, bytes);
        } else {
            let children = tree.child_positions(position);
            self.todo
                .extend(children.filter(|c| !self.large.is_large(*c)));
        }
        while let Some(position) = self.todo.pop() {
            match self.large.type_at(position) {
                Some(type_) if self.large.internal.contains(type_) => {
                    self.todo.extend(tree.child_positions(position));
                }
                type_ if type_.is_some() && type_ == repeated => {
                    let bytes = self.element(position, repeated);
                    self.add(point, position, type_, bytes);
                }
                type_ => self.add(point, position, type_, tree.retained_at(position)),
            }
        }
    }

    /// What an element of a list or tree holds without further elements and larger points; the former are left to do.
    fn element(&mut self, position: u32, repeated: Option<TypeIx>) -> u64 {
        let tree = self.large.tree;
        let mut bytes = tree.retained_at(position);
        for child in tree.child_positions(position) {
            let large = self.large.is_large(child);
            let further = self.large.type_at(child) == repeated;
            if large || further {
                bytes = bytes.saturating_sub(tree.retained_at(child));
            }
            if further && !large {
                self.todo.push(child);
            }
        }
        bytes
    }

    fn add(&mut self, point: u32, position: u32, type_: Option<TypeIx>, bytes: u64) {
        let tree = self.large.tree;
        let kind = type_.map_or(EntryKind::Group, EntryKind::Object);
        let strength = if position <= tree.strong_end() {
            Strength::Strong
        } else {
            Strength::Conservative
        };
        let Some(entries) = self.of_point.get_mut(&point) else {
            return;
        };
        let place = *self
            .place
            .entry((point, kind, strength))
            .or_insert_with(|| {
                entries.push(Entries {
                    kind,
                    strength,
                    sum: Held::default(),
                    largest: 0,
                    example: tree.node(position),
                });
                entries.len() - 1
            });
        let entry = &mut entries[place];
        entry.sum.objects += 1;
        entry.sum.bytes = entry.sum.bytes.saturating_add(bytes);
        entry.largest = entry.largest.max(bytes);
    }
}
