//! Sums over chains or probe sequences.

/// How long chains, or probe sequences, are.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Chains {
    /// How many there are.
    pub number: u64,
    /// Sum of their lengths: buckets or groups.
    pub links: u64,
    /// The longest.
    pub longest: u64,
    /// Entries in them.
    pub entries: u64,
}

impl Chains {
    /// One more, of that length and with that many entries.
    pub(crate) fn add(&mut self, length: u64, entries: u64) {
        self.number += 1;
        self.links += length;
        self.longest = self.longest.max(length);
        self.entries += entries;
    }

    /// Their mean length; 0 for none.
    pub fn mean(&self) -> f64 {
        if self.number == 0 {
            0.0
        } else {
            self.links as f64 / self.number as f64
        }
    }
}
