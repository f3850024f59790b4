//! The system calls of the stop. Everything here may be called in a child right after `fork` in a process with threads:
//! nothing allocates, locks or panics.

use std::os::fd::RawFd;
use std::sync::atomic::AtomicU32;

/// `CLOCK_MONOTONIC` in nanoseconds: the same clock in every process of the machine.
pub(crate) fn now_ns() -> u64 {
    let mut t = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `t` is a valid place for the answer; the clock always exists.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut t) };
    (t.tv_sec as u64)
        .wrapping_mul(1_000_000_000)
        .wrapping_add(t.tv_nsec as u64)
}

/// The calling thread's errno.
pub(crate) fn errno() -> i32 {
    // SAFETY: glibc's and musl's errno location is valid for the life of the thread.
    let at = unsafe { libc::__errno_location() };
    // SAFETY: see above; nothing else writes this thread's errno meanwhile.
    unsafe { *at }
}

fn check(rc: libc::c_long) -> Result<libc::c_long, i32> {
    if rc == -1 { Err(errno()) } else { Ok(rc) }
}

/// Sleeps while `*word == expected`, until woken, until `until_ns` on [`now_ns`]'s clock (`None`: for ever), or for no
/// reason at all. Works across processes that share the word.
pub(crate) fn futex_wait(word: &AtomicU32, expected: u32, until_ns: Option<u64>) {
    let at = until_ns.map(|ns| libc::timespec {
        tv_sec: (ns / 1_000_000_000) as libc::time_t,
        tv_nsec: (ns % 1_000_000_000) as libc::c_long,
    });
    let timeout = at.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    // SAFETY: `word` is valid and aligned; `timeout` is null or points to `at`, which outlives the call.
    unsafe {
        libc::syscall(
            libc::SYS_futex,
            word.as_ptr(),
            libc::FUTEX_WAIT_BITSET,
            expected,
            timeout,
            std::ptr::null::<u32>(),
            libc::FUTEX_BITSET_MATCH_ANY,
        )
    };
}

/// Wakes everybody who waits on `word`, in whatever process.
pub(crate) fn futex_wake(word: &AtomicU32) {
    // SAFETY: `word` is valid; waking has no other effect.
    unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAKE, i32::MAX) };
}

/// Real-time priority of who ends a stop.
const PRIORITY: i32 = 1;

/// Asks that the calling thread, and what it forks, run before all that is not urgent. Without the privilege nothing
/// changes.
pub(crate) fn be_urgent() {
    let param = libc::sched_param {
        sched_priority: PRIORITY,
    };
    // SAFETY: `param` is read only.
    unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO, &param) };
}

/// Makes this process the tracer of thread `tid`, without stopping it and without options: should this process die,
/// the kernel lets the thread run on.
pub(crate) fn seize(tid: i32) -> Result<(), i32> {
    // SAFETY: PTRACE_SEIZE touches no memory of ours.
    check(unsafe { libc::ptrace(libc::PTRACE_SEIZE, tid, 0usize, 0usize) }).map(drop)
}

/// Asks a seized thread to stop.
pub(crate) fn interrupt(tid: i32) -> Result<(), i32> {
    // SAFETY: PTRACE_INTERRUPT touches no memory of ours.
    check(unsafe { libc::ptrace(libc::PTRACE_INTERRUPT, tid, 0usize, 0usize) }).map(drop)
}

/// Lets a stopped thread run on untraced, delivering `signal` to it unless that is 0.
pub(crate) fn detach(tid: i32, signal: i32) -> Result<(), i32> {
    // SAFETY: PTRACE_DETACH touches no memory of ours.
    check(unsafe { libc::ptrace(libc::PTRACE_DETACH, tid, 0usize, signal as usize) }).map(drop)
}

/// Sets the calling thread's errno: for a signal handler, which must leave it as it was.
pub(crate) fn set_errno(value: i32) {
    // SAFETY: the location is valid for the life of the thread.
    let at = unsafe { libc::__errno_location() };
    // SAFETY: see above.
    unsafe { *at = value };
}

/// General registers of a stopped thread.
pub(crate) fn registers(tid: i32) -> Result<libc::user_regs_struct, i32> {
    let mut regs = std::mem::MaybeUninit::<libc::user_regs_struct>::zeroed();
    // SAFETY: PTRACE_GETREGS writes one `user_regs_struct`, for which there is room.
    check(unsafe { libc::ptrace(libc::PTRACE_GETREGS, tid, 0usize, regs.as_mut_ptr()) })?;
    // SAFETY: plain integers, zeroed and then filled.
    Ok(unsafe { regs.assume_init() })
}

/// What a traced thread did last.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Wait {
    /// Still running.
    Running,
    /// Stopped; `signal` is the one that was about to be delivered, 0 if none.
    Stopped {
        /// To be passed on when the thread runs again.
        signal: i32,
    },
    /// Dead, waiting to be reaped.
    Dead,
    /// Not ours (any more).
    Gone,
}

