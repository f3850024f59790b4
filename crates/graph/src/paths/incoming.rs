//! References by what they refer to.

use crate::{HeapGraph, ObjIx};

/// The edge table sorted by target: 4 bytes per object and per reference.
pub(super) struct Incoming {
    /// Where each object's own end in `edge`, and the next object's begin.
    end: Vec<u32>,
    edge: Vec<u32>,
}

impl Incoming {
    pub(super) fn of(graph: &HeapGraph) -> Self {
        let mut end = vec![0u32; graph.objects() as usize];
        for to in &graph.edge_to {
            end[to.index()] += 1;
        }
        let mut before = 0;
        for count in &mut end {
            before += std::mem::replace(count, before);
        }
        let mut edge = vec![0; graph.edge_to.len()];
        for (row, to) in graph.edge_to.iter().enumerate() {
            let at = &mut end[to.index()];
            edge[*at as usize] = row as u32;
            *at += 1;
        }
        Self { end, edge }
    }

    /// Rows of the edge table that refer to `object`, ascending.
    pub(super) fn to(&self, object: ObjIx) -> &[u32] {
        let first = match object.index().checked_sub(1) {
            Some(before) => self.end[before],
            None => 0,
        };
        &self.edge[first as usize..self.end[object.index()] as usize]
    }
}
