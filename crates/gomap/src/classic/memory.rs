//! What classic maps take, and what growing costs.

use super::array::{BucketArray, CELLS, EVACUATED_EMPTY, Shared};
use super::{Classic, FLAG_SAME_SIZE};
use crate::Memory;

/// Bytes of `runtime.mapextra`.
const EXTRA: u64 = 24;
/// Bytes of a slice header, which `mapextra.overflow` points to.
const SLICE: u64 = 24;

/// What stands between a classic map and its next growth.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ClassicGrowth {
    /// Old buckets still to be emptied; while there are any, no other growth begins.
    pub to_evacuate: u64,
    /// New keys until the map doubles: the last of them allocates.
    pub inserts: u64,
    /// Bytes of the array it allocates then, at once.
    pub allocates: u64,
    /// Overflow buckets, as the map counts them, until an insert makes it grow to the same size.
    pub overflow_left: u64,
}

impl Classic {
    pub(super) fn extra_bytes(&self) -> u64 {
        self.layout.alloc.slot_size(EXTRA, false)
    }

    pub(super) fn list_header_bytes(&self) -> u64 {
        self.layout.alloc.slot_size(SLICE, false)
    }

    /// Bytes of a list of that many pointers.
    fn list_bytes(&self, pointers: u64) -> u64 {
        let array = match pointers {
            0 => 0,
            n => self.layout.pointers_appended(n),
        };
        self.list_header_bytes() + array
    }

    pub(super) fn single_bucket_bytes(&self) -> u64 {
        self.layout
            .alloc
            .slot_size(self.layout.bucket_size, self.layout.noscan)
    }

    /// Bytes of the objects that one entry's key and elem get for themselves.
    pub(super) fn indirect_bytes(&self) -> u64 {
        self.indirect_key() + self.indirect_elem()
    }

    fn indirect_key(&self) -> u64 {
        indirect(self, self.shape.key)
    }

    fn indirect_elem(&self) -> u64 {
        indirect(self, self.shape.elem)
    }

    /// Bytes of an array and of the buckets that were added to it one by one.
    pub(super) fn array_bytes_of(&self, array: &Shared) -> u64 {
        let array = array.borrow();
        self.layout.array_bytes(array.log2) + u64::from(array.single()) * self.single_bucket_bytes()
    }

    pub(super) fn growing_same_size(&self) -> bool {
        self.flags & FLAG_SAME_SIZE != 0
    }

    /// Bytes that the map alone holds, each object rounded to its slot.
    pub fn memory(&self) -> Memory {
        let mut headers = self.layout.alloc.slot_size(self.layout.header_size, false);
        if self.extra {
            headers += self.extra_bytes();
        }
        headers += self.listed.map_or(0, |n| self.list_bytes(n));
        let present = self.buckets.as_ref().map_or(0, |b| self.array_bytes_of(b));
        let old = self.old.as_ref().map_or(0, |b| self.array_bytes_of(b));
        let old = old + self.old_listed.map_or(0, |n| self.list_bytes(n));
        Memory {
            headers,
            arrays: present,
            old_arrays: old,
            indirect: self.count * self.indirect_bytes(),
            zombies: self.zombies(),
            ..Memory::default()
        }
    }

    /// Bytes of keys and elems that only evacuated buckets of the old array lead to: deleted since, or overwritten by
    /// another insert.
    fn zombies(&self) -> u64 {
        let (Some(old), Some(new)) = (&self.old, &self.buckets) else {
            return 0;
        };
        if self.indirect_bytes() == 0 || self.clears_evacuated() {
            return 0;
        }
        let mut alive: Vec<u32> = filled(&new.borrow()).collect();
        alive.sort_unstable();
        let dead = |born: &u32| alive.binary_search(born).is_err();
        let dead = evacuated(&old.borrow()).filter(dead).count() as u64;
        dead * self.indirect_bytes()
    }

    /// What stands between it and its next growth.
    pub fn next_growth(&self) -> ClassicGrowth {
        let old = self.old.as_ref().map(|old| old.borrow().base());
        let limit = self.layout.load_factor_num * ((1u64 << self.log2) / 2);
        ClassicGrowth {
            to_evacuate: old.map_or(0, |base| u64::from(base - self.evacuated)),
            inserts: (limit.max(CELLS as u64) + 1)
                .saturating_sub(self.count)
                .max(1),
            allocates: self.layout.array_bytes(self.log2 + 1),
            overflow_left: (1u64 << self.log2.min(15)).saturating_sub(u64::from(self.noverflow)),
        }
    }

    /// Bytes allocated since it was made, freed or not.
    pub fn allocated(&self) -> u64 {
        self.allocated
    }
}

/// Bytes of the object that a key or elem gets for itself.
fn indirect(map: &Classic, part: crate::Part) -> u64 {
    if part.indirect() {
        map.layout.alloc.slot_size(part.size, !part.pointers)
    } else {
        0
    }
}

/// Birth numbers of the entries in an array's chains.
fn filled(array: &BucketArray) -> impl Iterator<Item = u32> + '_ {
    (0..array.base())
        .flat_map(|bucket| array.chain(bucket))
        .flat_map(|place| {
            let bucket = array.at(place);
            (0..CELLS)
                .filter(|&c| bucket.top[c] > EVACUATED_EMPTY)
                .map(|c| bucket.cells[c].born)
        })
}

/// Birth numbers of what evacuated buckets still hold.
fn evacuated(array: &BucketArray) -> impl Iterator<Item = u32> + '_ {
    (0..array.base())
        .filter(|&bucket| array.at(bucket).evacuated())
        .flat_map(|bucket| array.chain(bucket))
        .flat_map(|place| {
            let bucket = array.at(place);
            (0..CELLS)
                .filter(|&c| bucket.top[c] < EVACUATED_EMPTY && bucket.cells[c].key != 0)
                .map(|c| bucket.cells[c].born)
        })
}
