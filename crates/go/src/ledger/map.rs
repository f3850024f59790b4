//! Where in the address space the runtime keeps what: read from the captured bytes, before these are gone.

use leakscope_target::{Addr, AddrRange, Image, Memory, Thread};

use super::ranges::joined;
use crate::layouts::{Field, Layouts, MetadataLayouts};

/// Most blocks of one of the runtime's own allocators: 2^18 of 64 KiB are 16 GiB.
const MAX_BLOCKS: usize = 1 << 18;
/// Most arenas looked at: 4 TiB of heap.
pub(crate) const MAX_ARENAS: u64 = 1 << 16;
/// Bytes of a slice's header: pointer, length, capacity.
const SLICE: u64 = 24;

/// Address ranges of the runtime's, each list ascending and disjoint.
#[derive(Clone, Debug, Default)]
pub(crate) struct MemoryMap {
    /// Reserved for the heap, in use or not.
    pub(crate) arenas: Vec<AddrRange>,
    /// What the heap is managed by: tables of arenas and free pages, mark bits, records of spans and specials.
    pub(crate) metadata: Vec<AddrRange>,
    /// Stack pointers of the threads.
    pub(crate) stack_pointers: Vec<Addr>,
}

impl MemoryMap {
    /// Reads it. What is not there is left out: it counts as other memory then.
    pub(crate) fn read(image: &Image, layouts: &Layouts, threads: &[Thread]) -> Self {
        let reader = Reader { image, layouts };
        let mut metadata = reader.persistent_chunks();
        metadata.extend(reader.mark_bits());
        metadata.extend(reader.slice(layouts.mheap.allspans.at(layouts.globals.mheap), 8));
        let mut arenas = Vec::new();
        if let Some(of_heap) = &layouts.metadata {
            reader.tables(of_heap, &mut metadata);
            let numbers = arena_numbers(image, layouts.globals.mheap, of_heap);
            for number in numbers {
                let start = number
                    .wrapping_mul(of_heap.arena_bytes)
                    .wrapping_add(of_heap.arena_base);
                arenas.extend(AddrRange::new(Addr(start), of_heap.arena_bytes));
                metadata.extend(reader.arena_record(of_heap, number));
            }
        }
        Self {
            arenas: joined(arenas),
            metadata: joined(metadata),
            stack_pointers: threads.iter().map(|t| t.registers.sp).collect(),
        }
    }
}

/// Where the pointer to an arena's record lies (mheap.go, `arenaIndex`).
pub(crate) fn arena_entry(
    memory: &dyn Memory,
    mheap: Addr,
    of_heap: &MetadataLayouts,
    number: u64,
) -> Option<Addr> {
    let first = number >> of_heap.l2_bits;
    if first >> of_heap.l1_bits != 0 {
        return None;
    }
    let table = memory
        .ptr(of_heap.arenas.at(mheap).checked_add(8 * first)?)
        .ok()?;
    let second = number & ((1 << of_heap.l2_bits) - 1);
    table.checked_add(8 * second).filter(|_| !table.is_nil())
}

/// Where the lists of arenas lie: addresses of the numbers, and how many there are.
pub(crate) fn arena_lists(
    memory: &dyn Memory,
    mheap: Addr,
    of_heap: &MetadataLayouts,
) -> [(Addr, u64); 2] {
    let list = |field: Option<Field>| {
        let slice = field.map(|f| f.at(mheap))?;
        let at = memory.ptr(slice).ok()?;
        let len = memory.u64(slice.checked_add(8)?).ok()?;
        Some((at, len.min(MAX_ARENAS)))
    };
    [Some(of_heap.heap_arenas), of_heap.user_arenas].map(|f| list(f).unwrap_or_default())
}

