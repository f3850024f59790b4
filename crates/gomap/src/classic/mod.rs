//! The bucket maps of Go 1.21 to 1.23, and of 1.24 and 1.25 built with `GOEXPERIMENT=noswissmap`.
//!
//! Follows `runtime/map.go` (1.21.13, 1.22.10, 1.23.9) and `runtime/map_noswiss.go` (1.24.11, 1.25.5), whose functions are
//! named where they are followed; `map_fast32.go`, `map_fast64.go` and `map_faststr.go` do the same to the structure.

mod array;
mod grow;
mod iter;
mod memory;
mod view;

pub use iter::ClassicIter;
pub use memory::ClassicGrowth;
pub use view::ClassicHeader;

use std::rc::Rc;

use leakscope_goabi::ClassicMap as Layout;

use crate::{AssignPath, ClassicRules, Clearing, Elem, Key, Release, Shape, World};
use array::{BucketArray, CELLS, EMPTY_ONE, EMPTY_REST, NONE, Shared, is_empty, top_hash};

/// There may be an iterator over the present array.
pub const FLAG_ITERATOR: u8 = 1;
/// There may be an iterator over the old array.
pub const FLAG_OLD_ITERATOR: u8 = 2;
/// The growth in progress is to the same size.
pub const FLAG_SAME_SIZE: u8 = 8;

/// Largest `B` that a model builds: 4 M buckets, of some 110 bytes here.
const MAX_LOG2: u8 = 22;

/// A classic map.
#[derive(Debug)]
pub struct Classic {
    rules: ClassicRules,
    shape: Shape,
    layout: Layout,
    count: u64,
    flags: u8,
    log2: u8,
    noverflow: u16,
    evacuated: u32,
    buckets: Option<Shared>,
    old: Option<Shared>,
    /// `extra.nextOverflow`, by its place in the array.
    next_overflow: Option<u32>,
    /// Whether `runtime.mapextra` was allocated.
    extra: bool,
    /// Pointers in `extra.overflow` and `extra.oldoverflow`, which maps without pointers keep.
    listed: Option<u64>,
    old_listed: Option<u64>,
    clears: u64,
    /// Keys or elems that were given an object of their own.
    born: u32,
    allocated: u64,
}

impl Classic {
    /// `make(map[K]V, hint)` (`runtime.makemap`). A hint for more than the model can build is taken as none, as the runtime
    /// does with one that no memory could hold.
    pub(crate) fn make(release: &Release, rules: ClassicRules, shape: Shape, hint: u64) -> Self {
        let layout = Layout {
            header_size: rules.header_size,
            bucket_size: shape.bucket_size(),
            noscan: shape.noscan(),
            load_factor_num: rules.load_factor_num,
            alloc: release.alloc,
        };
        let log2 = Some(layout.log2_buckets(hint))
            .filter(|&b| b <= MAX_LOG2)
            .unwrap_or(0);
        let mut map = Classic {
            rules,
            shape,
            layout,
            count: 0,
            flags: 0,
            log2,
            noverflow: 0,
            evacuated: 0,
            buckets: None,
            old: None,
            next_overflow: None,
            extra: false,
            listed: None,
            old_listed: None,
            clears: 0,
            born: 0,
            allocated: layout.alloc.slot_size(rules.header_size, false),
        };
        if log2 > 0 {
            map.new_array(log2);
        }
        map
    }

    /// Entries: `len(m)`.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Allocates an array of `2^log2` buckets as the present one (`runtime.makeBucketArray`).
    fn new_array(&mut self, log2: u8) {
        let in_array = self.layout.array_buckets(log2);
        self.allocated += self.layout.array_bytes(log2);
        let array = BucketArray::new(log2, in_array as u32);
        let base = array.borrow().base();
        self.buckets = Some(array);
        self.log2 = log2;
        if u64::from(base) != in_array {
            self.need_extra();
            self.next_overflow = Some(base);
        }
    }

    fn need_extra(&mut self) {
        if !self.extra {
            self.extra = true;
            self.allocated += self.extra_bytes();
        }
    }

    /// `createOverflow`.
    fn need_list(&mut self) {
        self.need_extra();
        if self.listed.is_none() {
            self.listed = Some(0);
            self.allocated += self.list_header_bytes();
        }
    }

