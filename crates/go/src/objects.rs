//! Objects: every allocated slot of the heap under a dense id, found from any address in a few nanoseconds.

use leakscope_target::{Addr, AddrRange, Image, Memory};

use crate::arenas::Arenas;
use crate::budget;
use crate::coverage::{Amount, Gaps};
use crate::layouts::Layouts;
use crate::pages::PageIndex;
use crate::slotbits::{BitReader, MAX_SLOT_WORDS, SetBits, nth_set};
use crate::spans::{SlotState, Span, Sweep, read_spans};

/// Ids are handed out in steps of this many for the search from an id back to its span.
const COARSE_SHIFT: u32 = 6;

/// Pages of spans that are given a table: so many per page of the image (of spans without pointers, contents may have
/// been left out), and as many as a heap of 128 GiB has in any case: a table of 64 MiB.
const PAGES_PER_HELD: u64 = 4;
const PAGES_ANYWAY: u64 = 1 << 24;

/// An allocated slot that an address falls into.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Hit {
    /// The object.
    pub obj: u32,
    /// Its span, an index into [`Objects::spans`].
    pub span: u32,
    /// First byte of its slot. Where the span has headers, data starts [`Span::header`] bytes further on.
    pub base: u64,
}

/// Sums over all allocated slots, as the runtime accounts them (`MemStats.HeapObjects`, `HeapAlloc`).
#[derive(Clone, Copy, Debug, Default)]
pub struct ObjectTotals {
    /// Allocated slots.
    pub allocated: Amount,
    /// Of these, slots that the last collection found dead and the sweep has not freed yet.
    pub unswept: Amount,
    /// Slots being initialised at the moment of capture.
    pub in_flight: u64,
    /// Spans set up for objects, and their bytes (`MemStats.HeapInuse`).
    pub spans: u64,
    /// See above.
    pub span_bytes: u64,
    /// Bytes of spans the runtime manages by hand: stacks and work buffers.
    pub manual_bytes: u64,
}

/// Allocated slots of one span class.
#[derive(Clone, Copy, Debug, Default)]
pub struct ClassTotals {
    /// Spans of this class.
    pub spans: u64,
    /// Allocated slots in them.
    pub allocated: Amount,
}

/// All allocated slots, ids dense in address order.
pub struct Objects {
    spans: Vec<Span>,
    slots: Vec<SpanSlots>,
    pages: PageIndex,
    words: Vec<SlotWord>,
    coarse: Vec<u32>,
    unswept: Vec<u64>,
    len: u32,
    totals: ObjectTotals,
    arenas: Option<Arenas>,
    empty: Vec<AddrRange>,
    manual: Vec<AddrRange>,
}

/// What finding a slot needs of a span, packed.
#[derive(Clone, Copy)]
struct SpanSlots {
    start: u64,
    /// Slot size; for a large object, the bytes that pointers may fall into.
    size: u64,
    /// `ceil(2^32 / size)`, or 0 where there is only one slot.
    magic: u32,
    nelems: u32,
    first_word: u32,
    first_obj: u32,
}

/// 64 slots: which are allocated, and how many objects come before them.
#[derive(Clone, Copy, Default)]
struct SlotWord {
    bits: u64,
    rank: u32,
}

impl SpanSlots {
    fn of(span: &Span, first_word: u32) -> Self {
        let (size, magic) = if span.size_class == 0 {
            (span.limit.0 - span.start.0, 0)
        } else {
            (
                span.elem_size,
                ((1u64 << 32).div_ceil(span.elem_size)) as u32,
            )
        };
        Self {
            start: span.start.0,
            size,
            magic,
            nelems: span.nelems,
            first_word,
            first_obj: span.first_obj,
        }
    }

    /// The number of the slot at `offset` in the span. Exact: a small span times its slot size stays within 2^32.
    #[inline]
    fn index(&self, offset: u64) -> u32 {
        ((u64::from(offset as u32) * u64::from(self.magic)) >> 32) as u32
    }
}

