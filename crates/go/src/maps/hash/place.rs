//! Whether the keys of a map lie where a search for them looks.

use leakscope_goabi::GROUP_SLOTS;
use leakscope_graph::ObjIx;
use leakscope_target::Addr;

use crate::maps::layouts::{ClassicLayout, SwissLayout};
use crate::maps::walk::{CellShape, byte, half, word};
use crate::maps::{Classic, MapInfo, Swiss};
use crate::objects::Objects;

use super::eval::{Hasher, Without};
use super::steps::Steps;

/// `minTopHash`, and `evacuatedX` to `evacuatedEmpty` (`runtime/map.go`).
const MIN_TOP_HASH: u8 = 5;
const EVACUATED: std::ops::RangeInclusive<u8> = 2..=4;
/// `sameSizeGrow` of `hmap.flags`.
const SAME_SIZE_GROW: u8 = 8;
/// Control bytes with the top bit set are not filled; this one is empty (`ctrlEmpty`).
const NOT_FULL: u8 = 0x80;
/// Objects noted of entries that cannot be reached.
const MAX_HELD: usize = 1 << 20;

/// Sums over the keys looked at.
#[derive(Clone, Default, Debug)]
pub(super) struct Tally {
    /// Where they belong.
    pub(super) agreed: u64,
    /// Not equal to themselves.
    pub(super) random: u64,
    /// Elsewhere.
    pub(super) misplaced: u64,
    /// Of these, in the bucket or group where they belong, but with the control byte of another key.
    pub(super) mismarked: u64,
    /// Not read.
    pub(super) unread: u64,
    /// Groups that searches for those that agreed look at.
    pub(super) probes: u64,
    /// The most that one of them looks at.
    pub(super) longest: u64,
    /// Filled cells of the fullest chain looked at.
    pub(super) fullest: u64,
    /// Objects that cells of entries out of reach refer to.
    pub(super) held: Vec<ObjIx>,
}

impl Tally {
    /// Entries that no search finds.
    pub(super) fn odd(&self) -> u64 {
        self.random + self.misplaced
    }
}

/// What a search for a key comes to.
enum Search {
    /// Its cell, after looking at so many groups.
    Found(u64),
    /// Its bucket or group, and passes its cell by: the control byte is of another key.
    OtherMark,
    /// Its end.
    Nothing,
}

/// A map to look at.
pub(super) struct Placing<'p, 'a> {
    pub(super) hasher: &'p mut Hasher<'a>,
    pub(super) objects: &'p Objects,
    pub(super) steps: &'p Steps,
    pub(super) shape: &'p CellShape,
    /// All that is hashed lies in the key.
    in_place: bool,
    /// Bytes of a key where cells hold pointers to keys.
    pub(super) indirect_key: Option<u64>,
    pub(super) map: &'p MapInfo,
    /// Of so many buckets or groups, one is looked at.
    pub(super) every: u64,
    pub(super) tally: Tally,
    /// Words through which the map refers to the array under way.
    anchors: Vec<(Addr, u64)>,
}

/// One filled cell.
struct Cell<'c> {
    /// Where its key lies.
    at: Addr,
    key: &'c [u8],
    elem: &'c [u8],
    /// Where its control byte or tophash lies, and what it was.
    control: (Addr, Option<u8>),
}

impl<'p, 'a> Placing<'p, 'a> {
    pub(super) fn new(
        hasher: &'p mut Hasher<'a>,
        objects: &'p Objects,
        steps: &'p Steps,
        shape: &'p CellShape,
        map: &'p MapInfo,
    ) -> Self {
        Self {
            hasher,
            objects,
            steps,
            shape,
            in_place: steps.in_place(),
            indirect_key: None,
            map,
            every: 1,
            tally: Tally::default(),
            anchors: Vec::new(),
        }
    }

    /// A map of buckets. `None` where something cannot be read.
    pub(super) fn classic(&mut self, layout: &ClassicLayout, inside: &Classic) -> Option<()> {
        let image = self.hasher.source.image();
        let header = image.bytes(self.map.address, layout.size).ok()?;
        let seed = u64::from(u32::from_le_bytes(
            *header.get(layout.hash0? as usize..)?.first_chunk()?,
        ));
        let (buckets, old) = (
            word(header, layout.buckets),
            word(header, layout.oldbuckets),
        );
        let mut hops = u64::from(inside.overflow);
        if old != 0 {
            let b = inside.b - u8::from(inside.flags & SAME_SIZE_GROW == 0).min(inside.b);
            self.anchor(layout.oldbuckets, old);
            self.array(Addr(old), b, seed, &mut hops)?;
        }
        self.anchor(layout.buckets, buckets);
        self.array(Addr(buckets), inside.b, seed, &mut hops)
    }

