//! Leakscope or its holder killed at any moment.

use std::time::{Duration, Instant};

use leakscope_testkit::Random;

use crate::support::{
    Heartbeat, Leakscope, PATIENCE, TOLERANCE, distribution, kill, one_at_a_time,
};

/// Longest stop in these tests.
const BUDGET: Duration = Duration::from_millis(150);

/// About as long as the stops take here, undisturbed.
const LONGEST_COPY_US: u64 = 20_000;

/// Starts leakscope on a busy target `count` times and kills whom `victim` names after a random delay.
fn kill_at_random(what: &str, count: usize, signal: i32, victim: fn(&Leakscope) -> Option<i32>) {
    let _turn = one_at_a_time();
    let mut random = Random::seeded_by_clock(what);
    let mut target = Heartbeat::start(&["heap_mb=48", "threads=16"]);
    let round = Instant::now();
    assert_eq!(
        Leakscope::start(target.pid(), &["quiet=1"]).finish(),
        Some(0)
    );
    let round = round.elapsed().as_micros() as u64;
    let noise = target.noise(Duration::from_secs(3));
    let mut untouched = Heartbeat::untouched();
    let mut held_on = Vec::new();
    let mut killed_in_stop = 0;
    for i in 0..count {
        let budget = format!("max_stop_ms={}", BUDGET.as_millis());
        let leakscope = Leakscope::start(target.pid(), &["loops=1000", "quiet=1", &budget]);
        target.queue_signal(i);
        // Any moment from the very start into the second round, or any moment of a stop.
        let mut delay = random.below(round * 3 / 2);
        if i % 2 == 1 && target.wait_traced(true, Duration::from_secs(1)) {
            delay = random.below(LONGEST_COPY_US);
        }
        std::thread::sleep(Duration::from_micros(delay));
        target.queue_signal(random.below(1 << 30) as usize);
        let held = target.tracer() != 0;
        killed_in_stop += usize::from(held);
        if let Some(pid) = victim(&leakscope) {
            // It may have ended in the meantime.
            kill(pid, signal);
        }
        let killed = Instant::now();
        if held {
            assert!(
                target.wait_traced(false, PATIENCE),
                "the target is not let go"
            );
            held_on.push(killed.elapsed());
        }
        target.queue_signal(1);
        // Where only the holder was killed, leakscope reports an error or goes on with another.
        kill(leakscope.pid(), libc::SIGKILL);
        leakscope.finish();
    }
    let gap = target.longest_gap();
    let noise = noise.max(untouched.longest_gap());
    eprintln!(
        "{what}: {count} kills, {killed_in_stop} of them within a stop; longest gap {gap:?}, without leakscope {noise:?}"
    );
    distribution(&format!("{what}: held on after the kill"), &mut held_on);
    assert!(
        killed_in_stop * 20 > count,
        "too few kills hit a stop to mean anything: {killed_in_stop}"
    );
    target.assert_unharmed();
    assert!(gap <= BUDGET + TOLERANCE + noise, "a gap of {gap:?}");
}

#[test]
fn kill_9_of_leakscope_at_500_random_moments_leaves_the_target_unharmed() {
    kill_at_random("kill -9", 500, libc::SIGKILL, |l| Some(l.pid()));
}

#[test]
fn ctrl_c_at_100_random_moments_leaves_the_target_unharmed() {
    kill_at_random("SIGINT", 100, libc::SIGINT, |l| Some(l.pid()));
}

#[test]
fn kill_9_of_the_holder_at_100_random_moments_leaves_the_target_unharmed() {
    kill_at_random(
        "kill -9 of the holder",
        100,
        libc::SIGKILL,
        Leakscope::holder,
    );
}
