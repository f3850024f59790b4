//! The collector's own pointer masks: one bit per word of a value.
//!
//! Sources: `runtime/type.go` (`getGCMask`, `buildGCMask`, 1.24 on), `runtime/mbitmap.go` (`runGCProg`, up to 1.23).

use leakscope_target::{Addr, Memory};

use crate::heapbits::{Masks, PointerMask};
use crate::program::Program;

use super::kind::{KIND_ARRAY, KIND_STRUCT};
use super::rtype::{Layout, Rtype};

/// Largest mask: the pointers of one value of 1 GiB.
const MAX_WORDS: u64 = 1 << 27;

/// Most steps in building one mask out of its parts, or in running its program.
const MAX_STEPS: u64 = 1 << 28;

/// Deepest nesting of types while a mask is built; every level at least halves the size or is a lone element.
const MAX_DEPTH: usize = 256;

/// Reads pointer masks of types.
pub struct GcMasks<'a> {
    memory: &'a dyn Memory,
    layout: Option<Layout>,
}

impl<'a> GcMasks<'a> {
    /// Reads masks of `program`'s types from `memory`.
    pub fn new(program: &Program, memory: &'a dyn Memory) -> Self {
        Self {
            memory,
            layout: Layout::resolve(program.debug()),
        }
    }

    fn build(&self, rtype: Addr) -> Option<PointerMask> {
        let layout = self.layout.as_ref()?;
        let t = layout.read_masked(self.memory, rtype)?;
        let words = t.ptr_bytes / 8;
        if words > MAX_WORDS {
            return None;
        }
        let mut bits = Bits::new(words);
        if !t.gc_program || self.run_program(&t, &mut bits).is_none() {
            let mut steps = MAX_STEPS;
            bits = Bits::new(words);
            self.add(layout, &t, 0, &mut bits, &mut steps, MAX_DEPTH)?;
        }
        Some(PointerMask {
            size: t.size / 8,
            bits: bits.words,
        })
    }

    /// Sets the bits of a value that starts at word `at`.
    fn add(
        &self,
        layout: &Layout,
        t: &Rtype,
        at: u64,
        bits: &mut Bits,
        steps: &mut u64,
        depth: usize,
    ) -> Option<()> {
        let words = t.ptr_bytes / 8;
        if words == 0 {
            return Some(());
        }
        *steps = steps.checked_sub(1)?;
        let depth = depth.checked_sub(1)?;
        // The slot for a mask built on demand may hold one already; building it again needs no trust in that. Masks of
        // types made at run time (reflect.StructOf, ArrayOf) lie in objects without pointers, which may not be held.
        let plain = !t.gc_on_demand && !t.gc_program;
        if plain && self.copy(t.gc_data, at, words, bits).is_some() {
            return Some(());
        }
        match t.kind {
            KIND_ARRAY => {
                let elem = layout.read(self.memory, layout.elem(self.memory, t)?)?;
                let stride = elem.size / 8;
                if elem.ptr_bytes == 0 || stride == 0 {
                    return Some(());
                }
                let end = at.checked_add(words)?;
                let first = at;
                self.add(layout, &elem, first, bits, steps, depth)?;
                let mut next = first.checked_add(stride)?;
                while next < end {
                    *steps = steps.checked_sub(1)?;
                    bits.repeat(first, next, elem.ptr_bytes / 8)?;
                    next = next.checked_add(stride)?;
                }
                Some(())
            }
            KIND_STRUCT => {
                for (_, type_, offset) in layout.fields(self.memory, t)? {
                    let field = layout.read(self.memory, type_)?;
                    self.add(
                        layout,
                        &field,
                        at.checked_add(offset / 8)?,
                        bits,
                        steps,
                        depth,
                    )?;
                }
                Some(())
            }
            _ => None,
        }
    }

    /// Copies a plain mask of `words` bits.
    fn copy(&self, mask: Addr, at: u64, words: u64, bits: &mut Bits) -> Option<()> {
        let mut bytes = vec![0; usize::try_from(words.div_ceil(8)).ok()?];
        self.memory.read(mask, &mut bytes).ok()?;
        for (i, b) in bytes.iter().enumerate() {
            let mut b = *b;
            while b != 0 {
                let bit = i as u64 * 8 + u64::from(b.trailing_zeros());
                if bit < words {
                    bits.set(at.checked_add(bit)?)?;
                }
                b &= b - 1;
            }
        }
        Some(())
    }

    /// Runs a GC program: `0nnnnnnn` and n bits in bytes; `1nnnnnnn` (0: n as a varint) and a varint c, the last n bits
    /// c times; 0 is the end. In front stands its length (`u32`).
    fn run_program(&self, t: &Rtype, bits: &mut Bits) -> Option<()> {
        let mut at = t.gc_data.checked_add(4)?;
        let mut next = || {
            let b = self.memory.u8(at).ok()?;
            at = at.checked_add(1)?;
            Some(b)
        };
        let mut steps = MAX_STEPS;
        let mut written = 0u64;
        loop {
            steps = steps.checked_sub(1)?;
            let op = next()?;
            let mut n = u64::from(op & 0x7f);
            if op & 0x80 == 0 {
                if n == 0 {
                    return Some(());
                }
                for first in (0..n).step_by(8) {
                    let b = next()?;
                    for bit in 0..(n - first).min(8) {
                        if b >> bit & 1 != 0 {
                            bits.set(written + first + bit)?;
                        }
                    }
                }
                written += n;
                continue;
            }
            if n == 0 {
                n = varint(&mut next)?;
            }
            let total = varint(&mut next)?.checked_mul(n)?;
            steps = steps.checked_sub(total)?;
            let from = written.checked_sub(n)?;
            for i in 0..total {
                if bits.get(from + i) {
                    bits.set(written + i)?;
                }
            }
            written = written.checked_add(total)?;
        }
    }
}

fn varint(next: &mut impl FnMut() -> Option<u8>) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..63).step_by(7) {
        let b = next()?;
        value |= u64::from(b & 0x7f) << shift;
        if b & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

impl Masks for GcMasks<'_> {
    fn mask(&self, rtype: Addr) -> Option<PointerMask> {
        self.build(rtype)
    }
}

/// A bitmap of fixed length. Setting a bit past its end fails: what says so is damaged.
struct Bits {
    words: Vec<u64>,
    len: u64,
}

impl Bits {
    fn new(len: u64) -> Self {
        Self {
            words: vec![0; len.div_ceil(64) as usize],
            len,
        }
    }

    fn get(&self, i: u64) -> bool {
        self.words
            .get((i / 64) as usize)
            .is_some_and(|w| w >> (i % 64) & 1 != 0)
    }

    fn set(&mut self, i: u64) -> Option<()> {
        if i >= self.len {
            return None;
        }
        *self.words.get_mut((i / 64) as usize)? |= 1 << (i % 64);
        Some(())
    }

    /// Sets the bits from `to` on as the `count` from `from` on are.
    fn repeat(&mut self, from: u64, to: u64, count: u64) -> Option<()> {
        for i in 0..count {
            if self.get(from + i) {
                self.set(to.checked_add(i)?)?;
            }
        }
        Some(())
    }
}
