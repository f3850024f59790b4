//! Why a dump cannot be read at all. What is wrong inside of one is a gap.

use leakscope_graph::TooLarge;

/// A dump that cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// It does not begin as an HPROF file does.
    #[error("not an HPROF dump: it begins with {0:02x?}")]
    NotHprof(Vec<u8>),
    /// The width of its identifiers is neither 4 nor 8.
    #[error("its identifiers are {0} bytes wide; HPROF knows 4 and 8")]
    IdSize(u32),
    /// It ends within its header.
    #[error("it ends after {0} bytes, within its header")]
    Header(usize),
    /// There is no heap in it.
    #[error("no object in it: {records} records, {bytes} bytes")]
    NoHeap {
        /// Records outside of heap segments.
        records: u64,
        /// Bytes read.
        bytes: u64,
    },
    /// It cannot be read or unpacked any further, and nothing came before.
    #[error("cannot read it: {0}")]
    Io(#[from] std::io::Error),
    /// More than 32-bit ids can name.
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
}
