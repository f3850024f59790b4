//! One Go heap, rebuilt: the graph with its types, its maps, its totals and what they rest on.

use leakscope_graph::{HeapGraph, Histogram, Reach};

use crate::coverage::{Amount, Coverage};
use crate::maps::MapInfo;

/// A rebuilt heap. Owns everything it answers from; the captured bytes are gone by then.
pub struct GoHeap {
    /// Objects, references and roots. Type ids are this heap's own; names come from [`GoHeap::resolver`].
    pub graph: HeapGraph,
    /// What the roots reach, and over which reference first.
    pub reach: Reach,
    /// Objects by type, those no root reaches apart.
    pub histogram: Histogram,
    /// Every map found, by address.
    pub maps: Vec<MapInfo>,
    /// Sums in the runtime's own accounting.
    pub totals: Totals,
    /// What share of the heap is named, and every gap.
    pub coverage: Coverage,
}

/// Sums over the heap.
#[derive(Clone, Debug, Default)]
pub struct Totals {
    /// Allocated slots: what `runtime.MemStats` calls `HeapObjects` and `HeapAlloc`.
    pub allocated: Amount,
    /// Of these, marked dead by the last collection and not swept yet; not in the graph.
    pub unswept: Amount,
    /// In the graph and reached by a root that the collector follows.
    pub reachable: Amount,
    /// Reached only by words that may be pointers.
    pub maybe_reachable: Amount,
    /// In the graph and reached by nothing: garbage that no collection has seen yet.
    pub unreachable: Amount,
    /// Unreachable objects that a collection would not free at once, by the reason.
    pub unreachable_kept: Vec<(&'static str, Amount)>,
    /// Bytes of spans that hold objects (`MemStats.HeapInuse`).
    pub span_bytes: u64,
    /// Number of those spans.
    pub spans: u64,
    /// Bytes of spans that hold goroutine stacks (`MemStats.StackInuse`).
    pub stack_bytes: u64,
    /// Number of goroutines that are not dead.
    pub goroutines: u64,
}
