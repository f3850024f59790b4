//! Sums of sizes along positions, with which what a range of them holds is one difference.

use std::ops::Range;

/// Positions between two whose sum is kept in full.
const STEP: usize = 64;
/// What sizes are counted in, where all are multiples of it; runtimes align objects to it.
const UNIT: u64 = 8;

/// Sum of the sizes before each position, and of all.
pub(super) enum Sums {
    /// In units: the lower half of each sum, and every [`STEP`]th in full. For sizes of which [`STEP`] in a row are
    /// less than 2^32 units.
    Units { low: Vec<u32>, full: Vec<u64> },
    /// In bytes.
    Bytes(Vec<u64>),
}

impl Sums {
    /// Adds up `sizes`, which come as `(position, size)` with positions below `len`, in any order.
    pub(super) fn of<I>(len: usize, sizes: impl Fn() -> I) -> Self
    where
        I: Iterator<Item = (u32, u64)>,
    {
        Self::in_units(len, sizes()).unwrap_or_else(|| {
            let mut sums = vec![0u64; len + 1];
            for (position, size) in sizes() {
                sums[position as usize] = size;
            }
            let mut before = 0u64;
            for sum in &mut sums {
                let next = before.saturating_add(*sum);
                *sum = std::mem::replace(&mut before, next);
            }
            Self::Bytes(sums)
        })
    }

    fn in_units(len: usize, sizes: impl Iterator<Item = (u32, u64)>) -> Option<Self> {
        let mut low = vec![0u32; len + 1];
        for (position, size) in sizes {
            if size % UNIT != 0 {
                return None;
            }
            low[position as usize] = u32::try_from(size / UNIT).ok()?;
        }
        let mut full = Vec::with_capacity(len / STEP + 1);
        let mut before = 0u64;
        for (position, low) in low.iter_mut().enumerate() {
            if position % STEP == 0 {
                full.push(before);
            }
            if before - full.last()? > u64::from(u32::MAX) {
                return None;
            }
            let units = std::mem::replace(low, before as u32);
            before += u64::from(units);
        }
        Some(Self::Units { low, full })
    }

    /// Sum of the sizes of all positions below this one.
    fn before(&self, position: u32) -> u64 {
        let position = position as usize;
        match self {
            Self::Units { low, full } => {
                let full = full[position / STEP];
                full + u64::from(low[position].wrapping_sub(full as u32))
            }
            Self::Bytes(sums) => sums[position],
        }
    }

    /// Sum of the sizes of a range of positions, in bytes.
    pub(super) fn within(&self, range: Range<u32>) -> u64 {
        let sum = self.before(range.end) - self.before(range.start);
        match self {
            Self::Units { .. } => sum.saturating_mul(UNIT),
            Self::Bytes(_) => sum,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What it is called, the size at each position, and whether the sums are kept in units.
    type Shape = (&'static str, fn(usize) -> u64, bool);

    #[test]
    fn sums_of_all_ranges_are_those_of_their_sizes() {
        let shapes: [Shape; 4] = [
            ("small", |i| i as u64 % 7 * 8, true),
            ("odd", |i| i as u64, false),
            ("some huge", |i| if i == 100 { 1 << 33 } else { 16 }, true),
            ("all huge", |i| if i > 3 { 1 << 36 } else { 8 }, false),
        ];
        for (name, size, narrow) in shapes {
            for len in [0, 1, 63, 64, 65, 300] {
                let sizes = || (0..len).rev().map(|i| (i as u32, size(i)));
                let sums = Sums::of(len, sizes);
                if len == 300 {
                    assert_eq!(matches!(sums, Sums::Units { .. }), narrow, "{name}");
                }
                for from in 0..=len {
                    for to in from..=len {
                        let sum: u64 = (from..to).map(size).sum();
                        assert_eq!(
                            sums.within(from as u32..to as u32),
                            sum,
                            "{name} {from}..{to}"
                        );
                    }
                }
            }
        }
        let most = Sums::of(40, || (0..40).map(|i| (i, u64::MAX / 16)));
        assert_eq!(most.within(0..40), u64::MAX);
    }
}
