//! Pointer bits kept beside the heap: one bit per word of the heap, in the record of each arena (mheap.go,
//! `heapArena.bitmap`; Go 1.21, and 1.22 built with `GOEXPERIMENT=noallocheaders`).
//!
//! The bits of an object are right from its first word to the last of its slot: what lies behind its last pointer is
//! cleared when it is allocated (mbitmap.go, `writeHeapBits.flush`), so that `noMorePtrs`, the collector's short cut,
//! need not be looked at.

use leakscope_target::{Addr, Image, Memory};

use crate::layouts::{ArenaBits, Layouts};

/// Bytes of heap that one byte of bits stands for.
const HEAP_PER_BYTE: u64 = 64;

/// Where the bits of one heap are found.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arenas {
    bits: ArenaBits,
    mheap: Addr,
}

impl Arenas {
    pub(crate) fn of(layouts: &Layouts) -> Option<Self> {
        let bits = layouts.heap.arena_bits?;
        let mheap = layouts.globals.mheap;
        Some(Self { bits, mheap })
    }

    /// Fills `out` with the bits of `[at, at + len)`, one per word, the lowest first, up to a multiple of 64 words. `at`
    /// must be a multiple of 64.
    /// `None` where the image does not have them.
    pub(crate) fn read(&self, image: &Image, at: u64, len: u64, out: &mut Vec<u8>) -> Option<()> {
        out.clear();
        let mut at = at;
        let end = at.checked_add(len)?;
        while at < end {
            let offset = self.bits.offset_of(at);
            let piece = (end - at).min(self.bits.arena_bytes - offset);
            let bitmap = self
                .bits
                .bitmap(image, self.mheap, self.bits.arena_of(at))
                .ok()?;
            let from = Addr(bitmap.0.wrapping_add(offset / HEAP_PER_BYTE));
            let bytes = piece.div_ceil(HEAP_PER_BYTE);
            if !image.holds(from, bytes) {
                return None;
            }
            let filled = out.len();
            out.resize(filled + bytes as usize, 0);
            image.read(from, out.get_mut(filled..)?).ok()?;
            at += piece;
        }
        out.resize(out.len().next_multiple_of(8), 0);
        Some(())
    }
}
