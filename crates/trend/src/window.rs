//! The tests of one window of floors.

use crate::config::Tests;
use crate::floors::Floors;
use crate::stats::{load_factor, lowest, mann_kendall, mean_of, noise, theil_sen};
use crate::verdict::{Test, TestName};
use crate::{Channel, Millis};

/// Most groups of a window that a configuration may ask for: every pair of them is looked at.
pub(crate) const MAX_GROUPS: usize = 64;

/// Most sub-windows of the ratchet.
pub(crate) const MAX_STEPS: usize = 16;

/// Tests that a window can have.
const MAX_TESTS: usize = 16;

/// Working space of an evaluation, to be used again and again.
#[derive(Clone, Debug)]
pub(crate) struct Work {
    times: [f64; MAX_GROUPS],
    values: [f64; MAX_GROUPS],
    load: [f64; MAX_GROUPS],
    rest: [f64; MAX_GROUPS],
    /// First bucket and length of each group.
    groups: [(i64, usize); MAX_GROUPS],
    slopes: Vec<f64>,
}

impl Default for Work {
    fn default() -> Self {
        Self {
            times: [0.0; MAX_GROUPS],
            values: [0.0; MAX_GROUPS],
            load: [0.0; MAX_GROUPS],
            rest: [0.0; MAX_GROUPS],
            groups: [(0, 0); MAX_GROUPS],
            slopes: Vec::with_capacity(MAX_GROUPS * (MAX_GROUPS - 1) / 2),
        }
    }
}

/// What a window is tested against.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subject<'a> {
    pub(crate) channel: Channel,
    pub(crate) floors: &'a Floors,
    pub(crate) load: Option<&'a Floors>,
    /// Value at which the channel is full.
    pub(crate) capacity: Option<f64>,
    pub(crate) tests: &'a Tests,
    /// Time watched over time left from which growth is a leak.
    pub(crate) pace: f64,
}

/// How a window came out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outcome {
    /// Length from the first group to the last.
    pub(crate) span: Millis,
    /// Growth per second, the smaller of with and without load.
    pub(crate) slope: f64,
    /// Newest value.
    pub(crate) now: f64,
    /// Mann-Kendall's z.
    pub(crate) z: f64,
    /// Share of steps that rise, 0 to 1.
    pub(crate) steps: f64,
    /// Whether growth is there without what follows the load; `None` where the load is not known.
    pub(crate) load_independent: Option<bool>,
    /// Milliseconds until full.
    pub(crate) left: Option<f64>,
    /// Whether there was enough to test.
    pub(crate) known: bool,
    /// Whether it is growth.
    pub(crate) grows: bool,
    /// Growth at a pace that makes it a leak.
    pub(crate) leak: bool,
    /// Growth at a pace that makes it worth a look.
    pub(crate) suspect: bool,
    tests: [Test; MAX_TESTS],
    count: usize,
}

impl Outcome {
    fn new() -> Self {
        let none = Test {
            name: TestName::Groups,
            value: 0.0,
            bound: 0.0,
            passed: false,
        };
        Self {
            span: 0,
            slope: 0.0,
            now: 0.0,
            z: 0.0,
            steps: 0.0,
            load_independent: None,
            left: None,
            known: false,
            grows: false,
            leak: false,
            suspect: false,
            tests: [none; MAX_TESTS],
            count: 0,
        }
    }

    /// The tests made, in order.
    pub(crate) fn tests(&self) -> &[Test] {
        &self.tests[..self.count]
    }

    fn put(&mut self, test: Test) -> bool {
        if let Some(slot) = self.tests.get_mut(self.count) {
            *slot = test;
            self.count += 1;
        }
        test.passed
    }
}

/// What of a rise must hold with and without what follows the load.
struct Rise {
    slope: f64,
    /// Standard deviation around the slope.
    noise: f64,
    /// In the order in which they are made.
    tests: [Option<Test>; 6],
    steps: f64,
}

impl Rise {
    fn passed(&self) -> bool {
        self.tests.iter().all(|t| t.is_some_and(|t| t.passed))
    }
}

