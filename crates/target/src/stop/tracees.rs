//! In the holder: the threads of the target, seized, interrupted, let go. No allocation, no lock, no panic.

use std::os::fd::RawFd;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicU32, AtomicU64};

use super::shared::{REGISTER_WORDS, Shared, Slot, TID_LIMIT, command, outcome, state};
use super::sys::{self, Wait};

/// Why the threads could not all be stopped.
pub(crate) struct Failure {
    pub(crate) outcome: u32,
    pub(crate) culprit: i32,
    pub(crate) errno: i32,
}

impl Failure {
    fn of(outcome: u32, culprit: i32, errno: i32) -> Self {
        Self {
            outcome,
            culprit,
            errno,
        }
    }
}

/// First and longest pause between two looks at threads that have not stopped yet.
const FIRST_PAUSE_NS: u64 = 15_000;
const LONGEST_PAUSE_NS: u64 = 250_000;

/// Flags of `/proc/PID/stat` (`include/linux/sched.h`): threads of the kernel that live in a process and never run its code.
const PF_IO_WORKER: u64 = 0x10;
const PF_USER_WORKER: u64 = 0x4000;

pub(crate) struct Tracees<'a> {
    shared: &'a Shared,
    /// `/proc/PID/task`, opened when the target was identified.
    task_dir: RawFd,
    /// What [`Shared::link`] holds when there is no command.
    no_command: u32,
}

impl<'a> Tracees<'a> {
    pub(crate) fn new(shared: &'a Shared, task_dir: RawFd, no_command: u32) -> Self {
        Self {
            shared,
            task_dir,
            no_command,
        }
    }

    /// Stops every thread, also those born meanwhile, and reads their registers.
    pub(crate) fn stop(&self, deadline_ns: u64) -> Result<(), Failure> {
        self.forget();
        self.seize_listed()?;
        self.interrupt();
        let mut agreeing = 0;
        // Once all known threads stand still, only an unknown thread can make new ones: two lists without one end it.
        while agreeing < 2 {
            self.settle(deadline_ns)?;
            if self.seize_listed()? == 0 {
                agreeing += 1;
            } else {
                agreeing = 0;
                self.interrupt();
            }
        }
        self.drop_strangers();
        let mut stopped = 0;
        for slot in self.shared.used() {
            if slot.state.load(Relaxed) == state::STOPPED && read_registers(slot) {
                stopped += 1;
            }
        }
        if stopped == 0 {
            Err(Failure::of(outcome::NO_THREAD, 0, 0))
        } else {
            Ok(())
        }
    }

    /// Lets every stopped thread run on with its signal. False where a thread is left that can only be let go by ending
    /// this process.
    pub(crate) fn release(&self) -> bool {
        let mut all = true;
        for slot in self.shared.used() {
            match slot.state.load(Relaxed) {
                state::STOPPED => {
                    // Fails only for a thread that was killed meanwhile.
                    let _ = sys::detach(slot.tid.load(Relaxed), slot.signal.load(Relaxed));
                }
                state::RUNNING => all = false,
                _ => {}
            }
        }
        all
    }

    /// Forgets the threads of an earlier stop.
    fn forget(&self) {
        for slot in self.shared.used() {
            let tid = slot.tid.load(Relaxed);
            clear_bit(&self.shared.known, tid);
        }
        self.shared.slots_used.store(0, Release);
    }

    /// Lists the threads and seizes those not known yet; answers how many those were.
    fn seize_listed(&self) -> Result<usize, Failure> {
        let unlisted = |errno| Failure::of(outcome::NOT_LISTED, 0, errno);
        for slot in self.shared.used() {
            clear_bit(&self.shared.listed, slot.tid.load(Relaxed));
        }
        sys::rewind_dir(self.task_dir).map_err(unlisted)?;
        let mut buf = [0u8; 8192];
        let mut new = 0;
        loop {
            let n = match sys::list_dir(self.task_dir, &mut buf) {
                Ok(0) => return Ok(new),
                Ok(n) => n,
                // The process is gone with all its threads.
                Err(libc::ENOENT | libc::ESRCH) => return Ok(new),
                Err(errno) => return Err(unlisted(errno)),
            };
            let mut rest = buf.get(..n).unwrap_or_default();
            while let Some((tid, next)) = next_entry(rest) {
                rest = next;
                let Some(tid) = tid else { continue };
                set_bit(&self.shared.listed, tid);
                if !has_bit(&self.shared.known, tid) && self.seize(tid)? {
                    new += 1;
                }
            }
        }
    }

