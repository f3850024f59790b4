//! How urgent a channel is, as one number that can be taken apart.

/// Weight of certainty alone; the rest goes with urgency.
const CERTAIN_SHARE: f64 = 0.35;

/// Urgency where nothing says when a channel is full.
const URGENCY_UNBOUNDED: f64 = 0.5;

/// Hours left at which a leak is not urgent at all: a week.
const WEEK_HOURS: f64 = 168.0;

/// Urgency of a process, 0 to 100: `100 x certainty x (0.35 + 0.65 x urgency)`.
///
/// Below 40 is quiet, from 40 suspect, from 70 worth an alert, from 85 worth waking somebody.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Risk {
    /// How clear the trend is: 0 at z = 3, 1 at z = 7. Weighs 0.25.
    pub trend: f64,
    /// Share of the ratchet's steps that rise. Weighs 0.20.
    pub ratchet: f64,
    /// 1 where growth does not follow the load; half where the load is not known. Weighs 0.15.
    pub load_independent: f64,
    /// Share of windows, or of replicas where these are known, that agree. Weighs 0.15.
    pub agreement: f64,
    /// 1 where one class, site or stack holds most of the growth without a bound. Weighs 0.25.
    pub evidence: f64,
    /// How soon it is full: 1 now, 0 in a week or later, half where that is not known.
    pub urgency: f64,
}

impl Risk {
    /// Certainty, 0 to 1.
    pub fn certainty(&self) -> f64 {
        0.25 * self.trend
            + 0.20 * self.ratchet
            + 0.15 * self.load_independent
            + 0.15 * self.agreement
            + 0.25 * self.evidence
    }

    /// The score, 0 to 100.
    pub fn score(&self) -> u8 {
        let urgency = CERTAIN_SHARE + (1.0 - CERTAIN_SHARE) * self.urgency;
        (100.0 * self.certainty() * urgency)
            .round()
            .clamp(0.0, 100.0) as u8
    }

    /// The term for Mann-Kendall's `z`.
    pub(crate) fn of_z(z: f64) -> f64 {
        ((z - 3.0) / 4.0).clamp(0.0, 1.0)
    }

    /// The term for the time that is left, in milliseconds.
    pub(crate) fn of_time_left(left: Option<f64>) -> f64 {
        let Some(left) = left else {
            return URGENCY_UNBOUNDED;
        };
        let hours = left / 3.6e6;
        (1.0 - (1.0 + hours).log2() / (1.0 + WEEK_HOURS).log2()).clamp(0.0, 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_score_is_the_sum_of_its_terms_times_urgency() {
        let all = Risk {
            trend: 1.0,
            ratchet: 1.0,
            load_independent: 1.0,
            agreement: 1.0,
            evidence: 1.0,
            urgency: 1.0,
        };
        assert_eq!(all.score(), 100);
        assert_eq!(
            Risk {
                urgency: 0.0,
                ..all
            }
            .score(),
            35
        );
        assert_eq!(
            Risk {
                evidence: 0.0,
                ..all
            }
            .score(),
            75
        );
        assert_eq!(Risk::default().score(), 0);
        assert_eq!(Risk::of_time_left(Some(0.0)), 1.0);
        assert_eq!(Risk::of_time_left(Some(168.0 * 3.6e6)), 0.0);
        assert_eq!(Risk::of_time_left(Some(f64::INFINITY)), 0.0);
        assert_eq!((Risk::of_z(3.0), Risk::of_z(7.0)), (0.0, 1.0));
    }
}