/// Tests the floors of buckets `from..=to`. `peak` is the highest floor before `from` that counts, in this life or in
/// earlier ones of the workload.
pub(crate) fn test(
    subject: &Subject<'_>,
    from: i64,
    to: i64,
    peak: Option<f64>,
    work: &mut Work,
) -> Outcome {
    let mut outcome = Outcome::new();
    let rules = subject.tests;
    let n = group(subject, from, to, work);
    let enough = outcome.put(Test::at_least(
        TestName::Groups,
        n as f64,
        rules.min_groups as f64,
    ));
    if !enough {
        return outcome;
    }
    let (times, values) = (&work.times[..n], &work.values[..n]);
    let seconds = times[n - 1] - times[0];
    outcome.span = (seconds * 1e3) as Millis;
    outcome.now = values[n - 1];
    let bound = rules.min_span as f64 / 1e3;
    outcome.known = outcome.put(Test::at_least(TestName::Span, seconds, bound));
    if !outcome.known {
        return outcome;
    }
    outcome.z = mann_kendall(values);
    if !outcome.put(Test::at_least(TestName::Trend, outcome.z, rules.z)) {
        return outcome;
    }
    let raw = rise(subject, times, values, &mut work.slopes);
    outcome.slope = raw.slope;
    outcome.steps = raw.steps;
    for test in raw.tests.iter().flatten() {
        outcome.put(*test);
    }
    if !raw.passed() {
        return outcome;
    }
    if let Some(peak) = peak {
        let recent = values[n - 1];
        if !outcome.put(Test::at_least(
            TestName::HighWater,
            recent - peak,
            raw.noise.max(f64::MIN_POSITIVE),
        )) {
            return outcome;
        }
    }
    if load_of_groups(subject.load, n, work) {
        let (times, values) = (&work.times[..n], &work.values[..n]);
        let load = &work.load[..n];
        let kept = match load_factor(times, values, load) {
            None => raw.slope,
            Some(factor) => {
                let mean = load.iter().sum::<f64>() / n as f64;
                for ((rest, v), l) in work.rest.iter_mut().zip(values).zip(load) {
                    *rest = v - factor * (l - mean);
                }
                let rest = &work.rest[..n];
                let without = rise(subject, times, rest, &mut work.slopes);
                let z = mann_kendall(rest);
                if without.passed() && z >= rules.z {
                    without.slope.min(raw.slope)
                } else {
                    0.0
                }
            }
        };
        outcome.load_independent = Some(kept > 0.0);
        let share = kept / raw.slope;
        if !outcome.put(Test::at_least(
            TestName::LoadIndependent,
            share,
            f64::MIN_POSITIVE,
        )) {
            return outcome;
        }
        outcome.slope = kept;
    }
    outcome.grows = true;
    pace(subject, work.values[0], &mut outcome);
    outcome
}

/// How soon it is full against how long it has been watched.
fn pace(subject: &Subject<'_>, first: f64, outcome: &mut Outcome) {
    let rules = subject.tests;
    if !subject.channel.is_bytes() {
        let grown = outcome.now - first;
        let factor = outcome.now / first.max(1.0);
        outcome.leak = outcome.put(Test::at_least(TestName::Factor, factor, rules.count_factor))
            & outcome.put(Test::at_least(TestName::Growth, grown, rules.count_growth));
        // Growth beyond the first value and in absolute terms, at the share of the pace that suspects have.
        outcome.suspect = factor - 1.0 >= rules.suspect * (rules.count_factor - 1.0)
            && grown >= rules.suspect * rules.count_growth;
        return;
    }
    let Some(capacity) = subject.capacity else {
        let factor = outcome.now / first.max(1.0);
        outcome.leak = outcome.put(Test::at_least(
            TestName::Factor,
            factor,
            rules.unbounded_factor,
        ));
        outcome.suspect = factor - 1.0 >= rules.suspect * (rules.unbounded_factor - 1.0);
        return;
    };
    let left = (capacity - outcome.now).max(0.0) / outcome.slope * 1e3;
    outcome.left = Some(left);
    let pace = outcome.span as f64 / left.max(1.0);
    outcome.leak = outcome.put(Test::at_least(TestName::Pace, pace, subject.pace));
    outcome.suspect = pace >= rules.suspect * subject.pace;
}

