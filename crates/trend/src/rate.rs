//! Counters that only rise, as rates.

use crate::Millis;

/// Turns samples of a counter into a rate per second. A counter that falls was reset, or wrapped at 2^32 or 2^64: such a
/// step gives no rate, because the two cannot be told apart.
#[derive(Clone, Copy, Default, Debug)]
pub struct Rate {
    last: Option<(Millis, u64)>,
}

impl Rate {
    /// The rate since the sample before; `None` of the first, after a fall, and where no time has passed.
    pub fn sample(&mut self, at: Millis, count: u64) -> Option<f64> {
        let before = self.last.replace((at, count));
        let (then, old) = before?;
        let passed = at.checked_sub(then).filter(|p| *p > 0)?;
        Some(count.checked_sub(old)? as f64 / (passed as f64 / 1e3))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_that_wraps_or_is_reset_gives_no_rate_and_then_the_right_one() {
        let mut rate = Rate::default();
        assert_eq!(rate.sample(0, u64::from(u32::MAX) - 10), None);
        assert_eq!(rate.sample(1000, u64::from(u32::MAX)), Some(10.0));
        assert_eq!(rate.sample(2000, 5), None);
        assert_eq!(rate.sample(3000, 25), Some(20.0));
        assert_eq!(rate.sample(3000, 30), None);
        assert_eq!(rate.sample(2000, 90), None);
        assert!(rate.sample(i64::MAX, u64::MAX).is_some());
        assert_eq!(rate.sample(i64::MIN, 0), None);
    }
}