    /// Seizes one thread; false where there is nothing to seize.
    fn seize(&self, tid: i32) -> Result<bool, Failure> {
        let used = self.shared.slots_used.load(Relaxed);
        let Some(slot) = self.shared.slots.get(used as usize) else {
            return Err(Failure::of(outcome::TOO_MANY_THREADS, tid, 0));
        };
        // In the table first: a thread may die as soon as it is seized, and the handler of SIGCHLD reaps by the table.
        slot.tid.store(tid, Relaxed);
        slot.signal.store(0, Relaxed);
        slot.state.store(state::RUNNING, Relaxed);
        self.shared.slots_used.store(used.wrapping_add(1), Release);
        let Err(errno) = sys::seize(tid) else {
            set_bit(&self.shared.known, tid);
            return Ok(true);
        };
        self.shared.slots_used.store(used, Release);
        if errno == libc::ESRCH || self.needs_no_stop(tid) {
            Ok(false)
        } else {
            Err(Failure::of(outcome::NOT_TRACED, tid, errno))
        }
    }

    fn interrupt(&self) {
        for slot in self.shared.used() {
            if slot.state.load(Relaxed) == state::RUNNING {
                // Fails for a thread that died meanwhile, which `settle` sees too.
                let _ = sys::interrupt(slot.tid.load(Relaxed));
            }
        }
    }

    /// Waits until every known thread stands still or is gone.
    fn settle(&self, deadline_ns: u64) -> Result<(), Failure> {
        let mut pause = FIRST_PAUSE_NS;
        loop {
            let mut running = None;
            for slot in self
                .shared
                .used()
                .iter()
                .filter(|s| s.state.load(Relaxed) == state::RUNNING)
            {
                let tid = slot.tid.load(Relaxed);
                match sys::look(tid) {
                    Wait::Running => running = running.or(Some(tid)),
                    Wait::Stopped { signal } => {
                        slot.signal.store(signal, Relaxed);
                        slot.state.store(state::STOPPED, Relaxed);
                    }
                    gone @ (Wait::Dead | Wait::Gone) => {
                        if gone == Wait::Dead {
                            sys::reap(tid);
                        }
                        slot.state.store(state::GONE, Relaxed);
                        // A thread that ran `execve` takes its leader's id: the id may have to be seized again.
                        clear_bit(&self.shared.known, tid);
                    }
                }
            }
            let Some(culprit) = running else {
                return Ok(());
            };
            let now = sys::now_ns();
            if now >= deadline_ns || self.called_off() {
                return Err(Failure::of(outcome::NOT_STOPPED, culprit, 0));
            }
            if pause == LONGEST_PAUSE_NS {
                // A thread in `execve` can lose the request (seen on Linux 6.18). Repeating it does no harm: what is
                // still pending when a thread is let go, the kernel forgets.
                self.interrupt();
            }
            sys::futex_wait(
                &self.shared.link,
                self.no_command,
                Some(deadline_ns.min(now.wrapping_add(pause))),
            );
            pause = pause.saturating_mul(2).min(LONGEST_PAUSE_NS);
        }
    }

    /// Whether leakscope is gone or does not want the stop any more.
    fn called_off(&self) -> bool {
        let link = self.shared.link.load(Acquire);
        link != self.no_command && link != command::STOP
    }

    /// Lets go of threads that are not in the newest list: an id that was given to another process between list and seizure.
    fn drop_strangers(&self) {
        for slot in self.shared.used() {
            let tid = slot.tid.load(Relaxed);
            if slot.state.load(Relaxed) == state::STOPPED && !has_bit(&self.shared.listed, tid) {
                let _ = sys::detach(tid, slot.signal.load(Relaxed));
                slot.state.store(state::GONE, Relaxed);
            }
        }
    }

    /// Whether a thread that cannot be seized runs no code of the target: a zombie (a main thread that ended before the
    /// others), or a kernel worker such as io_uring's.
    fn needs_no_stop(&self, tid: i32) -> bool {
        let mut path = [0u8; 24];
        let mut stat = [0u8; 512];
        let Some(()) = stat_path(tid, &mut path) else {
            return false;
        };
        let end = path.iter().position(|b| *b == 0).unwrap_or(0);
        let n = match sys::read_at(
            self.task_dir,
            path.get(..=end).unwrap_or_default(),
            &mut stat,
        ) {
            Ok(n) => n,
            Err(errno) => return matches!(errno, libc::ENOENT | libc::ESRCH),
        };
        let Some((state, flags)) = stat.get(..n).and_then(state_and_flags) else {
            return false;
        };
        matches!(state, b'Z' | b'X') || flags & (PF_IO_WORKER | PF_USER_WORKER) != 0
    }
}

fn read_registers(slot: &Slot) -> bool {
    let Ok(r) = sys::registers(slot.tid.load(Relaxed)) else {
        slot.state.store(state::GONE, Relaxed);
        return false;
    };
    let words: [u64; REGISTER_WORDS] = [
        r.rip, r.rsp, r.fs_base, r.rax, r.rbx, r.rcx, r.rdx, r.rsi, r.rdi, r.rbp, r.r8, r.r9,
        r.r10, r.r11, r.r12, r.r13, r.r14, r.r15,
    ];
    for (to, from) in slot.registers.iter().zip(words) {
        to.store(from, Relaxed);
    }
    true
}