/// Groups buckets by their minimum into the working space: how many groups have one.
fn group(subject: &Subject<'_>, from: i64, to: i64, work: &mut Work) -> usize {
    let (first, rows) = subject.floors.since(from);
    let last = first + rows.len() as i64 - 1;
    let length = usize::try_from(last.min(to) - first + 1).unwrap_or(0);
    let rows = &rows[..length.min(rows.len())];
    let groups = subject.tests.groups.clamp(1, MAX_GROUPS);
    let width = rows.len().div_ceil(groups).max(1);
    // Groups are whole at the newest end.
    let odd = rows.len() % width;
    let (old, rest) = rows.split_at(odd);
    let seconds = subject.floors.bucket() as f64 / 1e3;
    let mut n = 0;
    let mut at = first;
    let chunks = (odd > 0).then_some(old).into_iter();
    for chunk in chunks.chain(rest.chunks(width)) {
        if let Some((i, value)) = lowest(chunk)
            && n < MAX_GROUPS
        {
            let bucket = at + i as i64;
            work.times[n] = (bucket - first) as f64 * seconds;
            work.values[n] = f64::from(value);
            work.groups[n] = (at, chunk.len());
            n += 1;
        }
        at += chunk.len() as i64;
    }
    n
}

/// The mean load of each of the first `n` groups into the working space: whether it is known of all.
fn load_of_groups(load: Option<&Floors>, n: usize, work: &mut Work) -> bool {
    let Some(load) = load else {
        return false;
    };
    let groups = work.groups[..n].iter();
    for (slot, (first, count)) in work.load.iter_mut().zip(groups) {
        match mean(load, *first, *count) {
            Some(mean) => *slot = mean,
            None => return false,
        }
    }
    true
}

/// The mean of the known floors among `count` from bucket `first` on.
fn mean(floors: &Floors, first: i64, count: usize) -> Option<f64> {
    let (at, rows) = floors.since(first);
    let rows = &rows[..rows
        .len()
        .min(usize::try_from(first + count as i64 - at).unwrap_or(0))];
    mean_of(rows)
}

/// Slope, growth, ratchet and plateau of a series.
fn rise(subject: &Subject<'_>, times: &[f64], values: &[f64], work: &mut Vec<f64>) -> Rise {
    let rules = subject.tests;
    let n = times.len();
    let slope = theil_sen(times, values, work);
    let mut rise = Rise {
        slope,
        noise: 0.0,
        tests: [None; 6],
        steps: 0.0,
    };
    let growth = slope * (times[n - 1] - times[0]);
    let least = if subject.channel.is_bytes() {
        let share = subject.capacity.map_or(0.0, |c| rules.min_growth_share * c);
        share.max(rules.min_growth)
    } else {
        rules.suspect * rules.count_growth
    };
    let enough = Test::at_least(TestName::Growth, growth, least.max(f64::MIN_POSITIVE));
    rise.tests[0] = Some(enough);
    if !enough.passed {
        return rise;
    }
    let noise = noise(times, values, slope, work).max(growth * 1e-9);
    rise.noise = noise;
    let clear = Test::at_least(TestName::Noise, growth / noise, rules.noise_factor);
    rise.tests[1] = Some(clear);
    if !clear.passed {
        return rise;
    }
    ratchet(rules, values, growth, &mut rise);
    let third = n - (n / 3).max(3);
    let late = theil_sen(&times[third..], &values[third..], work);
    rise.tests[5] = Some(Test::at_least(
        TestName::Plateau,
        late / slope,
        rules.plateau,
    ));
    rise
}

/// Whether the low end of each part of the window is above that of the part before.
fn ratchet(rules: &Tests, values: &[f64], growth: f64, rise: &mut Rise) {
    let parts = rules.steps.clamp(2, MAX_STEPS).min(values.len());
    let mut lows = [0.0; MAX_STEPS];
    for (part, low) in lows[..parts].iter_mut().enumerate() {
        let range = part * values.len() / parts..(part + 1) * values.len() / parts;
        *low = values[range].iter().copied().fold(f64::INFINITY, f64::min);
    }
    let lows = &lows[..parts];
    let step = rules.step_share * growth / parts as f64;
    let (mut rising, mut biggest) = (0_usize, 0.0_f64);
    for pair in lows.windows(2) {
        rising += usize::from(pair[1] - pair[0] >= step);
        biggest = biggest.max(pair[1] - pair[0]);
    }
    let before = lows[..parts - 1]
        .iter()
        .copied()
        .fold(f64::NEG_INFINITY, f64::max);
    rise.steps = rising as f64 / (parts - 1) as f64;
    let needed = (parts - 1).saturating_sub(rules.steps_missing);
    rise.tests[2] = Some(Test::at_least(
        TestName::Steps,
        rising as f64,
        needed as f64,
    ));
    rise.tests[3] = Some(Test::at_most(
        TestName::BiggestStep,
        biggest / growth,
        rules.biggest_step,
    ));
    rise.tests[4] = Some(Test::at_least(
        TestName::Record,
        lows[parts - 1] - before,
        0.0,
    ));
}
