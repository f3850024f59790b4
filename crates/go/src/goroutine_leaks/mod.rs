//! Which goroutines are leaked: blocked for good, as Go 1.27's own `goroutineleak` profile decides it, but from the
//! outside and for every supported release.
//!
//! The runtime finds them with a collection of a special kind (all in Go 1.27, `runtime`). Its rules, and where each is
//! followed here:
//!
//! - *Who can be leaked* (mgcmark.go, `allGsSnapshotSortedForGC`, `g.internalBlocked`): a goroutine in `_Gwaiting` (a
//!   `_Gleaked` one counts as such again) whose wait reason is one of channel send, channel receive, `select`, each of
//!   these three without any channel, `sync.Cond.Wait`, `sync.Mutex.Lock`, `sync.RWMutex.Lock` and `RLock`,
//!   `sync.WaitGroup.Wait`. All others (sleep, I/O, bare semaphores, coroutines, what waits durably in a bubble of
//!   `testing/synctest`, the runtime's own) are roots like running ones. See [`reasons`].
//! - *What is hidden* (mgc.go, `setSyncObjectsUntraceable`): marking starts from all roots but the stacks of these, and
//!   does not follow `sudog.elem` of those in package `sync`, `sudog.c` of those at channels. Everything else of a
//!   `runtime.g` or `runtime.sudog` is followed: `allgs`, semaphores' trees and channels' queues lead to all of them, and
//!   so to what a goroutine has deferred, but no longer to what it waits for. See [`waits`].
//! - *Who is let off* (mgc.go, `isMaybeRunnable`, `findMaybeRunnableGoroutines`): whoever waits for something that is
//!   marked, or that is not in the heap; its stack becomes a root, and so on until nothing changes. Without any channel
//!   nobody is. See [`mark`].
//! - *Who is left* (mgc.go, `findGoroutineLeaks`) is leaked, apart from the main goroutine in `select {}`, which is not
//!   reported, though what only its stack holds counts as unreachable.
//!
//! Earlier releases lack the fields that say so directly. Up to 1.25 `g.waiting` is set at channels only: the sudog of a
//! goroutine in package `sync` is found in the frame of the runtime's function that waits, and a condition variable in the
//! frame of its `Wait`. Up to 1.23 wait groups wait as bare semaphores do, and are told by their frames. `sudog.elem` and
//! `sudog.c` were plain pointers; leaving them out has the same effect. See [`frames`].
//!
//! What the runtime sees and an outsider may not lowers a verdict to [`Verdict::Suspect`], never the other way round:
//! a word that only may be a pointer and leads to what is waited for (see [`Doubt::Conservative`]), and memory that could
//! not be read (see [`Doubt::Unread`]).

mod frames;
mod mark;
mod reasons;
mod relevant;
#[cfg(test)]
mod tests;
mod waits;

use leakscope_graph::{HeapGraph, ObjIx};
use leakscope_target::Addr;

use crate::coverage::Gaps;
use crate::roots::Root;
use crate::unwind::UnwindEnd;
pub(crate) use waits::{WaitSource, Waits};

/// Whether a goroutine is blocked for good.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Verdict {
    /// Blocked for good: nothing that can still run leads to what it waits for. Go 1.27's own profile says so too.
    Leaked,
    /// It would be leaked, if it were not for this doubt.
    Suspect(Doubt),
    /// It can run, or may be woken.
    NotLeaked,
    /// It waits for something that could not be found out. It counts as able to run.
    Unknown,
}

/// Why a goroutine that looks leaked is not called so.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Doubt {
    /// What it waits for is led to only by words that may be pointers: registers and frames of goroutines stopped
    /// anywhere, frames beyond an unwind that failed, the system stack of a thread that was about something.
    Conservative,
    /// Part of what holds references could not be read, and may hold one to what it waits for.
    Unread,
}

/// Something that a blocked goroutine waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Awaited {
    /// The channel, the semaphore in a lock or a wait group, or the list of waiters in a condition variable.
    pub at: Addr,
    /// The object that it is or lies in; none where it is not in the heap.
    pub object: Option<ObjIx>,
}

/// The verdict on each goroutine.
#[derive(Clone, Debug, Default)]
pub struct GoroutineLeaks {
    verdicts: Vec<Verdict>,
    /// Where those of each goroutine begin, and where those of the last end.
    first_awaited: Vec<u32>,
    awaited: Vec<Awaited>,
}

impl GoroutineLeaks {
    /// The verdict on the goroutine of this index.
    pub fn verdict(&self, goroutine: u32) -> Verdict {
        self.verdicts
            .get(goroutine as usize)
            .copied()
            .unwrap_or(Verdict::Unknown)
    }

    /// What the goroutine of this index waits for: of a `select`, all its channels. Empty for one that does not wait for a
    /// channel or in package `sync`, and for one at nil channels.
    pub fn awaited(&self, goroutine: u32) -> &[Awaited] {
        let goroutine = goroutine as usize;
        let bounds = self.first_awaited.get(goroutine..goroutine + 2);
        bounds
            .and_then(|b| self.awaited.get(b[0] as usize..b[1] as usize))
            .unwrap_or_default()
    }

    /// Verdicts in the order of goroutines.
    pub fn iter(&self) -> impl Iterator<Item = Verdict> + '_ {
        self.verdicts.iter().copied()
    }

    /// Decides. `unread` says that some holder of references could not be read ([`hides_references`]).
    pub(crate) fn judge(waits: Waits, graph: &HeapGraph, roots: &[Root], unread: bool) -> Self {
        let verdicts = mark::judge(&waits, graph, roots, unread);
        let (first_awaited, awaited) = waits.into_awaited();
        Self {
            verdicts,
            first_awaited,
            awaited,
        }
    }
}

/// Gaps that cannot hide a reference. A root to a free slot is none. Of a stack whose unwinding failed, all words are
/// roots that may be pointers.
const HARMLESS: [&str; 1] = ["root that points to a free slot"];
const SCANNED_ANYWAY: [UnwindEnd; 6] = [
    UnwindEnd::NoStart,
    UnwindEnd::UnknownPc,
    UnwindEnd::NoFrameTable,
    UnwindEnd::BadFrame,
    UnwindEnd::SpWrite,
    UnwindEnd::TooDeep,
];

/// Whether something among `gaps`, which are those of reading spans, roots and references, may hide a reference.
pub(crate) fn hides_references(gaps: &Gaps) -> bool {
    let harmless = |reason: &str| {
        HARMLESS.contains(&reason) || SCANNED_ANYWAY.iter().any(|end| end.gap() == Some(reason))
    };
    gaps.iter().any(|gap| !harmless(gap.reason))
}
