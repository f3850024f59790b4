//! The census of maps: every map of the heap, its structure, and what it costs.

mod boxes;
mod census;
mod classic;
mod hash;
mod iterators;
mod kinds;
mod layouts;
mod shape;
mod swiss;
mod walk;
mod wanted;

use leakscope_graph::{ObjIx, TypeIx};
use leakscope_target::Addr;

pub(crate) use boxes::BoxCensus;
pub use boxes::{BoxedMap, Dynamic};
pub(crate) use census::Census;
pub(crate) use hash::{Checker, Subjects};
pub use hash::{KeyCheck, OddMap, OverwrittenMap, RacedMap};
pub(crate) use iterators::IteratorFinder;
pub use iterators::OldIterator;
pub(crate) use kinds::{CellPart, MapKind, Walker, alloc_rules};
pub(crate) use layouts::MapLayouts;
pub use shape::{Assign, MapShape};
pub(crate) use walk::{Part, Visitor};
pub use wanted::noscan_cells;

/// Which implementation of maps.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Generation {
    /// Buckets of eight with overflow chains: Go 1.23 and older.
    Classic,
    /// Swiss tables: Go 1.24 and later.
    Swiss,
}

/// The inside of a map, as its implementation has it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Structure {
    /// `runtime.hmap`.
    Classic(Classic),
    /// `internal/runtime/maps.Map`.
    Swiss(Swiss),
}

/// What `runtime.hmap` and its buckets say.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Classic {
    /// Log2 of the number of buckets.
    pub b: u8,
    /// Flags: 1 iterator, 2 old iterator, 4 being written, 8 growing at the same size.
    pub flags: u8,
    /// Overflow buckets linked into chains, of the array and of the old one.
    pub overflow: u32,
    /// Overflow buckets of the longest chain of the array.
    pub longest_chain: u32,
    /// Preallocated overflow buckets not used yet.
    pub overflow_free: u32,
    /// Growth in progress: buckets of the old array, and how many of them the evacuation has passed.
    pub growth: Option<Growth>,
}

/// Progress of a classic map's growth.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Growth {
    /// Buckets of the old array.
    pub old_buckets: u64,
    /// Old buckets below this index are evacuated (`hmap.nevacuate`).
    pub evacuated: u64,
    /// Slots of the heap that the old array takes with its overflow buckets and their list, bytes: free once it is evacuated.
    pub old_bytes: u64,
    /// A collection has ended since the growth began. Known of new arrays that are large objects (over 32 KiB); of others
    /// false.
    pub outlived: bool,
}

/// What `internal/runtime/maps.Map` and its tables say.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Swiss {
    /// Bits of the hash that index the directory.
    pub global_depth: u8,
    /// Entries of the directory; 0 for a map of one group.
    pub directory_len: u64,
    /// Distinct tables in the directory.
    pub tables: u64,
    /// Deleted control bytes.
    pub tombstones: u64,
}

/// How many slots of nearly empty groups or buckets were ever in use, by the keys that are left in them: counted where
/// [`MapInfo::stale_keys`] are.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Touched {
    /// Groups or buckets counted: with at most two filled slots of eight.
    pub groups: u64,
    /// Their slots that are filled or hold the bytes of a key.
    pub slots: u64,
    /// The sum of the squares of these numbers, group by group.
    pub squares: u64,
}

/// Buckets that the growth of a map has moved, but whose cells it did not clear: an iteration had begun before, and might need
/// them (`evacuate` in `runtime/map.go`, Go 1.21 to 1.23).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Moved {
    /// Address of the map's header.
    pub map: Addr,
    /// The old array, and overflow buckets outside of it, by address.
    pub parts: Vec<Addr>,
    /// The buckets, in any part, by address.
    pub buckets: Vec<Addr>,
    /// Bytes of a bucket.
    pub bucket_bytes: u64,
}

/// One map.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MapInfo {
    /// Address of the header.
    pub address: Addr,
    /// The heap object that holds the header; `None` for a header in a global or on a stack.
    pub object: Option<ObjIx>,
    /// The map's type.
    pub type_: TypeIx,
    /// Entries by the header's own count: what `len` answers.
    pub len: u64,
    /// Filled cells found by walking.
    pub cells: u64,
    /// Cells there is room for: of the bucket array without overflow buckets, or of all tables.
    pub slots: u64,
    /// The inside.
    pub structure: Structure,
    /// Header, arrays, tables and directory as slots of the heap, bytes.
    pub bytes: u64,
    /// What a map of this type freshly made for `len` entries would take, bytes.
    pub rebuilt_bytes: u64,
    /// Empty cells that still hold the bytes of a key, counted where no more than two of eight are filled: so many entries
    /// were deleted there and never replaced. `None` where the runtime clears deleted keys: those with pointers or of more
    /// than 128 bytes (`mapdelete` in `runtime/map.go`, `table.Delete` in `internal/runtime/maps/table.go`, Go 1.21 to 1.27).
    pub stale_keys: Option<u64>,
    /// Slots of nearly empty groups or buckets that were ever in use; nothing where deleted keys are cleared.
    pub touched: Touched,
    /// The map was being written, or its count and its cells disagree.
    pub torn: bool,
    /// Part of it could not be read: `cells` and `bytes` are lower bounds.
    pub incomplete: bool,
}

impl MapInfo {
    /// Bytes that rebuilding would give back.
    pub fn waste_bytes(&self) -> u64 {
        self.bytes.saturating_sub(self.rebuilt_bytes)
    }

    /// Which implementation the map has.
    pub fn generation(&self) -> Generation {
        match self.structure {
            Structure::Classic(_) => Generation::Classic,
            Structure::Swiss(_) => Generation::Swiss,
        }
    }

    /// Filled share of the slots, 0 to 1 (above 1 where a classic map has overflowed); 0 without slots.
    pub fn load(&self) -> f64 {
        if self.slots == 0 {
            0.0
        } else {
            self.len as f64 / self.slots as f64
        }
    }
}
