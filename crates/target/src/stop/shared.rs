//! The memory that leakscope and its holder share: how they talk while the target is stopped, when neither may write to
//! a descriptor, and what the holder learned. Atomics only, so that a shared reference is enough on both sides.

use std::ptr::NonNull;
use std::sync::atomic::{AtomicI32, AtomicU32, AtomicU64, Ordering};

use super::sys;
use crate::{Addr, Error, Registers, Thread};

/// Most threads of one target. The table for them is reserved beforehand; Linux itself allows about 32,000 by default.
pub(crate) const MAX_THREADS: usize = 1 << 16;

/// No thread id reaches this (the kernel's `PID_MAX_LIMIT`).
pub(crate) const TID_LIMIT: usize = 1 << 22;

/// What the holder says of itself, in [`Shared::answer`].
pub(crate) mod answer {
    /// Forked, not ready.
    pub(crate) const STARTING: u32 = 0;
    /// Idle; the target runs.
    pub(crate) const READY: u32 = 1;
    /// Told to stop the target (written by leakscope with the command).
    pub(crate) const STOPPING: u32 = 2;
    /// Every thread of the target is stopped.
    pub(crate) const STOPPED: u32 = 3;
    /// The stop is over, why says [`Shared::outcome`](super::Shared::outcome); the target runs.
    pub(crate) const ENDED: u32 = 4;
    /// The holder is gone (written by the guard).
    pub(crate) const DEAD: u32 = 5;
    /// The holder is wanted no more (written by leakscope for the guard).
    pub(crate) const UNWANTED: u32 = 6;
}

/// What leakscope tells the holder, in [`Shared::link`]. No thread id reaches these values.
pub(crate) mod command {
    /// Stop the target.
    pub(crate) const STOP: u32 = 1 << 29 | 1;
    /// Let it run.
    pub(crate) const RELEASE: u32 = 1 << 29 | 2;
}

/// Why a stop ended, in [`Shared::outcome`].
pub(crate) mod outcome {
    /// Leakscope said so.
    pub(crate) const RELEASED: u32 = 1;
    /// The budget was used up while the target was stopped.
    pub(crate) const DEADLINE: u32 = 2;
    /// The budget was used up before the thread `culprit` had stopped.
    pub(crate) const NOT_STOPPED: u32 = 3;
    /// Thread `culprit` cannot be traced, `errno` says why.
    pub(crate) const NOT_TRACED: u32 = 4;
    /// The threads cannot be listed, `errno` says why.
    pub(crate) const NOT_LISTED: u32 = 5;
    /// More than [`MAX_THREADS`](super::MAX_THREADS).
    pub(crate) const TOO_MANY_THREADS: u32 = 6;
    /// No thread is left.
    pub(crate) const NO_THREAD: u32 = 7;
}

/// What the holder knows of a thread, in [`Slot::state`].
pub(crate) mod state {
    /// Seized, not stopped yet.
    pub(crate) const RUNNING: u32 = 0;
    /// Stopped.
    pub(crate) const STOPPED: u32 = 1;
    /// Dead, or let go.
    pub(crate) const GONE: u32 = 2;
}

/// Words kept of a thread's registers: pc, sp, fs base and [`Registers::general`].
pub(crate) const REGISTER_WORDS: usize = 18;

/// One thread of the target.
pub(crate) struct Slot {
    pub(crate) tid: AtomicI32,
    pub(crate) state: AtomicU32,
    /// The signal to pass on when the thread runs again.
    pub(crate) signal: AtomicI32,
    pub(crate) registers: [AtomicU64; REGISTER_WORDS],
}

/// The shared page proper. All zeros is its initial state.
#[repr(C)]
pub(crate) struct Page {
    /// Leakscope to holder: a [`command`], or the guard thread's id with the bit `FUTEX_WAITERS`, which means "none". The
    /// guard has the kernel mark and wake this word when it dies (robust futex).
    pub(crate) link: AtomicU32,
    /// Holder to leakscope, see [`answer`].
    pub(crate) answer: AtomicU32,
    pub(crate) outcome: AtomicU32,
    pub(crate) culprit: AtomicI32,
    pub(crate) errno: AtomicI32,
    /// Longest stop, nanoseconds.
    pub(crate) budget_ns: AtomicU64,
    /// When the holder lets go at the latest, on [`sys::now_ns`]'s clock.
    pub(crate) deadline_ns: AtomicU64,
    /// Before the first thread was touched.
    pub(crate) begun_ns: AtomicU64,
    /// When every thread stood still.
    pub(crate) stopped_ns: AtomicU64,
    /// After the last thread was let go.
    pub(crate) ended_ns: AtomicU64,
    /// Used slots.
    pub(crate) slots_used: AtomicU32,
    /// One bit per thread id: in a slot and alive.
    pub(crate) known: [AtomicU64; TID_LIMIT / 64],
    /// One bit per thread id: in the newest list.
    pub(crate) listed: [AtomicU64; TID_LIMIT / 64],
    pub(crate) slots: [Slot; MAX_THREADS],
}

