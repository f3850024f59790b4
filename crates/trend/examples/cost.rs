//! What evaluations cost: processor time of one channel of a process that looks at 48 hours or at 14 days, whose windows all
//! grow, stay flat, or rise and fall, with floors in every bucket and in one of seven.
#![expect(clippy::print_stdout, reason = "the figures")]

use leakscope_trend::{Channel, Config, Process, Runtime, Scratch, Signal, minutes};

/// Evaluations that are measured together: some tenths of a second, against ticks of a hundredth.
const ROUNDS: i64 = 20_000;

/// Ticks of processor time in a second (`USER_HZ`, proc_pid_stat(5)).
const TICKS: f64 = 100.0;

/// A history: how it grows over its time, and how many minutes apart its floors are.
struct Case {
    name: &'static str,
    hours: i64,
    apart: i64,
    /// Bytes at a time from 0 to 1.
    value: fn(f64) -> f64,
    /// Amplitude of the noise in bytes.
    noise: f64,
}

const CASES: &[Case] = &[
    case("flat", 48, 1, |_| 1e9, 1e6),
    case("flat", 336, 1, |_| 1e9, 1e6),
    case("leak", 48, 1, |x| 1e9 + 2.5e9 * x, 1e6),
    case("leak", 336, 1, |x| 1e9 + 2.5e9 * x, 1e6),
    case("leak, noisy", 336, 1, |x| 1e9 + 2.5e9 * x, 5e7),
    case("leak, rare floors", 336, 37, |x| 1e9 + 2.5e9 * x, 1e6),
    case(
        "leak that speeds up",
        336,
        1,
        |x| 1e9 + 2.5e9 * x * x * x,
        1e6,
    ),
    case(
        "daily wave",
        336,
        1,
        |x| 1e9 + 5e8 * (x * 28.0 * std::f64::consts::PI).sin(),
        1e6,
    ),
];

const fn case(
    name: &'static str,
    hours: i64,
    apart: i64,
    value: fn(f64) -> f64,
    noise: f64,
) -> Case {
    Case {
        name,
        hours,
        apart,
        value,
        noise,
    }
}

fn main() {
    let config = Config::default();
    for case in CASES {
        let end = case.hours * 60;
        let process = filled(case, end, &config);
        let mut scratch = Scratch::default();
        let before = processor_ticks();
        for round in 0..ROUNDS {
            process.windows(
                Channel::HeapFloor,
                minutes(end) + round,
                &config,
                &mut scratch,
            );
        }
        let used = (processor_ticks() - before) / TICKS;
        println!(
            "{}, {} h: {:.1} us an evaluation",
            case.name,
            case.hours,
            1e6 * used / ROUNDS as f64
        );
    }
}

/// Processor time of this process so far: fields 14 and 15 of its stat file.
fn processor_ticks() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(") ").next().unwrap_or_default();
    let times = fields.split(' ').skip(11).take(2);
    times.filter_map(|ticks| ticks.parse::<f64>().ok()).sum()
}

fn filled(case: &Case, end: i64, config: &Config) -> Process {
    let mut process = Process::new(Runtime::Jvm, &[Signal::HeapFloor]);
    process.set(0, Signal::HeapMax, 4e9, config);
    for minute in 0..end {
        // Noise that repeats every eleven minutes.
        let noise = (minute * 7 % 11) as f64 / 10.0;
        if minute % case.apart == 0 {
            let value = (case.value)(minute as f64 / end as f64) + case.noise * noise;
            process.set(minutes(minute), Signal::HeapFloor, value, config);
        }
        process.set(minutes(minute), Signal::Load, 1.0 + noise, config);
    }
    process
}
