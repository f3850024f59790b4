//! `leakscope analyze`: the overview of one heap.

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    Amount, FindingRow, Head, LedgerRow, MapRow, MapSums, PacingRow, ProfileRow, SuspectRow, Text,
    TypeRow,
};

/// The overview of one heap.
#[derive(Clone, PartialEq, Debug, Serialize, JsonSchema)]
pub struct AnalyzeDoc {
    /// The head of every document.
    #[serde(flatten)]
    pub head: Head,
    /// The process around the heap.
    pub process: Process,
    /// The heap by the runtime's own accounting.
    pub heap: Heap,
    /// Number of findings; `findings` holds those with most bytes.
    pub finding_count: u64,
    /// What the catalogue of patterns found, most bytes first.
    pub findings: Vec<FindingRow>,
    /// Number of places where memory accumulates, without those that a finding explains; `suspects` holds the most telling.
    pub suspect_count: u64,
    /// Places where memory accumulates, the most telling first.
    pub suspects: Vec<SuspectRow>,
    /// Findings and places that are left out because their fingerprints are in a suppression file.
    pub suppressed: u64,
    /// Number of types of reachable objects; `types` holds the largest.
    pub type_count: u64,
    /// The types with most bytes.
    pub types: Vec<TypeRow>,
    /// Sums over all maps; `maps` holds the largest.
    pub map_sums: MapSums,
    /// The maps with most bytes.
    pub maps: Vec<MapRow>,
}

/// The process around a heap. `null` means not known.
#[derive(Clone, PartialEq, Debug, Serialize, JsonSchema)]
pub struct Process {
    /// Threads.
    pub threads: Option<u64>,
    /// Goroutines that are not dead.
    pub goroutines: Goroutines,
    /// Resident memory, bytes.
    pub rss_bytes: Option<u64>,
    /// What it belongs to; `null` where nobody read what the kernel counts, as of cores.
    pub ledger: Option<LedgerRow>,
    /// How the collector is paced.
    pub pacing: Option<PacingRow>,
    /// The memory profile that tells where objects were allocated; `null` where the runtime has no such thing.
    pub profile: Option<ProfileRow>,
}

/// Goroutines of a process.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, JsonSchema)]
pub struct Goroutines {
    /// Number of goroutines that are not dead.
    pub count: u64,
    /// Of these, blocked for good.
    pub leaked: u64,
    /// Of these, blocked for good but for a doubt.
    pub suspect: u64,
    /// Bytes of spans that the runtime manages by hand: their stacks (`MemStats.StackInuse`) and the collector's buffers.
    pub manual_bytes: u64,
}

/// A heap by the runtime's own accounting. Sizes are those of slots.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, JsonSchema)]
pub struct Heap {
    /// Allocated slots: `MemStats.HeapObjects` and `HeapAlloc`.
    pub allocated: Amount,
    /// Of these, dead since the last collection and waiting to be swept.
    pub unswept: Amount,
    /// Reached from roots.
    pub reachable: Amount,
    /// Reached only by words that may be pointers or may be numbers.
    pub maybe_reachable: Amount,
    /// Reached by nothing: garbage that no collection has seen yet.
    pub unreachable: Amount,
    /// Unreachable objects that the next collection will not free at once, by reason.
    pub unreachable_kept: Vec<Kept>,
    /// Number of spans that hold objects.
    pub spans: u64,
    /// Their bytes (`MemStats.HeapInuse`).
    pub span_bytes: u64,
    /// How the runtime laid objects out, where that had to be found out.
    pub layout: Option<Text>,
}

/// Unreachable objects that outlive the next collection.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, JsonSchema)]
pub struct Kept {
    /// Why.
    pub reason: Text,
    /// How many.
    #[serde(flatten)]
    pub amount: Amount,
}
