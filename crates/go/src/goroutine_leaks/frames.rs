//! What the frames of a waiting goroutine hold, where its record does not say.

use std::ops::Range;

use leakscope_target::Addr;

use crate::goroutines::{Goroutine, Goroutines};
use crate::program::Program;
use crate::roots::{Root, RootKind};

/// Functions that put a goroutine into a queue and wait: of semaphores, and of condition variables (sema.go,
/// `semacquire1`, `notifyListWait`; the second also goes by the name it is linked to).
const WAITING: [&str; 3] = [
    "runtime.semacquire1",
    "runtime.notifyListWait",
    "sync.runtime_notifyListWait",
];
/// The frame that holds the condition variable.
const COND_WAIT: &str = "sync.(*Cond).Wait";
/// How a wait group waits up to 1.23, from the inside (sync/waitgroup.go, `Wait`; sema.go, `sync_runtime_Semacquire`).
const WAIT_GROUP: [&str; 3] = [
    "runtime.semacquire1",
    "sync.runtime_Semacquire",
    "sync.(*WaitGroup).Wait",
];
/// Frames looked at from the innermost on. Up to the caller of the `Wait` there are at most six: `gopark`,
/// `goparkunlock`, the two above, and the name each may be linked to.
const INNERMOST: usize = 8;

/// Which roots are each goroutine's.
pub(super) struct StackRoots<'a> {
    roots: &'a [Root],
    /// By goroutine, a range of roots with all of its own.
    ranges: Vec<Range<u32>>,
}

/// The goroutine whose stack or registers a root is of.
pub(super) fn goroutine_of(kind: RootKind) -> Option<u32> {
    match kind {
        RootKind::Stack { goroutine, .. }
        | RootKind::Conservative { goroutine, .. }
        | RootKind::Register { goroutine, .. }
        | RootKind::Goroutine { goroutine } => Some(goroutine),
        _ => None,
    }
}

impl<'a> StackRoots<'a> {
    pub(super) fn new(roots: &'a [Root], goroutines: usize) -> Self {
        let mut ranges = vec![0..0; goroutines];
        for (i, root) in (0u32..).zip(roots) {
            let owner = goroutine_of(root.kind);
            if let Some(range) = owner.and_then(|g| ranges.get_mut(g as usize)) {
                if range.start == range.end {
                    range.start = i;
                }
                range.end = i + 1;
            }
        }
        Self { roots, ranges }
    }

    /// Roots of one goroutine.
    pub(super) fn of(&self, goroutine: u32) -> impl Iterator<Item = &'a Root> + use<'a> {
        let range = self.ranges.get(goroutine as usize).cloned();
        let range = range.map(|r| r.start as usize..r.end as usize);
        let roots = range.and_then(|r| self.roots.get(r)).unwrap_or_default();
        roots
            .iter()
            .filter(move |r| goroutine_of(r.kind) == Some(goroutine))
    }
}

/// The innermost frames of one goroutine.
pub(super) struct Innermost<'a> {
    index: u32,
    first: u32,
    names: Vec<&'a str>,
}

impl<'a> Innermost<'a> {
    pub(super) fn of(
        program: &'a Program,
        goroutines: &Goroutines,
        index: u32,
        goroutine: &Goroutine,
    ) -> Self {
        let frames = goroutines.frames(goroutine).iter().take(INNERMOST);
        let functions = program.functions();
        Self {
            index,
            first: goroutine.frames.start,
            names: frames
                .map(|f| functions.find(f.lookup_pc()).map_or("", |f| f.name()))
                .collect(),
        }
    }

    /// Whether it waits for a wait group.
    pub(super) fn in_wait_group(&self) -> bool {
        self.names
            .windows(WAIT_GROUP.len())
            .any(|names| names == WAIT_GROUP)
    }

    /// Pointers that the function which waits holds.
    pub(super) fn waiting(&self, roots: &StackRoots<'a>) -> Vec<Addr> {
        self.pointers(roots, |name| WAITING.contains(&name))
    }

    /// Pointers that the method of a condition variable holds.
    pub(super) fn cond_wait(&self, roots: &StackRoots<'a>) -> Vec<Addr> {
        self.pointers(roots, |name| name == COND_WAIT)
    }

    fn pointers(&self, roots: &StackRoots<'a>, wanted: impl Fn(&str) -> bool) -> Vec<Addr> {
        let in_frame = |root: &&Root| match root.kind {
            RootKind::Stack { frame, .. } => frame
                .checked_sub(self.first)
                .and_then(|i| self.names.get(i as usize))
                .is_some_and(|name| wanted(name)),
            _ => false,
        };
        roots
            .of(self.index)
            .filter(in_frame)
            .map(|root| Addr(root.value))
            .collect()
    }
}
