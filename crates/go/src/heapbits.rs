//! The pointer words of objects, exactly those that the collector scans (mbitmap.go: `typePointersOfUnchecked` and
//! `typePointers.next` from Go 1.22 on, `heapBitsForAddr` before).

use std::rc::Rc;

use leakscope_target::{Addr, Image, Memory};
use rustc_hash::FxHashMap;

use crate::coverage::Gaps;
use crate::objects::Objects;
use crate::spans::{PointerBits, Span};

/// Masks are remembered up to this many words of them (16 MiB), then learned anew.
const MAX_KNOWN_WORDS: usize = 2 << 20;

/// Which words of one value of a type are pointers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PointerMask {
    /// Size of one value in words.
    pub size: u64,
    /// One bit per word, lowest first; words past its end are no pointers.
    pub bits: Vec<u64>,
}

impl PointerMask {
    /// Calls `f` with every pointer word below `limit` of an array of values that starts at word `from`.
    fn tile(&self, from: u64, limit: u64, mut f: impl FnMut(u64)) {
        let size = self.size.max(1);
        // A mask that is longer than its value would be looked at once per value for nothing.
        let words = self
            .bits
            .get(..size.div_ceil(64) as usize)
            .unwrap_or(&self.bits);
        let mut value = from;
        while value < limit {
            for (i, bits) in words.iter().enumerate() {
                let first = value + i as u64 * 64;
                let mut bits = *bits;
                while bits != 0 {
                    let word = first + u64::from(bits.trailing_zeros());
                    if word >= limit {
                        return;
                    }
                    f(word);
                    bits &= bits - 1;
                }
            }
            value += size;
        }
    }
}

/// Gives the mask of the type whose descriptor (`*_type`) lies at an address of the target.
pub trait Masks {
    /// `None` where there is no type, or its mask cannot be read.
    fn mask(&self, rtype: Addr) -> Option<PointerMask>;
}

impl<F: Fn(Addr) -> Option<PointerMask>> Masks for F {
    fn mask(&self, rtype: Addr) -> Option<PointerMask> {
        self(rtype)
    }
}

/// Reads the pointer words of objects, span by span or one object at a time.
pub struct PointerReader<'a> {
    image: &'a Image,
    objects: &'a Objects,
    masks: &'a dyn Masks,
    known: FxHashMap<u64, Option<Rc<PointerMask>>>,
    /// Words of the masks in `known`.
    known_words: usize,
    scratch: Vec<u8>,
    /// Pointer bits kept beside the heap, of what is being read.
    beside: Vec<u8>,
    gaps: Gaps,
}

impl<'a> PointerReader<'a> {
    /// A reader of `objects`, whose bytes are in `image`.
    pub fn new(image: &'a Image, objects: &'a Objects, masks: &'a dyn Masks) -> Self {
        Self {
            image,
            objects,
            masks,
            known: FxHashMap::default(),
            known_words: 0,
            scratch: Vec::new(),
            beside: Vec::new(),
            gaps: Gaps::default(),
        }
    }

    /// What could not be read so far.
    pub fn into_gaps(self) -> Gaps {
        self.gaps
    }

    /// Calls `f(object, word, value)` for every pointer word that is not nil, in address order, of all objects of a
    /// span. Words count from the slot's base: where the span has headers, word 0 is the header and never reported.
    /// The object being initialised at the moment of capture has no pointers yet.
    pub fn for_each_in_span(&mut self, span: u32, mut f: impl FnMut(u32, u32, u64)) {
        let Some(s) = self.objects.spans().get(span as usize) else {
            return;
        };
        if s.pointers == PointerBits::None
            || (s.pointers == PointerBits::LargeType && s.large_type.is_nil())
        {
            return;
        }
        let len = if s.size_class == 0 {
            s.usable()
        } else {
            s.bytes
        };
        let mut scratch = std::mem::take(&mut self.scratch);
        match span_bytes(self.image, s.start, len, &mut scratch) {
            Some(bytes) => self.scan(span, s, bytes, &mut f),
            None => self
                .gaps
                .add("span with pointers whose memory cannot be read", s.start),
        }
        self.scratch = scratch;
    }

