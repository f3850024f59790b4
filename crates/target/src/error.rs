//! What can go wrong with a target.

use std::path::PathBuf;

use crate::{Addr, CoreError};

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
}