    fn anchor(&mut self, field: u64, value: u64) {
        self.anchors.clear();
        let at = self.map.address.0.wrapping_add(field);
        self.anchors.push((Addr(at), value));
    }

    fn array(&mut self, at: Addr, b: u8, seed: u64, hops: &mut u64) -> Option<()> {
        let image = self.hasher.source.image();
        let size = self.shape.size;
        let len = size.checked_mul(1u64.checked_shl(b.into())?)?;
        let array = image.bytes(at, len).ok()?;
        let mask = (1u64 << b) - 1;
        let buckets = (0u64..).zip(array.chunks_exact(size as usize));
        for (index, first) in buckets.step_by(self.every as usize) {
            if EVACUATED.contains(&byte(first, 0)) {
                continue;
            }
            let (mut at, mut bucket) = (Addr(at.0 + index * size), first);
            let mut filled = 0;
            loop {
                self.ahead(bucket, |top| top >= MIN_TOP_HASH);
                for i in 0..GROUP_SLOTS {
                    let top = byte(bucket, i);
                    if top >= MIN_TOP_HASH {
                        filled += 1;
                        self.cell(at, bucket, i, seed, |hash| {
                            let expected = (hash >> 56) as u8;
                            let expected = match expected {
                                0..MIN_TOP_HASH => expected + MIN_TOP_HASH,
                                _ => expected,
                            };
                            match hash & mask == index {
                                true if expected == top => Search::Found(1),
                                true => Search::OtherMark,
                                false => Search::Nothing,
                            }
                        });
                    }
                }
                let next = Addr(word(bucket, size - 8));
                if next.is_nil() || *hops == 0 {
                    break;
                }
                *hops -= 1;
                bucket = image.bytes(next, size).ok()?;
                at = next;
            }
            self.tally.fullest = self.tally.fullest.max(filled);
        }
        Some(())
    }

    /// A map of groups. `None` where something cannot be read.
    pub(super) fn swiss(&mut self, layout: &SwissLayout, inside: &Swiss) -> Option<()> {
        let image = self.hasher.source.image();
        let header = image.bytes(self.map.address, layout.size).ok()?;
        let seed = word(header, layout.seed?);
        let directory_at = word(header, layout.dir_ptr);
        let directory = image
            .bytes(Addr(directory_at), inside.directory_len.checked_mul(8)?)
            .ok()?;
        let shift = 64 - u32::from(inside.global_depth);
        let (mut previous, mut group) = (0, 0);
        for (index, entry) in (0u64..).zip(directory.chunks_exact(8)) {
            let table_at = word(entry, 0);
            if table_at == previous {
                continue;
            }
            previous = table_at;
            let table = image.bytes(Addr(table_at), layout.table_size).ok()?;
            let groups = u64::from(half(table, layout.table_capacity)) / GROUP_SLOTS;
            let data = word(table, layout.table_groups);
            self.anchor(layout.dir_ptr, directory_at);
            self.anchors.extend([
                (Addr(directory_at + 8 * index), table_at),
                (Addr(table_at.wrapping_add(layout.table_groups)), data),
            ]);
            let table = Table {
                at: table_at,
                directory,
                shift,
                groups: image
                    .bytes(Addr(data), groups.checked_mul(self.shape.size)?)
                    .ok()?,
                size: self.shape.size,
                mask: groups.checked_sub(1)?,
            };
            self.table(&table, data, seed, &mut group);
        }
        Some(())
    }

    fn table(&mut self, table: &Table<'_>, data: u64, seed: u64, group: &mut u64) {
        for (index, bytes) in (0u64..).zip(table.groups.chunks_exact(table.size as usize)) {
            let skipped = !group.is_multiple_of(self.every);
            *group += 1;
            if skipped {
                continue;
            }
            let at = Addr(data + index * table.size);
            self.ahead(bytes, |control| control < NOT_FULL);
            for i in (0..GROUP_SLOTS).filter(|i| byte(bytes, *i) < NOT_FULL) {
                let control = byte(bytes, i);
                self.cell(at, bytes, i, seed, |hash| table.finds(hash, index, control));
            }
        }
    }