    /// Calls `f(word, value)` for every pointer word of one object that is not nil; see [`Self::for_each_in_span`].
    pub fn for_each_of(&mut self, obj: u32, mut f: impl FnMut(u32, u64)) {
        let hit = self.objects.locate(obj);
        let Some(s) = self.objects.spans().get(hit.span as usize) else {
            return;
        };
        let index = if s.size_class == 0 {
            0
        } else {
            (hit.base - s.start.0) / s.elem_size
        };
        if s.in_flight == Some(index as u32) {
            return;
        }
        let len = if s.size_class == 0 {
            s.usable()
        } else {
            s.elem_size
        };
        let mut scratch = std::mem::take(&mut self.scratch);
        if let Some(bytes) = span_bytes(self.image, Addr(hit.base), len, &mut scratch) {
            let mut report = |word: u64| {
                let value = word_at(bytes, word);
                if value != 0 {
                    f(word as u32, value);
                }
            };
            match s.pointers {
                PointerBits::None => {}
                PointerBits::Every => report(0),
                PointerBits::InSpan(offset) => {
                    for_each_bit(self.slot_mask(s, offset, index), |bit| report(bit.into()));
                }
                PointerBits::Header => {
                    if let Some(mask) = self.mask(word_at(bytes, 0), hit.base) {
                        mask.tile(1, len / 8, report);
                    }
                }
                PointerBits::LargeType => {
                    if let Some(mask) = self.mask(s.large_type.0, hit.base) {
                        mask.tile(0, len / 8, report);
                    }
                }
                PointerBits::InArena => {
                    // Bits are read from a byte's first one on.
                    let from = hit.base & !63;
                    if self.read_beside(from, hit.base + len - from) {
                        let bits = HeapBits::beside(&self.beside);
                        bits.for_each((hit.base - from) / 8, len / 8, report);
                    }
                }
            }
        } else if s.pointers != PointerBits::None {
            self.gaps.add(
                "object with pointers whose memory cannot be read",
                Addr(hit.base),
            );
        }
        self.scratch = scratch;
    }

    fn scan(&mut self, span: u32, s: &Span, bytes: &[u8], f: &mut impl FnMut(u32, u32, u64)) {
        let objects = self.objects;
        let words = s.elem_size / 8;
        let mut report = |obj: u32, from: u64, word: u64| {
            let value = word_at(bytes, from + word);
            if value != 0 {
                f(obj, word as u32, value);
            }
        };
        let slots = objects
            .slots(span)
            .filter(|(_, slot)| s.in_flight != Some(*slot));
        match s.pointers {
            PointerBits::None => {}
            PointerBits::Every => slots.for_each(|(obj, slot)| report(obj, slot.into(), 0)),
            PointerBits::InSpan(offset) => {
                let bits = HeapBits {
                    bytes: bytes.get(offset as usize..).unwrap_or_default(),
                    words,
                };
                for (obj, slot) in slots {
                    let from = u64::from(slot) * words;
                    for_each_bit(bits.of(slot.into()), |bit| report(obj, from, bit.into()));
                }
            }
            PointerBits::Header => {
                for (obj, slot) in slots {
                    let from = u64::from(slot) * words;
                    let at = s.start.0 + from * 8;
                    if let Some(mask) = self.mask(word_at(bytes, from), at) {
                        mask.tile(1, words, |word| report(obj, from, word));
                    }
                }
            }
            PointerBits::LargeType => {
                if let Some(mask) = self.mask(s.large_type.0, s.start.0) {
                    for (obj, _) in slots {
                        mask.tile(0, bytes.len() as u64 / 8, |word| report(obj, 0, word));
                    }
                }
            }
            PointerBits::InArena => {
                if self.read_beside(s.start.0, bytes.len() as u64) {
                    let bits = HeapBits::beside(&self.beside);
                    // A large object's bytes end with what was asked for.
                    let held = bytes.len() as u64 / 8;
                    for (obj, slot) in slots {
                        let from = u64::from(slot) * words;
                        let of_slot = words.min(held.saturating_sub(from));
                        bits.for_each(from, of_slot, |word| report(obj, from, word));
                    }
                }
            }
        }
    }

