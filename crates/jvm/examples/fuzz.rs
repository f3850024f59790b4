//! Reads damaged heap dumps for as long as asked: `fuzz [--minutes N] [--seed N] [--runs N] [--corpus FOLDER] [--last FILE]`.
//!
//! Each run has a seed of its own, which makes the same input again. What panics, or takes longer than ten seconds, is a
//! finding: its seed is printed, and the exit code is 1. The seed of the run in progress is in the file `--last`, for
//! those that end the process.

#![expect(clippy::print_stdout, reason = "the report")]

use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use leakscope_graph::{Dominators, ObjIx};
use leakscope_jvm::{Error, Input, JvmHeap};
use leakscope_testkit::{Random, damaged_hprof};

/// What a run may take.
const LONGEST: Duration = Duration::from_secs(10);
/// Between two lines of progress.
const STEP: Duration = Duration::from_secs(30);
/// Objects that are asked for one by one.
const ASKED: u32 = 64;

struct Asked {
    time: Duration,
    seed: u64,
    runs: u64,
    corpus: Vec<Vec<u8>>,
    last: Option<std::fs::File>,
}

fn asked() -> Result<Asked, String> {
    let clock = std::time::SystemTime::UNIX_EPOCH.elapsed();
    let mut asked = Asked {
        time: Duration::from_secs(600),
        seed: clock.map_or(1, |d| d.as_nanos() as u64),
        runs: u64::MAX,
        corpus: Vec::new(),
        last: None,
    };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let value = words.next().ok_or(format!("{word} needs a value"))?;
        let number = || {
            value
                .parse::<u64>()
                .map_err(|e| format!("{word} {value}: {e}"))
        };
        let io = |e: std::io::Error| format!("{value}: {e}");
        match word.as_str() {
            "--minutes" => asked.time = Duration::from_secs(number()?.saturating_mul(60)),
            "--seed" => asked.seed = number()?,
            "--runs" => asked.runs = number()?,
            "--last" => asked.last = Some(std::fs::File::create(&value).map_err(io)?),
            "--corpus" => {
                let entries = std::fs::read_dir(&value).map_err(io)?;
                let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
                paths.sort();
                for path in paths {
                    asked.corpus.push(std::fs::read(path).map_err(io)?);
                }
            }
            _ => return Err(format!("unknown: {word}")),
        }
    }
    Ok(asked)
}

/// Reads a dump both ways and asks for what views ask for.
fn read(file: &[u8]) -> Result<(), Error> {
    let streamed = JvmHeap::build(Input::Stream(Box::new(file)));
    let heap = JvmHeap::build(Input::Bytes {
        bytes: file,
        done: &|_| {},
    })?;
    let streamed = streamed?;
    assert_eq!(
        (heap.graph.objects(), heap.graph.edges(), heap.cut),
        (
            streamed.graph.objects(),
            streamed.graph.edges(),
            streamed.cut
        ),
        "the same dump as a stream"
    );
    let groups = heap.names.groups();
    let dominators = Dominators::of(&heap.graph, &groups.roots)?;
    for object in (0..heap.graph.objects().min(ASKED)).map(ObjIx) {
        assert_eq!(heap.find(heap.address(object)), Some(object));
        assert!(dominators.retained(object) <= dominators.held_bytes());
        let _ = (
            heap.owner_of(object),
            heap.collection(object),
            heap.shape(object),
        );
    }
    for group in &groups.of {
        let _ = (heap.names.group_name(group), heap.names.group_key(group));
    }
    Ok(())
}

fn main() -> ExitCode {
    let mut asked = match asked() {
        Ok(asked) => asked,
        Err(message) => {
            println!("fuzz: {message}");
            return ExitCode::from(2);
        }
    };
    let begun = Instant::now();
    let (mut runs, mut heaps, mut findings) = (0u64, 0u64, 0u64);
    let mut told = Duration::ZERO;
    while runs < asked.runs && begun.elapsed() < asked.time {
        let seed = asked.seed.wrapping_add(runs);
        if let Some(last) = &mut asked.last {
            let _ = std::io::Seek::rewind(last).and_then(|()| write!(last, "{seed:020}"));
        }
        let mut random = Random::new(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let file = damaged_hprof(&mut random, &asked.corpus);
        let one = Instant::now();
        let outcome = catch_unwind(AssertUnwindSafe(|| read(&file)));
        let slow = one.elapsed() > LONGEST;
        if outcome.is_err() || slow {
            let what = if slow { "slow" } else { "panicked" };
            println!("fuzz: {what}: --seed {seed} --runs 1, {} bytes", file.len());
            findings += 1;
        }
        heaps += u64::from(matches!(outcome, Ok(Ok(()))));
        runs += 1;
        if begun.elapsed() >= told + STEP {
            told = begun.elapsed();
            println!("fuzz: {runs} runs, {heaps} read as heaps, {findings} findings, {told:.0?}");
        }
    }
    println!(
        "fuzz: {runs} runs from seed {}, {heaps} read as heaps, {findings} findings, {:.0?}",
        asked.seed,
        begun.elapsed()
    );
    ExitCode::from(u8::from(findings > 0))
}