    /// Touches what the keys of a bucket or group are hashed by that does not lie in its cells.
    fn ahead(&mut self, bytes: &[u8], is_filled: impl Fn(u8) -> bool) {
        if self.in_place && self.indirect_key.is_none() {
            return;
        }
        self.hasher.source.forget();
        for i in (0..GROUP_SLOTS).filter(|i| is_filled(byte(bytes, *i))) {
            match (self.shape.cell(bytes, i), self.indirect_key) {
                (Some((key, _)), None) => self.hasher.announce(self.steps, key),
                (Some((key, _)), Some(_)) => self.hasher.source.announce(Addr(word(key, 0))),
                (None, _) => {}
            }
        }
        self.hasher.source.touch();
    }

    /// Looks at cell `i` of the bucket or group at `at`. `search` gives what a search for that hash comes to.
    fn cell(&mut self, at: Addr, bytes: &[u8], i: u64, seed: u64, search: impl Fn(u64) -> Search) {
        let Some((key, elem)) = self.shape.cell(bytes, i) else {
            return;
        };
        let slot = self.shape.keys + i * self.shape.key_stride;
        let cell = Cell {
            at: Addr(at.0.wrapping_add(slot)),
            key,
            elem,
            // Of buckets and groups alike, control bytes come first.
            control: (Addr(at.0.wrapping_add(i)), bytes.get(i as usize).copied()),
        };
        self.hasher.source.from_running = false;
        let hash = match self.indirect_key {
            None => self.hasher.hash(self.steps, key, seed),
            Some(size) => match self.hasher.source.bytes(Addr(word(key, 0)), size) {
                Some(bytes) => {
                    let key = bytes.to_vec();
                    self.hasher.hash(self.steps, &key, seed)
                }
                None => Err(Without::Unread),
            },
        };
        match hash.map(search) {
            Ok(Search::Found(probes)) => {
                self.tally.agreed += 1;
                self.tally.probes += probes;
                self.tally.longest = self.tally.longest.max(probes);
            }
            Ok(_) | Err(Without::Random) if !self.unchanged(&cell) => self.tally.unread += 1,
            Ok(search) => {
                self.tally.misplaced += 1;
                self.tally.mismarked += u64::from(matches!(search, Search::OtherMark));
                self.note(&cell);
            }
            Err(Without::Random) => {
                self.tally.random += 1;
                self.note(&cell);
            }
            Err(Without::Unread | Without::Unknown) => self.tally.unread += 1,
        }
    }

    /// Whether what was read of the key of a cell was that key: it came from the image, or the process still has the cell. A new key
    /// may have come to lie in the same cell, with its text where that of the old one was, but then has another control byte, or
    /// is found there.
    fn unchanged(&mut self, cell: &Cell<'_>) -> bool {
        let source = &mut self.hasher.source;
        let (at, control) = cell.control;
        !source.from_running
            || (source.still(cell.at, cell.key)
                && control.is_some_and(|control| source.still(at, &[control]))
                && self
                    .anchors
                    .iter()
                    .all(|(at, value)| source.still(*at, &value.to_le_bytes())))
    }

    /// Notes what an entry out of reach refers to.
    fn note(&mut self, cell: &Cell<'_>) {
        if self.shape.noscan || self.tally.held.len() >= MAX_HELD {
            return;
        }
        for part in [cell.key, cell.elem] {
            for i in 0..part.len() as u64 / 8 {
                if let Some(hit) = self.objects.find(word(part, 8 * i)) {
                    self.tally.held.push(ObjIx(hit.obj));
                }
            }
        }
    }
}

/// A table of groups, as a search sees it.
struct Table<'t> {
    at: u64,
    directory: &'t [u8],
    shift: u32,
    groups: &'t [u8],
    size: u64,
    mask: u64,
}

impl Table<'_> {
    /// What a search for a key of that hash comes to that lies in group `wanted` with this control byte (`table.getWithKey`,
    /// `makeProbeSeq`, `Map.directoryIndex`).
    fn finds(&self, hash: u64, wanted: u64, control: u8) -> Search {
        let entry = hash.checked_shr(self.shift).unwrap_or(0);
        if word(self.directory, 8 * entry) != self.at {
            return Search::Nothing;
        }
        let mut group = (hash >> 7) & self.mask;
        for step in 1..=self.mask + 1 {
            if group == wanted {
                return match (hash & 0x7f) as u8 == control {
                    true => Search::Found(step),
                    false => Search::OtherMark,
                };
            }
            let at = usize::try_from(group * self.size).ok();
            let controls = at.and_then(|at| self.groups.get(at..at.checked_add(8)?));
            if controls.is_none_or(|controls| controls.contains(&NOT_FULL)) {
                break;
            }
            group = (group + step) & self.mask;
        }
        Search::Nothing
    }
}
