//! What evaluations cost: the time of one, over processes that look at 48 hours and at 14 days.
#![expect(clippy::print_stdout, reason = "the figures")]

use std::time::Instant;

use leakscope_trend::{Channel, Config, Process, Runtime, Scratch, Signal, minutes};

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
        let rounds: i64 = 2000;
        let begin = Instant::now();
        for round in 0..rounds {
            // A tenth of a bucket each, so that the windows stay full.
            process.windows(
                Channel::HeapFloor,
                minutes(end) + round,
                &config,
                &mut scratch,
            );
        }
        let each = begin.elapsed().as_secs_f64() / rounds as f64;
        let kept = process
            .floors(Channel::HeapFloor)
            .map_or(0, |f| f.heap_bytes());
        println!(
            "{what}: {:.1} us an evaluation, {kept} bytes of floors",
            each * 1e6
        );
    }
}