    /// The pointer bits of one slot of at most 64 words, read on their own.
    fn slot_mask(&mut self, s: &Span, offset: u32, index: u64) -> u64 {
        let words = s.elem_size / 8;
        let first = index * words / 64 * 8;
        let mut two = [0; 16];
        let at = Addr(s.start.0 + u64::from(offset) + first);
        // The last word of the bits may be the last word of the memory held.
        if self.image.read(at, &mut two).is_err() && self.image.read(at, &mut two[..8]).is_err() {
            self.gaps.add(
                "object whose pointer bits cannot be read",
                Addr(s.start.0 + index * s.elem_size),
            );
            return 0;
        }
        HeapBits { bytes: &two, words }.at(index * words % 64)
    }

    /// Reads the bits of `[at, at + len)` that lie beside the heap.
    fn read_beside(&mut self, at: u64, len: u64) -> bool {
        let arenas = self.objects.arenas();
        let read = arenas.and_then(|a| a.read(self.image, at, len, &mut self.beside));
        if read.is_none() {
            self.gaps
                .add("objects whose pointer bits cannot be read", Addr(at));
        }
        read.is_some()
    }

    fn mask(&mut self, rtype: u64, object: u64) -> Option<Rc<PointerMask>> {
        if rtype == 0 {
            self.gaps
                .add("object with a nil type in its header", Addr(object));
            return None;
        }
        let mask = match self.known.get(&rtype) {
            Some(mask) => mask.clone(),
            None => {
                let mask = self.masks.mask(Addr(rtype)).map(Rc::new);
                self.known_words += 1 + mask.as_ref().map_or(0, |m| m.bits.len());
                if self.known_words > MAX_KNOWN_WORDS {
                    self.known.clear();
                    self.known_words = 0;
                }
                self.known.insert(rtype, mask.clone());
                mask
            }
        };
        if mask.is_none() {
            self.gaps.add(
                "object whose type has no readable pointer mask",
                Addr(object),
            );
        }
        mask
    }
}

/// Heap bits: one per word of the span.
struct HeapBits<'a> {
    bytes: &'a [u8],
    /// Words per slot, at most 64.
    words: u64,
}

impl<'a> HeapBits<'a> {
    /// Bits that lie beside the heap, for slots of any size.
    fn beside(bytes: &'a [u8]) -> Self {
        Self { bytes, words: 64 }
    }

    /// Calls `f` with every pointer word of the `words` words from word `first` on; numbers count from there.
    #[inline]
    fn for_each(&self, first: u64, words: u64, mut f: impl FnMut(u64)) {
        let mut done = 0;
        while done < words {
            let mut bits = self.at(first + done);
            if words - done < 64 {
                bits &= (1 << (words - done)) - 1;
            }
            for_each_bit(bits, |bit| f(done + u64::from(bit)));
            done += 64;
        }
    }

    /// The bits of one slot.
    #[inline]
    fn of(&self, slot: u64) -> u64 {
        self.at(slot * self.words)
    }

    /// The bits of the slot that starts at word `first`.
    #[inline]
    fn at(&self, first: u64) -> u64 {
        let shift = first % 64;
        let mut bits = word_at(self.bytes, first / 64) >> shift;
        if shift + self.words > 64 {
            bits |= word_at(self.bytes, first / 64 + 1) << (64 - shift);
        }
        if self.words < 64 {
            bits & ((1 << self.words) - 1)
        } else {
            bits
        }
    }
}

#[inline]
fn for_each_bit(mut bits: u64, mut f: impl FnMut(u32)) {
    while bits != 0 {
        f(bits.trailing_zeros());
        bits &= bits - 1;
    }
}

/// The word of this number, or 0 past the end.
#[inline]
fn word_at(bytes: &[u8], word: u64) -> u64 {
    let from = word as usize * 8;
    match bytes.get(from..from + 8) {
        Some(b) => u64::from_le_bytes(b.try_into().unwrap_or_default()),
        None => 0,
    }
}

/// The bytes of a stretch of the heap, in place where the image holds them in one piece, else copied to `scratch`.
fn span_bytes<'a>(
    image: &'a Image,
    at: Addr,
    len: u64,
    scratch: &'a mut Vec<u8>,
) -> Option<&'a [u8]> {
    if let Ok(bytes) = image.bytes(at, len) {
        return Some(bytes);
    }
    if !image.holds(at, len) {
        return None;
    }
    scratch.resize(len as usize, 0);
    image.read(at, scratch).ok()?;
    Some(scratch)
}
