//! What holds for any series: gaps, clocks, restarts, limits and order.

use leakscope_trend::{
    Channel, Config, End, Evidence, Judged, Millis, Process, Rejected, Runtime, Scratch, Signal,
    Verdict, mann_kendall, minutes,
};
use proptest::prelude::*;

const GIB: f64 = (1_u64 << 30) as f64;
const HOUR: Millis = minutes(60);

/// A process under test with what was said about it.
struct Bench {
    config: Config,
    process: Process,
    scratch: Scratch,
    said: Vec<(Millis, Verdict)>,
}

impl Bench {
    fn new() -> Self {
        let config = Config::default();
        let mut process = Process::new(Runtime::Jvm, &[Signal::HeapFloor, Signal::StartTime]);
        process.set(0, Signal::HeapMax, 4.0 * GIB, &config);
        Self {
            config,
            process,
            scratch: Scratch::default(),
            said: Vec::new(),
        }
    }

    fn floor(&mut self, at: Millis, value: f64) {
        self.process.set(at, Signal::HeapFloor, value, &self.config);
        self.judge(at);
    }

    fn judge(&mut self, at: Millis) {
        let changes = self.process.evaluate(at, &self.config, &mut self.scratch);
        let heap = Judged::Channel(Channel::HeapFloor);
        let of_heap = changes.iter().filter(|c| c.about == heap);
        self.said.extend(of_heap.map(|c| (c.at, c.verdict)));
    }

    /// A leak that fills the heap in 24 hours, from `from` to `to`, a floor a minute.
    fn leaks(&mut self, from: Millis, to: Millis) {
        for at in (from..to).step_by(minutes(1) as usize) {
            self.floor(at, ramp(at - from));
        }
    }

    fn leaked(&self) -> Option<Millis> {
        let first = self.said.iter().find(|(_, v)| *v == Verdict::Leak);
        first.map(|(at, _)| *at)
    }

    fn verdict(&self) -> Verdict {
        self.process.verdict(Channel::HeapFloor)
    }
}

fn ramp(age: Millis) -> f64 {
    GIB * (0.5 + 3.5 * age as f64 / (24 * HOUR) as f64)
}

#[test]
fn a_leak_is_said_when_half_of_the_room_is_gone() {
    let mut bench = Bench::new();
    bench.leaks(0, 20 * HOUR);
    let at = bench.leaked().expect("a leak");
    assert!((11 * HOUR..15 * HOUR).contains(&at), "{}", at / HOUR);
}

#[test]
fn a_leak_is_found_through_hours_without_floors() {
    let mut bench = Bench::new();
    for at in (0..20 * HOUR).step_by(minutes(1) as usize) {
        let hour = at / HOUR;
        if hour % 3 == 1 {
            bench.judge(at);
        } else {
            bench.floor(at, ramp(at));
        }
    }
    assert!(bench.leaked().is_some_and(|at| at < 16 * HOUR));
}

#[test]
fn without_floors_for_long_a_series_is_unknown_again() {
    let mut bench = Bench::new();
    for at in (0..6 * HOUR).step_by(minutes(1) as usize) {
        bench.floor(at, GIB);
    }
    assert_eq!(bench.verdict(), Verdict::Quiet);
    for at in (6 * HOUR..14 * HOUR).step_by(minutes(5) as usize) {
        bench.judge(at);
    }
    assert_eq!(bench.verdict(), Verdict::Unknown);
}

#[test]
fn what_is_no_number_changes_nothing() {
    let mut bench = Bench::new();
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1.0] {
        for signal in Signal::ALL.into_iter().filter(|s| *s != Signal::Gogc) {
            let refused = bench.process.set(5, signal, bad, &bench.config);
            assert_eq!(refused, Some(Rejected::NotANumber), "{signal:?} {bad}");
        }
    }
    bench.leaks(0, 20 * HOUR);
    assert!(bench.leaked().is_some());
}

#[test]
fn a_clock_that_jumps_ahead_or_back_is_survived() {
    let mut bench = Bench::new();
    bench.leaks(0, 8 * HOUR);
    // A year ahead, for a moment; then back.
    bench.floor(365 * 24 * HOUR, 2.0 * GIB);
    bench.leaks(8 * HOUR, 9 * HOUR);
    assert_eq!(bench.leaked(), None);
    // From here on the engine knows this time again, and a new leak is found.
    bench.leaks(9 * HOUR, 29 * HOUR);
    assert!(bench.leaked().is_some());
}

