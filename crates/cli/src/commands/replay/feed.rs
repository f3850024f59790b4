//! A history through the trend engine.

use leakscope_report::{
    ReplayDoc, ReplayLine, ReplaySeries, RiskTerms, Text, TrendTest, TrendVerdict,
};
use leakscope_trend::{
    Change, Channel, Config, Floors, Fold, Judged, Millis, Process, Runtime, Scratch, Signal,
    Verdict,
};

use super::history::History;

/// Most points of a channel in its plot.
const MAX_POINTS: usize = 4000;

/// Most floors of a channel that are kept for it: a year of five minutes each.
const MAX_BUCKETS: usize = 105_120;

/// Most evaluations of a stretch without samples, whatever the configuration says.
const MAX_IDLE: i64 = 2000;

/// Evaluations of a stretch without samples after which nothing changes any more: samples are stale and verdicts cleared, twice
/// over.
fn idle_limit(config: &Config) -> i64 {
    let until_stale = config.stale.checked_div(config.every).unwrap_or(MAX_IDLE);
    let until_clear = i64::from(config.clear_after);
    (until_stale.saturating_add(until_clear))
        .saturating_mul(2)
        .min(MAX_IDLE)
}

/// The runtime of a history that does not say: `GOGC` is Go's, a maximum of the heap without it a JVM's.
pub(super) fn guess(history: &History) -> Runtime {
    let has = |signal: Signal| history.names.iter().any(|n| n == signal.name());
    if has(Signal::HeapMax) && !has(Signal::Gogc) {
        Runtime::Jvm
    } else {
        Runtime::Go
    }
}

/// Judges a history from its first sample to its last.
pub(super) fn feed(history: &History, runtime: Runtime, config: &Config) -> ReplayDoc {
    let signals: Vec<Option<Signal>> = history.names.iter().map(|n| Signal::named(n)).collect();
    let supplied: Vec<Signal> = signals.iter().flatten().copied().collect();
    let mut process = Process::new(runtime, &supplied);
    let mut scratch = Scratch::default();
    let mut changes = Vec::new();
    let mut refused = 0;
    let mut plots = Plots::new(history, config);
    let mut next = history
        .samples
        .first()
        .map_or(0, |s| process.next_evaluation(s.at, config));
    let idle_limit = idle_limit(config);
    for sample in &history.samples {
        let mut idle = 0;
        while sample.at >= next {
            changes.extend(process.evaluate(next, config, &mut scratch));
            idle += 1;
            let after = if idle < idle_limit { next } else { sample.at };
            next = process.next_evaluation(after, config);
        }
        let name = usize::from(sample.name);
        let rejected = match signals.get(name).copied().flatten() {
            Some(signal) => process.set(sample.at, signal, sample.value, config),
            None => process.set_named(sample.at, &history.names[name], sample.value, config),
        };
        refused += u64::from(rejected.is_some());
        plots.put(sample.at, name, sample.value);
    }
    changes.extend(process.evaluate(next, config, &mut scratch));
    let series = plots.series(&process, &signals, &changes, next);
    let times = history.samples.first().zip(history.samples.last());
    let remarks = if refused > 0 {
        vec![Text::new(format!(
            "{refused} samples that came too late or of which nothing is known"
        ))]
    } else {
        Vec::new()
    };
    let process = (!history.labels.is_empty()).then(|| Text::new(&history.labels));
    ReplayDoc {
        source: Text::default(),
        process: process.clone(),
        runtime: String::new(),
        samples: history.samples.len() as u64,
        span: times.map(|(first, last)| (seconds(first.at), seconds(last.at))),
        series,
        lines: changes.iter().map(|c| line(c, process.clone())).collect(),
        remarks,
    }
}

/// What is plotted: floors of every series, as the engine folds them.
struct Plots {
    floors: Vec<Floors>,
}

impl Plots {
    fn new(history: &History, config: &Config) -> Self {
        let fold = |name: &String| match Signal::named(name) {
            Some(Signal::HeapFloor) => Fold::Min,
            _ => Fold::Low,
        };
        let floors = |name| Floors::new(fold(name), config.bucket, MAX_BUCKETS);
        Self {
            floors: history.names.iter().map(floors).collect(),
        }
    }

    fn put(&mut self, at: Millis, name: usize, value: f64) {
        self.floors[name].push(at, value);
    }

    /// The floors of a series, evenly spread ones where there are many.
    fn points(&mut self, name: usize, end: Millis) -> Vec<(f64, f64)> {
        let floors = &mut self.floors[name];
        floors.close(end);
        let bucket = floors.bucket();
        let (first, rows) = floors.since(i64::MIN / 2);
        let known = rows
            .iter()
            .zip(first..)
            .filter(|(value, _)| !value.is_nan());
        let points: Vec<(f64, f64)> = known
            .map(|(value, at)| (seconds(at * bucket), f64::from(*value)))
            .collect();
        let stride = points.len().div_ceil(MAX_POINTS).max(1);
        points.into_iter().step_by(stride).collect()
    }

    fn series(
        mut self,
        process: &Process,
        signals: &[Option<Signal>],
        changes: &[Change],
        end: Millis,
    ) -> Vec<ReplaySeries> {
        let mut series = Vec::new();
        for channel in Channel::ALL {
            let about = Judged::Channel(channel);
            let marks: Vec<(f64, TrendVerdict)> = changes
                .iter()
                .filter(|c| c.about == about)
                .map(|c| (seconds(c.at), verdict(c.verdict)))
                .collect();
            let of = |s: &Option<Signal>| s.is_some_and(|s| s.channel() == Some(channel));
            let Some(at) = signals.iter().position(of) else {
                continue;
            };
            if marks.is_empty() {
                continue;
            }
            series.push(ReplaySeries {
                channel: channel.name().to_owned(),
                bytes: channel.is_bytes(),
                points: self.points(at, end),
                capacity: process.capacity(channel),
                marks,
            });
        }
        series
    }
}

fn seconds(at: Millis) -> f64 {
    at as f64 / 1e3
}

fn verdict(verdict: Verdict) -> TrendVerdict {
    match verdict {
        Verdict::Leak => TrendVerdict::Leak,
        Verdict::Suspect => TrendVerdict::Suspect,
        Verdict::Quiet => TrendVerdict::Quiet,
        Verdict::Unknown => TrendVerdict::Unknown,
    }
}

fn line(change: &Change, process: Option<Text>) -> ReplayLine {
    let risk = change.risk;
    let finite = |n: f64| n.is_finite().then_some(n);
    ReplayLine {
        time_unix_s: seconds(change.at),
        verdict: verdict(change.verdict),
        from: verdict(change.from),
        channel: Text::new(change.about.name()),
        process,
        risk: risk.score(),
        risk_terms: RiskTerms {
            trend: risk.trend,
            ratchet: risk.ratchet,
            load_independent: risk.load_independent,
            agreement: risk.agreement,
            evidence: risk.evidence,
            urgency: risk.urgency,
        },
        slope_bytes_per_s: change.slope,
        time_to_exhaustion_s: change.time_to_exhaustion.map(seconds),
        window_s: change.window.map(seconds),
        tests: change
            .tests
            .iter()
            .map(|test| TrendTest {
                name: Text::new(test.name.name()),
                value: finite(test.value),
                bound: finite(test.bound),
                passed: test.passed,
            })
            .collect(),
    }
}