/// The first record of a list of `linux_dirent64`: its name as a thread id, if it is one, and what follows the record.
fn next_entry(records: &[u8]) -> Option<(Option<i32>, &[u8])> {
    // struct linux_dirent64 { u64 ino; s64 off; u16 reclen; u8 type; char name[]; }
    let len = usize::from(u16::from_ne_bytes([*records.get(16)?, *records.get(17)?]));
    let record = records.get(..len)?;
    let name = record.get(19..)?;
    let mut tid: Option<i32> = None;
    for b in name.iter().take_while(|b| **b != 0) {
        if !b.is_ascii_digit() {
            return Some((None, records.get(len..)?));
        }
        let digit = i32::from(b.wrapping_sub(b'0'));
        tid = Some(tid.unwrap_or(0).wrapping_mul(10).wrapping_add(digit));
    }
    Some((tid.filter(|t| *t > 0), records.get(len..)?))
}

/// Writes `TID/stat` and a NUL into `path`.
fn stat_path(tid: i32, path: &mut [u8; 24]) -> Option<()> {
    let mut digits = [0u8; 12];
    let mut n = 0;
    let mut rest = u32::try_from(tid).ok()?;
    loop {
        *digits.get_mut(n)? = b'0' + (rest % 10) as u8;
        n += 1;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    let name = digits.get(..n)?.iter().rev().chain(b"/stat\0");
    for (to, from) in path.iter_mut().zip(name) {
        *to = *from;
    }
    Some(())
}

/// State letter and flags (fields 3 and 9) of a `/proc/PID/stat` line; the name before them may hold any byte.
fn state_and_flags(stat: &[u8]) -> Option<(u8, u64)> {
    let end = stat.iter().rposition(|b| *b == b')')?;
    let mut fields = stat.get(end.checked_add(2)?..)?.split(|b| *b == b' ');
    let state = *fields.next()?.first()?;
    let flags = fields.nth(5)?;
    let mut value = 0u64;
    for b in flags {
        value = value
            .wrapping_mul(10)
            .wrapping_add(u64::from(b.wrapping_sub(b'0')));
    }
    Some((state, value))
}

fn bit(tid: i32) -> Option<(usize, u64)> {
    let tid = usize::try_from(tid).ok().filter(|t| *t < TID_LIMIT)?;
    Some((tid / 64, 1u64 << (tid % 64)))
}

fn has_bit(bits: &[AtomicU64], tid: i32) -> bool {
    bit(tid).is_some_and(|(word, mask)| bits.get(word).is_some_and(|w| w.load(Relaxed) & mask != 0))
}

fn set_bit(bits: &[AtomicU64], tid: i32) {
    if let Some((word, mask)) = bit(tid)
        && let Some(w) = bits.get(word)
    {
        w.fetch_or(mask, Relaxed);
    }
}

fn clear_bit(bits: &[AtomicU64], tid: i32) {
    if let Some((word, mask)) = bit(tid)
        && let Some(w) = bits.get(word)
    {
        w.fetch_and(!mask, Relaxed);
    }
}

/// Waits for a command, takes it and answers with it; `None` at `until_ns`. A dead parent is an answer too.
pub(crate) fn next_command(
    link: &AtomicU32,
    no_command: u32,
    until_ns: Option<u64>,
) -> Option<u32> {
    loop {
        let value = link.load(Acquire);
        if value == no_command {
            if until_ns.is_some_and(|until| sys::now_ns() >= until) {
                return None;
            }
            sys::futex_wait(link, no_command, until_ns);
        } else if value & libc::FUTEX_OWNER_DIED != 0
            || link
                .compare_exchange(value, no_command, Release, Relaxed)
                .is_ok()
        {
            return Some(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thread_ids_are_read_from_directory_records() {
        let mut records = Vec::new();
        for name in [&b"."[..], b"4194303", b"17"] {
            let len = (19 + name.len() + 1).next_multiple_of(8);
            let mut r = vec![0u8; len];
            r[16..18].copy_from_slice(&(len as u16).to_ne_bytes());
            r[19..19 + name.len()].copy_from_slice(name);
            records.extend(r);
        }
        let mut rest = &records[..];
        let mut found = Vec::new();
        while let Some((tid, next)) = next_entry(rest) {
            found.push(tid);
            rest = next;
        }
        assert_eq!(found, [None, Some(4_194_303), Some(17)]);
    }

    #[test]
    fn state_and_flags_survive_a_hostile_name() {
        let line = b"12 (a) Z 1 (b)) S 1 2 3 4 5 1077936192 0 0";
        assert_eq!(state_and_flags(line), Some((b'S', 1_077_936_192)));
        assert_eq!(state_and_flags(b"12 (x"), None);
    }

    #[test]
    fn a_stat_path_ends_with_a_nul() {
        let mut path = [0u8; 24];
        stat_path(4_194_303, &mut path).unwrap();
        assert_eq!(&path[..13], b"4194303/stat\0");
    }
}
