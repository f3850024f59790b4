//! What a question will cost a JVM: how long it stands still, and how much is written.
//!
//! Measured with G1 on JDK 17 and 25 on two cores, 835 MB of objects of 60 bytes: a histogram takes 0.27 s, a dump 1.8 to
//! 2.5 s, a packed dump 6.1 to 7.7 s. Slow disks and busy machines take longer: all are said to be about.

use std::time::Duration;

/// Nanoseconds for each byte of the heap.
const HISTOGRAM: f64 = 0.35;
const DUMP: f64 = 3.0;
const PACKED_DUMP: f64 = 9.0;
/// To come to a stop, and to go on.
const BASE: Duration = Duration::from_millis(30);

/// Bytes of a dump for each byte of the heap, usually: references are twice as wide in it, headers larger.
const USUAL: f64 = 1.3;
/// At most, by the smallest objects.
const MOST: f64 = 2.2;
/// The same of a packed one: as in the dump above, and for what cannot be packed.
const PACKED_USUAL: f64 = 0.25;
const PACKED_MOST: f64 = 1.2;
/// Names and classes, which every dump has.
const NAMES: u64 = 16 << 20;

/// What to expect.
#[derive(Clone, Copy, Debug)]
pub(super) struct Prediction {
    /// Bytes of the heap.
    pub(super) heap: u64,
    /// How long the JVM stands still.
    pub(super) pause: Duration,
    /// Bytes that are written, usually.
    pub(super) usual: u64,
    /// Bytes that are written at most.
    pub(super) most: u64,
}

impl Prediction {
    /// Of a histogram.
    pub(super) fn of_histogram(heap: u64) -> Self {
        Self {
            heap,
            pause: pause(heap, HISTOGRAM),
            usual: 0,
            most: 0,
        }
    }

    /// Of a dump, packed or not.
    pub(super) fn of_dump(heap: u64, packed: bool) -> Self {
        let (time, usual, most) = if packed {
            (PACKED_DUMP, PACKED_USUAL, PACKED_MOST)
        } else {
            (DUMP, USUAL, MOST)
        };
        let scaled = |by: f64| (heap as f64 * by) as u64;
        Self {
            heap,
            pause: pause(heap, time),
            usual: scaled(usual).saturating_add(NAMES / 4),
            most: scaled(most).saturating_add(NAMES),
        }
    }
}

fn pause(heap: u64, per_byte: f64) -> Duration {
    BASE + Duration::from_nanos((heap as f64 * per_byte) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_heap_takes_longer_and_no_size_overflows() {
        let dump = Prediction::of_dump(835 << 20, false);
        assert!(dump.pause > Duration::from_secs(1) && dump.pause < Duration::from_secs(5));
        assert!(dump.usual < dump.most);
        assert!(Prediction::of_dump(835 << 20, true).pause > dump.pause);
        assert!(Prediction::of_histogram(835 << 20).pause < dump.pause);
        assert!(Prediction::of_dump(u64::MAX, false).most >= u64::MAX / 2);
    }
}
