//! Rules that are in use today, on the series that they are used on.

use leakscope_trend::{Millis, mann_kendall};

use crate::history::{History, STEP};
use crate::run::Outcome;

/// Steps of an hour.
const HOUR: usize = (3_600_000 / STEP) as usize;

/// Steps between two looks: five minutes.
const LOOK: usize = HOUR / 12;

/// A rule of today.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rule {
    /// The working set is above 90 % of the limit for a quarter of an hour.
    Usage,
    /// `predict_linear(working_set[1h], 4h)` above the limit, for a quarter of an hour.
    PredictShort,
    /// `predict_linear(working_set[6h], 24h)` above the limit, for a quarter of an hour.
    PredictLong,
    /// Mann-Kendall on resident memory over six hours, z of 3.09 or more.
    MannKendall,
}

impl Rule {
    /// Every rule.
    pub const ALL: [Self; 4] = [
        Self::Usage,
        Self::PredictShort,
        Self::PredictLong,
        Self::MannKendall,
    ];

    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Usage => "usage > 90 % for 15 min",
            Self::PredictShort => "predict_linear [1h], 4h",
            Self::PredictLong => "predict_linear [6h], 24h",
            Self::MannKendall => "Mann-Kendall on RSS, 6h",
        }
    }

    /// What it says about a history.
    pub fn run(self, history: &History) -> Outcome {
        let fired = match self {
            Self::Usage => {
                let bound = 0.9 * history.limit;
                first(history, HOUR / 4, |now| history.working_set[now] > bound)
            }
            Self::PredictShort => predicts(history, HOUR, 4 * HOUR),
            Self::PredictLong => predicts(history, 6 * HOUR, 24 * HOUR),
            Self::MannKendall => first(history, 6 * HOUR, |now| {
                let quarter = HOUR / 4;
                let values: Vec<f64> = history.rss[now + 1 - 6 * HOUR..=now]
                    .chunks(quarter)
                    .map(|part| part.iter().sum::<f64>() / part.len() as f64)
                    .collect();
                mann_kendall(&values) >= 3.09
            }),
        };
        Outcome::fired_at(history, fired)
    }
}

fn predicts(history: &History, window: usize, ahead: usize) -> Option<Millis> {
    first(history, window, |now| {
        let values = &history.working_set[now + 1 - window..=now];
        let n = window as f64;
        let middle = (n - 1.0) / 2.0;
        let mean = values.iter().sum::<f64>() / n;
        let (mut tt, mut tv) = (0.0, 0.0);
        for (i, v) in values.iter().enumerate() {
            let t = i as f64 - middle;
            tt += t * t;
            tv += t * (v - mean);
        }
        let slope = tv / tt;
        mean + slope * (middle + ahead as f64) > history.limit
    })
}

/// The first time that a condition has held for a quarter of an hour, looking every five minutes.
fn first(history: &History, window: usize, holds: impl Fn(usize) -> bool) -> Option<Millis> {
    let mut in_a_row = 0;
    for now in (window..history.working_set.len()).step_by(LOOK) {
        in_a_row = if holds(now) { in_a_row + 1 } else { 0 };
        if in_a_row > 3 {
            return Some(now as Millis * STEP);
        }
    }
    None
}
