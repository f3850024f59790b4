//! Iteration over classic maps.

use super::array::{CELLS, EVACUATED_EMPTY, EVACUATED_X, EVACUATED_Y, NONE, Shared, is_empty};
use super::{Classic, FLAG_ITERATOR, FLAG_OLD_ITERATOR};
use crate::{Clearing, Elem, Key, World};

/// `runtime.hiter`: an iteration of a map, which keeps the array that it began with.
#[derive(Debug)]
pub struct ClassicIter {
    buckets: Shared,
    log2: u8,
    start: u32,
    offset: u8,
    wrapped: bool,
    /// The next bucket, or the end of the array.
    bucket: u32,
    /// The bucket being read, its array, and how many of its cells are done.
    at: Option<(Shared, u32)>,
    cell: u8,
    /// Reading a bucket that a growth has yet to split: only what goes to this new bucket counts.
    check: Option<u32>,
    clears: u64,
}

impl ClassicIter {
    /// Bytes of the array it keeps that the map itself has left, as long as this iterator lives.
    pub fn pins(&self, map: &Classic) -> u64 {
        let own = map.buckets.as_ref();
        let kept =
            own.is_some_and(|b| std::rc::Rc::ptr_eq(b, &self.buckets)) || map.shares(&self.buckets);
        if kept {
            0
        } else {
            map.array_bytes_of(&self.buckets)
        }
    }
}

impl Classic {
    /// Begins an iteration; nothing for a map without entries (`mapiterinit`).
    pub(crate) fn iterate(&mut self, world: &mut impl World) -> Option<ClassicIter> {
        if self.count == 0 {
            return None;
        }
        if self.layout.noscan {
            self.need_list();
        }
        let random = world.start().0;
        let start = self.bucket_of(random);
        self.flags |= FLAG_ITERATOR | FLAG_OLD_ITERATOR;
        Some(ClassicIter {
            buckets: self.buckets.clone()?,
            log2: self.log2,
            start,
            offset: (random >> self.log2 & (CELLS as u64 - 1)) as u8,
            wrapped: false,
            bucket: start,
            at: None,
            cell: 0,
            check: None,
            clears: self.clears,
        })
    }

    /// The next entry (`mapiternext`).
    pub(crate) fn next(&self, it: &mut ClassicIter, world: &impl World) -> Option<(Key, Elem)> {
        let mut bucket = it.bucket;
        loop {
            let (shared, place) = match it.at.clone() {
                Some(at) => at,
                None => {
                    if bucket == it.start && it.wrapped {
                        return None;
                    }
                    it.check = None;
                    let mut at = (it.buckets.clone(), bucket);
                    if let Some(old) = self.old.as_ref().filter(|_| it.log2 == self.log2) {
                        let array = old.borrow();
                        let from = bucket & (array.base() - 1);
                        if !array.at(from).evacuated() {
                            at = (old.clone(), from);
                            it.check = Some(bucket);
                        }
                    }
                    bucket += 1;
                    if bucket == 1 << it.log2 {
                        bucket = 0;
                        it.wrapped = true;
                    }
                    it.cell = 0;
                    at
                }
            };
            let array = shared.borrow();
            while usize::from(it.cell) < CELLS {
                let cell = usize::from((it.cell + it.offset) % CELLS as u8);
                it.cell += 1;
                let top = array.at(place).top[cell];
                if is_empty(top) || top == EVACUATED_EMPTY {
                    continue;
                }
                let found = array.at(place).cells[cell];
                if let Some(check) = it.check.filter(|_| !self.growing_same_size()) {
                    let mask = (1u64 << it.log2) - 1;
                    if world.hash(found.key) & mask != u64::from(check) {
                        continue;
                    }
                }
                let moved = top == EVACUATED_X || top == EVACUATED_Y;
                let cleared = self.rules.clearing == Clearing::Counts && it.clears != self.clears;
                let entry = if moved || cleared {
                    match self.get(found.key, world) {
                        Some(elem) => (found.key, elem),
                        None => continue,
                    }
                } else {
                    (found.key, found.elem)
                };
                it.bucket = bucket;
                it.at = Some((shared.clone(), place));
                return Some(entry);
            }
            let next = array.at(place).overflow;
            it.at = (next != NONE).then(|| (shared.clone(), next));
            it.cell = 0;
        }
    }
}
