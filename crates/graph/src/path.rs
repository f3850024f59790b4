//! From a root to an object: the path over which the traversal reached it first.

use crate::reach::Parent;
use crate::{HeapGraph, ObjIx, Reach, Resolver, RootIx};

/// One reference of a path.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Step {
    /// The object that holds the reference.
    pub holder: ObjIx,
    /// Its pointer slot, as a word index.
    pub slot: u32,
}

/// A way from a root to an object.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Path {
    /// Where it starts.
    pub root: RootIx,
    /// References in order, from the object that the root points to. Empty where the root points to the object itself.
    pub steps: Vec<Step>,
    /// Whether `steps` was cut at its start because the path is longer than asked for.
    pub cut: bool,
}

impl Path {
    /// The path over which `reach` came to `object` first, or `None` if no root reaches it. Long paths (a linked list of
    /// a million nodes) keep their last `max_steps` references.
    pub fn to(graph: &HeapGraph, reach: &Reach, object: ObjIx, max_steps: usize) -> Option<Self> {
        let mut steps = Vec::new();
        let mut cut = false;
        let mut at = object;
        let root = loop {
            match reach.parent(at)? {
                Parent::Root(root) => break root,
                Parent::Edge(edge) => {
                    let holder = graph.source(edge);
                    if steps.len() < max_steps {
                        steps.push(Step {
                            holder,
                            slot: graph.edge_slot[edge as usize],
                        });
                    } else {
                        cut = true;
                    }
                    at = holder;
                }
            }
        };
        steps.reverse();
        Some(Self { root, steps, cut })
    }

    /// The path as an expression in the program's own language.
    pub fn expression(&self, graph: &HeapGraph, resolver: &dyn Resolver) -> String {
        let mut text = resolver.root_name(self.root).into_owned();
        if self.cut {
            text.push_str("[…]");
        }
        for step in &self.steps {
            resolver.push_step(
                step.holder,
                graph.type_of(step.holder),
                step.slot,
                &mut text,
            );
        }
        text
    }
}
