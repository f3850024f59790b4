//! Plain facts about Go's memory by version: size classes and the footprint of maps.
//!
//! Nothing here reads a process: pure functions over numbers, checked against what real programs allocate.

mod classic;
pub mod layouts;
pub mod occupancy;
mod size_classes;
mod swiss;

pub use classic::ClassicMap;
pub use size_classes::{AllocRules, PAGE_SIZE, SIZE_CLASSES};
pub use swiss::{MAX_TABLE_CAPACITY, SwissMap};

/// Slots of one classic bucket or one Swiss group (`internal/abi.MapBucketCount` up to 1.23, `MapGroupSlots` since 1.24).
pub const GROUP_SLOTS: u64 = 8;

/// Bytes a map occupies, each part rounded to the slot the allocator gives it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Footprint {
    /// `hmap` or `maps.Map`, with `mapextra` where a classic map has one.
    pub headers: u64,
    /// Bucket array or slot groups.
    pub arrays: u64,
    /// Swiss: the `table` structures.
    pub tables: u64,
    /// Swiss: the array of table pointers.
    pub directory: u64,
}

impl Footprint {
    /// Sum of all parts.
    pub fn total(&self) -> u64 {
        [self.arrays, self.tables, self.directory]
            .iter()
            .fold(self.headers, |sum, part| sum.saturating_add(*part))
    }
}
