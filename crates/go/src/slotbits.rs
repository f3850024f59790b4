//! Allocation and mark bits of spans (mbitmap.go, mgcsweep.go).

use leakscope_target::{Addr, Image};

use crate::coverage::Gaps;
use crate::layouts::HeapRules;
use crate::spans::{MAX_SLOTS, SlotState, Span, Sweep};

/// Most words of slot bits of one span.
pub(crate) const MAX_SLOT_WORDS: usize = MAX_SLOTS / 64;

/// Reads allocation and mark bits of spans.
pub(crate) struct BitReader<'a> {
    pub(crate) image: &'a Image,
    pub(crate) rules: &'a HeapRules,
    pub(crate) marking: bool,
    pub(crate) gaps: &'a mut Gaps,
}

impl BitReader<'_> {
    /// Fills `words` with the allocated slots: those below the allocator's index, and those set in the allocation bits
    /// (mbitmap.go, `mspan.isFree`). False where the bits cannot be read.
    pub(crate) fn allocated(&mut self, span: &Span, state: &SlotState, words: &mut [u64]) -> bool {
        words.fill(0);
        if state.free_index < span.nelems && !self.read_bits(state.alloc_bits, span.nelems, words) {
            self.gaps
                .add("span whose allocation bits cannot be read", span.start);
            return false;
        }
        set_below(words, state.free_index);
        clear_from(words, span.nelems);
        true
    }

    /// Fills `words` with the marks of the collection that has just ended: inline ones where the span has them
    /// (merged into `gcmarkBits` only by the sweep), and `gcmarkBits`.
    pub(crate) fn marked(&mut self, span: &Span, state: &SlotState, words: &mut [u64]) -> bool {
        if !self.read_bits(state.mark_bits, span.nelems, words) {
            self.gaps
                .add("unswept span whose mark bits cannot be read", span.start);
            return false;
        }
        let inline = if span.size_class == 0 {
            None
        } else {
            self.rules.inline_marks(span.elem_size)
        };
        if let Some(green_tea) = inline {
            // mgcmark_greenteagc.go, `spanInlineMarkBitsFromBase`: at the end of the span's first page.
            let at = span.start.0 + self.rules.page_size - green_tea.reserve
                + u64::from(green_tea.marks.offset);
            let Ok(marks) = self.image.bytes(Addr(at), green_tea.marks.size.into()) else {
                self.gaps
                    .add("unswept span whose inline marks cannot be read", span.start);
                return false;
            };
            for (i, byte) in marks.iter().enumerate() {
                if let Some(word) = words.get_mut(i / 8) {
                    *word |= u64::from(*byte) << (i % 8 * 8);
                }
            }
        }
        clear_from(words, span.nelems);
        true
    }

    fn read_bits(&self, at: Addr, nelems: u32, words: &mut [u64]) -> bool {
        let Ok(bytes) = self.image.bytes(at, u64::from(nelems.div_ceil(8))) else {
            return false;
        };
        for (word, bytes) in words.iter_mut().zip(bytes.chunks(8)) {
            let mut whole = [0; 8];
            whole[..bytes.len()].copy_from_slice(bytes);
            *word = u64::from_le_bytes(whole);
        }
        true
    }

    /// Whether the only slot of a large object's span was there when the last collection ended: a sweep makes the marks the
    /// allocation bits (mgcsweep.go, `sweepLocked.sweep`), and until then an allocation sets none.
    pub(crate) fn outlived(&self, span: &Span, state: &SlotState) -> bool {
        let bits = if span.sweep == Sweep::Swept {
            state.alloc_bits
        } else {
            state.mark_bits
        };
        let mut word = [0];
        self.read_bits(bits, 1, &mut word) && word[0] & 1 == 1
    }

    /// The slot that an allocation under way has taken but not initialised: `freeIndexForScan` is moved up to
    /// `freeindex` once it has (malloc.go, `mallocgc`; while marking, later versions leave it behind on purpose). Slots
    /// in between that the last sweep left allocated were merely passed over.
    pub(crate) fn in_flight(&mut self, span: &Span, state: &SlotState) -> Option<u32> {
        let (from, to) = (state.free_index_for_scan, state.free_index);
        if self.marking || span.sweep != Sweep::Swept || from >= to {
            return None;
        }
        let bytes = self
            .image
            .bytes(state.alloc_bits, u64::from(span.nelems.div_ceil(8)))
            .ok()?;
        let is_new = |slot: &u32| {
            bytes
                .get(*slot as usize / 8)
                .is_some_and(|b| b >> (slot % 8) & 1 == 0)
        };
        let mut taken = (from..to).filter(is_new);
        let first = taken.next()?;
        taken.next().is_none().then_some(first)
    }
}

fn set_below(words: &mut [u64], n: u32) {
    for (i, word) in words.iter_mut().enumerate() {
        let from = i as u32 * 64;
        if n >= from + 64 {
            *word = u64::MAX;
        } else if n > from {
            *word |= (1 << (n - from)) - 1;
        }
    }
}

fn clear_from(words: &mut [u64], n: u32) {
    if let Some(word) = words.get_mut(n as usize / 64) {
        *word &= (1 << (n % 64)) - 1;
    }
}

/// Positions of the set bits, lowest first.
pub(crate) struct SetBits(pub(crate) u64);

impl Iterator for SetBits {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        if self.0 == 0 {
            return None;
        }
        let bit = self.0.trailing_zeros();
        self.0 &= self.0 - 1;
        Some(bit)
    }
}

/// Position of the `n`th set bit (from 0); 63 where there are fewer.
pub(crate) fn nth_set(bits: u64, mut n: u32) -> u32 {
    let mut at = 0;
    for width in [32, 16, 8, 4, 2, 1] {
        let low = (bits >> at & ((1 << width) - 1)).count_ones();
        if n >= low {
            n -= low;
            at += width;
        }
    }
    at.min(63)
}

#[cfg(test)]
mod tests {
    use super::nth_set;

    #[test]
    fn the_nth_set_bit_is_found_wherever_it_is() {
        for bits in [
            1,
            1 << 63,
            u64::MAX,
            0x8000_0001_0100_0080,
            0x5555_5555_5555_5555,
        ] {
            let positions: Vec<u32> = (0..64).filter(|b| bits >> b & 1 == 1).collect();
            for (n, at) in positions.iter().enumerate() {
                assert_eq!(nth_set(bits, n as u32), *at, "{bits:x} {n}");
            }
        }
    }
}
