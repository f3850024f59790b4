//! Which of several types an object gets, when more than one pointer to it claims to know.
//!
//! Claims are collected and judged in batches: the three lookups of a claim (span, object, present type) miss the cache,
//! and a loop over independent claims lets the processor wait for many of them at once.

use leakscope_target::Addr;

use crate::objects::Hit;

use super::Typing;
use super::shapes::ShapeInfo;

/// How much is behind the claim that an object has a type. A higher one replaces a lower one, and of two equal claims
/// below [`Sure::Exact`] the larger type replaces the smaller: a pointer to a struct's first field claims less of the
/// object than a pointer to the struct.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[repr(u32)]
pub(super) enum Sure {
    /// A pointer into the object's inside, as if it were an array.
    Inside = 1,
    /// A pointer to its start, of a type smaller than the slot.
    Start,
    /// A slice or a string that starts at its start.
    Slice,
    /// A pointer to its start, of a type that the allocator puts in slots of this size.
    Fits,
    /// The runtime says so: a malloc header, an interface, a function value.
    Exact,
    /// A part of a map or a channel.
    Machinery,
}

/// Bytes of a block of the tiny allocator (`runtime.maxTinySize`).
pub(crate) const TINY_BLOCK: u64 = 16;

/// Bits of an entry of the column of types that hold the shape; [`Sure`] lies above them.
const SHAPE_BITS: u32 = 28;
/// Mask of the shape.
pub(super) const SHAPE_MASK: u32 = (1 << SHAPE_BITS) - 1;

/// Claims judged together.
const BATCH: usize = 128;

/// What sort of pointer makes a claim.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Claim {
    /// A pointer to a value; the shape of its array has the next number.
    Value,
    /// A slice or string.
    Slice,
    /// The data word of an interface.
    Boxed,
}

/// A claim that waits to be judged.
#[derive(Clone, Copy)]
pub(super) struct Pending {
    at: u64,
    shape: u32,
    claim: Claim,
}

/// What judging a claim needs of a span, packed.
#[derive(Clone, Copy)]
pub(super) struct SpanFacts {
    pub(super) elem_size: u64,
    pub(super) usable: u64,
    pub(super) header: u8,
    pub(super) noscan: bool,
}

impl SpanFacts {
    /// Whether objects are blocks of the tiny allocator, which several small values without pointers share.
    fn tiny(&self) -> bool {
        self.noscan && self.elem_size == TINY_BLOCK
    }
}

impl Typing<'_> {
    /// Claims `shape` for whatever `at` points into; judged by [`Self::flush`] at the latest. `rest` starts with the
    /// pointer.
    #[inline]
    pub(super) fn claim(&mut self, at: u64, shape: u32, claim: Claim, rest: &[u8]) {
        if self.data.contains(Addr(at)) {
            return self.claim_static(at, shape, claim, rest);
        }
        self.pending.push(Pending { at, shape, claim });
        if self.pending.len() >= BATCH {
            self.flush();
        }
    }

    /// Judges every claim collected.
    pub(super) fn flush(&mut self) {
        let mut pending = std::mem::take(&mut self.pending);
        let mut found = std::mem::take(&mut self.found);
        let objects = self.objects;
        for claim in &pending {
            if let Some(hit) = objects.find(claim.at) {
                found.push((hit, *claim));
            }
        }
        pending.clear();
        self.pending = pending;
        // What most claims repeat is settled by one comparison; the loop only touches the column of types.
        found.retain(|(hit, claim)| {
            let entry = self.type_of[hit.obj as usize];
            entry >> SHAPE_BITS < Sure::Exact as u32 || entry & SHAPE_MASK != claim.shape
        });
        for (hit, claim) in &found {
            self.judge(*hit, claim);
        }
        found.clear();
        self.found = found;
    }

    fn judge(&mut self, hit: Hit, claim: &Pending) {
        let span = self.facts[hit.span as usize];
        let inside = claim.at - hit.base;
        let shape = claim.shape;
        let header = u64::from(span.header);
        if inside == header {
            let info = self.shapes.get(shape);
            let fits = info.slot == span.elem_size;
            let sure = match claim.claim {
                Claim::Slice => Sure::Slice,
                // The runtime may box a value in place: then it is the first field of something larger.
                Claim::Boxed if fits => Sure::Exact,
                Claim::Value if fits => Sure::Fits,
                _ if info.size <= span.usable => Sure::Start,
                _ => return,
            };
            self.offer(hit, sure, shape);
        } else if span.tiny() {
            self.offer(hit, Sure::Inside, shape);
        } else if let Some(timer) = self.timer_part
            && timer.part == shape
            && timer.offset.checked_add(header) == Some(inside)
        {
            if self.shapes.get(timer.whole).slot == span.elem_size {
                self.offer(hit, Sure::Inside, timer.whole);
            }
        } else {
            let array = match claim.claim {
                Claim::Value => shape + 1,
                Claim::Slice => shape,
                Claim::Boxed => return,
            };
            // Strings have no stride: they may start anywhere.
            let stride = self.shapes.get(array).size;
            let offset = inside.saturating_sub(header);
            if offset.checked_rem(stride).unwrap_or(0) == 0 && stride <= span.usable {
                self.offer(hit, Sure::Inside, array);
            }
        }
    }

    /// Offers `shape` for the object of `hit`. What replaces an earlier shape is walked (again): entries only ever rise
    /// in (certainty, size), so that ends.
    pub(super) fn offer(&mut self, hit: Hit, sure: Sure, shape: u32) -> bool {
        let entry = self.type_of[hit.obj as usize];
        let new = (sure as u32) << SHAPE_BITS | shape;
        let rank = entry >> SHAPE_BITS;
        if entry == new || rank > sure as u32 {
            return false;
        }
        let info = *self.shapes.get(shape);
        if rank == sure as u32
            && (sure >= Sure::Exact || self.shapes.get(entry & SHAPE_MASK).size >= info.size)
        {
            return false;
        }
        // The allocator itself decided by the type whether the object holds pointers: a type that says otherwise is not
        // the object's type.
        if self.facts[hit.span as usize].noscan == info.pointers {
            return false;
        }
        self.type_of[hit.obj as usize] = new;
        if info.pointers && walks(&info) {
            self.push(hit);
        }
        if shape == self.sudog {
            self.sudogs.push(hit);
        }
        true
    }
}

/// Parts of maps and channels are walked by those who found them.
fn walks(info: &ShapeInfo) -> bool {
    !info.machinery && !info.map_cells
}
