//! Builds a [`HeapGraph`] in one pass over the objects in id order.

use std::sync::OnceLock;

use crate::{HeapGraph, ObjIx, Root, Sizes, TooLarge, TypeIx};

/// Parents are stored as one `u32` that names an edge or a root, so edges and roots together must stay below this.
const MAX_EDGES_AND_ROOTS: usize = u32::MAX as usize - 1;

/// Collects edges; objects must come in ascending order.
pub struct GraphBuilder {
    objects: u32,
    first_edge: Vec<u32>,
    edge_to: Vec<ObjIx>,
    edge_slot: Vec<u32>,
}

impl GraphBuilder {
    /// A builder for `objects` objects. Reserves one row start per object and nothing for edges.
    pub fn new(objects: u32) -> Self {
        let mut first_edge = Vec::with_capacity(objects as usize + 1);
        first_edge.push(0);
        Self {
            objects,
            first_edge,
            edge_to: Vec::new(),
            edge_slot: Vec::new(),
        }
    }

    /// Adds a reference. `from` must not be lower than in any call before; edges to or from objects beyond the count are
    /// a bug of the caller and ignored.
    pub fn edge(&mut self, from: ObjIx, to: ObjIx, slot: u32) -> Result<(), TooLarge> {
        if self.edge_to.len() >= MAX_EDGES_AND_ROOTS {
            return Err(TooLarge { what: "references" });
        }
        debug_assert!(
            from.index() + 1 >= self.first_edge.len(),
            "sources must come in ascending order"
        );
        debug_assert!(from.0 < self.objects && to.0 < self.objects);
        if from.0 >= self.objects
            || to.0 >= self.objects
            || from.index() + 1 < self.first_edge.len()
        {
            return Ok(());
        }
        self.open_row(from);
        self.edge_to.push(to);
        self.edge_slot.push(slot);
        Ok(())
    }

    fn open_row(&mut self, from: ObjIx) {
        let here = self.edge_to.len() as u32;
        self.first_edge.resize(from.index() + 1, here);
    }

    /// Ends the pass. `types` has one entry per object; `sizes` starts with object 0 and ascends.
    pub fn finish(
        mut self,
        types: Vec<TypeIx>,
        sizes: impl Into<Sizes>,
        roots: Vec<Root>,
    ) -> Result<HeapGraph, TooLarge> {
        if self.edge_to.len() + roots.len() >= MAX_EDGES_AND_ROOTS {
            return Err(TooLarge {
                what: "references and roots",
            });
        }
        assert_eq!(types.len(), self.objects as usize, "one type per object");
        let here = self.edge_to.len() as u32;
        self.first_edge.resize(self.objects as usize + 1, here);
        Ok(HeapGraph {
            types,
            sizes: sizes.into(),
            first_edge: self.first_edge,
            edge_to: self.edge_to,
            edge_slot: self.edge_slot,
            roots,
            sources: OnceLock::new(),
        })
    }
}

/// The columns of a graph made elsewhere, in place of a pass with [`GraphBuilder`].
pub struct Columns {
    /// Type of each object.
    pub types: Vec<TypeIx>,
    /// Shallow size of each object.
    pub sizes: Sizes,
    /// Per object its first row of the two columns below, and one more: their length.
    pub first_edge: Vec<u32>,
    /// Object pointed to.
    pub edge_to: Vec<ObjIx>,
    /// Slot of the source object that holds the reference.
    pub edge_slot: Vec<u32>,
}

impl Columns {
    /// The graph with these columns, which are taken as they are.
    ///
    /// # Panics
    /// If lengths disagree, or rows are out of order or beyond the end: a bug of the caller.
    pub fn finish(self, roots: Vec<Root>) -> Result<HeapGraph, TooLarge> {
        if self.edge_to.len() + roots.len() >= MAX_EDGES_AND_ROOTS {
            return Err(TooLarge {
                what: "references and roots",
            });
        }
        let objects = self.types.len();
        assert_eq!(self.first_edge.len(), objects + 1, "one row per object");
        assert_eq!(
            self.edge_to.len(),
            self.edge_slot.len(),
            "one slot per edge"
        );
        assert!(self.first_edge.is_sorted(), "rows ascend");
        assert_eq!(
            self.first_edge.last().map(|e| *e as usize),
            Some(self.edge_to.len()),
            "rows end where edges do"
        );
        assert!(
            self.edge_to.iter().all(|to| to.index() < objects),
            "edges lead to objects"
        );
        if let Sizes::Units { column, large, .. } = &self.sizes {
            assert_eq!(column.len(), objects, "one size per object");
            let marked = column.iter().filter(|units| **units == Sizes::LARGE);
            assert_eq!(marked.count(), large.len(), "one entry per large object");
            assert!(large.is_sorted(), "large objects ascend");
        }
        Ok(HeapGraph {
            types: self.types,
            sizes: self.sizes,
            first_edge: self.first_edge,
            edge_to: self.edge_to,
            edge_slot: self.edge_slot,
            roots,
            sources: OnceLock::new(),
        })
    }
}
