//! From a root to an object: the path over which the traversal reached it first.

use std::collections::VecDeque;

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

/// References left out of the middle of a path.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Omitted {
    /// How many of [`Path::steps`] come before.
    pub after: usize,
    /// How many are left out.
    pub references: u64,
}

/// A way from a root to an object.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Path {
    /// Where it starts.
    pub root: RootIx,
    /// References in order, from the object that the root points to. Empty where the root points to the object itself.
    pub steps: Vec<Step>,
    /// What `steps` lacks, because the path is longer than asked for.
    pub omitted: Option<Omitted>,
}

impl Path {
    /// The path over which `reach` came to `object` first, or `None` if no root reaches it. Long paths (a linked list of
    /// a million nodes) keep their last `max_steps` references.
    pub fn to(graph: &HeapGraph, reach: &Reach, object: ObjIx, max_steps: usize) -> Option<Self> {
        Self::folded(graph, reach, object, 0, max_steps)
    }

    /// As [`Path::to`]; long paths keep their first `head` and their last `tail` references. Time is that of walking
    /// the whole path; memory only that of what is kept.
    pub fn folded(
        graph: &HeapGraph,
        reach: &Reach,
        object: ObjIx,
        head: usize,
        tail: usize,
    ) -> Option<Self> {
        let mut steps = Vec::new();
        // The walk goes up: the head is what it saw last.
        let mut first = VecDeque::new();
        let mut references = 0;
        let mut at = object;
        let root = loop {
            match reach.parent(at)? {
                Parent::Root(root) => break root,
                Parent::Edge(edge) => {
                    let step = Step {
                        holder: graph.source(edge),
                        slot: graph.edge_slot[edge as usize],
                    };
                    at = step.holder;
                    if steps.len() < tail {
                        steps.push(step);
                        continue;
                    }
                    if first.len() == head {
                        first.pop_front();
                        references += 1;
                    }
                    if head > 0 {
                        first.push_back(step);
                    }
                }
            }
        };
        let omitted = (references > 0).then_some(Omitted {
            after: first.len(),
            references,
        });
        steps.extend(first);
        steps.reverse();
        Some(Self {
            root,
            steps,
            omitted,
        })
    }

    /// The path as an expression in the program's own language.
    pub fn expression(&self, graph: &HeapGraph, resolver: &dyn Resolver) -> String {
        let mut text = resolver.root_name(self.root).into_owned();
        for (i, step) in self.steps.iter().enumerate() {
            if self.omitted.is_some_and(|o| o.after == i) {
                text.push_str("[…]");
            }
            let type_ = graph.type_of(step.holder);
            resolver.push_step(step.holder, type_, step.slot, &mut text);
        }
        if self.omitted.is_some_and(|o| o.after == self.steps.len()) {
            text.push_str("[…]");
        }
        text
    }
}
