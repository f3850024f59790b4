//! Snapshots (`*.lks`): a captured target in one file, to be analysed again elsewhere.
//!
//! ```text
//! head    16 bytes: MAGIC, version u32, zero u32
//! frames  zstd frames, each with its checksum, of at most BLOCK bytes unpacked
//! index   one zstd frame with its checksum: JSON, which frames make up which section
//! foot    32 bytes: offset, stored and unpacked length of the index (u64 each), FOOT_MAGIC
//! ```
//!
//! Numbers are little-endian. Everything but head and foot stands in frames with checksums, so a flipped bit is an error
//! and never another answer. The index is written last: a file whose end is missing has none.

mod error;
mod index;
mod read;
mod write;

pub use error::SnapshotError;
pub use read::SnapshotFile;
pub use write::{SnapshotContent, SnapshotSize, write_snapshot};

/// First bytes of a snapshot. The line break at the end shows a transfer that changed line ends.
pub(crate) const MAGIC: [u8; 8] = *b"LKSNAP\r\n";
/// Last bytes of a snapshot.
const FOOT_MAGIC: [u8; 8] = *b"LKSEND\r\n";
/// The one version that is written, and the newest that is read.
const VERSION: u32 = 1;
/// Length of the head in bytes.
const HEAD: usize = 16;
/// Length of the foot in bytes.
const FOOT: usize = 32;
/// Bytes in a block before compression: small enough for many to be worked on at once, large enough to compress well.
const BLOCK: usize = 1 << 20;
/// Fastest level that still takes half or more off a heap.
const LEVEL: i32 = 1;
