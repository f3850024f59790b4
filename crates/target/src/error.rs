//! What can go wrong with a target.

use std::path::PathBuf;
use std::time::Duration;

use crate::{Addr, CoreError, PlanError, ProcessSummary, SnapshotError};

/// A read of the target's memory that could not be filled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// Nothing is mapped there.
    #[error("{0} is not mapped")]
    Unmapped(Addr),
    /// Mapped in the process, but the image does not hold it.
    #[error("{0} is not in the image")]
    NotInImage(Addr),
    /// The process is gone.
    #[error("the process is gone")]
    Gone,
    /// The kernel denied the read.
    #[error("reading {0} was denied")]
    Denied(Addr),
    /// The kernel answered with this errno.
    #[error("reading {at} failed with errno {errno}")]
    Os {
        /// Where.
        at: Addr,
        /// The kernel's errno.
        errno: i32,
    },
}

/// Why a target cannot be opened, stopped or read at all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Buffers could not be set up.
    #[error("cannot reserve {bytes} bytes for the copy")]
    Reserve {
        /// How many.
        bytes: u64,
        /// The kernel's word.
        #[source]
        source: std::io::Error,
    },
    /// A file cannot be opened.
    #[error("cannot open {}", .path.display())]
    Open {
        /// Its path, as given.
        path: PathBuf,
        /// The kernel's word.
        #[source]
        source: std::io::Error,
    },
    /// A path names a folder, pipe, socket or device.
    #[error("{} is not a regular file", .path.display())]
    NotAFile {
        /// Its path, as given.
        path: PathBuf,
    },
    /// A file cannot be used as a core, or not with this executable.
    #[error("cannot use {} as a core", .path.display())]
    Core {
        /// Its path, as given.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: CoreError,
    },
    /// A file cannot be used as a snapshot.
    #[error("cannot use {} as a snapshot", .path.display())]
    Snapshot {
        /// Its path, as given.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: SnapshotError,
    },
    /// No process has this id (or `/proc` is mounted so that it is hidden from us).
    #[error("no process {pid}")]
    NoSuchProcess {
        /// As asked for.
        pid: i32,
    },
    /// The process has ended, or its main thread has; its parent has not taken note yet.
    #[error("process {pid} is a zombie: it has ended, and its memory is gone")]
    Zombie {
        /// Its id.
        pid: i32,
    },
    /// The id is that of a thread.
    #[error("{tid} is a thread of process {process}")]
    NotAProcess {
        /// As asked for.
        tid: i32,
        /// The process it belongs to.
        process: i32,
    },
    /// The id is our own.
    #[error("process {pid} is leakscope itself")]
    Itself {
        /// As asked for.
        pid: i32,
    },
    /// A thread of the kernel has no memory of its own.
    #[error("{pid} is a kernel thread")]
    KernelThread {
        /// Its id.
        pid: i32,
    },
    /// Somebody else traces it; a process can have one tracer only.
    #[error("process {pid} is traced by process {tracer} ({})", .comm.escape_ascii())]
    AlreadyTraced {
        /// The target.
        pid: i32,
        /// Its tracer.
        tracer: i32,
        /// The tracer's name, raw; empty if unknown.
        comm: Vec<u8>,
    },
    /// The kernel does not let us read or trace it.
    #[error("no permission to {what} process {pid} of user {target_uid}, being user {uid}")]
    NotPermitted {
        /// The target.
        pid: i32,
        /// What was denied.
        what: &'static str,
        /// The target's effective user.
        target_uid: u32,
        /// Our effective user.
        uid: u32,
        /// Value of `kernel.yama.ptrace_scope`; `None` where there is no Yama.
        yama: Option<i32>,
        /// Whether we have the capability `CAP_SYS_PTRACE`.
        cap_sys_ptrace: bool,
    },
    /// A file below `/proc/PID` cannot be read, or does not hold what it should.
    #[error("cannot read {file} of process {pid}")]
    Proc {
        /// The target.
        pid: i32,
        /// Which file.
        file: &'static str,
        /// The kernel's word.
        #[source]
        source: std::io::Error,
    },
    /// The process ended while it was being read.
    #[error("process {pid} ended meanwhile")]
    Gone {
        /// The target.
        pid: i32,
    },
    /// The process replaced itself by another program (`execve`) while it was being read.
    #[error("process {pid} has become another program meanwhile (execve)")]
    ChangedIdentity {
        /// The target.
        pid: i32,
    },
    /// The stop would take longer than allowed. Nothing was stopped.
    #[error(
        "stopping for {bytes} bytes and {threads} threads would take about {predicted:?}, more than {max_stop:?}"
    )]
    StopTooLong {
        /// How long the stop would take.
        predicted: Duration,
        /// How long it may.
        max_stop: Duration,
        /// Bytes to copy.
        bytes: u64,
        /// Threads to stop.
        threads: usize,
    },
    /// There is not enough memory for the copy. Nothing was stopped.
    #[error("the copy needs {needed} bytes of memory, {available} are left by {limit}")]
    NoMemory {
        /// Bytes needed.
        needed: u64,
        /// Bytes available.
        available: u64,
        /// What sets the limit: `MemAvailable`, or the path of a control group.
        limit: PathBuf,
    },
    /// A thread did not stop; the others were let go.
    #[error("thread {tid} of process {pid} did not stop within {waited:?}: state {state}, waiting in {}", .wchan.escape_ascii())]
    ThreadStuck {
        /// The target.
        pid: i32,
        /// The thread.
        tid: i32,
        /// Its state as in `/proc/PID/stat`, `?` if unknown.
        state: char,
        /// The kernel function it waits in; empty if unknown.
        wchan: Vec<u8>,
        /// The budget that was used up.
        waited: Duration,
    },
    /// More threads than the table has room for.
    #[error("process {pid} has more than {cap} threads")]
    TooManyThreads {
        /// The target.
        pid: i32,
        /// The room.
        cap: usize,
    },
    /// The budget was used up before the copy was complete: the target was let go and the copy thrown away.
    #[error("the stop ended after {max_stop:?} with {copied} of {bytes} bytes copied")]
    StopEnded {
        /// The budget.
        max_stop: Duration,
        /// Bytes copied until then.
        copied: u64,
        /// Bytes to copy; 0 if that was not known yet.
        bytes: u64,
    },
    /// The process that holds the target cannot be started.
    #[error("cannot start the process that holds the target while it is stopped")]
    NoHolder {
        /// The kernel's word.
        #[source]
        source: std::io::Error,
    },
    /// The process that held the target ended early: the target was let go and the copy thrown away.
    #[error("the process that held process {pid} while it was stopped ended early")]
    HolderDied {
        /// The target.
        pid: i32,
    },
    /// The target kept outgrowing the buffers prepared for it.
    #[error("the target outgrew the buffers prepared for {what} in each of {attempts} stops")]
    Outgrown {
        /// Which buffer.
        what: &'static str,
        /// Stops tried.
        attempts: u32,
    },
    /// What to copy could not be decided.
    #[error("cannot plan the copy")]
    Plan(#[source] PlanError),
    /// The copy failed.
    #[error("cannot read the target's memory")]
    Read(#[source] Fault),
    /// There is such a process, but `/proc` does not show it to us (mounted with `hidepid`).
    #[error("process {pid} exists but is hidden from us in /proc")]
    Hidden {
        /// As asked for.
        pid: i32,
    },
    /// No process has this name.
    #[error("no process is named {}", .name.escape_ascii())]
    NoSuchName {
        /// As asked for.
        name: Vec<u8>,
    },
    /// Several processes have this name.
    #[error("{} processes are named {}", .matches.len(), .name.escape_ascii())]
    AmbiguousName {
        /// As asked for.
        name: Vec<u8>,
        /// Those processes, by id.
        matches: Vec<ProcessSummary>,
    },
}
