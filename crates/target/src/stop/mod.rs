//! Stopping a process for a bounded time.
//!
//! Three parties: *leakscope's* calling thread asks; the [`holder`], a child process, is the tracer and holds the target;
//! the [`guard`], a thread of leakscope, watches the holder. While the target is stopped they talk only through
//! [`shared`] memory and futexes. Each way of failing has somebody who ends the stop:
//!
//! | what happens | who ends the stop |
//! | --- | --- |
//! | leakscope takes too long, is stopped or frozen | the holder, at its deadline |
//! | leakscope dies, however | the holder, at once (robust futex, then `PR_SET_PDEATHSIG`) |
//! | the holder dies, however | the kernel, since a tracer's death resumes its tracees |
//! | the holder is stopped, frozen or stuck | the guard, shortly after the deadline, by killing it |
//! | leakscope panics | [`release_on_panic`]'s hook before a word is printed, or the unwinding |
//!
//! Never SIGSTOP, never `PTRACE_O_EXITKILL`. A signal that arrives while a thread is being stopped is passed on.
#![expect(
    unsafe_code,
    reason = "fork, ptrace, futex and memory shared with the child"
)]

mod cgroup;
mod guard;
mod holder;
mod panic;
mod shared;
mod sys;
mod tracees;

use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Acquire, Release};
use std::thread::JoinHandle;
use std::time::Duration;

pub use cgroup::Freezer;
pub(crate) use cgroup::hierarchies;
pub use panic::release_on_panic;
pub(crate) use shared::MAX_THREADS;
use shared::{Shared, answer, command, outcome};

use crate::{Error, Thread};

/// Why a stop came to an end other than by our word, or did not come about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Failure {
    /// The budget was used up while the target stood still.
    Deadline,
    /// This thread did not stop within the budget.
    NotStopped { tid: i32 },
    /// This thread cannot be traced.
    NotTraced { tid: i32, errno: i32 },
    /// The threads cannot be listed.
    NotListed { errno: i32 },
    /// More than [`MAX_THREADS`].
    TooManyThreads,
    /// The process has no thread left.
    NoThread,
    /// The holder died, or had to be killed.
    HolderDied,
}

/// A holder that is ready, and the guard that watches it. Dropping it ends both; the target runs on.
pub(crate) struct Holder {
    shared: Arc<Shared>,
    guard: Option<JoinHandle<()>>,
    freezer: Freezer,
}

impl Holder {
    /// Forks the holder for the process whose open `/proc/PID/task` is given; expects about `threads` threads.
    ///
    /// To be called before big buffers are set up: what is mapped now is mapped in the child too.
    pub(crate) fn start(task_dir: &std::fs::File, threads: usize) -> Result<Self, Error> {
        let no_holder = |source| Error::NoHolder { source };
        let shared = Arc::new(Shared::new()?);
        shared.prefault(threads);
        let (tell, hear) = std::sync::mpsc::sync_channel(1);
        let for_guard = Arc::clone(&shared);
        let fd = task_dir.as_raw_fd();
        let guard = std::thread::Builder::new()
            .name("leakscope-guard".into())
            .stack_size(256 << 10)
            .spawn(move || guard::run(&for_guard, fd, &tell))
            .map_err(no_holder)?;
        let mut holder = Self {
            shared,
            guard: Some(guard),
            freezer: Freezer::Inside,
        };
        panic::watch(&holder.shared);
        let pid = match hear.recv() {
            Ok(Ok(pid)) => pid,
            Ok(Err(errno)) => return Err(no_holder(std::io::Error::from_raw_os_error(errno))),
            Err(_) => return Err(no_holder(std::io::Error::other("the guard ended"))),
        };
        holder.freezer = cgroup::leave_freezers(pid);
        match holder.wait_while(answer::STARTING) {
            answer::READY => Ok(holder),
            _ => Err(no_holder(std::io::Error::other("the holder ended"))),
        }
    }

    /// Whether the holder is out of reach of whoever freezes leakscope's cgroup.
    pub(crate) fn freezer(&self) -> Freezer {
        self.freezer
    }

