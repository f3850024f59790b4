//! The walk over bucket maps (`runtime/map.go`, Go 1.23 and older; later with `GOEXPERIMENT=noswissmap`).
//!
//! 2^B buckets of eight cells, each with a chain of overflow buckets, which may lie behind the array itself
//! (preallocated) or be objects of their own. While the map grows, buckets move from the old array to the new one a few
//! at a time; moved ones are marked in their first control byte, and their cells may still hold pointers.

use leakscope_goabi::{ClassicMap, GROUP_SLOTS};
use leakscope_target::Addr;

use super::layouts::ClassicLayout;
use super::walk::{CellShape, NEARLY_EMPTY, Part, Visitor, Walk, Walked, byte, half, word};
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
/// Every flag that there is.
const FLAGS: u8 = 1 | OLD_ITERATOR | WRITING | SAME_SIZE_GROW;
/// `emptyRest`: this cell and all that follow in the chain are empty.
const EMPTY_REST: u8 = 0;
/// `evacuatedX` to `evacuatedEmpty`: every control byte of a bucket that was moved, and of no other; elsewhere the runtime throws
/// `bad map state` (`evacuate`).
const EVACUATED: std::ops::RangeInclusive<u8> = 2..=4;
/// More doublings than an address space can hold.
const MAX_B: u8 = 44;
/// Control bytes, and the overflow pointer at the end.
const MIN_BUCKET: u64 = 16;
/// From this many doublings on, `hmap.noverflow` is an estimate (`incrnoverflow`).
const ESTIMATED_FROM: u8 = 16;
/// `hmap.nevacuate` counts buckets that were moved (`advanceEvacuationMark`).
const UNMOVED: &str = "map bucket not moved though its growth has passed it";
const UNCLEARED: &str = "map bucket moved but not cleared";
/// Bytes of a slice header: pointer, length, capacity.
const SLICE: u64 = 24;

/// The walk over one classic map.
pub(crate) struct ClassicWalk<'w, 'a, V> {
    walk: &'w mut Walk<'a>,
    layout: &'w ClassicLayout,
    shape: &'w CellShape,
    facts: &'w ClassicMap,
    visitor: &'w mut V,
    /// Nobody is writing to the map: what only a write under way leaves is damage.
    at_rest: bool,
    inside: Classic,
    walked: Walked,
}

/// Overflow buckets linked to the buckets of one array.
#[derive(Clone, Copy, Default)]
struct Chains {
    linked: u64,
    /// Of these, those that were made with the array and lie behind it.
    behind: u64,
    longest: u32,
}