/// Looks at a traced thread without waiting and without consuming what it sees: were the stop consumed and this process
/// killed, the kernel would forget the signal that the thread stopped for.
pub(crate) fn look(tid: i32) -> Wait {
    let Ok(info) = wait_for(tid, libc::WSTOPPED | libc::WEXITED | libc::WNOWAIT) else {
        return Wait::Gone;
    };
    // SAFETY: the fields of SIGCHLD are what waitid fills; they are zero where it did not.
    if unsafe { info.si_pid() } == 0 {
        return Wait::Running;
    }
    if !matches!(info.si_code, libc::CLD_TRAPPED | libc::CLD_STOPPED) {
        return Wait::Dead;
    }
    // SAFETY: as above.
    let status = unsafe { info.si_status() };
    // A signal about to be delivered has no event in the upper bits; an interrupt or a group stop has.
    let signal = if status >> 8 == 0 { status & 0x7f } else { 0 };
    Wait::Stopped { signal }
}

/// Reaps a traced thread that [`look`] found dead. Of any other thread it would consume the stop, since the kernel
/// reports stops of tracees whether they are asked for or not.
pub(crate) fn reap(tid: i32) {
    // Fails where somebody was quicker.
    let _ = wait_for(tid, libc::WEXITED);
}

fn wait_for(tid: i32, flags: i32) -> Result<libc::siginfo_t, i32> {
    let mut info = std::mem::MaybeUninit::<libc::siginfo_t>::zeroed();
    let flags = flags | libc::WNOHANG | libc::__WALL;
    // SAFETY: `info` has room for the answer.
    let rc = unsafe { libc::waitid(libc::P_PID, tid as libc::id_t, info.as_mut_ptr(), flags) };
    check(rc.into())?;
    // SAFETY: zeroed beforehand: valid whether or not the call filled it.
    Ok(unsafe { info.assume_init() })
}

/// Blocks every signal but SIGCHLD, for which `on_death` is called when a child or tracee dies.
pub(crate) fn keep_signals_out(on_death: extern "C" fn(libc::c_int)) {
    let mut action = std::mem::MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: a zeroed sigaction is valid (default action, empty mask), and stays so with these fields set.
    let action = unsafe {
        let a = action.assume_init_mut();
        a.sa_sigaction = on_death as libc::sighandler_t;
        a.sa_flags = libc::SA_RESTART | libc::SA_NOCLDSTOP;
        a
    };
    // SAFETY: `action` is valid; the caller's handler calls only async-signal-safe functions.
    unsafe { libc::sigaction(libc::SIGCHLD, action, std::ptr::null_mut()) };
    let mut set = std::mem::MaybeUninit::<libc::sigset_t>::zeroed();
    // SAFETY: fills the set.
    unsafe { libc::sigfillset(set.as_mut_ptr()) };
    // SAFETY: the set is initialised.
    unsafe { libc::sigdelset(set.as_mut_ptr(), libc::SIGCHLD) };
    // SAFETY: the set is initialised.
    unsafe { libc::sigprocmask(libc::SIG_SETMASK, set.as_ptr(), std::ptr::null_mut()) };
}

/// Fills `buf` with raw `linux_dirent64` records of the open directory `fd`; 0 at its end.
pub(crate) fn list_dir(fd: RawFd, buf: &mut [u8]) -> Result<usize, i32> {
    // SAFETY: the kernel writes at most `buf.len()` bytes into `buf`.
    let n = check(unsafe { libc::syscall(libc::SYS_getdents64, fd, buf.as_mut_ptr(), buf.len()) })?;
    Ok(n as usize)
}

/// Goes back to the start of the open directory `fd`.
pub(crate) fn rewind_dir(fd: RawFd) -> Result<(), i32> {
    // SAFETY: moves an offset.
    check(unsafe { libc::lseek(fd, 0, libc::SEEK_SET) }).map(drop)
}

/// Reads the start of the file at `path` (NUL-terminated, relative to `dir`) into `buf`.
pub(crate) fn read_at(dir: RawFd, path: &[u8], buf: &mut [u8]) -> Result<usize, i32> {
    if path.last() != Some(&0) {
        return Err(libc::EINVAL);
    }
    let flags = libc::O_RDONLY | libc::O_CLOEXEC;
    // SAFETY: `path` ends with a NUL, checked above.
    let fd = check(unsafe { libc::openat(dir, path.as_ptr().cast(), flags) }.into())? as RawFd;
    // SAFETY: the kernel writes at most `buf.len()` bytes into `buf`.
    let n = check(unsafe { libc::read(fd, buf.as_mut_ptr().cast(), buf.len()) } as libc::c_long);
    // SAFETY: `fd` was opened above and is used no more.
    unsafe { libc::close(fd) };
    n.map(|n| n as usize)
}
