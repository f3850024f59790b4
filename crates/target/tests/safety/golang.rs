//! A real Go program that collects, pre-empts by signals, sets timers and starts children, under hundreds of stops.

use std::time::Duration;

use leakscope_target::{CaptureOptions, LiveProcess};
use leakscope_testkit::{Fixture, Random, Running, send_signals, versions};

use crate::planners::Fixed;
use crate::support::{Leakscope, TOLERANCE, distribution, kill, one_at_a_time};

/// A real-time signal that the fixture counts one by one.
const COUNTED: i32 = 41;

/// How many of it are sent while the program is stopped again and again.
const SIGNALS: u32 = 2000;

fn start(version: &str) -> Running {
    let fixture =
        Fixture::build("heartbeat", version, &Default::default()).expect("the fixture builds");
    fixture.spawn(&["-mb", "16"]).expect("the fixture starts")
}

fn largest_gap(target: &mut Running) -> Duration {
    let report = target.ask("report").expect("a report");
    Duration::from_micros(report["largest_gap_us"].as_u64().expect("a gap"))
}

/// The longest gap of a second without leakscope.
fn noise(target: &mut Running) -> Duration {
    target.ask("reset").expect("an answer");
    std::thread::sleep(Duration::from_secs(1));
    let noise = largest_gap(target);
    target.ask("reset").expect("an answer");
    noise
}

/// Everything the program knows of itself is in order, and it goes on.
#[track_caller]
fn assert_sound(target: &mut Running, signals: u64) {
    let before = target.ask("report").expect("a report");
    std::thread::sleep(Duration::from_secs(1));
    let after = target.ask("report").expect("a report");
    assert_eq!(after["signals"][COUNTED.to_string()], signals, "{after}");
    assert_eq!(after["timers"]["missing"], 0, "{after}");
    assert_eq!(after["data"]["corrupted"], 0, "{after}");
    assert_eq!(after["children"]["failed"], 0, "{after}");
    // A signal for pre-emption that was swallowed would leave a collection waiting for ever.
    for (part, fact) in [
        ("collections", "done"),
        ("children", "reaped"),
        ("data", "checks"),
        ("timers", "set"),
    ] {
        assert!(
            after[part][fact].as_u64() > before[part][fact].as_u64(),
            "{part} {fact}: {before} {after}"
        );
    }
    assert!(
        after["spins"].as_u64() > before["spins"].as_u64(),
        "{before} {after}"
    );
}

/// Stops the program 300 times and sends it signals meanwhile; whether its longest gap is explained by the longest stop.
fn stop_often(version: &str, target: &mut Running, random: &mut Random) -> bool {
    let noise = noise(target);
    let process = LiveProcess::open(target.pid()).expect("the target opens");
    let mut took = Vec::new();
    std::thread::scope(|scope| {
        let pid = target.pid();
        let sender = scope.spawn(move || send_signals(pid, COUNTED, SIGNALS));
        for _ in 0..300 {
            let mut planner = Fixed::stack_of(&process).expect("its mappings");
            let capture = process.capture(&mut planner, &CaptureOptions::default(), &mut |_| {});
            took.extend(capture.expect("a capture").stop.measured);
            std::thread::sleep(Duration::from_micros(random.below(4000)));
        }
        sender.join().expect("the sender").expect("signals");
    });
    distribution(&format!("stops of go {version}"), &mut took);
    let gap = largest_gap(target);
    eprintln!("go {version}: longest gap {gap:?}, without leakscope {noise:?}");
    gap <= took.last().copied().unwrap_or_default() + TOLERANCE + noise
}

#[test]
fn a_go_program_under_hundreds_of_stops_loses_no_signal_no_timer_and_no_collection() {
    let _turn = one_at_a_time();
    let mut random = Random::seeded_by_clock("stops of a Go program");
    for version in versions().expect("Go versions") {
        let mut target = start(&version);
        // Its heartbeat has no priority over whatever else this machine does: only what shows every time is ours.
        let mut rounds = 0;
        let in_time = (0..3).any(|_| {
            rounds += 1;
            stop_often(&version, &mut target, &mut random)
        });
        assert_sound(&mut target, u64::from(SIGNALS) * rounds);
        assert!(in_time, "go {version} is held longer than its stops take");
    }
}

#[test]
fn a_go_program_outlives_kills_of_leakscope_within_stops() {
    let _turn = one_at_a_time();
    let mut random = Random::seeded_by_clock("kills at a Go program");
    for version in versions().expect("Go versions") {
        let mut target = start(&version);
        for _ in 0..40 {
            let args = [
                "loops=1000",
                "quiet=1",
                "plan_sleep_ms=3",
                "max_stop_ms=1000",
            ];
            let leakscope = Leakscope::start(target.pid(), &args);
            std::thread::sleep(Duration::from_micros(20_000 + random.below(60_000)));
            kill(leakscope.pid(), libc::SIGKILL);
            leakscope.finish();
        }
        assert_sound(&mut target, 0);
    }
}
