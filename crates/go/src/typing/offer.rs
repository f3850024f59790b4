//! Which of several types an object gets, when more than one pointer to it claims to know.

use crate::objects::Hit;

use super::Typing;
use super::shapes::ShapeInfo;

/// How much is behind the claim that an object has a type. A higher one replaces a lower one, and of two equal claims
/// below [`Sure::Exact`] the larger type replaces the smaller: a pointer to a struct's first field claims less of the
/// object than a pointer to the struct.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[repr(u32)]
pub(crate) enum Sure {
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

/// Bits of an entry of the column of types that hold the shape; [`Sure`] lies above them.
const SHAPE_BITS: u32 = 28;
/// Mask of the shape.
pub(super) const SHAPE_MASK: u32 = (1 << SHAPE_BITS) - 1;

impl Typing<'_> {
    /// Offers `shape` for the object of `hit`. What replaces an earlier shape is walked (again): entries only ever rise
    /// in (certainty, size), so that ends.
    #[inline]
    pub(super) fn offer(&mut self, hit: Hit, sure: Sure, shape: u32) -> bool {
        let entry = self.type_of[hit.obj as usize];
        let new = (sure as u32) << SHAPE_BITS | shape;
        if entry == new || entry >> SHAPE_BITS > sure as u32 {
            return false;
        }
        self.replace(hit, entry, new, sure, shape)
    }

    fn replace(&mut self, hit: Hit, entry: u32, new: u32, sure: Sure, shape: u32) -> bool {
        let info = *self.shapes.get(shape);
        if entry >> SHAPE_BITS == sure as u32
            && (sure >= Sure::Exact || self.shapes.get(entry & SHAPE_MASK).size >= info.size)
        {
            return false;
        }
        // The allocator itself decided by the type whether the object holds pointers: a type that says otherwise is not
        // the object's type.
        let span = &self.objects.spans()[hit.span as usize];
        if span.noscan == info.pointers {
            return false;
        }
        self.type_of[hit.obj as usize] = new;
        if info.pointers && walks(&info) {
            self.push(hit);
        }
        true
    }

    /// Offers a value of `shape` for whatever heap object `at` points into.
    #[inline]
    pub(super) fn offer_value(&mut self, at: u64, shape: u32, array: u32) {
        if at == 0 {
            return;
        }
        let Some(hit) = self.objects.find(at) else {
            return;
        };
        let span = &self.objects.spans()[hit.span as usize];
        let inside = at - hit.base;
        if inside == span.header() {
            let info = self.shapes.get(shape);
            let sure = if info.slot == span.elem_size {
                Sure::Fits
            } else if info.size <= span.usable() {
                Sure::Start
            } else {
                return;
            };
            self.offer(hit, sure, shape);
        } else {
            self.offer_inside(hit, inside - span.header().min(inside), array);
        }
    }

    /// Offers an array for an object that something points into, `offset` bytes into its data.
    fn offer_inside(&mut self, hit: Hit, offset: u64, array: u32) {
        let stride = self.shapes.get(array).size;
        let usable = self.objects.spans()[hit.span as usize].usable();
        if stride != 0 && offset % stride == 0 && stride <= usable {
            self.offer(hit, Sure::Inside, array);
        }
    }

    /// Offers an array of `shape` for the object behind a slice.
    #[inline]
    pub(super) fn offer_slice(&mut self, at: u64, array: u32) {
        if at == 0 {
            return;
        }
        let Some(hit) = self.objects.find(at) else {
            return;
        };
        let header = self.objects.spans()[hit.span as usize].header();
        if at - hit.base == header {
            self.offer(hit, Sure::Slice, array);
        } else {
            self.offer_inside(hit, (at - hit.base).saturating_sub(header), array);
        }
    }
}

/// Parts of maps and channels are walked by those who found them.
fn walks(info: &ShapeInfo) -> bool {
    !info.machinery && !info.map_cells
}
