//! `leakscope ledger`: where every resident byte is.

use schemars::JsonSchema;
use serde::Serialize;

use crate::{Address, Head, PacingRow, Text};

/// Where every resident byte of a process is.
#[derive(Clone, PartialEq, Debug, Serialize, JsonSchema)]
pub struct LedgerDoc {
    /// The head of every document.
    #[serde(flatten)]
    pub head: Head,
    /// Sums over all mappings; `null` where nobody read what the kernel counts, as of cores.
    pub ledger: Option<LedgerRow>,
    /// Why there is none.
    pub missing: Option<Text>,
    /// Mappings with anything resident or swapped, the largest first.
    pub mappings: Vec<MappingRow>,
    /// How the collector is paced.
    pub pacing: PacingRow,
}

/// Resident bytes by what they belong to.
#[derive(Clone, PartialEq, Debug, Serialize, JsonSchema)]
pub struct LedgerRow {
    /// Resident bytes: the sum of the kernel's `Rss` of all mappings, in one read.
    pub rss_bytes: u64,
    /// Bytes swapped out.
    pub swap_bytes: u64,
    /// What belongs to what; those of nothing are left out.
    pub parts: Vec<PartRow>,
    /// `rss_bytes` less the parts: pages that came or went between two reads; negative where parts add up to more.
    pub remainder_bytes: i64,
    /// Whether it is known which pages are resident; if not, those of spans in use are taken to be.
    pub pages_known: bool,
}

/// A part of the resident memory.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum MemoryPart {
    /// Objects that roots reach.
    HeapLive,
    /// Objects that nothing reaches and no collection has seen.
    HeapGarbage,
    /// Objects found dead and not swept yet.
    HeapUnswept,
    /// Free slots and left-over ends of spans that hold objects.
    InsideSpans,
    /// Free pages of the heap that were not given back to the kernel.
    FreeSpans,
    /// Stacks of goroutines.
    Stacks,
    /// Stacks kept for reuse, system stacks, the collector's work buffers.
    IdleStacks,
    /// What the runtime manages the heap by.
    Metadata,
    /// The program's file and its variables.
    Program,
    /// Other mapped files.
    Files,
    /// Memory shared with other processes.
    Shared,
    /// Stacks of threads that C made, and of the main thread.
    ThreadStacks,
    /// C's heap at the program break.
    BreakHeap,
    /// Other anonymous memory: what C allocated, what the program mapped itself.
    OtherAnonymous,
    /// What the kernel lends.
    Kernel,
}

impl MemoryPart {
    /// It in words.
    pub fn words(self) -> &'static str {
        match self {
            Self::HeapLive => "live objects",
            Self::HeapGarbage => "garbage that no collection has seen yet",
            Self::HeapUnswept => "garbage not yet swept",
            Self::InsideSpans => "free slots and ends of spans in use",
            Self::FreeSpans => "free spans, not given back to the kernel",
            Self::Stacks => "goroutine stacks",
            Self::IdleStacks => "idle and system stacks, collector buffers",
            Self::Metadata => "runtime metadata",
            Self::Program => "the program's file and variables",
            Self::Files => "other mapped files",
            Self::Shared => "shared memory",
            Self::ThreadStacks => "stacks of threads",
            Self::BreakHeap => "C heap (program break)",
            Self::OtherAnonymous => "other anonymous memory: C, mmap",
            Self::Kernel => "lent by the kernel",
        }
    }
}

/// Bytes of a part.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, JsonSchema)]
pub struct PartRow {
    /// Which.
    pub part: MemoryPart,
    /// Resident bytes.
    pub bytes: u64,
}

/// One mapping.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, JsonSchema)]
pub struct MappingRow {
    /// First address.
    pub start: Address,
    /// First address past it.
    pub end: Address,
    /// Access rights, as `rw-p`.
    pub perms: String,
    /// Path, or the kernel's name; `null` for memory without one.
    pub path: Option<Text>,
    /// Resident bytes (`Rss`).
    pub rss_bytes: u64,
    /// Bytes swapped out (`Swap`).
    pub swap_bytes: u64,
    /// What is in it.
    pub parts: Vec<PartRow>,
    /// `rss_bytes` less the parts.
    pub remainder_bytes: i64,
}
