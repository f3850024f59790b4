//! What the walks over both kinds of maps share: reading, budget, and what they report.

use leakscope_goabi::{AllocRules, GROUP_SLOTS};
use leakscope_target::{Addr, Image};

use crate::coverage::Gaps;
use crate::maps::{Moved, Structure, Touched};
use crate::objects::{Hit, Objects};

/// A part of a map that is a heap object of its own.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) enum Part {
    /// `hmap` or `maps.Map`.
    Header,
    /// An array of buckets or groups, or one overflow bucket.
    Cells,
    /// A Swiss table.
    Table,
    /// The array of pointers to tables.
    Directory,
    /// `mapextra`.
    Extra,
    /// The slice header through which `mapextra` keeps overflow buckets of a pointer-free map alive.
    OverflowList,
    /// That slice's array.
    OverflowArray,
}

/// Receives what a walk finds.
pub(crate) trait Visitor {
    /// `hit` is a part of the map being walked. Each part is reported once.
    fn part(&mut self, hit: Hit, part: Part);

    /// A filled cell: the bytes of its key and of its elem as stored, pointers for indirect ones.
    fn cell(&mut self, key: &[u8], elem: &[u8]);
}

/// Where the cells of one group or bucket lie.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CellShape {
    /// Bytes of a group or bucket.
    pub(crate) size: u64,
    /// Offset of the first key.
    pub(crate) keys: u64,
    /// Bytes from key to key.
    pub(crate) key_stride: u64,
    /// Bytes of a key as stored.
    pub(crate) key_size: u64,
    /// Offset of the first elem.
    pub(crate) elems: u64,
    /// Bytes from elem to elem.
    pub(crate) elem_stride: u64,
    /// Bytes of an elem as stored.
    pub(crate) elem_size: u64,
    /// Groups or buckets of this type hold no pointers.
    pub(crate) noscan: bool,
    /// Cells hold pointers, so a visitor wants to see them.
    pub(crate) visit: bool,
    /// Deleted keys stay in their cells: the runtime clears only those with pointers.
    pub(crate) keys_stay: bool,
}

/// Filled cells of eight up to which a group or bucket counts as nearly empty. Maps that were never emptied hold three and
/// more on average.
pub(crate) const NEARLY_EMPTY: u32 = 2;

impl CellShape {
    /// Keys and elems are arrays of their own; otherwise each elem lies beside its key.
    pub(crate) fn is_split(&self) -> bool {
        self.elems >= self.keys + (GROUP_SLOTS - 1) * self.key_stride + self.key_size
    }

    /// How many of the cells whose bit is clear in `filled` still hold the bytes of a key.
    pub(crate) fn stale_keys(&self, bytes: &[u8], filled: u8) -> u64 {
        let stale = (0..GROUP_SLOTS).filter(|i| {
            filled & (1 << i) == 0
                && (self.cell(bytes, *i)).is_some_and(|(key, _)| key.iter().any(|b| *b != 0))
        });
        stale.count() as u64
    }

    /// Key and elem of cell `i` of the group or bucket `bytes`; `None` where they do not fit.
    pub(crate) fn cell<'a>(&self, bytes: &'a [u8], i: u64) -> Option<(&'a [u8], &'a [u8])> {
        let at = |first: u64, stride: u64, size: u64| {
            let start = usize::try_from(i.checked_mul(stride)?.checked_add(first)?).ok()?;
            bytes.get(start..start.checked_add(usize::try_from(size).ok()?)?)
        };
        Some((
            at(self.keys, self.key_stride, self.key_size)?,
            at(self.elems, self.elem_stride, self.elem_size)?,
        ))
    }
}

/// What one walk found, without the map's identity.
#[derive(Clone, Debug, Default)]
pub(crate) struct Walked {
    pub(crate) len: u64,
    pub(crate) cells: u64,
    pub(crate) slots: u64,
    /// Set by every walk that gets past the header.
    pub(crate) structure: Option<Structure>,
    pub(crate) bytes: u64,
    /// Empty cells of nearly empty groups or buckets that hold the bytes of a key.
    pub(crate) stale_keys: u64,
    pub(crate) touched: Touched,
    pub(crate) moved: Option<Moved>,
    pub(crate) writing: bool,
    /// Counts of parts do not agree with what is there.
    pub(crate) miscounted: bool,
    pub(crate) incomplete: bool,
}