    /// A bucket to the end of a chain of the present array, whose last one is `last` (`newoverflow`).
    fn new_overflow(&mut self, array: &mut BucketArray, last: u32, world: &mut impl World) -> u32 {
        let place = match self.next_overflow {
            Some(place) => {
                let next = place + 1;
                self.next_overflow = (next < array.in_array).then_some(next);
                place
            }
            None => {
                self.allocated += self.single_bucket_bytes();
                array.buckets.push(array::Bucket::EMPTY);
                (array.buckets.len() - 1) as u32
            }
        };
        self.count_overflow(world);
        if self.layout.noscan {
            self.need_list();
            let before = self.listed.unwrap_or(0);
            self.listed = Some(before + 1);
            let grown = self.layout.pointers_appended(before + 1);
            if grown != self.layout.pointers_appended(before) || before == 0 {
                self.allocated += grown;
            }
        }
        array.at_mut(last).overflow = place;
        place
    }

    /// `incrnoverflow`: exact below 2^16 buckets, a sample above.
    fn count_overflow(&mut self, world: &mut impl World) {
        if self.log2 < 16 || world.one_in(self.log2 - 15) {
            self.noverflow = self.noverflow.wrapping_add(1);
        }
    }

    /// `m[key] = elem` (`mapassign`).
    pub(crate) fn assign(&mut self, key: Key, elem: Elem, world: &mut impl World) {
        let hash = world.hash(key);
        if self.buckets.is_none() {
            self.allocated += self.layout.array_bytes(0);
            self.buckets = Some(BucketArray::new(0, 1));
        }
        loop {
            let bucket = self.bucket_of(hash);
            self.grow_work(bucket, world);
            let Some(shared) = self.buckets.clone() else {
                return;
            };
            let mut array = shared.borrow_mut();
            match find(&array, bucket, key, hash) {
                Found::Cell(place, cell) => {
                    let elem = self.stored_elem(elem);
                    let cell = &mut array.at_mut(place).cells[cell];
                    cell.elem = elem;
                    if self.shape.elem.indirect() {
                        self.overwrite_evacuated(hash, *cell);
                    }
                    return;
                }
                Found::Room { free, last } => {
                    if self.old.is_none() && (self.over_load(self.count + 1) || self.crowded()) {
                        drop(array);
                        self.hash_grow();
                        continue;
                    }
                    let (place, cell) =
                        free.unwrap_or_else(|| (self.new_overflow(&mut array, last, world), 0));
                    let elem = self.stored_elem(elem);
                    self.allocated += self.indirect_bytes();
                    self.born = self.born.wrapping_add(1);
                    let born = self.born;
                    let bucket = array.at_mut(place);
                    bucket.top[cell] = top_hash(hash);
                    bucket.cells[cell] = array::Cell { key, elem, born };
                    self.count += 1;
                    return;
                }
            }
        }
    }

    /// An elem in an object of its own was overwritten: the old array's cell, if it was not cleared, leads to it too.
    fn overwrite_evacuated(&self, hash: u64, now: array::Cell) {
        let Some(old) = &self.old else { return };
        let mut old = old.borrow_mut();
        let mut place = (hash & u64::from(old.base() - 1)) as u32;
        while place != NONE {
            let bucket = old.at_mut(place);
            let same = bucket.cells.iter_mut().filter(|c| c.born == now.born);
            same.for_each(|cell| cell.elem = now.elem);
            place = bucket.overflow;
        }
    }

    /// What a slot shows of an elem: nothing where elems have no bytes.
    fn stored_elem(&self, elem: Elem) -> Elem {
        if self.shape.elem.size == 0 { 0 } else { elem }
    }

    fn bucket_of(&self, hash: u64) -> u32 {
        (hash & ((1 << self.log2) - 1)) as u32
    }

    /// `overLoadFactor`.
    fn over_load(&self, count: u64) -> bool {
        count > CELLS as u64 && count > self.rules.load_factor_num * ((1u64 << self.log2) / 2)
    }

    /// `tooManyOverflowBuckets`.
    fn crowded(&self) -> bool {
        self.noverflow >= 1 << self.log2.min(15)
    }

    /// `m[key]` (`mapaccessK`).
    pub(crate) fn get(&self, key: Key, world: &impl World) -> Option<Elem> {
        if self.count == 0 {
            return None;
        }
        let hash = world.hash(key);
        let mut shared = self.buckets.as_ref()?;
        let mut bucket = self.bucket_of(hash);
        if let Some(old) = &self.old {
            let array = old.borrow();
            let at = (hash & u64::from(array.base() - 1)) as u32;
            if !array.at(at).evacuated() {
                (shared, bucket) = (old, at);
            }
        }
        let array = shared.borrow();
        match find(&array, bucket, key, hash) {
            Found::Cell(place, cell) => Some(array.at(place).cells[cell].elem),
            Found::Room { .. } => None,
        }
    }

