//! Builds a [`HeapGraph`] in one pass over the objects in id order.

use std::sync::OnceLock;

use crate::{HeapGraph, ObjIx, Root, SizeRun, TooLarge, TypeIx};

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
        sizes: Vec<SizeRun>,
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
            sizes,
            first_edge: self.first_edge,
            edge_to: self.edge_to,
            edge_slot: self.edge_slot,
            roots,
            sources: OnceLock::new(),
        })
    }
}
