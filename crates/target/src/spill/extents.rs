//! Which units of a file are taken.

/// Units of a word.
const WORD: usize = 64;

/// A bit per unit, in `WORDS` words. Makes no allocation.
pub(super) struct Extents<const WORDS: usize> {
    taken: [u64; WORDS],
    /// Units that there are.
    limit: usize,
    /// Units below this were taken once.
    end: usize,
    /// Where the search begins: units below are taken.
    first_free: usize,
}

impl<const WORDS: usize> Extents<WORDS> {
    pub(super) const fn new() -> Self {
        Self {
            taken: [0; WORDS],
            limit: 0,
            end: 0,
            first_free: 0,
        }
    }

    /// Sets how many units there are.
    pub(super) fn limit(&mut self, units: usize) {
        self.limit = units.min(WORDS * WORD);
    }

    /// Units from here on were never taken.
    pub(super) fn end(&self) -> usize {
        self.end
    }

    fn is_taken(&self, unit: usize) -> bool {
        self.taken[unit / WORD] >> (unit % WORD) & 1 == 1
    }

    /// The first `len` units in a row that are free.
    pub(super) fn take(&mut self, len: usize) -> Option<usize> {
        let mut start = self.first_free;
        let mut at = start;
        while at < start + len {
            if start + len > self.limit {
                return None;
            }
            if self.taken[at / WORD] == u64::MAX {
                // A whole word is gone over at once.
                at = (at / WORD + 1) * WORD;
                start = at;
            } else if self.is_taken(at) {
                at += 1;
                start = at;
            } else {
                at += 1;
            }
        }
        self.mark(start, len, true);
        if start == self.first_free {
            self.first_free = start + len;
        }
        self.end = self.end.max(start + len);
        Some(start)
    }

    /// Takes these units if all of them are free.
    pub(super) fn take_at(&mut self, at: usize, len: usize) -> bool {
        if at + len > self.limit || (at..at + len).any(|unit| self.is_taken(unit)) {
            return false;
        }
        self.mark(at, len, true);
        self.end = self.end.max(at + len);
        true
    }

    /// Gives units back.
    pub(super) fn give(&mut self, at: usize, len: usize) {
        self.mark(at, len, false);
        self.first_free = self.first_free.min(at);
    }

    fn mark(&mut self, at: usize, len: usize, taken: bool) {
        for unit in at..at + len {
            let bit = 1u64 << (unit % WORD);
            if taken {
                self.taken[unit / WORD] |= bit;
            } else {
                self.taken[unit / WORD] &= !bit;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_handed_out_once_until_they_are_given_back() {
        let mut extents = Extents::<4>::new();
        assert_eq!(extents.take(1), None);
        extents.limit(200);
        assert_eq!(extents.take(100), Some(0));
        assert_eq!(extents.take(60), Some(100));
        assert_eq!(extents.take(60), None);
        assert!(extents.take_at(160, 40));
        assert!(!extents.take_at(160, 1));
        assert_eq!(extents.take(1), None);
        extents.give(10, 70);
        assert_eq!(extents.take(71), None);
        assert_eq!(extents.take(30), Some(10));
        assert_eq!(extents.take(40), Some(40));
        extents.give(0, 200);
        assert_eq!(extents.take(200), Some(0));
        assert_eq!(extents.end(), 200);
    }
}
