//! Floors: a series folded into buckets of equal length, kept for a fixed time.

use crate::Millis;

/// What of the samples in a bucket is kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fold {
    /// The smallest: of values right after collections, the one with the least garbage.
    Min,
    /// The tenth percentile: of plain samples, the low end without being one odd value.
    Low,
    /// The mean: of a load.
    Mean,
}

/// What became of a sample.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Taken {
    /// It is in.
    Yes,
    /// It is older than the open bucket: the clock went back, or samples came out of order.
    Late,
}

/// Most samples of a bucket that are kept until it closes; beyond, every second one is.
const MAX_SAMPLES: usize = 128;

/// A ring is cut when it is longer than it should be by one of so many parts.
const SLACK: usize = 16;

/// Floors in a ring. An empty bucket is NaN: nothing is known of it, which is not the same as no change.
#[derive(Clone, Debug)]
pub struct Floors {
    fold: Fold,
    bucket: Millis,
    keep: usize,
    /// Number of the first closed bucket, counted from 1970.
    first: i64,
    closed: Vec<f32>,
    open: Option<i64>,
    samples: Vec<f32>,
    /// One of so many samples of the open bucket is kept.
    stride: u32,
    skipped: u32,
    newest_known: Option<i64>,
}

impl Floors {
    /// No floors yet, in buckets of `bucket` (more than 0), of which the newest `keep` stay.
    pub fn new(fold: Fold, bucket: Millis, keep: usize) -> Self {
        Self {
            fold,
            bucket: bucket.max(1),
            keep: keep.max(1),
            first: 0,
            closed: Vec::new(),
            open: None,
            samples: Vec::new(),
            stride: 1,
            skipped: 0,
            newest_known: None,
        }
    }

    /// Takes a sample. Values that are not finite must not come here.
    pub fn push(&mut self, at: Millis, value: f64) -> Taken {
        let bucket = at.div_euclid(self.bucket);
        match self.open {
            Some(open) if bucket < open => return Taken::Late,
            Some(open) if bucket == open => {}
            _ => self.open_at(bucket),
        }
        self.skipped += 1;
        if self.skipped >= self.stride {
            self.skipped = 0;
            if self.samples.len() >= MAX_SAMPLES {
                self.stride = self.stride.saturating_mul(2);
                let mut odd = false;
                self.samples.retain(|_| {
                    odd = !odd;
                    odd
                });
            }
            self.samples.push(value as f32);
        } else if self.fold == Fold::Min
            && let Some(last) = self.samples.last_mut()
        {
            // The smallest is kept whatever the stride.
            *last = last.min(value as f32);
        }
        Taken::Yes
    }

    /// Closes every bucket that ended by `now`.
    pub fn close(&mut self, now: Millis) {
        let bucket = now.div_euclid(self.bucket);
        if self.open.is_some_and(|open| open < bucket) {
            self.open_at(bucket);
        }
    }

    fn open_at(&mut self, bucket: i64) {
        if let Some(open) = self.open {
            let value = self.folded();
            self.append(open, value);
            let gap = bucket - open - 1;
            if gap >= self.keep as i64 {
                self.closed.clear();
            } else {
                for missing in open + 1..bucket {
                    self.append(missing, f32::NAN);
                }
            }
        }
        self.open = Some(bucket);
        self.samples.clear();
        self.stride = 1;
        self.skipped = 0;
    }

    fn append(&mut self, bucket: i64, value: f32) {
        if self.closed.is_empty() {
            if value.is_nan() {
                return;
            }
            self.first = bucket;
        }
        // Rows move in steps, so that a push costs constant time on average.
        let most = self.keep + self.keep / SLACK + 1;
        if self.closed.len() >= most {
            let drop = self.closed.len() + 1 - self.keep;
            self.closed.drain(..drop);
            self.first += drop as i64;
        }
        if self.closed.len() == self.closed.capacity() {
            // By a quarter, and never beyond what is kept: doubling would leave half of a full ring unused.
            let more = (self.closed.len() / 4)
                .max(16)
                .min(most - self.closed.len());
            self.closed.reserve_exact(more);
        }
        self.closed.push(value);
        if !value.is_nan() {
            self.newest_known = Some(bucket);
        }
    }

