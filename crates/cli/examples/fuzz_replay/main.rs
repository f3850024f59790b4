//! Damages histories and replays them for as long as asked: `fuzz_replay [--minutes N] [--seed N] [--runs N] [--last FILE]`.
//!
//! Each run has a seed of its own, which makes the same history again. What panics, or takes longer than ten seconds, is a
//! finding: its seed is printed, and the exit code is 1. The seed of the run in progress is in the file `--last`, for
//! those that end the process.

#![expect(clippy::print_stdout, reason = "the report")]

mod replay;

use std::io::{Seek, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use leakscope_testkit::Random;
use leakscope_trend::{Config, Runtime};

/// What a run may take.
const LONGEST: Duration = Duration::from_secs(10);
/// Between two lines of progress.
const STEP: Duration = Duration::from_secs(30);
/// Most samples of a history that is made up.
const SAMPLES: u64 = 3000;
/// Most damages to one history.
const DAMAGES: u64 = 12;

/// Names that a history may have, and one that none has.
const NAMES: &[&str] = &[
    "heap_floor",
    "rss",
    "native",
    "count",
    "load",
    "limit",
    "heap_max",
    "gogc",
    "start_time",
    "stacks",
    "fds",
    "nothing",
];
/// Metrics that the readers know, and one that they do not.
const METRICS: &[&str] = &[
    "go_gc_heap_live_bytes",
    "process_resident_memory_bytes",
    "container_spec_memory_limit_bytes",
    "process_start_time_seconds",
    "go_goroutines",
    "up",
];
/// What numbers become, and what comes between them.
const ODD: &[&str] = &[
    "nan",
    "NaN",
    "inf",
    "-inf",
    "-1",
    "-0",
    "1e308",
    "-1e308",
    "1e-320",
    "9223372036854775807",
    "2.54e11",
    "-6.2e10",
    "\"",
    "",
    ",",
    "\u{7f}",
    "é",
    "{",
    "]",
    "null",
];

struct Asked {
    time: Duration,
    seed: u64,
    runs: u64,
    last: Option<std::fs::File>,
}

fn asked() -> Result<Asked, String> {
    let clock = std::time::SystemTime::UNIX_EPOCH.elapsed();
    let mut asked = Asked {
        time: Duration::from_secs(600),
        seed: clock.map_or(1, |d| d.as_nanos() as u64),
        runs: u64::MAX,
        last: None,
    };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let value = words.next().ok_or(format!("{word} needs a value"))?;
        let number = || value.parse::<u64>().map_err(|e| format!("{word}: {e}"));
        match word.as_str() {
            "--minutes" => asked.time = Duration::from_secs(number()?.saturating_mul(60)),
            "--seed" => asked.seed = number()?,
            "--runs" => asked.runs = number()?,
            "--last" => {
                let file = std::fs::File::create(&value);
                asked.last = Some(file.map_err(|e| format!("{value}: {e}"))?);
            }
            _ => return Err(format!("unknown: {word}")),
        }
    }
    Ok(asked)
}

fn one_of<'a>(random: &mut Random, words: &[&'a str]) -> &'a str {
    words[random.index(words.len())]
}

/// A number of any size that a history may hold.
fn number(random: &mut Random) -> f64 {
    let power = random.below(16) as i32;
    random.below(10_000) as f64 * 10_f64.powi(power - 3)
}

/// Lines of a process that grows or does not, with gaps, restarts and samples that come late.
fn lines(random: &mut Random) -> Vec<u8> {
    let mut text = b"time_unix_s,channel,value\n".to_vec();
    let step = 1 + random.below(2000);
    let slope = number(random);
    let mut at = random.below(2_000_000_000);
    for n in 0..random.below(SAMPLES) {
        at += match random.below(200) {
            0 => random.below(10_000_000),
            1..4 => 0,
            _ => random.below(step),
        };
        if random.below(300) == 0 {
            at = at.saturating_sub(random.below(100_000));
        }
        let name = one_of(random, NAMES);
        let value = match random.below(8) {
            0 => number(random),
            _ => n as f64 * slope,
        };
        text.extend_from_slice(format!("{at},{name},{value}\n").as_bytes());
    }
    text
}

