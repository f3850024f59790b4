//! Where the runtime keeps what it manages the heap by: the memory that is neither heap nor the program's.

use leakscope_target::Addr;

use super::Field;
use super::source::Source;

/// Bits of an arena's number on either level, at most: together they make up an address without the bits of an arena.
const MAX_ARENA_BITS: u32 = 24;

/// The tables of the heap (mheap.go, mpagealloc.go, mprof.go). They are allocated from the kernel directly, each by itself.
#[derive(Debug, Clone)]
pub struct MetadataLayouts {
    /// `mheap.heapArenas` (1.25 on), `mheap.allArenas`: numbers of the arenas of the heap.
    pub heap_arenas: Field,
    /// `mheap.userArenaArenas` (1.25 on): numbers of those that hold user arenas.
    pub user_arenas: Option<Field>,
    /// `mheap.arenas`: the tables of the arenas' records.
    pub arenas: Field,
    /// `runtime.heapArenaBytes`
    pub arena_bytes: u64,
    /// `runtime.arenaBaseOffset`: address of arena 0, modulo 2^64.
    pub arena_base: u64,
    /// `runtime.arenaL1Bits`
    pub l1_bits: u32,
    /// `runtime.arenaL2Bits`
    pub l2_bits: u32,
    /// Bytes of `runtime.heapArena`
    pub arena_record: u64,
    /// `mheap.pages.summary`: slices, one for each level of the radix tree of free pages.
    pub summaries: Option<Field>,
    /// Bytes of an entry of a summary (mpagealloc.go, `pallocSum`).
    pub summary_entry: u64,
    /// `mheap.pages.chunks`: pointers to tables of bitmaps of free pages.
    pub chunks: Option<Field>,
    /// Bytes of one such table.
    pub chunk_table: u64,
    /// `mheap.pages.scav.index.chunks`: slice, an entry for each 4 MiB of address space.
    pub scavenge_index: Option<Field>,
    /// Bytes of its entries (mgcscavenge.go, `atomicScavChunkData`).
    pub scavenge_entry: u64,
    /// `runtime.buckhash` and the size of the table it points to.
    pub bucket_table: Option<(Addr, u64)>,
}

/// Entries of the hash table of allocation sites (mprof.go, `buckHashSize`).
const BUCKET_TABLE_ENTRIES: u64 = 179_999;
/// Bytes of `pallocSum`, and of `atomicScavChunkData`: one word each.
const WORD: u64 = 8;
/// Entries of one of the tables in `pages.chunks` (mpagealloc_64bit.go: `pallocChunksL2Bits` is 48 - 22 - 13 bits).
const CHUNKS_IN_TABLE: u64 = 1 << 13;

impl Source<'_> {
    /// The tables of the heap; `None` where not even arenas can be told.
    pub(super) fn metadata(&self) -> Option<MetadataLayouts> {
        let heap = self.layout(&["runtime.mheap"]).ok()?;
        let field = |names: &[&'static str]| self.field(&heap, names).ok();
        let layouts = MetadataLayouts {
            heap_arenas: field(&["heapArenas", "allArenas"])?,
            user_arenas: field(&["userArenaArenas"]),
            arenas: field(&["arenas"])?,
            arena_bytes: self.constant(&["runtime.heapArenaBytes"]).ok()?,
            arena_base: self.signed("runtime.arenaBaseOffsetUintptr").ok()?,
            l1_bits: self.small("runtime.arenaL1Bits").ok()?,
            l2_bits: self.small("runtime.arenaL2Bits").ok()?,
            arena_record: self.layout(&["runtime.heapArena"]).ok()?.size.into(),
            summaries: field(&["pages.summary"]),
            summary_entry: WORD,
            chunks: field(&["pages.chunks"]),
            chunk_table: self
                .layout(&["runtime.pallocData"])
                .map_or(0, |l| u64::from(l.size) * CHUNKS_IN_TABLE),
            scavenge_index: field(&["pages.scav.index.chunks"]),
            scavenge_entry: WORD,
            bucket_table: self
                .global("runtime.buckhash")
                .ok()
                .map(|at| (at, BUCKET_TABLE_ENTRIES * WORD)),
        };
        let plausible = layouts.arena_bytes.is_power_of_two()
            && layouts.l1_bits <= MAX_ARENA_BITS
            && layouts.l2_bits <= MAX_ARENA_BITS
            && layouts.arenas.size == 8 << layouts.l1_bits;
        plausible.then_some(layouts)
    }
}