/// `mapextra` and what it should fit.
struct Expected {
    buckets: Addr,
    noverflow: u64,
    chains: Chains,
    old: Option<Chains>,
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
        let growing = !old.is_nil();
        let evacuated = word(header, layout.nevacuate);
        let at_rest = flags & WRITING == 0;
        let growth_fits = match old_b {
            _ if !growing => flags & SAME_SIZE_GROW == 0,
            Some(old_b) => old != buckets && old_b <= MAX_B && evacuated < 1 << old_b,
            None => false,
        };
        if b > MAX_B
            || flags & !FLAGS != 0
            || shape.size < MIN_BUCKET
            || (buckets.is_nil() && (len != 0 || b != 0 || growing))
            || (!growth_fits && (at_rest || growing && old_b.is_none()))
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
            at_rest,
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
                writing: !at_rest,
                ..Walked::default()
            },
        };
        this.part(at, Part::Header, (layout.size, false))?;
        let mut chains = Some(Chains::default());
        if !buckets.is_nil() {
            chains = this.array(buckets, b, None);
            this.inside.longest_chain = chains.map_or(0, |c| c.longest);
        }
        let mut old_chains = Some(None);
        if let Some(old_b) = old_b.filter(|_| growing) {
            let before = this.walked.bytes;
            if flags & OLD_ITERATOR != 0 && !shape.noscan {
                this.walked.moved = Some(Moved {
                    map: at,
                    parts: vec![old],
                    buckets: Vec::new(),
                    bucket_bytes: shape.size,
                });
            }
            old_chains = this.array(old, old_b, Some(evacuated)).map(Some);
            this.inside.growth = Some(Growth {
                old_buckets: 1 << old_b,
                evacuated,
                old_bytes: this.walked.bytes - before,
                outlived: this.walk.outlived(buckets),
            });
        }
        let done = chains.zip(old_chains).and_then(|(chains, old)| {
            let expected = Expected {
                buckets,
                noverflow: half(header, layout.noverflow).into(),
                chains,
                old,
            };
            this.extra(extra, &expected)
        });
        this.walked.incomplete |= done.is_none();
        this.walked.structure = Some(Structure::Classic(this.inside));
        Some(this.walked)
    }

    fn part(&mut self, at: Addr, part: Part, size: (u64, bool)) -> Option<()> {
        self.walked.bytes += self.walk.part(at, part, size, self.visitor)?;
        Some(())
    }

    /// `None` and a gap where something is wrong with a map that nobody is writing to.
    fn ensure(&mut self, right: bool, wrong: &'static str, at: Addr) -> Option<()> {
        if right || !self.at_rest {
            return Some(());
        }
        self.walk.gaps.add(wrong, at);
        None
    }

    /// An array of 2^`b` buckets with their chains. Of an old one, those before `passed` have been moved.
    fn array(&mut self, at: Addr, b: u8, passed: Option<u64>) -> Option<Chains> {
        let size = self.shape.size;
        let len = size.checked_mul(1 << b)?;
        // The array's own slot may hold preallocated overflow buckets behind the first 2^B.
        let held = size.checked_mul(self.facts.array_buckets(b))?.max(len);
        self.part(at, Part::Cells, (held, self.shape.noscan))?;
        let bytes = self.walk.bytes(at, held, "map buckets not in the image")?;
        self.walk.spend(len, at)?;
        let array = Array {
            at,
            bytes,
            buckets: len,
        };
        let mut done = Some(());
        let mut chains = Chains::default();
        let buckets = bytes.get(..len as usize)?.chunks_exact(size as usize);
        for (index, bucket) in (0u64..).zip(buckets) {
            let place = Addr(at.0 + index * size);
            let evacuated = passed.is_some() && EVACUATED.contains(&byte(bucket, 0));
            let due = passed.is_some_and(|passed| index < passed);
            done = (self.ensure(evacuated || !due, UNMOVED, place)).and(done);
            // Moved cells with pointers are cleared, unless an iterator may still need them (`evacuate`).
            let kept = self.shape.noscan || self.inside.flags & OLD_ITERATOR != 0;
            let cells = bucket.get(GROUP_SLOTS as usize..).unwrap_or_default();
            let right = !evacuated || kept || cells.iter().all(|byte| *byte == 0);
            done = (self.ensure(right, UNCLEARED, place)).and(done);
            let mut rest = false;
            done = (self.cells(place, bucket, evacuated, &mut rest)).and(done);
            self.moved(place, evacuated);
            let next = Addr(word(bucket, size - 8));
            if !next.is_nil() {
                done = (self.chain(&array, next, evacuated, &mut rest, &mut chains)).and(done);
            }
        }
        done.map(|()| chains)
    }

    /// The overflow buckets of one bucket, from the first one.
    fn chain(
        &mut self,
        array: &Array<'a>,
        first: Addr,
        evacuated: bool,
        rest: &mut bool,
        chains: &mut Chains,
    ) -> Option<()> {
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
            let bucket = match array.behind(at, size) {
                Where::Behind(bucket) => {
                    chains.behind += 1;
                    bucket
                }
                Where::Among => {
                    (self.walk.gaps).add("map overflow chain leads among the buckets", at);
                    return None;
                }
                Where::Outside => {
                    self.part(at, Part::Cells, (size, self.shape.noscan))?;
                    if let Some(moved) = &mut self.walked.moved {
                        moved.parts.push(at);
                    }
                    self.walk
                        .bytes(at, size, "map overflow bucket not in the image")?
                }
            };
            self.walk.spend(size, at)?;
            self.inside.overflow = self.inside.overflow.saturating_add(1);
            chains.linked += 1;
            length = length.saturating_add(1);
            chains.longest = chains.longest.max(length);
            self.cells(at, bucket, evacuated, rest)?;
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
    /// what they still point to stays reachable, so they are shown. `rest`: no cell may be filled from here on.
    fn cells(&mut self, at: Addr, bucket: &[u8], evacuated: bool, rest: &mut bool) -> Option<()> {
        let (mut in_use, mut marks, mut right) = (0u8, 0, true);
        for i in 0..GROUP_SLOTS {
            let top = byte(bucket, i);
            let filled = top >= MIN_TOP_HASH && !evacuated;
            *rest |= top == EMPTY_REST;
            right &= !(*rest && filled);
            marks += u64::from(EVACUATED.contains(&top));
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
        right &= marks == if evacuated { GROUP_SLOTS } else { 0 };
        self.ensure(right, "map bucket in a state that there is not", at)
    }

    /// `mapextra` and what hangs on it, with what the chains say about it.
    fn extra(&mut self, at: Addr, expected: &Expected) -> Option<()> {
        let chains = expected.chains;
        let (counted, b) = (expected.noverflow, self.inside.b);
        let exact = b < ESTIMATED_FROM;
        let wrong = "map overflow buckets are not those counted";
        self.ensure(
            counted == chains.linked || (!exact && counted < chains.linked),
            wrong,
            at,
        )?;
        let made = match expected.buckets.is_nil() {
            true => 0,
            false => self.facts.array_buckets(b).saturating_sub(1 << b),
        };
        if at.is_nil() {
            let kept = |chains: Chains| self.shape.noscan && chains.linked > 0;
            let needed = made > 0 || kept(chains) || expected.old.is_some_and(kept);
            return self.ensure(!needed, "mapextra missing", at);
        }
        self.part(at, Part::Extra, (self.layout.extra_size, false))?;
        let len = self.layout.extra_size;
        let extra = self.walk.bytes(at, len, "mapextra not in the image")?;
        let next = word(extra, self.layout.next_overflow);
        let used = self.used(next, made, expected.buckets);
        self.ensure(used == Some(chains.behind), wrong, at)?;
        let free = made.saturating_sub(chains.behind);
        self.inside.overflow_free = u32::try_from(free).unwrap_or(u32::MAX);
        let before = self.walked.bytes;
        let list = Addr(word(extra, self.layout.oldoverflow));
        self.list(list, expected.old.unwrap_or_default())?;
        let bytes = self.walked.bytes - before;
        if let Some(growth) = &mut self.inside.growth {
            growth.old_bytes += bytes;
        }
        self.list(Addr(word(extra, self.layout.overflow)), chains)
    }

    /// How many of the overflow buckets `made` with the array `mapextra.nextOverflow` has passed.
    fn used(&self, next: u64, made: u64, buckets: Addr) -> Option<u64> {
        if next == 0 {
            return Some(made);
        }
        let offset = next.checked_sub(buckets.0)?;
        let index = (offset / self.shape.size).checked_sub(1 << self.inside.b)?;
        (offset.is_multiple_of(self.shape.size) && index < made).then_some(index)
    }

    /// A pointer to a slice of pointers to the buckets of these chains: what keeps them, where no pointer is looked for in buckets.
    fn list(&mut self, at: Addr, chains: Chains) -> Option<()> {
        let wrong = "map overflow list does not fit its buckets";
        let linked = if self.shape.noscan { chains.linked } else { 0 };
        if at.is_nil() {
            return self.ensure(linked == 0, wrong, at);
        }
        self.part(at, Part::OverflowList, (SLICE, false))?;
        let slice = (self.walk).bytes(at, SLICE, "map overflow list not in the image")?;
        let (array, len, room) = (word(slice, 0), word(slice, 8), word(slice, 16));
        self.ensure(len == linked && len <= room, wrong, at)?;
        match array {
            0 => Some(()),
            array => self.part(
                Addr(array),
                Part::OverflowArray,
                (room.saturating_mul(8), false),
            ),
        }
    }
}

/// Where an overflow bucket lies.
enum Where<'a> {
    /// Behind the array with which it was made.
    Behind(&'a [u8]),
    /// Among the array's buckets, or across two of those behind it.
    Among,
    Outside,
}

/// An array of buckets as read.
struct Array<'a> {
    at: Addr,
    /// With the overflow buckets behind it.
    bytes: &'a [u8],
    /// Bytes of the buckets before these.
    buckets: u64,
}

impl<'a> Array<'a> {
    fn behind(&self, at: Addr, size: u64) -> Where<'a> {
        let Some(start) = at.0.checked_sub(self.at.0) else {
            return Where::Outside;
        };
        if start >= self.bytes.len() as u64 {
            return Where::Outside;
        }
        let bucket = (self.bytes.get(start as usize..)).and_then(|b| b.get(..size as usize));
        match bucket.filter(|_| start >= self.buckets && start.is_multiple_of(size)) {
            Some(bucket) => Where::Behind(bucket),
            None => Where::Among,
        }
    }
}
