//! What a goroutine's wait reason says about it.

use crate::goroutines::{Goroutine, Goroutines};

/// How a goroutine waits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Wait {
    /// Without any channel: nothing can wake it.
    Nothing,
    /// At channels.
    Channels,
    /// In package `sync`.
    Sync,
    /// At a bare semaphore, as wait groups did up to 1.23.
    Semaphore,
}

/// Wait reasons of goroutines that can be leaked, as the runtime spells them (runtime2.go, `waitReasonStrings`; 1.21 to
/// 1.27). The numbers differ between releases, the words do not.
const REASONS: [(&str, Wait); 12] = [
    ("chan receive (nil chan)", Wait::Nothing),
    ("chan send (nil chan)", Wait::Nothing),
    (SELECT_NO_CASES, Wait::Nothing),
    ("select", Wait::Channels),
    ("chan receive", Wait::Channels),
    ("chan send", Wait::Channels),
    ("sync.Cond.Wait", Wait::Sync),
    ("sync.Mutex.Lock", Wait::Sync),
    ("sync.RWMutex.RLock", Wait::Sync),
    ("sync.RWMutex.Lock", Wait::Sync),
    ("sync.WaitGroup.Wait", Wait::Sync),
    ("semacquire", Wait::Semaphore),
];
const SELECT_NO_CASES: &str = "select (no cases)";
/// Number of the goroutine that runs `main` (proc.go, `schedinit` and `newproc1`).
const MAIN: u64 = 1;

/// By number, how a goroutine with that reason waits; nothing for reasons of goroutines that will be woken.
pub(super) fn by_number(goroutines: &Goroutines) -> Vec<Option<Wait>> {
    let wait = |reason: &String| {
        let found = REASONS.iter().find(|(name, _)| name == reason);
        found.map(|(_, wait)| *wait)
    };
    goroutines.wait_reasons().iter().map(wait).collect()
}

/// Whether it is the main goroutine in `select {}`, which the runtime does not report (mgc.go, `findGoroutineLeaks`).
pub(super) fn is_parked_main(goroutines: &Goroutines, goroutine: &Goroutine) -> bool {
    let reason = goroutine.wait_reason.map(usize::from);
    let reason = reason.and_then(|r| goroutines.wait_reasons().get(r));
    goroutine.id == MAIN && reason.is_some_and(|r| r == SELECT_NO_CASES)
}