impl Objects {
    /// Finds every allocated object in `image`. Spans that cannot be read or believed are left out and counted in `gaps`.
    /// Fails only where the heap itself cannot be found.
    pub fn read(
        image: &Image,
        layouts: &Layouts,
        gaps: &mut Gaps,
    ) -> Result<Self, leakscope_target::Fault> {
        let list = read_spans(image, layouts, gaps)?;
        let marking = u64::from(image.u32(layouts.globals.gcphase)?) != layouts.heap.phases.off;
        let mut objects = Self {
            spans: Vec::with_capacity(list.spans.len()),
            slots: Vec::with_capacity(list.spans.len()),
            pages: PageIndex::build(&[], layouts.heap.page_size, 0),
            words: Vec::new(),
            coarse: Vec::new(),
            unswept: Vec::new(),
            len: 0,
            arenas: Arenas::of(layouts),
            empty: Vec::new(),
            manual: Vec::new(),
            totals: ObjectTotals {
                manual_bytes: (list.manual.iter()).fold(0, |sum, r| sum.saturating_add(r.len())),
                ..ObjectTotals::default()
            },
        };
        let mut reader = BitReader {
            image,
            rules: &layouts.heap,
            marking,
            gaps,
        };
        let mut bits = [0; MAX_SLOT_WORDS];
        for (span, state) in list.spans {
            let pages = AddrRange {
                start: span.start,
                end: span.end(),
            };
            let before = objects.spans.len();
            objects.push(span, &state, &mut bits, &mut reader);
            if objects.spans.len() == before {
                objects.empty.push(pages);
            }
        }
        objects.manual = list.manual;
        objects.manual.sort_unstable_by_key(|r| r.start);
        let page_size = layouts.heap.page_size;
        let most_pages = budget::held(image) / page_size * PAGES_PER_HELD + PAGES_ANYWAY;
        objects.pages = PageIndex::build(&objects.spans, page_size, most_pages);
        objects.index_ids();
        Ok(objects)
    }

    /// Takes a span in, if it has any object.
    fn push(
        &mut self,
        mut span: Span,
        state: &SlotState,
        bits: &mut [u64],
        reader: &mut BitReader<'_>,
    ) {
        self.totals.spans += 1;
        self.totals.span_bytes += span.bytes;
        let Some(allocated) = bits.get_mut(..span.nelems.div_ceil(64) as usize) else {
            return;
        };
        if !reader.allocated(&span, state, allocated) {
            return;
        }
        let count: u32 = allocated.iter().map(|w| w.count_ones()).sum();
        if count != state.alloc_count {
            reader.gaps.add(
                "span whose count of objects differs from its bits",
                span.start,
            );
        }
        if count == 0 {
            return;
        }
        let Some(len) = self.len.checked_add(count).filter(|n| *n < u32::MAX) else {
            reader.gaps.add_many(
                "object beyond those that 32-bit ids can tell apart",
                count.into(),
                Some(span.start),
            );
            return;
        };
        span.first_obj = self.len;
        self.slots
            .push(SpanSlots::of(&span, self.words.len() as u32));
        let mut rank = self.len;
        for word in &*allocated {
            self.words.push(SlotWord { bits: *word, rank });
            rank += word.count_ones();
        }
        span.objects = count;
        span.in_flight = reader.in_flight(&span, state);
        span.outlived = span.size_class == 0 && reader.outlived(&span, state);
        self.totals.in_flight += u64::from(span.in_flight.is_some());
        self.totals.allocated.objects += u64::from(count);
        self.totals.allocated.bytes += u64::from(count) * span.elem_size;
        if span.sweep != Sweep::Swept {
            self.push_unswept(&mut span, state, allocated, reader);
        }
        self.len = len;
        self.spans.push(span);
    }

    /// Notes which of the span's `allocated` slots the finished collection found dead.
    fn push_unswept(
        &mut self,
        span: &mut Span,
        state: &SlotState,
        allocated: &[u64],
        reader: &mut BitReader<'_>,
    ) {
        let mut marks = [0u64; MAX_SLOT_WORDS];
        let Some(marks) = marks.get_mut(..allocated.len()) else {
            return;
        };
        if !reader.marked(span, state, marks) {
            return;
        }
        // A span caught inside its sweep: once the bits have been exchanged, marks are zero and everything starts anew
        // (mgcsweep.go, `sweepLocked.sweep`).
        if span.sweep == Sweep::Sweeping && state.free_index == 0 && marks.iter().all(|m| *m == 0) {
            span.sweep = Sweep::Swept;
            return;
        }
        let mut garbage = 0;
        let mut obj = self.len;
        for (allocated, marks) in allocated.iter().zip(&*marks) {
            let mut slots = *allocated;
            while slots != 0 {
                let bit = slots & slots.wrapping_neg();
                if marks & bit == 0 {
                    garbage += 1;
                    let word = obj as usize / 64;
                    if self.unswept.len() <= word {
                        self.unswept.resize(word + 1, 0);
                    }
                    self.unswept[word] |= 1 << (obj % 64);
                }
                obj += 1;
                slots ^= bit;
            }
        }
        self.totals.unswept.objects += garbage;
        self.totals.unswept.bytes += garbage * span.elem_size;
    }

    fn index_ids(&mut self) {
        let steps = (self.len >> COARSE_SHIFT) as usize + 1;
        self.coarse = Vec::with_capacity(steps);
        let mut span = 0;
        for step in 0..steps {
            let id = (step << COARSE_SHIFT) as u32;
            while self
                .slots
                .get(span + 1)
                .is_some_and(|next| next.first_obj <= id)
            {
                span += 1;
            }
            self.coarse.push(span as u32);
        }
    }

    /// Number of objects; ids run from 0 up to here.
    pub fn len(&self) -> u32 {
        self.len
    }

    /// Whether there is no object.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Spans that hold at least one object, ascending by address.
    pub fn spans(&self) -> &[Span] {
        &self.spans
    }