    /// Stops every thread of the target, for `budget` at most from the first one touched.
    pub(crate) fn stop(&self, budget: Duration) -> Result<Stopped<'_>, Failure> {
        if !matches!(
            self.shared.answer.load(Acquire),
            answer::READY | answer::ENDED
        ) {
            return Err(Failure::HolderDied);
        }
        let budget_ns = u64::try_from(budget.as_nanos()).unwrap_or(u64::MAX);
        self.shared.budget_ns.store(budget_ns, Release);
        self.shared
            .deadline_ns
            .store(sys::now_ns().saturating_add(budget_ns), Release);
        self.shared.outcome.store(0, Release);
        // Not earlier and not by the holder: the guard counts from here.
        self.shared.set_answer(answer::STOPPING);
        let stopped = Stopped { holder: self };
        self.shared.command(command::STOP);
        match self.wait_while(answer::STOPPING) {
            answer::STOPPED => Ok(stopped),
            // A holder that has ended a stop may end itself, too, before this thread sees the former.
            _ => Err(self.failure()),
        }
    }

    fn wait_while(&self, value: u32) -> u32 {
        loop {
            let now = self.shared.answer.load(Acquire);
            if now != value {
                return now;
            }
            sys::futex_wait(&self.shared.answer, value, None);
        }
    }

    fn failure(&self) -> Failure {
        let tid = self.shared.culprit.load(Acquire);
        let errno = self.shared.errno.load(Acquire);
        match self.shared.outcome.load(Acquire) {
            outcome::DEADLINE => Failure::Deadline,
            outcome::NOT_STOPPED => Failure::NotStopped { tid },
            outcome::NOT_TRACED => Failure::NotTraced { tid, errno },
            outcome::NOT_LISTED => Failure::NotListed { errno },
            outcome::TOO_MANY_THREADS => Failure::TooManyThreads,
            outcome::NO_THREAD => Failure::NoThread,
            _ => Failure::HolderDied,
        }
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        panic::unwatch(&self.shared);
        if let Some(guard) = self.guard.take() {
            self.shared.set_answer(answer::UNWANTED);
            // The guard cannot panic; it ends once the holder is reaped.
            let _ = guard.join();
        }
    }
}

/// The target standing still. Dropping it lets the target run on, as does [`release`](Self::release).
pub(crate) struct Stopped<'a> {
    holder: &'a Holder,
}

/// Facts of a stop that ended by our word: everything read in it is of one moment.
pub(crate) struct Ended {
    /// From before the first thread was touched until after the last one was let go.
    pub(crate) held: Duration,
    /// Of it, until every thread stood still.
    pub(crate) stopping: Duration,
    /// The threads, with registers.
    pub(crate) threads: Vec<Thread>,
}

impl Stopped<'_> {
    /// Whether the target still stands still. Costs one load.
    pub(crate) fn holds(&self) -> bool {
        self.holder.shared.answer.load(Acquire) == answer::STOPPED
    }

    /// Lets the target run on. Fails if the stop had ended before, in which case what was read last may be torn.
    pub(crate) fn release(self) -> Result<Ended, Failure> {
        let shared = &self.holder.shared;
        self.let_go();
        if shared.outcome.load(Acquire) != outcome::RELEASED {
            return Err(self.holder.failure());
        }
        if shared.answer.load(Acquire) != answer::ENDED {
            return Err(Failure::HolderDied);
        }
        let begun = shared.begun_ns.load(Acquire);
        let since = |ns: u64| Duration::from_nanos(ns.saturating_sub(begun));
        Ok(Ended {
            held: since(shared.ended_ns.load(Acquire)),
            stopping: since(shared.stopped_ns.load(Acquire)),
            threads: shared.threads(),
        })
    }

    /// Tells the holder to let go and waits until it has: bounded, since the guard ends a holder that does not.
    fn let_go(&self) {
        let shared = &self.holder.shared;
        while shared.in_stop() {
            let seen = shared.answer.load(Acquire);
            shared.command(command::RELEASE);
            sys::futex_wait(&shared.answer, seen, None);
        }
    }
}

impl Drop for Stopped<'_> {
    fn drop(&mut self) {
        if self.holder.shared.in_stop() {
            self.let_go();
        }
    }
}
