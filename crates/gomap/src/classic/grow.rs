//! Growth of classic maps, a few buckets per write.

use super::array::{
    BucketArray, CELLS, Cell, EVACUATED_EMPTY, EVACUATED_X, EVACUATED_Y, NONE, is_empty,
};
use super::{Classic, FLAG_ITERATOR, FLAG_OLD_ITERATOR, FLAG_SAME_SIZE, MAX_LOG2};
use crate::World;

/// Buckets looked at when the mark of progress moves on (`advanceEvacuationMark`).
const STRIDE: u32 = 1024;

impl Classic {
    /// Starts to grow (`hashGrow`).
    pub(super) fn hash_grow(&mut self) {
        let bigger = self.over_load(self.count + 1) && self.log2 < MAX_LOG2;
        if !bigger {
            self.flags |= FLAG_SAME_SIZE;
        }
        self.old = self.buckets.take();
        let kept = self.flags & !(FLAG_ITERATOR | FLAG_OLD_ITERATOR);
        self.flags = if self.flags & FLAG_ITERATOR != 0 {
            kept | FLAG_OLD_ITERATOR
        } else {
            kept
        };
        self.evacuated = 0;
        self.noverflow = 0;
        if self.listed.is_some() {
            self.old_listed = self.listed.take();
        }
        self.new_array(self.log2 + u8::from(bigger));
    }

    /// Before a write to `bucket`: empties the old bucket that belongs to it, and one more (`growWork`).
    pub(super) fn grow_work(&mut self, bucket: u32, world: &mut impl World) {
        let Some(old) = &self.old else { return };
        let mask = old.borrow().base() - 1;
        self.evacuate(bucket & mask, world);
        if self.old.is_some() {
            self.evacuate(self.evacuated, world);
        }
    }

    /// Moves what is in an old bucket and its chain to the new array (`evacuate`).
    fn evacuate(&mut self, from: u32, world: &mut impl World) {
        let (Some(old), Some(new)) = (self.old.clone(), self.buckets.clone()) else {
            return;
        };
        let mut old = old.borrow_mut();
        let new_bit = old.base();
        if !old.at(from).evacuated() {
            let same_size = self.flags & FLAG_SAME_SIZE != 0;
            let mut new = new.borrow_mut();
            let mut to = [(from, 0usize), (from + new_bit, 0)];
            let mut place = from;
            while place != NONE {
                for cell in 0..CELLS {
                    let top = old.at(place).top[cell];
                    if is_empty(top) {
                        old.at_mut(place).top[cell] = EVACUATED_EMPTY;
                        continue;
                    }
                    let moved = old.at(place).cells[cell];
                    let upper = !same_size && world.hash(moved.key) & u64::from(new_bit) != 0;
                    old.at_mut(place).top[cell] = if upper { EVACUATED_Y } else { EVACUATED_X };
                    let (into, at) = &mut to[usize::from(upper)];
                    if *at == CELLS {
                        *into = self.new_overflow(&mut new, *into, world);
                        *at = 0;
                    }
                    let target = new.at_mut(*into);
                    target.top[*at] = top;
                    target.cells[*at] = moved;
                    *at += 1;
                }
                place = old.at(place).overflow;
            }
            if self.clears_evacuated() {
                clear_evacuated(&mut old, from);
            }
        }
        if from == self.evacuated {
            self.advance(&old);
        }
    }

    /// Moves the mark of progress past buckets that are done; ends the growth behind the last (`advanceEvacuationMark`).
    fn advance(&mut self, old: &BucketArray) {
        self.evacuated += 1;
        let stop = (self.evacuated + STRIDE).min(old.base());
        while self.evacuated != stop && old.at(self.evacuated).evacuated() {
            self.evacuated += 1;
        }
        if self.evacuated == old.base() {
            self.old = None;
            self.old_listed = None;
            self.flags &= !FLAG_SAME_SIZE;
        }
    }
}

/// Zeroes an emptied bucket but for its marks, which unlinks its chain.
fn clear_evacuated(old: &mut BucketArray, bucket: u32) {
    let in_array = old.in_array;
    let lost = old.chain(bucket).filter(|&p| p >= in_array).count() as u32;
    old.unlinked += lost;
    let bucket = old.at_mut(bucket);
    bucket.cells = [Cell::default(); CELLS];
    bucket.overflow = NONE;
}
