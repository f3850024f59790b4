//! Why a snapshot cannot be used.

/// Why a file cannot be used as a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SnapshotError {
    /// The file does not start like a snapshot.
    #[error("not a snapshot: it does not start with LKSNAP")]
    NotASnapshot,
    /// Written by a newer leakscope.
    #[error("a snapshot of format {found}; this leakscope reads formats up to {newest}")]
    Newer {
        /// Its format.
        found: u32,
        /// The newest format known.
        newest: u32,
    },
    /// The end is missing.
    #[error("truncated: {len} bytes long, and the last ones are no end of a snapshot")]
    Truncated {
        /// Length of the file in bytes.
        len: u64,
    },
    /// A part does not unpack to what was packed.
    #[error("damaged: {part} at file offset {offset:#x}: {why}")]
    Damaged {
        /// Which part.
        part: String,
        /// Where its damaged frame, or what names it, stands.
        offset: u64,
        /// What is wrong.
        why: String,
    },
    /// A section that has to be there is not.
    #[error("no section {section}")]
    Missing {
        /// Its name.
        section: &'static str,
    },
    /// Unpacked, it does not fit into memory.
    #[error("unpacks to {needed} bytes; {available} are available")]
    TooLarge {
        /// Bytes that unpacking takes.
        needed: u64,
        /// Bytes that can be had.
        available: u64,
    },
}
