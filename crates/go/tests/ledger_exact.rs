//! The ledger of resident memory adds up to the kernel's count of each mapping, and has memory that a program knows where
//! it belongs.

mod maps_support;

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use leakscope_go::ledger::{Ledger, Part};
use leakscope_target::LiveProcess;
use leakscope_testkit::{BuildFlags, Fixture, Running, versions};
use maps_support::{Case, number};
use serde_json::Value;

const MIB: u64 = 1 << 20;

fn spawn(version: &str, flags: &BuildFlags, environment: &[(&str, &str)]) -> Result<Running> {
    let fixture = Fixture::build("ledger", version, flags)?;
    fixture.spawn_with(&[], environment, Duration::from_secs(120))
}

/// The ledger of a process, whose mappings and sums add up.
fn ledger(running: &Running, pages: bool) -> Result<Ledger> {
    let (heap, _) = Case::live(running.pid(), Value::Null)?.heap()?;
    let mut residency = LiveProcess::open(running.pid())?.residency()?;
    if !pages {
        residency.resident = None;
    }
    let ledger = Ledger::of(&heap, &residency);
    let mut rss = 0;
    for entry in &ledger.entries {
        let sum = i128::from(entry.parts.total()) + i128::from(entry.remainder());
        ensure!(sum == i128::from(entry.usage.rss), "{entry:?}");
        rss += entry.usage.rss;
    }
    ensure!(rss == ledger.rss && ledger.pages_known == pages);
    let sum = i128::from(ledger.parts.total()) + i128::from(ledger.remainder());
    ensure!(sum == i128::from(ledger.rss));
    Ok(ledger)
}

fn known_memory(version: &str, flags: &BuildFlags, environment: &[(&str, &str)]) -> Result<()> {
    let running = spawn(version, flags, environment)?;
    let truth = running.truth();
    let ledger = ledger(&running, true)?;
    let told = || format!("{:?}, remainder {}", ledger.parts, ledger.remainder());
    // The program rests: hardly a page comes or goes.
    ensure!(ledger.remainder().unsigned_abs() <= MIB, "{}", told());
    let about = |part, want: u64, more: u64| {
        let got = ledger.parts.get(part);
        let fits = got + MIB >= want && got <= want + more;
        ensure!(fits, "{part:?} is {got}, not {want}: {}", told());
        Ok(())
    };
    about(Part::Live, number(truth, "live")?, 2 * MIB)?;
    about(Part::InsideSpans, number(truth, "holes")?, 2 * MIB)?;
    about(Part::Stacks, number(truth, "stack")?, 12 * MIB)?;
    about(Part::Metadata, 0, 8 * MIB)?;
    let mapped = number(truth, "mapped")? + number(truth, "c")?;
    let parts = &ledger.parts;
    let other = parts.get(Part::OtherAnonymous) + parts.get(Part::BreakHeap);
    ensure!(
        other + MIB >= mapped && other <= mapped + 6 * MIB,
        "other memory is {other}, not {mapped}: {}",
        told()
    );
    let free = parts.get(Part::FreeSpans);
    ensure!(free <= number(truth, "free")? + 16 * MIB, "{}", told());
    let resident = running.usage()?.resident;
    ensure!(
        ledger.rss.abs_diff(resident) <= 2 * MIB,
        "{resident}: {}",
        told()
    );
    Ok(())
}

fn each(check: impl Fn(&str) -> Result<()>) -> Result<()> {
    for version in versions()? {
        check(&version).with_context(|| format!("go{version}"))?;
    }
    Ok(())
}

#[test]
fn known_memory_is_where_it_belongs() -> Result<()> {
    each(|version| known_memory(version, &BuildFlags::default(), &[]))
}

#[test]
fn memory_of_c_is_told_apart_without_debug_info() -> Result<()> {
    let flags = BuildFlags {
        cgo: true,
        ldflags: "-s -w".to_owned(),
        ..BuildFlags::default()
    };
    each(|version| known_memory(version, &flags, &[("GOMEMLIMIT", "256MiB")]))
}

#[test]
fn it_adds_up_while_mappings_come_and_go_and_where_pages_are_not_known() -> Result<()> {
    each(|version| {
        let mut running = spawn(version, &BuildFlags::default(), &[])?;
        ledger(&running, false)?;
        running.ask("change")?;
        for _ in 0..3 {
            ledger(&running, true)?;
        }
        Ok(())
    })
}

#[test]
fn the_pace_is_that_of_the_limit() -> Result<()> {
    each(|version| {
        let running = spawn(version, &BuildFlags::default(), &[("GOMEMLIMIT", "256MiB")])?;
        let (heap, _) = Case::live(running.pid(), Value::Null)?.heap()?;
        let counters = heap.counters;
        ensure!(counters.gc_percent == Some(-1), "{counters:?}");
        ensure!(counters.memory_limit == Some(256 * MIB), "{counters:?}");
        let goal = counters.heap_goal.context("no goal")?;
        ensure!(goal < 256 * MIB && counters.heap_marked.is_some_and(|m| m <= goal));
        ensure!(counters.mapped_ready.is_some_and(|m| m < 256 * MIB));
        Ok(())
    })
}
