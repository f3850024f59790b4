//! The walk over bucket maps (`runtime/map.go`, Go 1.23 and older; later with `GOEXPERIMENT=noswissmap`).
//!
//! 2^B buckets of eight cells, each with a chain of overflow buckets, which may lie behind the array itself
//! (preallocated) or be objects of their own. While the map grows, buckets move from the old array to the new one a few
//! at a time; moved ones are marked in their first control byte, and their cells may still hold pointers.

use leakscope_goabi::{ClassicMap, GROUP_SLOTS};
use leakscope_target::Addr;

use super::layouts::ClassicLayout;
use super::walk::{CellShape, NEARLY_EMPTY, Part, Visitor, Walk, Walked, byte, word};
use super::{Classic, Growth, Moved, Structure};

/// `oldIterator` of `hmap.flags`.
const OLD_ITERATOR: u8 = 2;
/// `sameSizeGrow` of `hmap.flags`.
const SAME_SIZE_GROW: u8 = 8;
/// `hashWriting` of `hmap.flags`.
const WRITING: u8 = 4;
/// Control bytes from here on belong to filled cells (`minTopHash`).
const MIN_TOP_HASH: u8 = 5;
/// `evacuatedX` and `evacuatedY`: the cell was filled when its bucket was moved.
const MOVED: std::ops::RangeInclusive<u8> = 2..=3;
/// `evacuatedX` to `evacuatedEmpty`: the first control byte of a bucket that was moved.
const EVACUATED: std::ops::RangeInclusive<u8> = 2..=4;
/// More doublings than an address space can hold.
const MAX_B: u8 = 44;
/// Control bytes, and the overflow pointer at the end.
const MIN_BUCKET: u64 = 16;

/// The walk over one classic map.
pub(crate) struct ClassicWalk<'w, 'a, V> {
    walk: &'w mut Walk<'a>,
    layout: &'w ClassicLayout,
    shape: &'w CellShape,
    facts: &'w ClassicMap,
    visitor: &'w mut V,
    inside: Classic,
    walked: Walked,
}

impl<'w, 'a, V: Visitor> ClassicWalk<'w, 'a, V> {
    /// Walks the map at `at`. `None` where not even its header makes sense.
    pub(crate) fn run(
        walk: &'w mut Walk<'a>,
        layout: &'w ClassicLayout,
        shape: &'w CellShape,
        facts: &'w ClassicMap,
        visitor: &'w mut V,
        at: Addr,
    ) -> Option<Walked> {
        let header = walk.bytes(at, layout.size, "map header not in the image")?;
        let (b, flags) = (byte(header, layout.b), byte(header, layout.flags));
        let len = word(header, layout.count);
        let buckets = Addr(word(header, layout.buckets));
        let old = Addr(word(header, layout.oldbuckets));
        let extra = Addr(word(header, layout.extra));
        let old_b = if flags & SAME_SIZE_GROW == 0 {
            b.checked_sub(1)
        } else {
            Some(b)
        };
        if b > MAX_B
            || shape.size < MIN_BUCKET
            || (buckets.is_nil() && (len != 0 || b != 0))
            || (!old.is_nil() && old_b.is_none())
        {
            walk.gaps.add("map header not plausible", at);
            return None;
        }
        let mut this = Self {
            walk,
            layout,
            shape,
            facts,
            visitor,
            inside: Classic {
                b,
                flags,
                ..Classic::default()
            },
            walked: Walked {
                len,
                slots: if buckets.is_nil() {
                    0
                } else {
                    GROUP_SLOTS << b
                },
                writing: flags & WRITING != 0,
                ..Walked::default()
            },
        };
        this.part(at, Part::Header);
        let mut done = true;
        if !buckets.is_nil() {
            done &= this.array(buckets, b).is_some();
        }
        if let Some(old_b) = old_b.filter(|_| !old.is_nil()) {
            let (before, longest) = (this.walked.bytes, this.inside.longest_chain);
            if flags & OLD_ITERATOR != 0 && !shape.noscan {
                this.walked.moved = Some(Moved {
                    map: at,
                    parts: vec![old],
                    buckets: Vec::new(),
                    bucket_bytes: shape.size,
                });
            }
            done &= this.array(old, old_b).is_some();
            this.inside.longest_chain = longest;
            this.inside.growth = Some(Growth {
                old_buckets: 1 << old_b,
                evacuated: word(header, layout.nevacuate),
                old_bytes: this.walked.bytes - before,
                outlived: this.walk.outlived(buckets),
            });
        }
        if !extra.is_nil() {
            done &= this.extra(extra, buckets).is_some();
        }
        this.walked.incomplete |= !done;
        this.walked.structure = Some(Structure::Classic(this.inside));
        Some(this.walked)
    }

    fn part(&mut self, at: Addr, part: Part) {
        self.walked.bytes += self.walk.part(at, part, self.visitor);
    }