    /// Where pointer bits lie that are kept beside the heap; `None` in builds that keep them in it.
    pub(crate) fn arenas(&self) -> Option<Arenas> {
        self.arenas
    }

    /// Pages of spans set up for objects that hold none, ascending.
    pub fn empty_spans(&self) -> &[AddrRange] {
        &self.empty
    }

    /// Pages of spans that the runtime manages by hand, ascending: stacks and work buffers.
    pub fn manual_spans(&self) -> &[AddrRange] {
        &self.manual
    }

    /// Sums over all objects.
    pub fn totals(&self) -> &ObjectTotals {
        &self.totals
    }

    /// The object whose slot `addr` falls into: pointers into an object's inside find it, pointers to free slots, to
    /// the unused end of a span or outside the heap find nothing.
    #[inline]
    pub fn find(&self, addr: u64) -> Option<Hit> {
        let span = self.pages.get(addr)?;
        let s = self.slots.get(span as usize)?;
        let offset = addr.wrapping_sub(s.start);
        let index = s.index(offset);
        let in_slots = u64::from(index) * s.size;
        if index >= s.nelems || offset.wrapping_sub(in_slots) >= s.size {
            return None;
        }
        let word = self.words.get((s.first_word + index / 64) as usize)?;
        let bit = 1u64 << (index % 64);
        if word.bits & bit == 0 {
            return None;
        }
        let obj = word.rank + (word.bits & (bit - 1)).count_ones();
        Some(Hit {
            obj,
            span,
            base: s.start + in_slots,
        })
    }

    /// Whether `addr` lies in the pages of a span that holds objects, allocated or not.
    pub fn in_span(&self, addr: u64) -> bool {
        self.pages.get(addr).is_some()
    }

    /// The span of an object, an index into [`Self::spans`]. `obj` must be below [`Self::len`].
    pub fn span_of(&self, obj: u32) -> u32 {
        let mut i = self
            .coarse
            .get((obj >> COARSE_SHIFT) as usize)
            .copied()
            .unwrap_or(0) as usize;
        while self
            .slots
            .get(i + 1)
            .is_some_and(|next| next.first_obj <= obj)
        {
            i += 1;
        }
        i as u32
    }

    /// Where an object lies. `obj` must be below [`Self::len`].
    pub fn locate(&self, obj: u32) -> Hit {
        let span = self.span_of(obj);
        let Some((s, words)) = self.slot_words(span) else {
            return Hit { obj, span, base: 0 };
        };
        let word = words.partition_point(|w| w.rank <= obj).saturating_sub(1);
        let (bits, rank) = words.get(word).map_or((0, obj), |w| (w.bits, w.rank));
        let index = word as u64 * 64 + u64::from(nth_set(bits, obj.saturating_sub(rank)));
        Hit {
            obj,
            span,
            base: s.start + index * if s.magic == 0 { 0 } else { s.size },
        }
    }

    /// First byte of an object's slot. `obj` must be below [`Self::len`].
    pub fn base(&self, obj: u32) -> Addr {
        Addr(self.locate(obj).base)
    }

    /// Bytes of an object's slot. `obj` must be below [`Self::len`].
    pub fn size(&self, obj: u32) -> u64 {
        self.spans
            .get(self.span_of(obj) as usize)
            .map_or(0, |s| s.elem_size)
    }

    /// The allocated slots of a span in order: object and number of the slot.
    pub fn slots(&self, span: u32) -> impl Iterator<Item = (u32, u32)> + '_ {
        let words = self.slot_words(span).map_or(&[][..], |(_, words)| words);
        words.iter().enumerate().flat_map(|(w, word)| {
            SetBits(word.bits)
                .enumerate()
                .map(move |(n, bit)| (word.rank + n as u32, w as u32 * 64 + bit))
        })
    }

    /// Whether the last collection found the object dead and only the sweep has not come round to freeing it.
    pub fn is_unswept_garbage(&self, obj: u32) -> bool {
        self.unswept
            .get(obj as usize / 64)
            .is_some_and(|w| w >> (obj % 64) & 1 != 0)
    }

    /// Sums by span class: `size class << 1 | noscan`, 136 of them.
    pub fn by_class(&self) -> Vec<ClassTotals> {
        let mut classes = vec![ClassTotals::default(); 256];
        for span in &self.spans {
            let class =
                &mut classes[usize::from(span.size_class & 127) << 1 | usize::from(span.noscan)];
            class.spans += 1;
            class.allocated.objects += u64::from(span.objects);
            class.allocated.bytes += u64::from(span.objects) * span.elem_size;
        }
        classes
    }

    fn slot_words(&self, span: u32) -> Option<(&SpanSlots, &[SlotWord])> {
        let s = self.slots.get(span as usize)?;
        let from = s.first_word as usize;
        Some((
            s,
            self.words
                .get(from..from + s.nelems.div_ceil(64) as usize)?,
        ))
    }
}