    /// `delete(m, key)` (`mapdelete`).
    pub(crate) fn delete(&mut self, key: Key, world: &mut impl World) {
        if self.count == 0 {
            return;
        }
        let hash = world.hash(key);
        let bucket = self.bucket_of(hash);
        self.grow_work(bucket, world);
        let Some(shared) = self.buckets.clone() else {
            return;
        };
        let mut array = shared.borrow_mut();
        let Found::Cell(place, cell) = find(&array, bucket, key, hash) else {
            return;
        };
        let keeps_key = !self.shape.key.pointers && !self.shape.key.indirect();
        let slot = array.at_mut(place);
        slot.cells[cell].elem = 0;
        if !keeps_key {
            slot.cells[cell].key = 0;
        }
        slot.top[cell] = EMPTY_ONE;
        mark_rest(&mut array, bucket, place, cell);
        self.count -= 1;
        if self.count == 0 {
            world.reseed();
        }
    }

    /// `clear(m)`, and loops that the compiler makes one (`mapclear`).
    pub(crate) fn clear(&mut self, world: &mut impl World) {
        if self.count == 0 {
            return;
        }
        if self.rules.clearing == Clearing::Marks {
            for array in [&self.buckets, &self.old].into_iter().flatten() {
                array.borrow_mut().mark_empty();
            }
        }
        self.flags &= !FLAG_SAME_SIZE;
        self.old = None;
        self.evacuated = 0;
        self.noverflow = 0;
        self.count = 0;
        self.clears += 1;
        world.reseed();
        (self.listed, self.old_listed, self.next_overflow) = (None, None, None);
        if let Some(shared) = &self.buckets {
            let mut array = shared.borrow_mut();
            array.reset();
            if Rc::strong_count(shared) == 1 {
                array.forget_unlinked();
            }
            let base = array.base();
            self.next_overflow = (base != array.in_array).then_some(base);
        }
    }

    /// Whether this model clears what it evacuates, as the runtime does for the collector's sake.
    fn clears_evacuated(&self) -> bool {
        self.flags & FLAG_OLD_ITERATOR == 0 && !self.layout.noscan
    }

    /// Which function of the runtime assigns to it.
    pub fn assign_path(&self) -> AssignPath {
        self.shape.assign_path()
    }

    fn shares(&self, array: &Shared) -> bool {
        self.old.as_ref().is_some_and(|old| Rc::ptr_eq(old, array))
    }
}

/// Where a key is, or could go.
enum Found {
    /// In this cell.
    Cell(u32, usize),
    /// Nowhere: the first free cell of the chain, and the chain's last bucket.
    Room {
        free: Option<(u32, usize)>,
        last: u32,
    },
}

/// Looks along a chain.
fn find(array: &BucketArray, bucket: u32, key: Key, hash: u64) -> Found {
    let top = top_hash(hash);
    let mut free = None;
    let mut last = bucket;
    for place in array.chain(bucket) {
        last = place;
        let here = array.at(place);
        for cell in 0..CELLS {
            if here.top[cell] == top && here.cells[cell].key == key {
                return Found::Cell(place, cell);
            }
            if is_empty(here.top[cell]) && free.is_none() {
                free = Some((place, cell));
            }
            if here.top[cell] == EMPTY_REST {
                return Found::Room { free, last };
            }
        }
    }
    Found::Room { free, last }
}

/// After a cell was emptied: marks the end of the chain as empty from the last entry on.
fn mark_rest(array: &mut BucketArray, chain: u32, place: u32, cell: usize) {
    let here = array.at(place);
    let after = if cell == CELLS - 1 {
        match here.overflow {
            NONE => EMPTY_REST,
            next => array.at(next).top[0],
        }
    } else {
        here.top[cell + 1]
    };
    if after != EMPTY_REST {
        return;
    }
    let places: Vec<u32> = array.chain(chain).collect();
    let mut at = places.iter().position(|&p| p == place).unwrap_or(0);
    let mut cell = cell;
    loop {
        array.at_mut(places[at]).top[cell] = EMPTY_REST;
        if cell > 0 {
            cell -= 1;
        } else if at > 0 {
            at -= 1;
            cell = CELLS - 1;
        } else {
            return;
        }
        if array.at(places[at]).top[cell] != EMPTY_ONE {
            return;
        }
    }
}
