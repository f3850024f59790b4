//! Targets in every state: stopped already, making threads or children all the time, replacing themselves, dying, stuck.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use leakscope_target::{CaptureOptions, Error, LiveProcess};

use crate::planners::Fixed;
use crate::support::{Heartbeat, PATIENCE, TOLERANCE, distribution, kill, one_at_a_time, threads};

fn options(max_stop: Duration) -> CaptureOptions {
    CaptureOptions {
        max_stop,
        ..CaptureOptions::default()
    }
}

const SECOND: Duration = Duration::from_secs(1);
/// A stop that is never cut off, however little of the processors this process gets.
const LONG: Duration = Duration::from_secs(10);

/// Stops `target` `count` times; answers with how long each took.
fn stop_often(target: &mut Heartbeat, count: usize) -> Vec<Duration> {
    let process = LiveProcess::open(target.pid()).expect("the target opens");
    let mut planner = Fixed::cells(target);
    let mut took = Vec::new();
    for i in 0..count {
        if i % 10 == 0 {
            target.queue_signal(i);
        }
        let capture = process
            .capture(&mut planner, &options(LONG), &mut |_| {})
            .expect("a capture");
        took.push(capture.stop.measured.expect("a stop"));
        Fixed::assert_one_moment(target, capture);
    }
    took
}

#[test]
fn a_thousand_stops_of_a_target_that_makes_threads_all_the_time_are_of_one_moment_each() {
    let _turn = one_at_a_time();
    let mut target = Heartbeat::start(&["storm=1"]);
    let mut took = stop_often(&mut target, 1000);
    distribution("stops of a thread storm", &mut took);
    target.assert_unharmed();
}

#[test]
fn children_that_borrow_the_target_s_memory_do_not_disturb_a_stop() {
    let _turn = one_at_a_time();
    let mut target = Heartbeat::start(&["children=1"]);
    let mut took = stop_often(&mut target, 300);
    distribution("stops of a target with children", &mut took);
    let report = target.report();
    assert!(report["children"] > 10, "{report:?}");
    target.assert_unharmed();
}

#[test]
fn a_target_of_two_thousand_threads_is_stopped() {
    let _turn = one_at_a_time();
    let mut target = Heartbeat::start(&["threads=2000"]);
    let mut took = stop_often(&mut target, 20);
    distribution("stops of 2,000 threads", &mut took);
    target.assert_unharmed();
}

/// Every thread is stopped by a signal and traced by nobody, or will be as soon as it gets a CPU.
#[track_caller]
fn assert_all_stopped(target: &Heartbeat) {
    let until = Instant::now() + PATIENCE;
    loop {
        let threads = threads(target.pid());
        let running = threads
            .iter()
            .find(|(_, state, tracer)| (*state, *tracer) != ('T', 0));
        let Some(running) = running else { return };
        assert!(Instant::now() < until, "{running:?} is not just stopped");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_stopped_target_is_read_and_stays_stopped() {
    let _turn = one_at_a_time();
    let mut target = Heartbeat::start(&[]);
    assert!(kill(target.pid(), libc::SIGSTOP));
    assert_all_stopped(&target);
    let mut planner = Fixed::cells(&target);
    let process = LiveProcess::open(target.pid()).expect("the target opens");
    for i in 0..20 {
        target.queue_signal(i);
        let capture = process
            .capture(&mut planner, &options(LONG), &mut |_| {})
            .expect("a capture");
        Fixed::assert_one_moment(&target, capture);
        assert_all_stopped(&target);
    }
    assert!(kill(target.pid(), libc::SIGCONT));
    target.assert_unharmed();
}

#[test]
fn a_stop_signal_that_arrives_within_a_stop_takes_effect_after_it() {
    let _turn = one_at_a_time();
    let mut target = Heartbeat::start(&[]);
    let process = LiveProcess::open(target.pid()).expect("the target opens");
    let pid = target.pid();
    let mut planner = Fixed::cells(&target).also(move || assert!(kill(pid, libc::SIGSTOP)));
    process
        .capture(&mut planner, &options(LONG), &mut |_| {})
        .expect("a capture");
    assert_all_stopped(&target);
    assert!(kill(pid, libc::SIGCONT));
    target.assert_unharmed();
}

#[test]
fn a_target_that_replaced_itself_is_not_taken_for_the_one_that_was_opened() {
    let _turn = one_at_a_time();
    let mut target = Heartbeat::start(&[]);
    let process = LiveProcess::open(target.pid()).expect("the target opens");
    let mut planner = Fixed::cells(&target);
    target.tell("exec");
    target.answer("READY");
    let result = process.capture(&mut planner, &options(LONG), &mut |_| {});
    assert!(
        matches!(result, Err(Error::ChangedIdentity { .. })),
        "{:?}",
        result.err()
    );
    assert!(process.verify().is_err());
    let no_stop = CaptureOptions {
        no_stop: true,
        ..CaptureOptions::default()
    };
    let result = process.capture(&mut planner, &no_stop, &mut |_| {});
    assert!(
        matches!(result, Err(Error::ChangedIdentity { .. })),
        "{:?}",
        result.err()
    );
}

#[test]
fn a_target_that_replaces_itself_again_and_again_is_never_harmed_nor_mistaken() {
    let _turn = one_at_a_time();
    let mut target = Heartbeat::start(&[]);
    let pid = target.pid();
    let over = AtomicBool::new(false);
    let (mut whole, mut refused) = (0, 0);
    std::thread::scope(|scope| {
        let observer = scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                let begun = Instant::now();
                let captured = LiveProcess::open(pid).and_then(|process| {
                    let mut planner = Fixed::stack_of(&process)?;
                    process.capture(&mut planner, &options(LONG), &mut |_| {})
                });
                match captured {
                    Ok(_) => whole += 1,
                    // The threads of the old program end while they are being seized.
                    Err(
                        Error::ChangedIdentity { .. }
                        | Error::Gone { .. }
                        | Error::NoSuchProcess { .. },
                    ) => refused += 1,
                    Err(e) => panic!("{e:?}"),
                }
                assert!(
                    begun.elapsed() < LONG,
                    "a capture that hung for {:?}",
                    begun.elapsed()
                );
            }
        });
        for _ in 0..100 {
            target.tell("exec");
            target.answer("READY");
            std::thread::sleep(Duration::from_millis(3));
        }
        over.store(true, Ordering::Relaxed);
        observer.join().expect("the observer");
    });
    eprintln!("100 execs: {whole} captures, {refused} refused");
    assert!(whole > 0);
    target.assert_unharmed();
}

