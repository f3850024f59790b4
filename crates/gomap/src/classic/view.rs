//! What a classic map looks like inside, for comparison with a real one.

use super::Classic;
use super::array::{BucketArray, CELLS, EVACUATED_EMPTY};
use crate::Chains;

/// The header of a classic map, as `runtime.hmap` and `runtime.mapextra` have it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ClassicHeader {
    /// `count`.
    pub count: u64,
    /// `flags`.
    pub flags: u8,
    /// `B`.
    pub log2: u8,
    /// `noverflow`.
    pub noverflow: u16,
    /// `nevacuate`.
    pub evacuated: u64,
    /// Whether there is an old array.
    pub growing: bool,
    /// `extra.nextOverflow` as its place in the array.
    pub next_overflow: Option<u32>,
    /// Whether `extra` is there.
    pub extra: bool,
    /// Length of `extra.overflow`, where there is one.
    pub listed: Option<u64>,
    /// Length of `extra.oldoverflow`, where there is one.
    pub old_listed: Option<u64>,
}

/// Marks the end of a chain in the words of [`Classic::words`].
const END_OF_CHAIN: u32 = u32::MAX;

impl Classic {
    /// Its header.
    pub fn header(&self) -> ClassicHeader {
        ClassicHeader {
            count: self.count,
            flags: self.flags,
            log2: self.log2,
            noverflow: self.noverflow,
            evacuated: u64::from(self.evacuated),
            growing: self.old.is_some(),
            next_overflow: self.next_overflow,
            extra: self.extra,
            listed: self.listed,
            old_listed: self.old_listed,
        }
    }

    /// Overflow buckets that were made with the array and are not linked yet.
    pub fn spare_overflow(&self) -> u64 {
        let next = self.next_overflow.map_or(0, u64::from);
        match &self.buckets {
            Some(array) if next > 0 => u64::from(array.borrow().in_array) - next,
            _ => 0,
        }
    }

    /// Sets the sampled count of overflow buckets to what a real program's random numbers made it.
    pub fn set_noverflow(&mut self, noverflow: u16) {
        self.noverflow = noverflow;
    }

    /// Everything in its buckets as words: for each chain of the present array, then of the old one, each cell's
    /// first byte, key and elem.
    pub fn words(&self, mut each: impl FnMut(u32)) {
        for shared in [&self.buckets, &self.old].into_iter().flatten() {
            let array = shared.borrow();
            for bucket in 0..array.base() {
                for place in array.chain(bucket) {
                    let here = array.at(place);
                    for cell in 0..CELLS {
                        each(u32::from(here.top[cell]));
                        each(here.cells[cell].key);
                        each(here.cells[cell].elem);
                    }
                }
                each(END_OF_CHAIN);
            }
        }
    }

    /// How long the chains of the present array are.
    pub fn chains(&self) -> Chains {
        let mut chains = Chains::default();
        if let Some(shared) = &self.buckets {
            let array = shared.borrow();
            for bucket in 0..array.base() {
                chains.add(array.chain(bucket).count() as u64, used(&array, bucket));
            }
        }
        chains
    }
}

fn used(array: &BucketArray, bucket: u32) -> u64 {
    array
        .chain(bucket)
        .map(|place| {
            let tops = array.at(place).top;
            tops.iter().filter(|&&t| t > EVACUATED_EMPTY).count() as u64
        })
        .sum()
}
