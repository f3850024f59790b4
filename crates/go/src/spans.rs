//! Spans: the runs of pages that hold objects, read from `mheap_.allspans` and believed only where they make sense.

use leakscope_target::{Addr, AddrRange, Image, Memory};

use crate::budget;
use crate::coverage::Gaps;
use crate::layouts::{HeapRules, Layouts, Mspan};

/// Most entries of `allspans` that are looked at: 2^27 spans of one page are a heap of 1 TiB.
const MAX_SPANS: u64 = 1 << 27;
/// Largest slot of a small size class (sizeclasses.go, `_MaxSmallSize`).
const MAX_SMALL: u64 = 32 << 10;
/// Most pages of a span of a small size class. The runtime's table goes up to 10; up to 16, slot numbers can be had by
/// one multiplication (16 pages x 8 KiB x 32 KiB slots is 2^32).
const MAX_SMALL_PAGES: u64 = 16;
/// Most slots of a span, in the runtime's table: one page of 8-byte slots.
pub(crate) const MAX_SLOTS: usize = 1024;
/// Highest user address on x86-64 with four-level page tables, where Go's heap always lies.
pub(crate) const MAX_ADDRESS: u64 = 1 << 47;

/// What the collector has done with a span in its current sweep cycle (mheap.go, comment at `mspan.sweepgen`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sweep {
    /// Allocation bits are the truth.
    Swept,
    /// Mark bits of the finished collection tell which of the allocated slots are garbage.
    Unswept,
    /// Being swept at the moment of capture.
    Sweeping,
}

/// One span that holds objects.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Span {
    /// First byte.
    pub start: Addr,
    /// Its pages, in bytes.
    pub bytes: u64,
    /// Bytes of one slot, as the runtime accounts objects.
    pub elem_size: u64,
    /// First byte past the slots; for a large object, the first byte past the size that was asked for.
    pub limit: Addr,
    /// `*_type` of a large object; nil while it is being zeroed (or has no pointers).
    pub large_type: Addr,
    /// Head of the list of specials.
    pub specials: Addr,
    /// Bytes at the end of its pages that are the runtime's: heap bits, inline marks.
    pub reserved: u32,
    /// Number of slots.
    pub nelems: u32,
    /// Id of its first allocated object: ids of a span are consecutive.
    pub first_obj: u32,
    /// Its number of allocated objects.
    pub objects: u32,
    /// The slot that was being initialised at the moment of capture: allocated, but without meaning yet.
    pub in_flight: Option<u32>,
    /// Size class; 0 is a large object.
    pub size_class: u8,
    /// No slot holds pointers.
    pub noscan: bool,
    /// Where pointers of its slots are recorded.
    pub pointers: PointerBits,
    /// State of the sweep.
    pub sweep: Sweep,
    /// Of a large object: it was there when the last collection ended, so its mark, or after the sweep its allocation bit, is
    /// set (mbitmap.go, `nextFreeIndex`; mgcsweep.go, `sweepLocked.sweep`).
    pub outlived: bool,
}

/// Where the collector finds out which words of a slot are pointers (mbitmap.go: `typePointersOfUnchecked` from 1.22 on,
/// `heapBitsForAddr` before).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PointerBits {
    /// The span has no pointers.
    None,
    /// Every word is one (slots of 8 bytes).
    Every,
    /// One bit per word of the span, from this offset in the span on.
    InSpan(u32),
    /// The first word of the slot is the `*_type`; data follows.
    Header,
    /// [`Span::large_type`].
    LargeType,
    /// One bit per word of the heap, in the record of its arena.
    InArena,
}

impl Span {
    /// First byte past its pages.
    pub fn end(&self) -> Addr {
        Addr(self.start.0 + self.bytes)
    }

    /// Bytes in front of the data of each slot: pointers to an object point past them.
    pub fn header(&self) -> u64 {
        if self.pointers == PointerBits::Header {
            8
        } else {
            0
        }
    }

    /// Bytes of a slot that the program can use: for a large object what it asked for, rounded up to words.
    pub fn usable(&self) -> u64 {
        if self.size_class == 0 {
            (self.limit.0 - self.start.0)
                .next_multiple_of(8)
                .min(self.elem_size)
        } else {
            self.elem_size - self.header()
        }
    }
}

/// The fields of one mspan, not yet believed.
#[derive(Clone, Debug)]
pub(crate) struct RawSpan {
    pub(crate) start: u64,
    pub(crate) npages: u64,
    pub(crate) elem_size: u64,
    pub(crate) nelems: u64,
    pub(crate) free_index: u64,
    pub(crate) free_index_for_scan: u64,
    pub(crate) alloc_count: u64,
    pub(crate) alloc_bits: Addr,
    pub(crate) mark_bits: Addr,
    pub(crate) sweepgen: u32,
    pub(crate) spanclass: u8,
    pub(crate) state: u64,
    pub(crate) limit: u64,
    pub(crate) specials: Addr,
    pub(crate) large_type: Addr,
}