#[test]
fn a_target_killed_within_a_stop_is_reported_as_gone_and_can_be_reaped() {
    let _turn = one_at_a_time();
    for _ in 0..20 {
        let target = Heartbeat::start(&["heap_mb=8"]);
        let process = LiveProcess::open(target.pid()).expect("the target opens");
        let pid = target.pid();
        let mut planner = Fixed::cells(&target).also(move || {
            assert!(kill(pid, libc::SIGKILL));
            // The memory goes once all threads have taken notice.
            while threads(pid).iter().any(|(_, state, _)| *state != 'Z') {}
        });
        let result = process.capture(&mut planner, &options(LONG), &mut |_| {});
        assert!(
            matches!(result, Err(Error::Gone { .. })),
            "{:?}",
            result.err()
        );
        drop(target);
    }
}

#[test]
fn a_target_that_dies_while_it_is_watched_never_hangs_a_capture() {
    let _turn = one_at_a_time();
    for i in 0..60u64 {
        let target = Heartbeat::start(&["threads=30"]);
        let process = LiveProcess::open(target.pid()).expect("the target opens");
        let mut planner = Fixed::cells(&target);
        let pid = target.pid();
        let killer = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_micros(i * 250));
            kill(pid, libc::SIGKILL)
        });
        let begun = Instant::now();
        loop {
            match process.capture(&mut planner, &options(LONG), &mut |_| {}) {
                Ok(_) => {}
                Err(Error::Gone { .. }) => break,
                Err(e) => panic!("{e:?}"),
            }
        }
        assert!(begun.elapsed() < PATIENCE);
        killer.join().expect("the killer");
    }
}

#[test]
fn a_thread_in_uninterruptible_sleep_is_named_and_the_others_run_on_in_time() {
    let _turn = one_at_a_time();
    let mut target = Heartbeat::start(&[]);
    let noise = target.noise(SECOND);
    let mut untouched = Heartbeat::untouched();
    let mut planner = Fixed::cells(&target);
    let process = LiveProcess::open(target.pid()).expect("the target opens");
    target.tell("block");
    let stuck = target.answer("BLOCKED")["tid"] as i32;
    std::thread::sleep(Duration::from_millis(50));
    target.reset();
    let budget = Duration::from_millis(100);
    match process.capture(&mut planner, &options(budget), &mut |_| {}) {
        Err(Error::ThreadStuck {
            tid, state, wchan, ..
        }) => {
            assert_eq!((tid, state), (stuck, 'D'));
            eprintln!("stuck in {}", wchan.escape_ascii());
        }
        other => panic!("{:?}", other.err()),
    }
    std::thread::sleep(Duration::from_millis(20));
    let gap = target.longest_gap();
    let noise = noise.max(untouched.longest_gap());
    eprintln!("a stuck thread: longest gap {gap:?}, without leakscope {noise:?}");
    assert!(gap <= budget + TOLERANCE + noise);
    std::thread::sleep(Duration::from_secs(3));
    target.assert_unharmed();
    process
        .capture(&mut planner, &options(LONG), &mut |_| {})
        .expect("a capture, now that it woke");
}