    /// An array of 2^`b` buckets with their chains.
    fn array(&mut self, at: Addr, b: u8) -> Option<()> {
        let size = self.shape.size;
        let len = size.checked_mul(1 << b)?;
        let room = self.walk.room(at).unwrap_or(len);
        if room < len {
            self.walk
                .gaps
                .add("map buckets reach past their object", at);
            return None;
        }
        self.part(at, Part::Cells);
        // The array's own slot may hold preallocated overflow buckets behind the first 2^B.
        let held = size
            .saturating_mul(self.facts.array_buckets(b))
            .clamp(len, room);
        let bytes = self.walk.bytes(at, held, "map buckets not in the image")?;
        self.walk.spend(len, at)?;
        let array = Array { at, bytes };
        let mut done = Some(());
        let buckets = bytes.get(..len as usize)?.chunks_exact(size as usize);
        for (bucket, place) in buckets.zip((at.0..).step_by(size as usize)) {
            let evacuated = EVACUATED.contains(&byte(bucket, 0));
            self.cells(bucket, evacuated);
            self.moved(Addr(place), evacuated);
            let next = Addr(word(bucket, size - 8));
            if !next.is_nil() {
                done = self.chain(&array, next, evacuated).and(done);
            }
        }
        done
    }

    /// The overflow buckets of one bucket, from the first one.
    fn chain(&mut self, array: &Array<'a>, first: Addr, evacuated: bool) -> Option<()> {
        let size = self.shape.size;
        let mut at = first;
        // Brent: compare with a mark that is set anew each time the number of steps doubles.
        let (mut mark, mut steps, mut limit) = (Addr(0), 0u64, 2u64);
        let mut length = 0u32;
        while !at.is_nil() {
            if at == mark {
                self.walk
                    .gaps
                    .add("map overflow chain runs in a circle", at);
                return None;
            }
            steps += 1;
            if steps == limit {
                mark = at;
                limit *= 2;
            }
            let bucket = match array.bucket(at, size) {
                Some(bucket) => bucket,
                None => {
                    self.part(at, Part::Cells);
                    if let Some(moved) = &mut self.walked.moved {
                        moved.parts.push(at);
                    }
                    self.walk
                        .bytes(at, size, "map overflow bucket not in the image")?
                }
            };
            self.walk.spend(size, at)?;
            self.inside.overflow = self.inside.overflow.saturating_add(1);
            length = length.saturating_add(1);
            self.inside.longest_chain = self.inside.longest_chain.max(length);
            self.cells(bucket, evacuated);
            self.moved(at, evacuated);
            at = Addr(word(bucket, size - 8));
        }
        Some(())
    }

    fn moved(&mut self, bucket: Addr, evacuated: bool) {
        if let Some(moved) = self.walked.moved.as_mut().filter(|_| evacuated) {
            moved.buckets.push(bucket);
        }
    }

    /// Counts a bucket's filled cells and shows them. Cells of a bucket that was moved count in the new array only, but
    /// what they still point to stays reachable, so they are shown.
    fn cells(&mut self, bucket: &[u8], evacuated: bool) {
        let mut in_use = 0u8;
        for i in 0..GROUP_SLOTS {
            let top = byte(bucket, i);
            let filled = top >= MIN_TOP_HASH && !evacuated;
            self.walked.cells += u64::from(filled);
            in_use |= u8::from(filled) << i;
            if self.shape.visit
                && (filled || (evacuated && MOVED.contains(&top)))
                && let Some((key, elem)) = self.shape.cell(bucket, i)
            {
                self.visitor.cell(key, elem);
            }
        }
        if self.shape.keys_stay && !evacuated && in_use.count_ones() <= NEARLY_EMPTY {
            self.walked.nearly_empty(self.shape, bucket, in_use);
        }
    }

    /// `mapextra` and what hangs on it.
    fn extra(&mut self, at: Addr, buckets: Addr) -> Option<()> {
        let len = self.layout.extra_size;
        let extra = self.walk.bytes(at, len, "mapextra not in the image")?;
        self.part(at, Part::Extra);
        let next = word(extra, self.layout.next_overflow);
        if next != 0 {
            let size = self.shape.size;
            let end = self.facts.array_buckets(self.inside.b).saturating_mul(size);
            let free = end.saturating_sub(next.saturating_sub(buckets.0)) / size;
            self.inside.overflow_free = u32::try_from(free).unwrap_or(u32::MAX);
        }
        for (list, old) in [
            (self.layout.overflow, false),
            (self.layout.oldoverflow, true),
        ] {
            // A pointer to a slice of pointers to buckets.
            let list = Addr(word(extra, list));
            if !list.is_nil() {
                let slice = self
                    .walk
                    .bytes(list, 8, "map overflow list not in the image")?;
                let before = self.walked.bytes;
                self.part(list, Part::OverflowList);
                self.part(Addr(word(slice, 0)), Part::OverflowArray);
                if let Some(growth) = self.inside.growth.as_mut().filter(|_| old) {
                    growth.old_bytes += self.walked.bytes - before;
                }
            }
        }
        Some(())
    }
}

/// An array of buckets as read.
struct Array<'a> {
    at: Addr,
    bytes: &'a [u8],
}

impl<'a> Array<'a> {
    /// The bucket at `at` where it lies inside the array's object.
    fn bucket(&self, at: Addr, size: u64) -> Option<&'a [u8]> {
        let start = usize::try_from(at.0.checked_sub(self.at.0)?).ok()?;
        self.bytes
            .get(start..start.checked_add(usize::try_from(size).ok()?)?)
    }
}
