//! The runtime's counters, read from the running process, are what the runtime says itself.

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use leakscope_go::counters::{CounterMap, CounterReader, Counters};
use leakscope_go::program::Program;
use leakscope_target::{Fault, LiveProcess};
use leakscope_testkit::{BuildFlags, Fixture, Running, versions};
use serde_json::Value;

/// Fixtures as they are usually built, at an address of the kernel's choice, and without debug information.
fn with_each(check: impl Fn(Running) -> Result<()>) -> Result<()> {
    for version in versions()? {
        for (buildmode, ldflags) in [("", ""), ("pie", ""), ("", "-s -w"), ("pie", "-s -w")] {
            let flags = BuildFlags {
                buildmode: buildmode.to_owned(),
                ldflags: ldflags.to_owned(),
                ..BuildFlags::default()
            };
            let fixture = Fixture::build("counters", &version, &flags)?;
            check(fixture.spawn(&[])?)
                .with_context(|| format!("go{version} {buildmode} {ldflags}"))?;
        }
    }
    Ok(())
}

fn open(running: &Running) -> Result<(LiveProcess, CounterReader)> {
    let process = LiveProcess::open(running.pid())?;
    let mappings = process.mappings()?;
    let program = Program::open(process.executable(), &mappings, &process.memory())?;
    let map = Arc::new(CounterMap::resolve(program.debug()));
    let reader = CounterReader::new(map, program.bias());
    Ok((process, reader))
}

/// Most attempts to see the process between two statements of its truth that are the same. Only the runtime's own
/// scavenger and the collection it makes every two minutes come between.
const ATTEMPTS: usize = 50;

/// Samples the process while it stands still: its truth before and after is the same.
fn still(running: &mut Running, line: &str) -> Result<(Value, Counters)> {
    let (process, mut reader) = open(running)?;
    let mut before = running.ask(line)?;
    for _ in 0..ATTEMPTS {
        let counters = reader.sample(&process.memory())?;
        let after = running.ask("check")?;
        if before == after {
            return Ok((after, counters));
        }
        before = after;
    }
    anyhow::bail!("it never stands still: {before}")
}

fn exact(truth: &Value, counters: &Counters) -> Result<()> {
    ensure!(
        !counters.torn,
        "torn although it stands still: {counters:?}"
    );
    let limit = truth["memory_limit"].as_u64().context("a limit")?;
    let collector = truth["collector"] == true;
    ensure!(
        counters.memory_limit == (limit > 0).then_some(limit),
        "{counters:?}"
    );
    ensure!(
        counters.gc_percent == Some(if collector { 100 } else { -1 }),
        "{counters:?}"
    );
    ensure!(counters.marking == Some(false), "{counters:?}");
    let has_goal = collector || limit > 0;
    ensure!(counters.heap_goal.is_some() == has_goal, "{counters:?}");
    let facts = [
        ("heap_marked", counters.heap_marked),
        ("heap_alloc", counters.heap_alloc),
        ("total_alloc", counters.total_alloc),
        ("heap_in_use", counters.heap_in_use),
        ("heap_idle", counters.heap_idle),
        ("heap_released", counters.heap_released),
        ("stacks_in_use", counters.stacks_in_use),
        ("num_gc", counters.num_gc.map(u64::from)),
        ("num_forced_gc", counters.num_forced_gc.map(u64::from)),
        ("last_gc_unix_ns", counters.last_gc_unix_ns),
        ("last_pause_ns", counters.last_pause_ns),
        ("pause_total_ns", counters.pause_total_ns),
        ("goroutines", counters.goroutines),
        ("gomaxprocs", counters.gomaxprocs.map(u64::from)),
    ];
    for (name, counted) in facts
        .into_iter()
        .chain(has_goal.then_some(("heap_goal", counters.heap_goal)))
    {
        ensure!(
            truth[name].is_u64() && truth[name].as_u64() == counted,
            "{name} is {}, not {counted:?}",
            truth[name]
        );
    }
    // No interface tells it; it counts the spans in use whole where the objects count one by one.
    let live = counters.heap_live.context("heap_live")?;
    let (alloc, in_use) = (
        counters.heap_alloc.unwrap_or(0),
        counters.heap_in_use.unwrap_or(0),
    );
    ensure!(
        (alloc..=in_use).contains(&live),
        "live {live}: {counters:?}"
    );
    Ok(())
}

#[test]
fn every_counter_is_the_runtimes_own() -> Result<()> {
    with_each(|mut running| {
        for line in [
            "check", "spawn", "end", "collect", "limit", "off", "collect",
        ] {
            let (truth, counters) = still(&mut running, line).with_context(|| line.to_owned())?;
            exact(&truth, &counters).with_context(|| line.to_owned())?;
        }
        Ok(())
    })
}

#[test]
fn without_percentage_and_limit_there_is_no_goal() -> Result<()> {
    with_each(|mut running| {
        let (truth, counters) = still(&mut running, "off")?;
        exact(&truth, &counters)
    })
}

#[test]
fn samples_of_a_busy_process_never_go_back_nor_out_of_bounds() -> Result<()> {
    const SAMPLES: usize = 2000;
    const COLLECTIONS: usize = 5;
    /// Reached only where the target is never run.
    const MOST: usize = 5_000_000;
    with_each(|mut running| {
        let (process, mut reader) = open(&running)?;
        running.ask("busy")?;
        let mut last = Counters::default();
        let mut collections = BTreeSet::new();
        let (mut taken, mut whole) = (0, 0);
        while taken < SAMPLES || collections.len() < COLLECTIONS {
            taken += 1;
            ensure!(taken < MOST, "no collection happens: {last:?}");
            let counters = reader.sample(&process.memory())?;
            if counters.torn {
                continue;
            }
            whole += 1;
            collections.insert(counters.num_gc);
            for (now, before) in [
                (counters.num_gc.map(u64::from), last.num_gc.map(u64::from)),
                (counters.pause_total_ns, last.pause_total_ns),
                (counters.last_gc_unix_ns, last.last_gc_unix_ns),
                (counters.total_alloc, last.total_alloc),
            ] {
                ensure!(
                    now.is_some() && now >= before,
                    "{counters:?} after {last:?}"
                );
            }
            ensure!(
                counters.last_pause_ns <= counters.pause_total_ns,
                "{counters:?}"
            );
            ensure!(
                counters.stacks_in_use.is_some_and(|s| s < 256 << 20),
                "{counters:?}"
            );
            ensure!(
                counters.heap_in_use.is_some_and(|s| s < 4 << 30),
                "{counters:?}"
            );
            ensure!(counters.goroutines.is_some_and(|n| n >= 1), "{counters:?}");
            last = counters;
        }
        ensure!(whole > taken / 10, "{whole} of {taken} samples are whole");
        Ok(())
    })
}

#[test]
fn a_process_that_ended_has_no_counters() -> Result<()> {
    with_each(|mut running| {
        let (process, mut reader) = open(&running)?;
        running.kill();
        ensure!(matches!(reader.sample(&process.memory()), Err(Fault::Gone)));
        ensure!(process.verify().is_err());
        Ok(())
    })
}
