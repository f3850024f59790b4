//! What the kernel tells of a process at almost no cost: two small files of `/proc`. For those who look at many processes
//! again and again.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;

use crate::proc_text::{self, Stat};
use crate::{Identity, LiveMemory};

/// What a process uses, at one moment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Vitals {
    /// Its name, at most 15 raw bytes chosen by the process: hostile until escaped.
    pub comm: Vec<u8>,
    /// When it started, in clock ticks since boot.
    pub start_ticks: u64,
    /// Processor time that it took since, in clock ticks.
    pub cpu_ticks: u64,
    /// Its threads.
    pub threads: u64,
    /// Resident bytes.
    pub resident: u64,
    /// Of these, anonymous ones: neither of files nor of shared memory.
    pub anonymous: u64,
    /// Whether it is a thread of the kernel, or has ended and only waits to be forgotten.
    pub without_memory: bool,
}

impl Vitals {
    /// Reads `stat` and `statm` of process `pid`. `None` where there is none.
    pub fn of(pid: i32) -> Option<Self> {
        let stat = Stat::of(pid)?;
        let statm = proc_text::read(format!("/proc/{pid}/statm")).ok()?;
        let mut pages = proc_text::words(&statm).map(proc_text::parse::<u64>);
        // Size, resident, and of these the shared ones: files and shared memory (proc_pid_statm(5)).
        let (_, resident, shared) = (pages.next()??, pages.next()??, pages.next()??);
        let bytes = |pages: u64| pages.saturating_mul(rustix::param::page_size() as u64);
        Some(Self {
            without_memory: stat.is_kernel_thread() || matches!(stat.state, b'Z' | b'X'),
            comm: stat.comm,
            start_ticks: stat.start_ticks,
            cpu_ticks: stat.cpu_ticks,
            threads: stat.threads,
            resident: bytes(resident),
            anonymous: bytes(resident.saturating_sub(shared)),
        })
    }
}

impl Identity {
    /// What identifies process `pid` now, given when it started. `None` where its executable cannot be seen.
    pub fn of(pid: i32, start_ticks: u64) -> Option<Self> {
        let exe = std::fs::metadata(format!("/proc/{pid}/exe")).ok()?;
        Some(Self::with_executable(pid, start_ticks, &exe))
    }

    fn with_executable(pid: i32, start_ticks: u64, exe: &Metadata) -> Self {
        Self {
            pid,
            start_ticks,
            exe_device: exe.dev(),
            exe_inode: exe.ino(),
        }
    }

    /// The memory of the process with this id. Whether it is still this process must be asked after each read: ids are
    /// used again.
    pub fn memory(&self) -> LiveMemory {
        LiveMemory::new(self.pid)
    }

    /// Whether the process with this id is still this one, running the same executable.
    pub fn is_current(&self) -> bool {
        Stat::of(self.pid)
            .and_then(|stat| Self::of(self.pid, stat.start_ticks))
            .is_some_and(|now| now == *self)
    }
}

/// Ids of all processes that can be seen, in order.
pub fn process_ids() -> std::io::Result<Vec<i32>> {
    let mut ids: Vec<i32> = std::fs::read_dir("/proc")?
        .filter_map(|e| proc_text::parse(e.ok()?.file_name().as_encoded_bytes()))
        .collect();
    ids.sort_unstable();
    Ok(ids)
}

/// Clock ticks in a second, of [`Vitals`].
pub fn clock_ticks() -> u64 {
    rustix::param::clock_ticks_per_second().max(1)
}

/// When this machine was started, in seconds since 1970 (`btime` of `/proc/stat`).
pub fn boot_time() -> Option<u64> {
    let stat = proc_text::read("/proc/stat").ok()?;
    let line = stat
        .split(|b| *b == b'\n')
        .find_map(|line| line.strip_prefix(b"btime "))?;
    proc_text::parse(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_seen_as_it_is() {
        let pid = std::process::id() as i32;
        let filled = vec![1_u8; 8 << 20];
        let own = Vitals::of(pid).unwrap();
        assert!(own.threads >= 1 && own.resident >= own.anonymous && !own.without_memory);
        assert!(own.anonymous >= filled.len() as u64);
        let identity = Identity::of(pid, own.start_ticks).unwrap();
        assert!(identity.is_current());
        let recycled = Identity {
            start_ticks: own.start_ticks + 1,
            ..identity
        };
        let replaced = Identity {
            exe_inode: identity.exe_inode + 1,
            ..identity
        };
        assert!(!recycled.is_current() && !replaced.is_current());
        assert!(process_ids().unwrap().contains(&pid));
        assert!(boot_time().unwrap() > 1_000_000_000 && clock_ticks() > 0);
        assert_eq!(Vitals::of(i32::MAX), None);
    }
}
