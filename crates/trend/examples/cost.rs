//! What evaluations cost: the time of one, over processes that look at 48 hours and at 14 days.
#![expect(clippy::print_stdout, reason = "the figures")]

use std::time::Instant;

use leakscope_trend::{Channel, Config, Process, Runtime, Scratch, Signal, minutes};

/// Evaluations that are measured together; the fastest batch is the one that nothing else disturbed.
const BATCH: i64 = 50;

fn main() {
    let config = Config::default();
    for (what, hours, growth) in [
        ("leak, 48 h", 48, 1.0),
        ("flat, 48 h", 48, 0.0),
        ("leak, 14 d", 336, 1.0),
        ("flat, 14 d", 336, 0.0),
    ] {
        let mut process = Process::new(Runtime::Jvm, &[Signal::HeapFloor]);
        let mut scratch = Scratch::default();
        process.set(0, Signal::HeapMax, 4e9, &config);
        let end = hours * 60;
        for minute in 0..end {
            // Noise that repeats every eleven minutes.
            let noise = (minute * 7 % 11) as f64 * 1e5;
            let value = 1e9 + growth * 2.5e9 * minute as f64 / end as f64 + noise;
            process.set(minutes(minute), Signal::HeapFloor, value, &config);
            process.set(minutes(minute), Signal::Load, 1.0 + noise / 1e7, &config);
        }
        let mut fastest = f64::INFINITY;
        for batch in 0..40 {
            let begin = Instant::now();
            for round in 0..BATCH {
                let now = minutes(end) + batch * BATCH + round;
                process.windows(Channel::HeapFloor, now, &config, &mut scratch);
            }
            fastest = fastest.min(begin.elapsed().as_secs_f64() / BATCH as f64);
        }
        let kept = process
            .floors(Channel::HeapFloor)
            .map_or(0, |f| f.heap_bytes());
        println!(
            "{what}: {:.1} us an evaluation, {kept} bytes of floors",
            fastest * 1e6
        );
    }
}
