//! Opening a process, and telling why it cannot be opened.

use std::fs::File;
use std::io::{Error as IoError, ErrorKind};
use std::os::unix::fs::MetadataExt;

use procfs::ProcError;
use procfs::process::Process;

use super::{Identity, LiveProcess, path_bytes};
use crate::access::probe;
use crate::{Error, ReadProbe, map_open_file};

/// Flag of `/proc/PID/stat` (`include/linux/sched.h`): a thread of the kernel.
const PF_KTHREAD: u32 = 0x0020_0000;

pub(super) fn open(pid: i32) -> Result<LiveProcess, Error> {
    if u32::try_from(pid) == Ok(std::process::id()) {
        return Err(Error::Itself { pid });
    }
    if pid <= 0 {
        return Err(Error::NoSuchProcess { pid });
    }
    let proc = Process::new(pid).map_err(|e| not_there(pid, "", e))?;
    let status = Status::read(&proc).map_err(|e| gone_or(pid, "status", e))?;
    if status.process != pid {
        return Err(match u32::try_from(status.process) {
            Ok(process) if process == std::process::id() => Error::Itself { pid },
            _ => Error::NotAProcess {
                tid: pid,
                process: status.process,
            },
        });
    }
    let stat = proc.stat().map_err(|e| not_there(pid, "stat", e))?;
    if matches!(stat.state, 'Z' | 'X') {
        return Err(Error::Zombie { pid });
    }
    if stat.flags & PF_KTHREAD != 0 {
        return Err(Error::KernelThread { pid });
    }
    if let Some(error) = traced(pid, &status) {
        return Err(error);
    }
    let permitted = |what, file: Result<File, IoError>| {
        file.map_err(|e| {
            if denied(&e) {
                not_permitted(pid, what)
            } else {
                gone_or(pid, what, e)
            }
        })
    };
    let address_space = permitted(
        "read the memory of",
        address_space(&proc, pid, stat.startstack),
    )?;
    let exe = permitted("open the executable of", open_below(&proc, "exe"))?;
    let tasks = open_below(&proc, "task").map_err(|e| gone_or(pid, "task", e))?;
    let exe_path = path_bytes(proc.exe().map_err(|e| not_there(pid, "exe", e))?);
    let metadata = exe.metadata().map_err(|source| Error::Proc {
        pid,
        file: "exe",
        source,
    })?;
    let executable = map_open_file(&exe).map_err(|source| Error::Proc {
        pid,
        file: "exe",
        source,
    })?;
    let identity = Identity {
        pid,
        start_ticks: stat.starttime,
        exe_device: metadata.dev(),
        exe_inode: metadata.ino(),
    };
    Ok(LiveProcess {
        identity,
        proc,
        tasks,
        address_space,
        executable,
        exe_path,
    })
}

/// A file that refers to the address space as it is now, if that may be read: `mem`, or `maps` where the mode of `mem`
/// keeps us out. That is so for another user with `CAP_SYS_PTRACE` alone, who may read the memory all the same
/// (`process_vm_readv` asks for that capability only, opening `mem` of a stranger for `CAP_DAC_READ_SEARCH` too).
fn address_space(proc: &Process, pid: i32, start_stack: u64) -> Result<File, IoError> {
    match open_below(proc, "mem") {
        Err(e) if denied(&e) && probe(pid, start_stack) == ReadProbe::Allowed => {
            open_below(proc, "maps")
        }
        other => other,
    }
}

/// Opens a file below `/proc/PID`, by the folder opened before.
pub(super) fn open_below(proc: &Process, file: &str) -> Result<File, IoError> {
    proc.open_relative(file).map_err(io_error)
}

/// Why the process cannot be traced, if `errno` came of trying.
pub(super) fn why_not_traced(proc: &Process, pid: i32, errno: i32) -> Error {
    let source = IoError::from_raw_os_error(errno);
    match Status::read(proc) {
        Ok(status) if denied(&source) => {
            traced(pid, &status).unwrap_or_else(|| not_permitted(pid, "trace"))
        }
        Ok(_) => Error::Proc {
            pid,
            file: "task",
            source,
        },
        Err(e) => gone_or(pid, "status", e),
    }
}

