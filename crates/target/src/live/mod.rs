//! A live process: what it is, what it has mapped, what it remembers, and a copy of that.

mod capture;
mod copy;
mod copy_list;
mod failure;
mod headroom;
mod maps;
mod open;
mod predict;
mod report;
mod residency;
mod smaps;
mod work;

use std::fs::File;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use memmap2::Mmap;
use procfs::process::Process;

pub use self::headroom::memory_headroom;
pub use self::report::{Capture, CaptureOptions, Method, Phase, StopReport};
pub use self::residency::{MappingUsage, Residency};
use crate::{Addr, Error, Fault, LiveMemory, Mapping, Memory};

/// What makes a process this process and not another with the same id.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Identity {
    /// Process id.
    pub pid: i32,
    /// When it started, in clock ticks since boot (field 22 of `/proc/PID/stat`).
    pub start_ticks: u64,
    /// Device of its executable.
    pub exe_device: u64,
    /// Inode of its executable.
    pub exe_inode: u64,
}

/// An opened, identified process. It runs on undisturbed; only [`capture`](Self::capture) stops it.
///
/// Every file of `/proc` is reached through what was opened here, so that a process id given to another process is
/// noticed. So is an `execve`, even of the same program.
pub struct LiveProcess {
    identity: Identity,
    proc: Process,
    /// `/proc/PID/task`.
    tasks: File,
    /// `/proc/PID/mem` or `maps`: refers to the address space as it was when opened. Once that is gone, it reads as
    /// empty, or there is no such process.
    address_space: File,
    executable: Arc<Mmap>,
    exe_path: Vec<u8>,
}

impl LiveProcess {
    /// Opens process `pid`: identifies it, checks that it can be read and traced, and maps its executable.
    ///
    /// The errors tell apart: no such process, a zombie, a thread id, ourselves, a kernel thread, a process that is traced
    /// already, and missing permission. An executable of another word size or machine is left to the caller to refuse.
    pub fn open(pid: i32) -> Result<Self, Error> {
        open::open(pid)
    }

    /// Its process id.
    pub fn pid(&self) -> i32 {
        self.identity.pid
    }

    /// What identifies it.
    pub fn identity(&self) -> Identity {
        self.identity
    }

    /// Its executable, mapped through `/proc/PID/exe`: the very file that runs, also if it was deleted or replaced.
    pub fn executable(&self) -> Arc<Mmap> {
        Arc::clone(&self.executable)
    }

    /// Path of its executable as the kernel gives it, raw: hostile until escaped; ends in ` (deleted)` if it was deleted.
    pub fn exe_path(&self) -> Vec<u8> {
        self.exe_path.clone()
    }

    /// What it has mapped now, by address.
    pub fn mappings(&self) -> Result<Vec<Mapping>, Error> {
        let mut text = Vec::new();
        std::io::Read::read_to_end(&mut self.open_file("maps")?, &mut text).map_err(|source| {
            Error::Proc {
                pid: self.pid(),
                file: "maps",
                source,
            }
        })?;
        maps::parse(&text).ok_or_else(|| self.malformed("maps"))
    }

    /// What of it lies in memory now, by mapping and by page. It runs on meanwhile: a page that comes or goes between the
    /// two reads is in one and not in the other.
    pub fn residency(&self) -> Result<Residency, Error> {
        let mut text = Vec::new();
        std::io::Read::read_to_end(&mut self.open_file("smaps")?, &mut text).map_err(|source| {
            Error::Proc {
                pid: self.pid(),
                file: "smaps",
                source,
            }
        })?;
        let mappings = smaps::parse(&text).ok_or_else(|| self.malformed("smaps"))?;
        let page = rustix::param::page_size() as u64;
        let pagemap = self.open_file("pagemap").ok();
        let resident = pagemap.and_then(|file| residency::resident_pages(&file, &mappings, page));
        Ok(Residency { mappings, resident })
    }

    /// Ids of its threads now, in no order.
    pub fn thread_ids(&self) -> Result<Vec<i32>, Error> {
        let failed = |source| Error::Proc {
            pid: self.pid(),
            file: "task",
            source,
        };
        let tasks = self
            .proc
            .tasks()
            .map_err(|e| failed(std::io::Error::other(e)))?;
        Ok(tasks.filter_map(|t| t.ok().map(|t| t.tid)).collect())
    }

    /// Its memory, running.
    pub fn memory(&self) -> LiveMemory {
        LiveMemory::new(self.pid())
    }

    /// Whether it is still the process that was opened, running the same program.
    pub fn verify(&self) -> Result<(), Error> {
        // Any address will do: only an address space that is gone reads as empty.
        match self.address_space.read_at(&mut [0], 0) {
            Ok(0) if self.is_alive() => Err(Error::ChangedIdentity { pid: self.pid() }),
            Ok(0) => Err(Error::Gone { pid: self.pid() }),
            Err(e) if e.raw_os_error() == Some(libc::ESRCH) => Err(Error::Gone { pid: self.pid() }),
            _ => Ok(()),
        }
    }

    fn is_alive(&self) -> bool {
        /// Flag of `/proc/PID/stat` (`include/linux/sched.h`): on its way out, its memory perhaps gone already.
        const PF_EXITING: u32 = 0x4;
        self.proc
            .stat()
            .is_ok_and(|s| !matches!(s.state, 'Z' | 'X') && s.flags & PF_EXITING == 0)
    }

    fn open_file(&self, file: &'static str) -> Result<File, Error> {
        open::open_below(&self.proc, file).map_err(|source| match source.raw_os_error() {
            Some(libc::ENOENT | libc::ESRCH) => Error::Gone { pid: self.pid() },
            _ => Error::Proc {
                pid: self.pid(),
                file,
                source,
            },
        })
    }

    fn malformed(&self, file: &'static str) -> Error {
        let source = std::io::Error::from(std::io::ErrorKind::InvalidData);
        Error::Proc {
            pid: self.pid(),
            file,
            source,
        }
    }
}

fn path_bytes(path: std::path::PathBuf) -> Vec<u8> {
    path.into_os_string().into_vec()
}

/// Its memory, running, through the file that was opened with it: once it is open, reading takes no rights any more, and is
/// never of another process.
impl Memory for LiveProcess {
    fn read(&self, at: Addr, buf: &mut [u8]) -> Result<(), Fault> {
        let read = self.address_space.read_exact_at(buf, at.0);
        read.map_err(|error| match (error.kind(), error.raw_os_error()) {
            (std::io::ErrorKind::UnexpectedEof, _) => Fault::Gone,
            (_, Some(libc::EIO) | None) => Fault::Unmapped(at),
            (_, Some(errno)) => Fault::Os { at, errno },
        })
    }
}
