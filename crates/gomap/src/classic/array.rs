//! Bucket arrays of classic maps.

use std::cell::RefCell;
use std::rc::Rc;

use crate::{Elem, Key};

/// Cells of a bucket.
pub(super) const CELLS: usize = 8;

/// The first byte of a cell's hash, or one of these marks (`runtime/map.go`).
pub(super) const EMPTY_REST: u8 = 0;
pub(super) const EMPTY_ONE: u8 = 1;
pub(super) const EVACUATED_X: u8 = 2;
pub(super) const EVACUATED_Y: u8 = 3;
pub(super) const EVACUATED_EMPTY: u8 = 4;
const MIN_TOP_HASH: u8 = 5;

/// No bucket.
pub(super) const NONE: u32 = u32::MAX;

/// What lies in a cell. A key or elem that lies in an object of its own is the `born`-th that the map made.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Cell {
    pub(super) key: Key,
    pub(super) elem: Elem,
    pub(super) born: u32,
}

/// `runtime.bmap`.
#[derive(Clone, Debug)]
pub(super) struct Bucket {
    pub(super) top: [u8; CELLS],
    pub(super) cells: [Cell; CELLS],
    /// The next bucket of the chain, by its place in the array.
    pub(super) overflow: u32,
}

impl Bucket {
    pub(super) const EMPTY: Bucket = Bucket {
        top: [EMPTY_REST; CELLS],
        cells: [Cell {
            key: 0,
            elem: 0,
            born: 0,
        }; CELLS],
        overflow: NONE,
    };

    /// Whether it was emptied into a newer array (`runtime.evacuated`).
    pub(super) fn evacuated(&self) -> bool {
        (EVACUATED_X..=EVACUATED_EMPTY).contains(&self.top[0])
    }
}

/// A bucket array with the overflow buckets that were allocated with it, and those allocated one by one since.
#[derive(Debug)]
pub(super) struct BucketArray {
    /// `2^log2` buckets belong to hashes.
    pub(super) log2: u8,
    /// Buckets in the array, with those preallocated for overflow.
    pub(super) in_array: u32,
    /// The array, then the buckets allocated one by one.
    pub(super) buckets: Vec<Bucket>,
    /// Of the latter, those that nothing leads to any more.
    pub(super) unlinked: u32,
}

/// An array that the map and its iterators share.
pub(super) type Shared = Rc<RefCell<BucketArray>>;

impl BucketArray {
    pub(super) fn new(log2: u8, in_array: u32) -> Shared {
        Rc::new(RefCell::new(BucketArray {
            log2,
            in_array,
            buckets: vec![Bucket::EMPTY; in_array as usize],
            unlinked: 0,
        }))
    }

    /// Empties it as if it were new. Iterators may stand in buckets that were allocated one by one: those stay, without
    /// anything that leads to them.
    pub(super) fn reset(&mut self) {
        let in_array = self.in_array as usize;
        self.buckets[..in_array].fill(Bucket::EMPTY);
        self.unlinked = (self.buckets.len() - in_array) as u32;
    }

    /// Marks all cells empty (`markBucketsEmpty` in `runtime.mapclear`).
    pub(super) fn mark_empty(&mut self) {
        for bucket in &mut self.buckets {
            bucket.top = [EMPTY_REST; CELLS];
        }
    }

    /// Forgets the buckets that nothing leads to: no iterator is left.
    pub(super) fn forget_unlinked(&mut self) {
        self.buckets.truncate(self.in_array as usize);
        self.unlinked = 0;
    }

    /// Buckets that belong to hashes.
    pub(super) fn base(&self) -> u32 {
        1 << self.log2
    }

    /// Overflow buckets allocated one by one that chains lead to.
    pub(super) fn single(&self) -> u32 {
        self.buckets.len() as u32 - self.in_array - self.unlinked
    }

    /// The buckets of a chain, by their places.
    pub(super) fn chain(&self, bucket: u32) -> impl Iterator<Item = u32> + '_ {
        let some = |at: u32| (at != NONE).then_some(at);
        std::iter::successors(Some(bucket), move |&at| {
            some(self.buckets[at as usize].overflow)
        })
    }

    pub(super) fn at(&self, place: u32) -> &Bucket {
        &self.buckets[place as usize]
    }

    pub(super) fn at_mut(&mut self, place: u32) -> &mut Bucket {
        &mut self.buckets[place as usize]
    }
}

/// The first byte of a hash as cells hold it (`runtime.tophash`).
pub(super) fn top_hash(hash: u64) -> u8 {
    let top = (hash >> 56) as u8;
    if top < MIN_TOP_HASH {
        top + MIN_TOP_HASH
    } else {
        top
    }
}

/// Whether a cell holds nothing (`runtime.isEmpty`).
pub(super) fn is_empty(top: u8) -> bool {
    top <= EMPTY_ONE
}