impl RawSpan {
    pub(crate) fn decode(f: &Mspan, record: &[u8]) -> Self {
        Self {
            start: f.start_addr.get(record),
            npages: f.npages.get(record),
            elem_size: f.elemsize.get(record),
            nelems: f.nelems.get(record),
            free_index: f.freeindex.get(record),
            free_index_for_scan: f.free_index_for_scan.get(record),
            alloc_count: f.alloc_count.get(record),
            alloc_bits: Addr(f.alloc_bits.get(record)),
            mark_bits: Addr(f.gcmark_bits.get(record)),
            sweepgen: f.sweepgen.get(record) as u32,
            spanclass: f.spanclass.get(record) as u8,
            state: f.state.get(record),
            limit: f.limit.get(record),
            specials: Addr(f.specials.get(record)),
            large_type: Addr(f.large_type.map_or(0, |f| f.get(record))),
        }
    }

    pub(crate) fn noscan(&self) -> bool {
        self.spanclass & 1 != 0
    }

    /// Whether any slot is taken by an object that may hold pointers.
    pub(crate) fn has_pointers(&self) -> bool {
        !self.noscan() && self.alloc_count > 0
    }

    pub(crate) fn size_class(&self) -> u8 {
        self.spanclass >> 1
    }

    /// Bytes of its pages, if start and length are sane.
    pub(crate) fn extent(&self, rules: &HeapRules) -> Result<u64, &'static str> {
        if self.start == 0 || !self.start.is_multiple_of(rules.page_size) {
            return Err("span that does not start on a page");
        }
        let bytes = self.npages.checked_mul(rules.page_size).filter(|b| *b > 0);
        match bytes {
            Some(bytes) if self.start < MAX_ADDRESS && bytes <= MAX_ADDRESS - self.start => {
                Ok(bytes)
            }
            _ => Err("span outside the address space"),
        }
    }

    /// Checks everything that can be checked from the fields alone; says what is wrong.
    pub(crate) fn check(&self, rules: &HeapRules) -> Result<u64, &'static str> {
        let bytes = self.extent(rules)?;
        if self.elem_size == 0 || self.elem_size > bytes || !self.elem_size.is_multiple_of(8) {
            return Err("span with an impossible slot size");
        }
        if self.size_class() == 0 {
            if self.nelems != 1 || self.limit <= self.start || self.limit - self.start > bytes {
                return Err("large span with more than its one object");
            }
        } else {
            if self.elem_size > MAX_SMALL || self.npages > MAX_SMALL_PAGES {
                return Err("span with an impossible slot size");
            }
            if self.nelems > MAX_SLOTS as u64
                || self.nelems != (bytes - self.reserved(rules, bytes)) / self.elem_size
            {
                return Err("span whose number of slots does not follow from its size");
            }
        }
        if self.free_index > self.nelems
            || self.alloc_count > self.nelems
            || self.free_index_for_scan > self.free_index
        {
            return Err("span with an impossible number of allocated slots");
        }
        Ok(bytes)
    }

    /// Bytes at the end of the span's pages that are not slots (mheap.go, `initSpan`: heap bits, inline marks).
    fn reserved(&self, rules: &HeapRules, bytes: u64) -> u64 {
        if self.elem_size > rules.bits_in_span_max {
            return 0;
        }
        let bits = if self.noscan() { 0 } else { bytes / 64 };
        bits + rules.inline_marks(self.elem_size).map_or(0, |g| g.reserve)
    }

    /// Where the heap bits of a span with bits at its end begin, from its start.
    fn heap_bits_offset(&self, rules: &HeapRules, bytes: u64) -> u64 {
        bytes - self.reserved(rules, bytes)
    }

    pub(crate) fn pointers(&self, rules: &HeapRules, bytes: u64) -> PointerBits {
        if self.noscan() {
            PointerBits::None
        } else if self.elem_size == 8 {
            PointerBits::Every
        } else if rules.arena_bits.is_some() {
            PointerBits::InArena
        } else if self.size_class() == 0 {
            PointerBits::LargeType
        } else if self.elem_size <= rules.bits_in_span_max {
            PointerBits::InSpan(self.heap_bits_offset(rules, bytes) as u32)
        } else {
            PointerBits::Header
        }
    }

    fn slots(&self) -> SlotState {
        SlotState {
            alloc_bits: self.alloc_bits,
            mark_bits: self.mark_bits,
            free_index: self.free_index as u32,
            free_index_for_scan: self.free_index_for_scan as u32,
            alloc_count: self.alloc_count as u32,
        }
    }

    /// The state of the sweep, by the distance to `mheap_.sweepgen`: -2 needs sweeping, -1 is being swept, 0 is swept,
    /// +1 was cached before the sweep began and needs it, +3 was swept and then cached.
    pub(crate) fn sweep(&self, heap_sweepgen: u32) -> Result<Sweep, &'static str> {
        match self.sweepgen.wrapping_sub(heap_sweepgen) as i32 {
            0 | 3 => Ok(Sweep::Swept),
            -2 | 1 => Ok(Sweep::Unswept),
            -1 => Ok(Sweep::Sweeping),
            _ => Err("span with an impossible sweep generation"),
        }
    }
}

