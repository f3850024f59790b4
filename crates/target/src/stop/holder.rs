//! The holder: a small process of our own that stops the target, holds it and lets it go. It is the tracer, so whatever
//! ends it makes the kernel resume the target.
//!
//! It is forked from a process with threads: everything here is async-signal-safe and does not allocate, lock or panic.
//! It sits in a session of its own, so that signals to leakscope's terminal or process group do not reach it, and it dies
//! with the thread that forked it.

use std::os::fd::RawFd;
use std::sync::atomic::AtomicPtr;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use super::shared::{Shared, answer, command, outcome};
use super::sys::{self, Wait};
use super::tracees::{Tracees, next_command};

/// What the child needs to know; made before the fork.
pub(crate) struct Orders {
    /// `/proc/PID/task` of the target.
    pub(crate) task_dir: RawFd,
    /// The forking process.
    pub(crate) parent: i32,
    /// What [`link`](super::shared::Page::link) holds when there is no command.
    pub(crate) no_command: u32,
}

/// The life of the holder, in the child. Never returns.
pub(crate) fn run(shared: &Shared, orders: &Orders) -> ! {
    TRACED.store(std::ptr::from_ref(shared).cast_mut(), Release);
    settle_in(orders);
    let tracees = Tracees::new(shared, orders.task_dir, orders.no_command);
    shared.set_answer(answer::READY);
    loop {
        match next_command(&shared.link, orders.no_command, None) {
            Some(command::STOP) => {}
            Some(command::RELEASE) | None => continue,
            Some(_) => end(),
        }
        let parent_lives = hold(shared, &tracees, orders);
        let free = tracees.release();
        shared.ended_ns.store(sys::now_ns(), Release);
        shared.set_answer(answer::ENDED);
        if !parent_lives || !free {
            end();
        }
    }
}

/// Stops the target and waits for the command to let go, for the deadline, or for the parent's death (then false).
fn hold(shared: &Shared, tracees: &Tracees<'_>, orders: &Orders) -> bool {
    let begun = sys::now_ns();
    let deadline = begun.saturating_add(shared.budget_ns.load(Relaxed));
    shared.begun_ns.store(begun, Relaxed);
    shared.deadline_ns.store(deadline, Relaxed);
    if let Err(failure) = tracees.stop(deadline) {
        shared.culprit.store(failure.culprit, Relaxed);
        shared.errno.store(failure.errno, Relaxed);
        shared.outcome.store(failure.outcome, Release);
        return true;
    }
    shared.stopped_ns.store(sys::now_ns(), Relaxed);
    shared.set_answer(answer::STOPPED);
    match next_command(&shared.link, orders.no_command, Some(deadline)) {
        Some(command::RELEASE) => shared.outcome.store(outcome::RELEASED, Release),
        None => shared.outcome.store(outcome::DEADLINE, Release),
        Some(_) => return false,
    }
    true
}

fn settle_in(orders: &Orders) {
    // SAFETY: asks the kernel to kill this process when the forking thread ends.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL, 0, 0, 0) };
    // SAFETY: no arguments; the parent may have died before the line above.
    if unsafe { libc::getppid() } != orders.parent {
        end();
    }
    sys::keep_signals_out(reap_dead);
    // SAFETY: no arguments.
    unsafe { libc::setsid() };
    die_first();
    // SAFETY: plain numbers; a shorter sleep than the default's 50 us of slack.
    unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, 1, 0, 0, 0) };
    // SAFETY: a NUL-terminated name, copied by the kernel.
    unsafe { libc::prctl(libc::PR_SET_NAME, c"leakscope-hold".as_ptr(), 0, 0, 0) };
    // SAFETY: plain numbers.
    unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 0, 0, 0, 0) };
    let keep = orders.task_dir as libc::c_uint;
    if let Some(below) = keep.checked_sub(1) {
        // SAFETY: closes what this process inherited and does not use.
        unsafe { libc::syscall(libc::SYS_close_range, 0, below, 0) };
    }
    // SAFETY: as above.
    unsafe {
        libc::syscall(
            libc::SYS_close_range,
            keep.wrapping_add(1),
            libc::c_uint::MAX,
            0,
        )
    };
}

/// In the holder: the shared memory, for the signal handler.
static TRACED: AtomicPtr<Shared> = AtomicPtr::new(std::ptr::null_mut());

/// Reaps traced threads that have died. A thread in `execve` waits for that, and PTRACE_SEIZE waits for the thread in
/// `execve`: hence as a handler of SIGCHLD, which runs even inside that wait. Threads that a kill took from a stop are
/// reaped here too, so that the target's parent can take note of its end.
extern "C" fn reap_dead(_signal: libc::c_int) {
    let errno = sys::errno();
    // SAFETY: null, or set by `run` to what it borrows until this process ends; the page is made of atomics.
    if let Some(shared) = unsafe { TRACED.load(Acquire).as_ref() } {
        for slot in shared.used() {
            let tid = slot.tid.load(Relaxed);
            if sys::look(tid) == Wait::Dead {
                sys::reap(tid);
            }
        }
    }
    sys::set_errno(errno);
}

/// The OOM killer should take this process before the target or leakscope.
fn die_first() {
    // SAFETY: a NUL-terminated path.
    let fd = unsafe {
        libc::open(
            c"/proc/self/oom_score_adj".as_ptr(),
            libc::O_WRONLY | libc::O_CLOEXEC,
        )
    };
    if fd >= 0 {
        let score = b"1000";
        // SAFETY: the bytes are read only.
        unsafe { libc::write(fd, score.as_ptr().cast(), score.len()) };
        // SAFETY: `fd` was opened above and is used no more.
        unsafe { libc::close(fd) };
    }
}

/// Ends this process without running anything of leakscope's.
fn end() -> ! {
    // SAFETY: ends the process; what it still traces, the kernel resumes.
    unsafe { libc::_exit(0) }
}