#[test]
fn another_process_under_the_same_id_starts_anew() {
    let mut bench = Bench::new();
    bench.process.set(0, Signal::StartTime, 0.0, &bench.config);
    bench.leaks(0, 18 * HOUR);
    assert_eq!(bench.verdict(), Verdict::Leak);
    let at = 18 * HOUR + minutes(2);
    let started = at as f64 / 1e3;
    bench
        .process
        .set(at, Signal::StartTime, started, &bench.config);
    for minute in 3..120 {
        bench.floor(18 * HOUR + minutes(minute), 0.5 * GIB);
    }
    assert_ne!(bench.verdict(), Verdict::Leak);
    assert_eq!(bench.process.born(), Some(at));
}

#[test]
fn a_restart_within_a_bucket_mixes_nothing_of_two_lives() {
    let mut bench = Bench::new();
    bench.process.set(0, Signal::StartTime, 0.0, &bench.config);
    for minute in 0..600 {
        bench.floor(minutes(minute), 3.0 * GIB);
    }
    let at = minutes(602);
    bench.floor(minutes(601), 3.0 * GIB);
    bench
        .process
        .set(at, Signal::StartTime, at as f64 / 1e3, &bench.config);
    for minute in 602..1200 {
        bench.floor(minutes(minute), GIB);
    }
    let life = bench.process.life_from().unwrap();
    let floors = bench.process.floors(Channel::HeapFloor).unwrap();
    let (_, rows) = floors.since(life / floors.bucket());
    assert!(rows.iter().all(|v| v.is_nan() || f64::from(*v) == GIB));
    assert_eq!(bench.leaked(), None);
}

#[test]
fn another_limit_is_another_life_and_no_leak_by_itself() {
    let mut bench = Bench::new();
    for minute in 0..600 {
        bench.floor(minutes(minute), GIB);
    }
    let config = bench.config.clone();
    bench
        .process
        .set(minutes(600), Signal::Limit, 8.0 * GIB, &config);
    bench
        .process
        .set(minutes(601), Signal::Limit, 2.0 * GIB, &config);
    for minute in 602..1200 {
        bench.floor(minutes(minute), GIB);
    }
    assert_eq!(bench.leaked(), None);
    assert!(bench.process.life_from() > Some(minutes(600)));
    assert_eq!(bench.process.born(), Some(0));
}

#[test]
fn what_earlier_lives_reached_is_no_leak_unless_they_were() {
    let run = |reached: f64, end: End| {
        let mut bench = Bench::new();
        for minute in 0..600 {
            bench.floor(minutes(minute), reached);
        }
        bench.process.end(minutes(600), end);
        for at in (10 * HOUR..28 * HOUR).step_by(minutes(1) as usize) {
            bench.floor(at, ramp(at - 10 * HOUR));
        }
        bench.leaked().map(|at| (at - 10 * HOUR) / HOUR)
    };
    let alone = run(0.5 * GIB, End::Restart).expect("a leak");
    let after_high = run(3.0 * GIB, End::Restart);
    assert!(after_high.is_none_or(|at| at > alone), "{after_high:?}");
    assert_eq!(run(3.0 * GIB, End::OutOfMemory), Some(alone));
}

/// A life that fills `share` of the heap in `filling` and stays there until 60 hours have passed, then a leak: in which
/// hour of its life that is found.
fn leak_after_a_full_life(share: f64, filling: Millis) -> Option<i64> {
    let mut bench = Bench::new();
    let ends = 60 * HOUR;
    for at in (0..ends).step_by(minutes(5) as usize) {
        let part = (at as f64 / filling as f64).min(1.0);
        bench.floor(at, (0.1 + (share - 0.1) * part) * 4.0 * GIB);
    }
    bench.process.end(ends, End::Restart);
    bench.said.clear();
    for at in (ends..ends + 24 * HOUR).step_by(minutes(1) as usize) {
        bench.floor(at, ramp(at - ends));
    }
    bench.leaked().map(|at| (at - ends) / HOUR)
}