/// What tells the allocated slots of a span from the free ones.
pub(crate) struct SlotState {
    pub(crate) alloc_bits: Addr,
    pub(crate) mark_bits: Addr,
    pub(crate) free_index: u32,
    pub(crate) free_index_for_scan: u32,
    pub(crate) alloc_count: u32,
}

/// The spans of a heap as found.
pub(crate) struct SpanList {
    /// Believed spans in use, ascending, disjoint.
    pub(crate) spans: Vec<(Span, SlotState)>,
    /// Spans that the runtime manages by hand: stacks, work buffers. In the order of the list.
    pub(crate) manual: Vec<AddrRange>,
}

/// Where `allspans` lies and how long it is.
pub(crate) fn all_spans(
    memory: &dyn Memory,
    layouts: &Layouts,
) -> Result<(Addr, u64), leakscope_target::Fault> {
    let slice = layouts.mheap.allspans.at(layouts.globals.mheap);
    let array = memory.ptr(slice)?;
    let len = memory.u64(Addr(slice.0.wrapping_add(8)))?;
    Ok((array, len.min(MAX_SPANS)))
}

/// Reads every span of `image`. What cannot be read or believed is left out and counted in `gaps`.
pub(crate) fn read_spans(
    image: &Image,
    layouts: &Layouts,
    gaps: &mut Gaps,
) -> Result<SpanList, leakscope_target::Fault> {
    let rules = &layouts.heap;
    let heap_sweepgen = image.u32(layouts.mheap.sweepgen.at(layouts.globals.mheap))?;
    let (array, len) = all_spans(image, layouts)?;
    let len = len.min(budget::most_records(image, layouts.mspan.size));
    let array_bytes = image.bytes(array, len * 8)?;
    let record_len = u64::from(layouts.mspan.size);
    let mut spans = Vec::new();
    let mut manual = Vec::new();
    for entry in array_bytes.chunks_exact(8) {
        let at = Addr(u64::from_le_bytes(entry.try_into().unwrap_or_default()));
        let Ok(record) = image.bytes(at, record_len) else {
            gaps.add("span that cannot be read", at);
            continue;
        };
        let raw = RawSpan::decode(&layouts.mspan, record);
        if raw.state == rules.span_manual {
            let pages = raw.extent(rules).ok();
            manual.extend(pages.and_then(|bytes| AddrRange::new(Addr(raw.start), bytes)));
        }
        if raw.state != rules.span_in_use {
            continue;
        }
        let checked = raw
            .check(rules)
            .and_then(|bytes| Ok((bytes, raw.sweep(heap_sweepgen)?)));
        match checked {
            Ok((bytes, sweep)) => spans.push((believed(&raw, rules, bytes, sweep), raw.slots())),
            Err(reason) => gaps.add(reason, at),
        }
    }
    spans.sort_unstable_by_key(|(s, _)| s.start);
    let mut end = Addr(0);
    spans.retain(|(s, _)| {
        if s.start < end {
            gaps.add("span that overlaps another", s.start);
            return false;
        }
        end = s.end();
        true
    });
    Ok(SpanList { spans, manual })
}

fn believed(raw: &RawSpan, rules: &HeapRules, bytes: u64, sweep: Sweep) -> Span {
    Span {
        start: Addr(raw.start),
        bytes,
        elem_size: raw.elem_size,
        limit: Addr(if raw.size_class() == 0 {
            raw.limit
        } else {
            raw.start + raw.elem_size * raw.nelems
        }),
        large_type: if raw.size_class() == 0 {
            raw.large_type
        } else {
            Addr(0)
        },
        specials: raw.specials,
        reserved: raw.reserved(rules, bytes) as u32,
        nelems: raw.nelems as u32,
        first_obj: 0,
        objects: 0,
        in_flight: None,
        size_class: raw.size_class(),
        noscan: raw.noscan(),
        pointers: raw.pointers(rules, bytes),
        sweep,
        outlived: false,
    }
}
