//! `leakscope maps`: every map, who owns it and what it costs.

use schemars::JsonSchema;
use serde::Serialize;

use crate::{Address, Head, Text};

/// Every map of a heap.
#[derive(Clone, PartialEq, Debug, Serialize, JsonSchema)]
pub struct MapsDoc {
    /// The head of every document.
    #[serde(flatten)]
    pub head: Head,
    /// Sums over all maps. `maps` may be cut shorter on request.
    pub sums: MapSums,
    /// The maps, most bytes first.
    pub maps: Vec<MapRow>,
}

/// Sums over all maps of a heap.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, JsonSchema)]
pub struct MapSums {
    /// Number of maps.
    pub count: u64,
    /// Entries.
    pub len: u64,
    /// Bytes of the maps' own structures.
    pub bytes: u64,
    /// Bytes that rebuilding every map at its present length would take.
    pub rebuilt_bytes: u64,
    /// Bytes that rebuilding would give back.
    pub waste_bytes: u64,
}

/// Which implementation a map has.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Generation {
    /// Buckets of eight with overflow chains: Go 1.23 and older.
    Classic,
    /// Swiss tables: Go 1.24 and later.
    Swiss,
    /// A collection of `java.util`: its type says which.
    Jdk,
}

/// One map.
#[derive(Clone, PartialEq, Debug, Serialize, JsonSchema)]
pub struct MapRow {
    /// Address of its header.
    pub address: Address,
    /// Who holds it, as a Go expression such as `main.server.sessions`; `null` where that is not known.
    pub owner: Option<Text>,
    /// Whether a root reaches its header; `null` for a header that is not on the heap.
    pub reachable: Option<bool>,
    /// Its type as Go spells it.
    #[serde(rename = "type")]
    pub type_: Text,
    /// Which implementation it has.
    pub generation: Generation,
    /// Entries: what `len` answers.
    pub len: u64,
    /// Entries there is room for: of the bucket array without overflow buckets, or of all tables.
    pub slots: u64,
    /// Entries by slots; above 1 where a classic map has overflowed. 0 without slots.
    pub load: f64,
    /// Header, arrays, tables and directory: whole slots of the heap. Keys and elements that lie elsewhere are not counted.
    pub bytes: u64,
    /// What a map freshly made for as many entries takes.
    pub rebuilt_bytes: u64,
    /// What rebuilding would give back.
    pub waste_bytes: u64,
    /// Bytes that would be garbage without it: its own structures, and of its entries what nothing else holds. `null` where
    /// not asked for (`--retained`), and for a header that is not an object of its own.
    pub retained_bytes: Option<u64>,
    /// Filled cells found by walking it.
    pub cells: u64,
    /// It was being written, or its count and its cells disagree.
    pub torn: bool,
    /// Part of it could not be read: `cells` and `bytes` are lower bounds.
    pub incomplete: bool,
    /// The inside of a classic map.
    pub classic: Option<Classic>,
    /// The inside of a Swiss map.
    pub swiss: Option<Swiss>,
}

/// The inside of a classic map.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, JsonSchema)]
pub struct Classic {
    /// Log2 of the number of buckets.
    pub log2_buckets: u8,
    /// Overflow buckets in use.
    pub overflow_buckets: u64,
    /// Preallocated overflow buckets that are not in use.
    pub overflow_free: u64,
    /// Growth in progress.
    pub growth: Option<Growth>,
}

/// Progress of a classic map's growth.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, JsonSchema)]
pub struct Growth {
    /// Whether it grows into an array of the same size, to shed overflow buckets.
    pub same_size: bool,
    /// Buckets of the old array.
    pub old_buckets: u64,
    /// How many of them are evacuated.
    pub evacuated: u64,
}

/// The inside of a Swiss map.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, JsonSchema)]
pub struct Swiss {
    /// Bits of the hash that index the directory.
    pub global_depth: u8,
    /// Entries of the directory; 0 for a map of one group.
    pub directory_len: u64,
    /// Distinct tables.
    pub tables: u64,
    /// Deleted slots that still count against the load.
    pub tombstones: u64,
}