#[test]
fn a_life_that_was_level_for_long_is_remembered_however_full_unless_exhausted() {
    let alone = leak_after_a_full_life(0.11, HOUR).expect("a leak");
    let later = |hour: Option<i64>| hour.is_none_or(|h| h > alone);
    // Loaded within an hour, and level since.
    assert!(later(leak_after_a_full_life(0.96, HOUR)));
    // Called a leak while it filled, and level for more than half a day since.
    assert!(later(leak_after_a_full_life(0.96, 24 * HOUR)));
    // Still filling, or level for some hours only after it was called a leak: that may have been its end.
    assert_eq!(leak_after_a_full_life(0.96, 60 * HOUR), Some(alone));
    assert_eq!(leak_after_a_full_life(0.96, 55 * HOUR), Some(alone));
    // At its very maximum a process limps on for as long as one lets it.
    assert_eq!(leak_after_a_full_life(0.99, HOUR), Some(alone));
}

#[test]
fn growth_known_to_be_bounded_is_a_suspect_until_it_is_nearly_full() {
    let mut bench = Bench::new();
    bench.leaks(0, 2 * HOUR);
    bench
        .process
        .set_evidence(Channel::HeapFloor, Some(Evidence::Bounded));
    for at in (2 * HOUR..18 * HOUR).step_by(minutes(1) as usize) {
        bench.floor(at, ramp(at));
    }
    assert_eq!((bench.leaked(), bench.verdict()), (None, Verdict::Suspect));
    for at in (18 * HOUR..24 * HOUR).step_by(minutes(1) as usize) {
        bench.floor(at, ramp(at));
    }
    assert!(bench.leaked().is_some_and(|at| at > 22 * HOUR));
}

/// A permutation of `0..n` from a seed.
fn permutation(n: usize, seed: &mut u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..n).collect();
    for i in (1..n).rev() {
        *seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        order.swap(i, (*seed >> 33) as usize % (i + 1));
    }
    order
}

#[test]
fn a_series_out_of_order_is_a_trend_once_in_a_thousand_at_most() {
    let mut seed = 7;
    let (mut trends, tries) = (0, 40_000);
    for _ in 0..tries {
        let values: Vec<f64> = permutation(24, &mut seed)
            .iter()
            .map(|i| *i as f64)
            .collect();
        trends += usize::from(mann_kendall(&values) >= Config::default().tests.z);
    }
    assert!(trends <= tries / 1000, "{trends} of {tries}");
}

#[test]
fn a_leak_with_its_floors_out_of_order_is_none() {
    let mut seed = 11;
    let mut leaks = 0;
    for _ in 0..60 {
        let mut bench = Bench::new();
        for (i, place) in permutation(240, &mut seed).into_iter().enumerate() {
            bench.floor(minutes(5 * i as i64), ramp(minutes(5 * place as i64)));
        }
        leaks += usize::from(bench.leaked().is_some());
    }
    assert_eq!(leaks, 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn mann_kendall_sees_only_the_order(values in prop::collection::vec(0.0..1e6_f64, 0..40)) {
        let z = mann_kendall(&values);
        let cubes: Vec<f64> = values.iter().map(|v| v * v * v).collect();
        let logs: Vec<f64> = values.iter().map(|v| 3.0 + (1.0 + v).ln()).collect();
        prop_assert_eq!(z, mann_kendall(&cubes));
        // The logarithm of close values may make ties of them.
        prop_assert!((z - mann_kendall(&logs)).abs() < 0.5);
        let back: Vec<f64> = values.iter().rev().copied().collect();
        prop_assert!((z + mann_kendall(&back)).abs() < 1e-9);
    }

    #[test]
    fn nothing_that_is_fed_ends_the_engine(
        samples in prop::collection::vec((any::<i32>(), 0..9_usize, any::<f64>()), 0..400),
    ) {
        let config = Config::default();
        let mut process = Process::new(Runtime::Go, &Signal::ALL);
        let mut scratch = Scratch::default();
        for (at, signal, value) in samples {
            let at = Millis::from(at) * 1000;
            process.set(at, Signal::ALL[signal], value, &config);
            process.set(at, Signal::ALL[signal], value.abs() % 1e12, &config);
            process.evaluate(at, &config, &mut scratch);
        }
    }
}