    fn folded(&mut self) -> f32 {
        let n = self.samples.len();
        if n == 0 {
            return f32::NAN;
        }
        match self.fold {
            Fold::Min => self.samples.iter().copied().fold(f32::INFINITY, f32::min),
            Fold::Low => {
                *self
                    .samples
                    .select_nth_unstable_by(n / 10, f32::total_cmp)
                    .1
            }
            Fold::Mean => {
                (self.samples.iter().map(|v| f64::from(*v)).sum::<f64>() / n as f64) as f32
            }
        }
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.closed.clear();
        self.open = None;
        self.samples.clear();
        self.newest_known = None;
    }

    /// Length of a bucket.
    pub fn bucket(&self) -> Millis {
        self.bucket
    }

    /// Closed buckets from bucket number `from` on, with the number of the first of them.
    pub fn since(&self, from: i64) -> (i64, &[f32]) {
        let oldest = self.closed.len().saturating_sub(self.keep);
        let skip = usize::try_from(from - self.first).unwrap_or(0).max(oldest);
        let rows = self.closed.get(skip..).unwrap_or_default();
        (self.first + skip as i64, rows)
    }

    /// The floor of a closed bucket.
    pub fn get(&self, bucket: i64) -> Option<f32> {
        let at = usize::try_from(bucket - self.first).ok()?;
        self.closed.get(at).copied().filter(|v| !v.is_nan())
    }

    /// The newest closed floor and when its bucket began.
    pub fn newest(&self) -> Option<(Millis, f64)> {
        let bucket = self.newest_known?;
        Some((bucket * self.bucket, f64::from(self.get(bucket)?)))
    }

    /// Bytes that it takes.
    pub fn heap_bytes(&self) -> usize {
        (self.closed.capacity() + self.samples.capacity()) * size_of::<f32>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(floors: &Floors) -> Vec<f32> {
        floors.since(i64::MIN / 2).1.to_vec()
    }

    #[test]
    fn a_bucket_without_samples_is_unknown_not_unchanged() {
        let mut floors = Floors::new(Fold::Min, 10, 100);
        for (t, v) in [(0, 5.0), (9, 3.0), (12, 4.0), (41, 7.0), (50, 1.0)] {
            assert_eq!(floors.push(t, v), Taken::Yes);
        }
        let got = all(&floors);
        assert_eq!(got[..2], [3.0, 4.0]);
        assert!(got[2].is_nan() && got[3].is_nan());
        assert_eq!(got[4], 7.0);
        assert_eq!(floors.newest(), Some((40, 7.0)));
    }

    #[test]
    fn the_ring_keeps_the_newest_and_a_long_gap_clears_it() {
        let mut floors = Floors::new(Fold::Low, 1, 50);
        for t in 0..1000 {
            floors.push(t, t as f64);
        }
        let got = all(&floors);
        assert_eq!((got.len(), got[0], got[49]), (50, 949.0, 998.0));
        assert!(floors.closed.capacity() <= 50 + 50 / SLACK + 1);
        floors.push(5000, 1.0);
        assert!(all(&floors).is_empty());
    }

    #[test]
    fn late_samples_are_refused() {
        let mut floors = Floors::new(Fold::Min, 10, 10);
        floors.push(100, 1.0);
        assert_eq!(floors.push(99, 0.0), Taken::Late);
        assert_eq!(floors.push(100, 0.5), Taken::Yes);
    }

    #[test]
    fn any_number_of_samples_of_a_bucket_takes_bounded_room_and_keeps_the_minimum() {
        let mut floors = Floors::new(Fold::Min, 1_000_000, 10);
        for t in 0..100_000 {
            floors.push(t, if t == 54_321 { 1.0 } else { 2.0 });
        }
        assert!(floors.samples.len() <= MAX_SAMPLES);
        floors.close(1_000_000);
        assert_eq!(all(&floors), [1.0]);
    }
}