/// The answer of a server with some series of some processes.
fn answer(random: &mut Random) -> Vec<u8> {
    let series: Vec<String> = (0..1 + random.below(8))
        .map(|_| {
            let metric = one_of(random, METRICS);
            let pod = random.below(3);
            let (start, slope) = (random.below(2_000_000_000), number(random));
            let values: Vec<String> = (0..random.below(SAMPLES / 8))
                .map(|n| format!("[{},\"{}\"]", start + n * 60, n as f64 * slope))
                .collect();
            let values = values.join(",");
            format!(r#"{{"metric":{{"__name__":"{metric}","pod":"{pod}"}},"values":[{values}]}}"#)
        })
        .collect();
    let series = series.join(",");
    let whole =
        format!(r#"{{"status":"success","data":{{"resultType":"matrix","result":[{series}]}}}}"#);
    whole.into_bytes()
}

/// A history, damaged in some places or in none.
fn damaged(random: &mut Random) -> Vec<u8> {
    let mut file = if random.below(3) < 2 {
        lines(random)
    } else {
        answer(random)
    };
    for _ in 0..random.below(DAMAGES) {
        let at = random.index(file.len() + 1);
        let end = (at + random.below(64) as usize).min(file.len());
        match random.below(6) {
            0 => file.truncate(at),
            1 => {
                file.drain(at..end);
            }
            2 => {
                let again = file[at..end].to_vec();
                file.splice(at..at, again);
            }
            3 => {
                let odd = one_of(random, ODD).bytes();
                file.splice(at..at, odd);
            }
            4 => {
                let digits = file[at..].iter().take_while(|b| b.is_ascii_digit()).count();
                let odd = one_of(random, ODD).bytes();
                file.splice(at..at + digits, odd);
            }
            _ => {
                if let Some(byte) = file.get_mut(at) {
                    *byte = random.number() as u8;
                }
            }
        }
    }
    file
}

/// The default configuration, or windows of seconds.
fn config(random: &mut Random) -> Config {
    let mut config = Config::default();
    if random.below(2) == 0 {
        config.bucket = 1000;
        config.every = 2000;
        config.windows = vec![60_000, 30_000];
        config.tests.min_span = 20_000;
        config.stale = 60_000;
        config.keep = 600_000;
    }
    config
}

fn main() -> ExitCode {
    let mut asked = match asked() {
        Ok(asked) => asked,
        Err(message) => {
            println!("fuzz_replay: {message}");
            return ExitCode::from(2);
        }
    };
    let begun = Instant::now();
    let (mut runs, mut processes, mut findings) = (0_u64, 0, 0_u64);
    let mut told = Duration::ZERO;
    while runs < asked.runs && begun.elapsed() < asked.time {
        let seed = asked.seed.wrapping_add(runs);
        if let Some(last) = &mut asked.last {
            let _ = last.rewind().and_then(|()| write!(last, "{seed:020}"));
        }
        let mut random = Random::new(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let file = damaged(&mut random);
        let config = config(&mut random);
        let runtime = [None, Some(Runtime::Go), Some(Runtime::Jvm)][random.index(3)];
        let one = Instant::now();
        let read = catch_unwind(AssertUnwindSafe(|| replay::read(&file, runtime, &config)));
        let slow = one.elapsed() > LONGEST;
        if read.is_err() || slow {
            let what = if slow { "slow" } else { "panicked" };
            let bytes = file.len();
            println!("fuzz_replay: {what}: --seed {seed} --runs 1, {bytes} bytes");
            findings += 1;
        }
        processes += read.unwrap_or(0);
        runs += 1;
        if begun.elapsed() >= told + STEP {
            told = begun.elapsed();
            println!(
                "fuzz_replay: {runs} runs, {processes} processes, {findings} findings, {told:.0?}"
            );
        }
    }
    println!(
        "fuzz_replay: {runs} runs from seed {}, {processes} processes, {findings} findings, {:.0?}",
        asked.seed,
        begun.elapsed()
    );
    ExitCode::from(u8::from(findings > 0))
}
