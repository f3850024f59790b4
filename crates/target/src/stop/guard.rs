//! The guard: a thread of leakscope that forks the holder, watches it, ends it when it outstays its time, and reaps it.

use std::os::fd::RawFd;
use std::sync::Arc;
use std::sync::atomic::Ordering::Acquire;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use super::holder::{self, Orders};
use super::shared::{Shared, answer};
use super::sys;

/// How long after its deadline the holder may still be holding the target before it is killed.
const SLACK: Duration = Duration::from_millis(4);

/// How often the guard looks whether the holder still lives, and after the kill whether it is gone.
const ROUND: Duration = Duration::from_millis(20);
const REAP_ROUND: Duration = Duration::from_micros(500);

/// The head of a thread's robust futex list (`struct robust_list_head`), with room for its one entry.
#[repr(C)]
struct RobustList {
    first: *const RobustEntry,
    futex_offset: libc::c_long,
    pending: *const RobustEntry,
    entry: RobustEntry,
}

/// An entry of it; the list is circular.
#[repr(C)]
struct RobustEntry {
    next: *const RobustList,
}

/// Has the kernel mark [`link`](super::shared::Page::link) and wake the holder when this thread dies with its process:
/// at the very start of its death, before the memory of the process is torn down, which may take seconds.
struct DeathNotice {
    list: Box<RobustList>,
}

impl DeathNotice {
    fn register(shared: &Shared) -> Self {
        let mut list = Box::new(RobustList {
            first: std::ptr::null(),
            futex_offset: 0,
            pending: std::ptr::null(),
            entry: RobustEntry {
                next: std::ptr::null(),
            },
        });
        let word = shared.link.as_ptr().addr();
        let entry = std::ptr::from_ref(&list.entry);
        list.futex_offset = word.wrapping_sub(entry.addr()) as libc::c_long;
        list.first = entry;
        list.entry.next = std::ptr::from_ref(&*list);
        let head = std::ptr::from_ref(&*list);
        // SAFETY: the list is well formed and stays where it is until `drop` takes it back. It replaces this thread's own
        // list, which std does not use.
        unsafe { libc::syscall(libc::SYS_set_robust_list, head, HEAD_SIZE) };
        Self { list }
    }
}

/// Size of the kernel's `struct robust_list_head`: three words.
const HEAD_SIZE: usize = 3 * size_of::<usize>();

impl Drop for DeathNotice {
    fn drop(&mut self) {
        self.list.first = std::ptr::null();
        // SAFETY: an absent list is what a thread starts with.
        unsafe {
            libc::syscall(
                libc::SYS_set_robust_list,
                std::ptr::null::<RobustList>(),
                HEAD_SIZE,
            )
        };
    }
}

/// Runs the guard: forks the holder, reports its process id, and stays until the holder is gone.
pub(super) fn run(shared: &Arc<Shared>, task_dir: RawFd, started: &SyncSender<Result<i32, i32>>) {
    // SAFETY: no arguments.
    let me = unsafe { libc::gettid() };
    let no_command = libc::FUTEX_WAITERS | me as u32;
    shared
        .link
        .store(no_command, std::sync::atomic::Ordering::Release);
    let _notice = DeathNotice::register(shared);
    // Before the fork, so that the holder has it from its first instruction: on a loaded machine too the two let go in time.
    sys::be_urgent();
    // SAFETY: no arguments.
    let parent = unsafe { libc::getpid() };
    let orders = Orders {
        task_dir,
        parent,
        no_command,
    };
    // SAFETY: the child calls only `holder::run`, which is async-signal-safe and never returns.
    let pid = unsafe { libc::fork() };
    match pid {
        0 => holder::run(shared, &orders),
        -1 => {
            // The receiver waits for exactly this message.
            let _ = started.send(Err(sys::errno()));
        }
        pid => {
            let _ = started.send(Ok(pid));
            watch(shared, pid);
        }
    }
}

fn watch(shared: &Shared, pid: i32) {
    loop {
        if gone(pid) {
            shared.set_answer(answer::DEAD);
            return;
        }
        let seen = shared.answer.load(Acquire);
        let now = sys::now_ns();
        let mut until = now + ROUND.as_nanos() as u64;
        match seen {
            answer::UNWANTED => break,
            answer::STOPPING | answer::STOPPED => {
                let last = shared
                    .deadline_ns
                    .load(Acquire)
                    .saturating_add(SLACK.as_nanos() as u64);
                if now >= last {
                    break;
                }
                until = until.min(last);
            }
            _ => {}
        }
        sys::futex_wait(&shared.answer, seen, Some(until));
    }
    // SAFETY: our own child, not reaped yet. What it still holds, the kernel resumes, with its signals.
    unsafe { libc::kill(pid, libc::SIGKILL) };
    while !gone(pid) {
        std::thread::sleep(REAP_ROUND);
    }
    shared.set_answer(answer::DEAD);
}

/// Reaps the holder if it has ended.
fn gone(pid: i32) -> bool {
    let mut status = 0;
    // SAFETY: `status` has room for the answer.
    let reaped = unsafe { libc::waitpid(pid, &mut status, libc::WNOHANG | libc::__WALL) };
    reaped == pid || (reaped == -1 && sys::errno() == libc::ECHILD)
}