impl Walked {
    /// Counts the keys that are left in a nearly empty group or bucket, of which the cells in `filled` are in use.
    pub(crate) fn nearly_empty(&mut self, shape: &CellShape, bytes: &[u8], filled: u8) {
        let stale = shape.stale_keys(bytes, filled);
        let touched = stale + u64::from(filled.count_ones());
        self.stale_keys += stale;
        self.touched.groups += 1;
        self.touched.slots += touched;
        self.touched.squares += touched * touched;
    }
}

/// One walk's access to the heap.
pub(crate) struct Walk<'a> {
    pub(crate) image: &'a Image,
    pub(crate) objects: &'a Objects,
    pub(crate) gaps: &'a mut Gaps,
    pub(crate) alloc: AllocRules,
    /// The map's header is an object of the heap: so is every part of it.
    pub(crate) in_heap: bool,
    /// Bytes of buckets and groups that may still be walked. Real maps share no cells, so all maps together stay below
    /// the heap's size; a damaged or hostile heap whose maps do share them ends here.
    pub(crate) budget: &'a mut u64,
}

impl<'a> Walk<'a> {
    /// Counts `bytes` bytes against the budget; `None` and a gap where it is used up.
    pub(crate) fn spend(&mut self, bytes: u64, at: Addr) -> Option<()> {
        let left = self.budget.checked_sub(bytes);
        if left.is_none() {
            self.gaps
                .add("maps share more cells than the heap holds", at);
        }
        *self.budget = left?;
        Some(())
    }

    /// `len` bytes at `at`, or a gap.
    pub(crate) fn bytes(&mut self, at: Addr, len: u64, missing: &'static str) -> Option<&'a [u8]> {
        match self.image.bytes(at, len) {
            Ok(bytes) => Some(bytes),
            Err(_) => {
                self.gaps.add(missing, at);
                None
            }
        }
    }

    /// Reports the part of the map at `at`, for which the runtime allocates `len` bytes, and answers with the bytes of its slot;
    /// 0 where the part lies outside the heap, as those of a map may that a function keeps on its stack. `None` and a gap
    /// where what lies there was not allocated for that.
    pub(crate) fn part(
        &mut self,
        at: Addr,
        part: Part,
        (len, noscan): (u64, bool),
        visitor: &mut impl Visitor,
    ) -> Option<u64> {
        let Some(hit) = self.objects.find(at.0) else {
            if self.in_heap {
                self.gaps.add("map part outside of the heap", at);
                return None;
            }
            return Some(0);
        };
        let span = self.objects.spans().get(hit.span as usize)?;
        let whole = hit.base.checked_add(span.header()) == Some(at.0)
            && span.elem_size == self.alloc.slot_size(len, noscan);
        if !whole {
            self.gaps.add("map part that is no object of its size", at);
            return None;
        }
        let bytes = span.elem_size;
        visitor.part(hit, part);
        Some(bytes)
    }

    /// Whether the large object at `at` was there when the last collection ended; false for any other object.
    pub(crate) fn outlived(&self, at: Addr) -> bool {
        let span =
            (self.objects.find(at.0)).and_then(|hit| self.objects.spans().get(hit.span as usize));
        span.is_some_and(|span| span.outlived)
    }
}

/// The little-endian word at `offset`; 0 where it does not fit, which callers rule out by the length they asked for.
pub(crate) fn word(bytes: &[u8], offset: u64) -> u64 {
    field::<8>(bytes, offset).map_or(0, u64::from_le_bytes)
}

/// The `u16` at `offset`; 0 where it does not fit.
pub(crate) fn half(bytes: &[u8], offset: u64) -> u16 {
    field::<2>(bytes, offset).map_or(0, u16::from_le_bytes)
}

/// The byte at `offset`; 0 where it does not fit.
pub(crate) fn byte(bytes: &[u8], offset: u64) -> u8 {
    field::<1>(bytes, offset).map_or(0, |b| b[0])
}

fn field<const N: usize>(bytes: &[u8], offset: u64) -> Option<[u8; N]> {
    let start = usize::try_from(offset).ok()?;
    bytes.get(start..start.checked_add(N)?)?.try_into().ok()
}