fn arena_numbers(image: &Image, mheap: Addr, of_heap: &MetadataLayouts) -> Vec<u64> {
    let mut numbers = Vec::new();
    for (at, len) in arena_lists(image, mheap, of_heap) {
        let words = image.bytes(at, len * 8).unwrap_or_default();
        numbers.extend(
            words
                .as_chunks::<8>()
                .0
                .iter()
                .map(|w| u64::from_le_bytes(*w)),
        );
    }
    numbers
}

struct Reader<'a> {
    image: &'a Image,
    layouts: &'a Layouts,
}

impl Reader<'_> {
    /// malloc.go, `persistentalloc`.
    fn persistent_chunks(&self) -> Vec<AddrRange> {
        let size = self.layouts.heap.persistent_chunk;
        let first = self.image.ptr(self.layouts.globals.persistent_chunks);
        self.list(first.unwrap_or_default(), size, |at| at)
    }

    /// mheap.go, `gcBitsArenas`.
    fn mark_bits(&self) -> Vec<AddrRange> {
        let size = self.layouts.heap.gc_bits_chunk;
        let next = self.layouts.gc_bits_arena.next;
        let heads = self.layouts.globals.gc_bits_arenas;
        let lists = heads.map(|head| {
            let first = self.image.ptr(head).unwrap_or_default();
            self.list(first, size, |at| next.at(at))
        });
        lists.concat()
    }

    /// Blocks of `size` bytes that are chained through the word at `next`.
    fn list(&self, first: Addr, size: u64, next: impl Fn(Addr) -> Addr) -> Vec<AddrRange> {
        let mut blocks = Vec::new();
        let mut at = first;
        while !at.is_nil() && blocks.len() < MAX_BLOCKS {
            let Some(block) = AddrRange::new(at, size) else {
                break;
            };
            blocks.push(block);
            at = self.image.ptr(next(at)).unwrap_or_default();
        }
        blocks
    }

    /// The array of the slice at `header`, with all that it has room for.
    fn slice(&self, header: Addr, element: u64) -> Option<AddrRange> {
        let at = self.image.ptr(header).ok().filter(|at| !at.is_nil())?;
        let room = self.image.u64(header.checked_add(16)?).ok()?;
        AddrRange::new(at, room.checked_mul(element)?)
    }

    fn tables(&self, of_heap: &MetadataLayouts, found: &mut Vec<AddrRange>) {
        let mheap = self.layouts.globals.mheap;
        for i in 0..1u64 << of_heap.l1_bits {
            let at = of_heap.arenas.at(mheap).checked_add(8 * i);
            let table = at.and_then(|at| self.image.ptr(at).ok());
            found.extend(table.and_then(|at| self.block(at, 8 << of_heap.l2_bits)));
        }
        if let Some(field) = of_heap.summaries {
            for i in 0..u64::from(field.size) / SLICE {
                let header = field.at(mheap).checked_add(i * SLICE);
                found.extend(header.and_then(|at| self.slice(at, of_heap.summary_entry)));
            }
        }
        if let Some(field) = of_heap.chunks {
            let pointers = self.image.bytes(field.at(mheap), field.size.into());
            for word in pointers.unwrap_or_default().as_chunks::<8>().0 {
                let at = Addr(u64::from_le_bytes(*word));
                found.extend(self.block(at, of_heap.chunk_table));
            }
        }
        if let Some(field) = of_heap.scavenge_index {
            found.extend(self.slice(field.at(mheap), of_heap.scavenge_entry));
        }
        if let Some((at, bytes)) = of_heap.bucket_table {
            let table = self.image.ptr(at).ok();
            found.extend(table.and_then(|at| self.block(at, bytes)));
        }
    }

    fn arena_record(&self, of_heap: &MetadataLayouts, number: u64) -> Option<AddrRange> {
        let entry = arena_entry(self.image, self.layouts.globals.mheap, of_heap, number)?;
        self.block(self.image.ptr(entry).ok()?, of_heap.arena_record)
    }

    fn block(&self, at: Addr, bytes: u64) -> Option<AddrRange> {
        AddrRange::new(at, bytes).filter(|_| !at.is_nil())
    }
}