/// Owner of a [`Page`] in memory that a forked child shares.
pub(crate) struct Shared {
    page: NonNull<Page>,
}

// SAFETY: the page is made of atomics only.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

impl std::ops::Deref for Shared {
    type Target = Page;

    fn deref(&self) -> &Page {
        // SAFETY: mapped by `new` for the life of `self`, zeroed at first, and only ever used as atomics.
        unsafe { self.page.as_ref() }
    }
}

impl Shared {
    /// A zeroed page. Only what is touched costs memory.
    pub(crate) fn new() -> Result<Self, Error> {
        let len = size_of::<Page>();
        // SAFETY: a fresh anonymous mapping at an address of the kernel's choice touches no existing memory.
        let p = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                len,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
                -1,
                0,
            )
        };
        match NonNull::new(p.cast::<Page>()) {
            Some(page) if p != libc::MAP_FAILED => Ok(Self { page }),
            _ => Err(Error::Reserve {
                bytes: len as u64,
                source: std::io::Error::last_os_error(),
            }),
        }
    }

    /// Faults in what a stop of `threads` threads will write.
    pub(crate) fn prefault(&self, threads: usize) {
        let first = self.slots.as_ptr().addr();
        let start = self.page.as_ptr().addr();
        let upto = first - start + threads.min(MAX_THREADS) * size_of::<Slot>();
        for (from, to) in [(0, 4096), (first - start, upto)] {
            let from = from & !4095;
            let at = self.page.as_ptr().cast::<u8>().wrapping_add(from).cast();
            // SAFETY: inside the mapping; populating changes no content. That it fails costs time in the stop only.
            unsafe {
                libc::madvise(
                    at,
                    (to - from).next_multiple_of(4096),
                    libc::MADV_POPULATE_WRITE,
                )
            };
        }
    }

    /// Changes `answer` and wakes whoever waits for that.
    pub(crate) fn set_answer(&self, value: u32) {
        self.answer.store(value, Ordering::Release);
        sys::futex_wake(&self.answer);
    }

    /// Tells the holder something.
    pub(crate) fn command(&self, value: u32) {
        self.link.store(value, Ordering::Release);
        sys::futex_wake(&self.link);
    }

    /// Whether the target is being stopped or stands still.
    pub(crate) fn in_stop(&self) -> bool {
        matches!(
            self.answer.load(Ordering::Acquire),
            answer::STOPPING | answer::STOPPED
        )
    }

    /// Slots in use.
    pub(crate) fn used(&self) -> &[Slot] {
        let used = self.slots_used.load(Ordering::Acquire) as usize;
        self.slots.get(..used).unwrap_or(&self.slots)
    }

    /// The threads that were stopped, with their registers, in the order of their ids.
    pub(crate) fn threads(&self) -> Vec<Thread> {
        let stopped = self
            .used()
            .iter()
            .filter(|s| s.state.load(Ordering::Acquire) == state::STOPPED);
        let mut threads: Vec<Thread> = stopped
            .map(|s| {
                let word = |i: usize| s.registers.get(i).map_or(0, |w| w.load(Ordering::Relaxed));
                let registers = Registers {
                    pc: Addr(word(0)),
                    sp: Addr(word(1)),
                    fs_base: Addr(word(2)),
                    general: std::array::from_fn(|i| word(3 + i)),
                };
                Thread {
                    tid: s.tid.load(Ordering::Relaxed),
                    registers,
                }
            })
            .collect();
        threads.sort_unstable_by_key(|t| t.tid);
        threads
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // SAFETY: unmaps exactly what `new` mapped; the child has a mapping of its own.
        unsafe { libc::munmap(self.page.as_ptr().cast(), size_of::<Page>()) };
    }
}
