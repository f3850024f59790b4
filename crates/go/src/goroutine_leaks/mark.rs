//! Marking from what can run, as far as needed to decide about what is blocked.

use fixedbitset::FixedBitSet;
use leakscope_graph::{HeapGraph, ObjIx};

use super::frames::{StackRoots, goroutine_of};
use super::relevant::Question;
use super::waits::{Standing, Waits};
use super::{Doubt, Verdict};
use crate::roots::{Root, RootKind};

/// How far a goroutine has got.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Free,
    /// Freed by words that may be pointers.
    FreePerhaps,
    Blocked,
    Stuck,
}

/// Decides about every goroutine. Costs one marking of what is reachable at most: none where nothing is blocked, and it
/// ends as soon as nothing is any more.
pub(super) fn judge(
    waits: &Waits,
    graph: &HeapGraph,
    roots: &[Root],
    unread: bool,
) -> Vec<Verdict> {
    let standing = waits.standing();
    let states: Vec<State> = (standing.iter())
        .map(|standing| match standing {
            Standing::Free | Standing::Unclear => State::Free,
            Standing::Blocked => State::Blocked,
            Standing::Stuck | Standing::StuckMain => State::Stuck,
        })
        .collect();
    let states = if states.contains(&State::Blocked) {
        let mut judge = Judge::new(waits, graph, roots, states);
        judge.run();
        judge.states
    } else {
        states
    };
    (standing.iter().zip(states))
        .map(|(standing, state)| match (standing, state) {
            (Standing::Unclear, _) => Verdict::Unknown,
            (Standing::StuckMain, _) | (_, State::Free) => Verdict::NotLeaked,
            (_, State::FreePerhaps) => Verdict::Suspect(Doubt::Conservative),
            (_, State::Blocked) if unread => Verdict::Suspect(Doubt::Unread),
            (_, State::Blocked | State::Stuck) => Verdict::Leaked,
        })
        .collect()
}

struct Judge<'a> {
    waits: &'a Waits,
    graph: &'a HeapGraph,
    roots: &'a [Root],
    stack_roots: StackRoots<'a>,
    states: Vec<State>,
    blocked: usize,
    /// Who waits for which object, ascending.
    waiters: Vec<(ObjIx, u32)>,
    /// Objects somebody waits for, and those with a reference that does not count.
    awaited: FixedBitSet,
    with_hidden: FixedBitSet,
    marked: FixedBitSet,
    frontier: Vec<ObjIx>,
    /// Awaited objects that were marked, and whose waiters are still to be freed.
    found: Vec<ObjIx>,
}

impl<'a> Judge<'a> {
    fn new(waits: &'a Waits, graph: &'a HeapGraph, roots: &'a [Root], states: Vec<State>) -> Self {
        let objects = graph.objects() as usize;
        let mut awaited = FixedBitSet::with_capacity(objects);
        let mut with_hidden = FixedBitSet::with_capacity(objects);
        let mut waiters = Vec::new();
        for (index, state) in (0u32..).zip(&states) {
            if *state == State::Blocked {
                let objects = waits.awaited(index as usize).iter();
                for object in objects.filter_map(|a| a.object) {
                    awaited.insert(object.index());
                    waiters.push((object, index));
                }
            }
        }
        waiters.sort_unstable();
        for (object, _) in waits.hidden() {
            with_hidden.insert(object.index());
        }
        Self {
            waits,
            graph,
            roots,
            stack_roots: StackRoots::new(roots, states.len()),
            blocked: states.iter().filter(|s| **s == State::Blocked).count(),
            states,
            waiters,
            awaited,
            with_hidden,
            marked: FixedBitSet::with_capacity(objects),
            frontier: Vec::new(),
            found: Vec::new(),
        }
    }

    fn run(&mut self) {
        // Whoever waits for something outside the heap goes free (mbitmap.go, `isMarkedOrNotInHeap`).
        for index in 0..self.states.len() {
            let awaited = self.waits.awaited(index);
            if self.states[index] == State::Blocked && awaited.iter().any(|a| a.object.is_none()) {
                self.states[index] = State::Free;
                self.blocked -= 1;
            }
        }
        self.leave_out_what_does_not_matter();
        for root in self.roots {
            if !root.kind.is_weak() && self.is_free(root.kind) {
                self.mark(ObjIx(root.obj));
            }
        }
        self.spread(State::Free);
        if self.blocked == 0 {
            return;
        }
        for root in self.roots {
            if root.kind.is_weak() && self.is_free(root.kind) {
                self.mark(ObjIx(root.obj));
            }
        }
        self.spread(State::FreePerhaps);
    }

    /// Counts as marked from the start what leads to nothing awaited: marking does not even look at it.
    fn leave_out_what_does_not_matter(&mut self) {
        let mut rooted = FixedBitSet::with_capacity(self.graph.objects() as usize);
        for root in self.roots {
            if !root.kind.is_weak() && self.is_free(root.kind) {
                rooted.insert(root.obj as usize);
            }
        }
        let question = Question {
            graph: self.graph,
            awaited: &self.awaited,
            rooted: &rooted,
            with_hidden: &self.with_hidden,
            hidden: self.waits.hidden(),
        };
        if let Some(relevant) = question.relevant() {
            self.marked = relevant;
            self.marked.toggle_range(..);
        }
    }

    /// Whether a root is of nobody, or of somebody who is not blocked.
    fn is_free(&self, kind: RootKind) -> bool {
        match (kind, goroutine_of(kind)) {
            (RootKind::SystemStack { tid, .. }, _) => !self.waits.is_idle(tid),
            (_, None) => true,
            (_, Some(goroutine)) => {
                let state = self.states.get(goroutine as usize);
                state.is_none_or(|s| matches!(s, State::Free | State::FreePerhaps))
            }
        }
    }

    #[inline]
    fn mark(&mut self, object: ObjIx) {
        if !self.marked.put(object.index()) {
            if self.awaited.contains(object.index()) {
                self.found.push(object);
            }
            self.frontier.push(object);
        }
    }

    /// Marks all that what is marked leads to; goroutines freed by that become `freed`, and lead on from their stacks.
    fn spread(&mut self, freed: State) {
        let graph = self.graph;
        let mut level = Vec::new();
        loop {
            while let Some(object) = self.found.pop() {
                self.free_waiters(object, freed);
            }
            if self.blocked == 0 || self.frontier.is_empty() {
                return;
            }
            std::mem::swap(&mut level, &mut self.frontier);
            for object in level.drain(..) {
                if self.with_hidden.contains(object.index()) {
                    for edge in graph.out(object) {
                        let hidden = self.waits.hidden();
                        if hidden.binary_search(&(object, edge.slot)).is_err() {
                            self.mark(edge.to);
                        }
                    }
                } else {
                    for edge in graph.out(object) {
                        self.mark(edge.to);
                    }
                }
            }
        }
    }

    fn free_waiters(&mut self, object: ObjIx, freed: State) {
        let from = self.waiters.partition_point(|(o, _)| *o < object);
        let mut next = from;
        while let Some((_, waiter)) = self.waiters.get(next).filter(|(o, _)| *o == object) {
            let waiter = *waiter;
            next += 1;
            let state = &mut self.states[waiter as usize];
            if *state != State::Blocked {
                continue;
            }
            *state = freed;
            self.blocked -= 1;
            for root in self.stack_roots.of(waiter) {
                if freed == State::FreePerhaps || !root.kind.is_weak() {
                    self.mark(ObjIx(root.obj));
                }
            }
        }
    }
}
