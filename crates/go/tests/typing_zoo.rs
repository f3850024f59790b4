//! Types of objects, against what programs say they hold.

#![expect(
    clippy::print_stdout,
    reason = "shares of named bytes, shown by --nocapture"
)]

mod maps_support;
mod shares;

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use leakscope_go::heap::GoHeap;
use leakscope_graph::Resolver;
use leakscope_testkit::Build;
use maps_support::{each_build, each_core};
use serde_json::Value;
use shares::named;

/// Reached objects by the name of their type.
fn counts(heap: &GoHeap) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for row in &heap.histogram.reachable {
        *counts
            .entry(heap.names.type_name(row.type_).into_owned())
            .or_default() += row.count;
    }
    counts
}

fn told<'a>(truth: &'a Value, what: &str) -> Result<impl Iterator<Item = (&'a String, u64)>> {
    let facts = truth[what]
        .as_object()
        .with_context(|| format!("no {what}"))?;
    Ok(facts
        .iter()
        .map(|(name, count)| (name, count.as_u64().unwrap_or(0))))
}

fn no_gaps(heap: &GoHeap) -> Result<()> {
    let gaps: Vec<_> = heap.coverage.gaps.iter().collect();
    ensure!(gaps.is_empty(), "{gaps:?}");
    Ok(())
}

/// Share of the bytes that roots reach whose type must be known.
const NAMED: f64 = 0.99;

/// Values that the fixture counts and that are not on the heap: those that the compiler finds not to escape, and one that
/// newer compilers lay out as a constant.
const ELSEWHERE: [&str; 3] = ["main.onStack", "main.deferred", "main.settings"];

#[test]
fn objects_reached_in_every_way_have_their_type() -> Result<()> {
    each_build("typed", "types", |build, case| {
        let (heap, truth) = case.heap()?;
        zoo(build, &heap, &truth)
    })
}

fn zoo(build: &Build, heap: &GoHeap, truth: &Value) -> Result<()> {
    let counts = counts(heap);
    let count = |name: &str| counts.get(name).copied().unwrap_or(0);
    let mut wrong = Vec::new();
    for (name, told) in told(truth, "types")? {
        let elsewhere = ELSEWHERE.contains(&name.as_str()) && count(name) == 0;
        if count(name) != told && !elsewhere {
            wrong.push(format!("{name}: {told} told, {} found", count(name)));
        }
    }
    for (elem, told) in told(truth, "arrays")? {
        let found = count(&format!("[]{elem}"));
        if found != told {
            wrong.push(format!("arrays of {elem}: {told} told, {found} found"));
        }
    }
    for (name, _) in told(truth, "hidden")? {
        if count(name) != 0 {
            wrong.push(format!("{name} cannot be known, yet {} found", count(name)));
        }
    }
    ensure!(wrong.is_empty(), "{wrong:#?}");
    let share = named(heap, truth["hidden_bytes"].as_u64().context("bytes")?);
    println!("typed of {build}: {share:.5} named");
    ensure!(share >= NAMED, "{share} named");
    no_gaps(heap)
}

#[test]
fn all_elems_of_large_maps_are_typed_and_nearly_all_bytes_are_named() -> Result<()> {
    each_core("big", &["-scale", "0.2"], |case| {
        let (heap, truth) = case.heap()?;
        let counts = counts(&heap);
        for (name, told) in told(&truth, "types")? {
            ensure!(
                counts.get(name) == Some(&told),
                "{name}: {told} told, {:?}",
                counts.get(name)
            );
        }
        for map in truth["maps"].as_array().context("maps")? {
            let owner = map["owner"].as_str().context("owner")?;
            let found = heap.maps.iter().find(|m| heap.map_owner(m) == owner);
            let found = found.with_context(|| format!("no map {owner}"))?;
            ensure!(heap.names.type_name(found.type_) == map["type"].as_str().context("type")?);
            ensure!(
                Some(found.len) == map["len"].as_u64() && found.cells == found.len,
                "{found:?}"
            );
        }
        let share = named(&heap, 0);
        ensure!(share >= NAMED, "{share} named");
        no_gaps(&heap)
    })
}

#[test]
fn nearly_all_bytes_are_named_whatever_the_program_does() -> Result<()> {
    for fixture in ["cycles", "busy", "exact", "mapstates"] {
        each_core(fixture, &[], |case| {
            let version = case.program.exe().go_version().to_string();
            let (heap, _) = case.heap()?;
            let share = named(&heap, 0);
            println!("{fixture} of {version}: {share:.5} named");
            ensure!(share >= NAMED, "{share} of {fixture}");
            no_gaps(&heap)
        })?;
    }
    Ok(())
}
