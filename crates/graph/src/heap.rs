//! The graph itself: columns and their lookups.

use std::sync::OnceLock;

use crate::{ObjIx, RootIx, Sizes, Strength, TypeIx};

/// The heap has more objects, edges or roots than `u32` ids can name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooLarge {
    /// Which column overflowed.
    pub what: &'static str,
}

impl std::fmt::Display for TooLarge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "the heap has more {} than 32-bit ids can name",
            self.what
        )
    }
}

impl std::error::Error for TooLarge {}

/// A pointer from outside the heap into it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Root {
    /// The object pointed to.
    pub to: ObjIx,
    /// Whether the collector itself would follow this pointer.
    pub strength: Strength,
    /// Roots of a lower rank are followed first, so that a path is told from the holder people know best.
    pub rank: u8,
}

/// One reference between two objects.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Edge {
    /// The object pointed to.
    pub to: ObjIx,
    /// Which pointer slot of the source object holds it: the word index in the object's data.
    pub slot: u32,
}

/// A heap as a graph. Edges are in compressed sparse rows, ordered by source object, then by slot.
pub struct HeapGraph {
    pub(crate) types: Vec<TypeIx>,
    pub(crate) sizes: Sizes,
    pub(crate) first_edge: Vec<u32>,
    pub(crate) edge_to: Vec<ObjIx>,
    pub(crate) edge_slot: Vec<u32>,
    pub(crate) roots: Vec<Root>,
    pub(crate) sources: OnceLock<Vec<u32>>,
}

/// Edges between two whose source is kept for the search.
const SOURCE_STEP: u32 = 64;

impl HeapGraph {
    /// Number of objects.
    pub fn objects(&self) -> u32 {
        self.types.len() as u32
    }

    /// Number of edges.
    pub fn edges(&self) -> u32 {
        self.edge_to.len() as u32
    }

    /// Every root, in the order given to the builder; [`RootIx`] counts along it.
    pub fn roots(&self) -> &[Root] {
        &self.roots
    }

    /// The root of this id.
    pub fn root(&self, root: RootIx) -> &Root {
        &self.roots[root.index()]
    }

    /// Lets a root lead to another object.
    pub fn turn_root(&mut self, root: RootIx, to: ObjIx) {
        if let Some(root) = self.roots.get_mut(root.index()) {
            root.to = to;
        }
    }

    /// Type of one object.
    pub fn type_of(&self, object: ObjIx) -> TypeIx {
        self.types[object.index()]
    }

    /// Shallow size of one object in bytes. May cost a binary search; a pass over all objects takes [`Self::sizes`].
    pub fn size(&self, object: ObjIx) -> u64 {
        self.sizes.of(object)
    }

    /// `(object, shallow size)` of every object in order, without a search each.
    pub fn sizes(&self) -> impl Iterator<Item = (ObjIx, u64)> + '_ {
        self.sizes.iter(self.objects())
    }

    /// The rows of the edge table that belong to `object`.
    pub(crate) fn row(&self, object: ObjIx) -> std::ops::Range<usize> {
        self.first_edge[object.index()] as usize..self.first_edge[object.index() + 1] as usize
    }

    /// What `object` points to, in slot order.
    pub fn out(&self, object: ObjIx) -> impl Iterator<Item = Edge> + '_ {
        self.row(object).map(|e| Edge {
            to: self.edge_to[e],
            slot: self.edge_slot[e],
        })
    }

    /// The source object of an edge row.
    pub(crate) fn source(&self, edge: u32) -> ObjIx {
        // Sources of every 64th edge, made when first asked for: few objects lie between two of them.
        let sampled = self.sources.get_or_init(|| self.sample_sources());
        let block = (edge / SOURCE_STEP) as usize;
        let first = sampled.get(block).map_or(0, |s| *s as usize);
        let end = sampled
            .get(block + 1)
            .map_or(self.first_edge.len(), |s| *s as usize + 2);
        let between = &self.first_edge[first..end.min(self.first_edge.len())];
        ObjIx((first + between.partition_point(|&start| start <= edge)) as u32 - 1)
    }

    fn sample_sources(&self) -> Vec<u32> {
        let mut sampled = Vec::with_capacity(self.edge_to.len() / SOURCE_STEP as usize + 1);
        for (object, ends) in self.first_edge.windows(2).enumerate() {
            while (sampled.len() as u64) * u64::from(SOURCE_STEP) < u64::from(ends[1]) {
                sampled.push(object as u32);
            }
        }
        sampled
    }
}