/// Id and name of the process that traces this one, as an error, unless that is nobody.
fn traced(pid: i32, status: &Status) -> Option<Error> {
    if status.tracer == 0 {
        return None;
    }
    let mut comm = std::fs::read(format!("/proc/{}/comm", status.tracer)).unwrap_or_default();
    comm.pop_if(|b| *b == b'\n');
    Some(Error::AlreadyTraced {
        pid,
        tracer: status.tracer,
        comm,
    })
}

fn denied(e: &IoError) -> bool {
    matches!(e.raw_os_error(), Some(libc::EACCES | libc::EPERM))
}

fn not_permitted(pid: i32, what: &'static str) -> Error {
    let effective = |id: &str| {
        Process::new(id.parse().ok()?)
            .ok()
            .and_then(|p| Status::read(&p).ok())
    };
    let uid = |status: Option<Status>| status.map_or(u32::MAX, |s| s.uid);
    Error::NotPermitted {
        pid,
        what,
        target_uid: uid(effective(&pid.to_string())),
        uid: uid(effective(&std::process::id().to_string())),
        yama: std::fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope")
            .ok()
            .and_then(|v| v.trim().parse().ok()),
        cap_sys_ptrace: caps::has_cap(
            None,
            caps::CapSet::Effective,
            caps::Capability::CAP_SYS_PTRACE,
        )
        .unwrap_or(false),
    }
}

fn io_error(e: ProcError) -> IoError {
    match e {
        ProcError::Io(e, _) => e,
        ProcError::NotFound(_) => IoError::from_raw_os_error(libc::ENOENT),
        ProcError::PermissionDenied(_) => IoError::from_raw_os_error(libc::EACCES),
        other => IoError::new(ErrorKind::InvalidData, other),
    }
}

fn not_there(pid: i32, file: &'static str, e: ProcError) -> Error {
    gone_or(pid, file, io_error(e))
}

fn gone_or(pid: i32, file: &'static str, source: IoError) -> Error {
    match source.raw_os_error() {
        Some(libc::ENOENT | libc::ESRCH) => Error::NoSuchProcess { pid },
        _ => Error::Proc { pid, file, source },
    }
}

/// The lines of `/proc/PID/status` that matter here, read as bytes: the name in it may hold any.
struct Status {
    process: i32,
    tracer: i32,
    /// Effective user.
    uid: u32,
}

impl Status {
    fn read(proc: &Process) -> Result<Self, IoError> {
        let mut text = Vec::new();
        std::io::Read::read_to_end(&mut open_below(proc, "status")?, &mut text)?;
        Self::parse(&text).ok_or_else(|| IoError::from(ErrorKind::InvalidData))
    }

    fn parse(text: &[u8]) -> Option<Self> {
        let line = |key: &[u8]| {
            let value = text
                .split(|b| *b == b'\n')
                .find_map(|l| l.strip_prefix(key))?;
            std::str::from_utf8(value).ok()
        };
        Some(Self {
            process: line(b"Tgid:")?.trim().parse().ok()?,
            tracer: line(b"TracerPid:")?.trim().parse().ok()?,
            uid: line(b"Uid:")?
                .split_ascii_whitespace()
                .nth(1)?
                .parse()
                .ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_with_a_hostile_name_is_read() {
        // The kernel escapes a newline in the name, and nothing else.
        let text = b"Name:\tx\xff\\nTgid: 1\nState:\tS (sleeping)\nTgid:\t42\nTracerPid:\t7\nUid:\t1\t2\t3\t4\n";
        let status = Status::parse(text).unwrap();
        assert_eq!((status.process, status.tracer, status.uid), (42, 7, 2));
    }

    #[test]
    fn what_is_no_target_is_refused_by_its_kind() {
        let me = std::process::id() as i32;
        assert!(matches!(open(me), Err(Error::Itself { .. })));
        assert!(matches!(open(0), Err(Error::NoSuchProcess { pid: 0 })));
        assert!(matches!(open(-1), Err(Error::NoSuchProcess { .. })));
        assert!(matches!(open(i32::MAX), Err(Error::NoSuchProcess { .. })));
    }
}
