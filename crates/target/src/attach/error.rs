//! What can stand between us and a JVM.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::Error;

/// Why a JVM cannot be asked, or did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AttachError {
    /// The process is gone, hidden, or not one that can be looked at.
    #[error(transparent)]
    Target(#[from] Error),
    /// No `libjvm.so` is mapped.
    #[error("process {pid} is no Java virtual machine (HotSpot): it maps no libjvm.so")]
    NotJvm {
        /// The target.
        pid: i32,
    },
    /// SIGQUIT, which asks a JVM to listen, is not caught: it would end the process, or do nothing.
    #[error("process {pid} {}: no signal was sent", if *.ignored { "ignores SIGQUIT" } else { "does not catch SIGQUIT, which would end it" })]
    SignalNotCaught {
        /// The target.
        pid: i32,
        /// Whether it ignores the signal; else the signal would end it.
        ignored: bool,
    },
    /// The JVM was started so that nobody can attach.
    #[error("the JVM of process {pid} was started with -XX:+DisableAttachMechanism")]
    Disabled {
        /// The target.
        pid: i32,
    },
    /// It does not run at all at present.
    #[error("process {pid} is stopped (state {state}) and answers nobody")]
    Stopped {
        /// The target.
        pid: i32,
        /// Its state as in `/proc/PID/stat`.
        state: char,
    },
    /// A JVM listens to its own user and to root only.
    #[error("the JVM of process {pid} listens to user {target_uid} only, and this is user {uid}")]
    OtherUser {
        /// The target.
        pid: i32,
        /// Its effective user.
        target_uid: u32,
        /// Ours.
        uid: u32,
    },
    /// It did not begin to listen, or did not finish what it was asked for.
    #[error("the JVM of process {pid} did not {what} within {waited:?}")]
    NoAnswer {
        /// The target.
        pid: i32,
        /// What it should have done.
        what: &'static str,
        /// How long that was waited for.
        waited: Duration,
    },
    /// Somebody else listens where the JVM should.
    #[error("at {} listens process {peer}, not process {pid}", .socket.display())]
    WrongPeer {
        /// The target.
        pid: i32,
        /// Who listens.
        peer: i32,
        /// Where, as the target sees it.
        socket: PathBuf,
    },
    /// The JVM understood, and refused or failed.
    #[error("the JVM answered {command} with code {code}: {}", .text.escape_ascii())]
    Refused {
        /// What it was asked for.
        command: &'static str,
        /// Its code.
        code: i32,
        /// Its words, raw, cut to a line.
        text: Vec<u8>,
    },
    /// An answer that no JVM gives.
    #[error("the JVM's answer to {command} is not understood: {why}")]
    BadAnswer {
        /// What it was asked for.
        command: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// An argument that the protocol has no room for.
    #[error("{bytes} bytes are too long for the attach protocol of this JVM")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// No folder was found that the JVM may write a dump to.
    #[error("the JVM of process {pid} can write nowhere: tried {}", .tried.join(", "))]
    NoPlace {
        /// The target.
        pid: i32,
        /// Folders as the target sees them, each with what stands in the way.
        tried: Vec<String>,
    },
    /// A file system without room for the dump.
    #[error("a dump may take {needed} bytes, and {available} are free at {}", .place.display())]
    NoSpace {
        /// Bytes that it may take.
        needed: u64,
        /// Bytes that are free.
        available: u64,
        /// Which file system, by a path on it.
        place: PathBuf,
    },
    /// The operating system failed.
    #[error("cannot {what}")]
    Os {
        /// What was to be done.
        what: &'static str,
        /// The kernel's word.
        #[source]
        source: io::Error,
    },
}

impl AttachError {
    /// Wraps the kernel's word.
    pub(super) fn os(what: &'static str) -> impl Fn(io::Error) -> Self {
        move |source| Self::Os { what, source }
    }

    /// Wraps the kernel's word as rustix has it.
    pub(super) fn errno(what: &'static str) -> impl Fn(rustix::io::Errno) -> Self {
        move |errno| Self::Os {
            what,
            source: errno.into(),
        }
    }
}
