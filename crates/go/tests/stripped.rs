//! Executables without debug information, against their unstripped twins at the same stopped moment.

#![expect(
    clippy::print_stdout,
    reason = "shares of named bytes, shown by --nocapture"
)]

mod maps_support;
mod shares;
mod stripped_support;

use std::path::Path;

use anyhow::{Context, Result, ensure};
use leakscope_go::heap::GoHeap;
use leakscope_go::layouts::Layouts;
use leakscope_go::maps::{MapInfo, noscan_cells};
use leakscope_go::planner::NoscanWanted;
use leakscope_go::program::Program;
use leakscope_graph::{Resolver, RootIx};
use leakscope_target::Memory;
use leakscope_testkit::{BuildFlags, Fixture, Medium, builds, versions};
use maps_support::Case;
use shares::named;
use stripped_support::{Twin, maps_apart, names_apart, rows};

/// Fixtures whose heaps are compared, with their arguments; of builds that not every test runs, the first.
const FIXTURES: &[(&str, &[&str])] = &[
    ("typed", &[]),
    ("mapstates", &[]),
    ("exact", &["-mode", "gc"]),
    ("big", &["-scale", "0.02"]),
];

/// What the support page calls this.
const STRIPPED: &str = "stripped";

/// Share of the bytes that must have names.
const NAMED: f64 = 0.85;

/// Slots of the tiny allocator, which hold several values: any of their names is right.
const TINY: u64 = 16;

#[test]
fn a_stripped_program_has_the_heap_of_its_unstripped_twin() -> Result<()> {
    let everything = versions()?;
    for build in builds()? {
        let all = build.is_default() && everything.contains(&build.version);
        let fixtures = FIXTURES.iter().take(if all { FIXTURES.len() } else { 1 });
        for (name, arguments) in fixtures {
            let Some(twin) = Twin::built(name, &build.version, arguments, &build.flags)? else {
                return Ok(());
            };
            let compared = compare(&twin, &twin.stripped(), &format!("{name} of {build}"));
            build.record(Medium::Core, STRIPPED, compared)?;
        }
    }
    Ok(())
}

#[test]
fn so_has_a_position_independent_one_linked_by_the_c_linker() -> Result<()> {
    let flags = BuildFlags {
        cgo: true,
        ldflags: "-linkmode=external".to_owned(),
        buildmode: "pie".to_owned(),
        ..BuildFlags::default()
    };
    for version in versions()? {
        let Some(twin) = Twin::built("typed", &version, &[], &flags)? else {
            return Ok(());
        };
        compare(
            &twin,
            &twin.stripped(),
            &format!("typed of go{version} external pie"),
        )?;
    }
    Ok(())
}

#[test]
fn so_has_one_without_section_headers() -> Result<()> {
    for version in versions()? {
        let Some(twin) = Twin::of("typed", &version, &[])? else {
            return Ok(());
        };
        let context = format!("typed of go{version} without sections");
        compare(&twin, &twin.without_sections()?, &context)?;
    }
    Ok(())
}

/// Reads a program's core with its debug information and with the executable at `stripped`.
fn compare(twin: &Twin, stripped: &Path, context: &str) -> Result<()> {
    let full = twin.heap(twin.unstripped())?;
    let bare = twin.heap(stripped)?;
    same(&full, &bare, context).with_context(|| context.to_owned())
}

fn same(full: &GoHeap, bare: &GoHeap, context: &str) -> Result<()> {
    let share = named(bare, 0);
    println!("{context}: {}", rows(full, bare, (named(full, 0), share)));
    let (a, b) = (&full.totals, &bare.totals);
    ensure!(full.graph.objects() == bare.graph.objects(), "objects");
    ensure!(full.graph.edges() == bare.graph.edges(), "edges");
    ensure!(a.allocated == b.allocated, "{a:?} {b:?}");
    ensure!(a.reachable == b.reachable, "{a:?} {b:?}");
    ensure!(a.maybe_reachable == b.maybe_reachable, "{a:?} {b:?}");
    ensure!(a.goroutines == b.goroutines, "{a:?} {b:?}");
    let gaps: Vec<_> = bare.coverage.gaps.iter().collect();
    ensure!(gaps.is_empty(), "{gaps:?}");
    ensure!(share >= NAMED, "{share} named");
    // Maps that the code never uses by their type are not found, and debug information leaves out variables that the
    // linker could tell nothing of; maps found both ways are the same.
    for map in &full.maps {
        let other = bare.maps.iter().find(|m| m.address == map.address);
        let census = |m: &MapInfo| (m.len, m.cells, m.slots, m.bytes, m.structure);
        ensure!(
            other.is_none_or(|other| census(map) == census(other)),
            "map at {}",
            map.address
        );
    }
    let lost = maps_apart(full, bare);
    println!("    maps not found: {}", lost.join("; "));
    let own = lost.iter().filter(|m| m.contains("held by main."));
    ensure!(own.count() == 0, "{lost:?}");
    for root in (0..bare.graph.roots().len() as u32).map(RootIx) {
        let key = bare.names.root_key(root);
        ensure!(!key.contains("+0x"), "{key} holds a position");
    }
    let apart = names_apart(full, bare);
    let differ = apart.iter().filter(|((a, b), (objects, bytes))| {
        !a.starts_with("untyped") && !b.starts_with("untyped") && *bytes > TINY * objects
    });
    for ((a, b), (objects, _)) in differ {
        println!("    {objects} objects: {a} is called {b}");
    }
    Ok(())
}

#[test]
fn what_is_copied_of_a_running_one_has_all_maps() -> Result<()> {
    let flags = BuildFlags {
        ldflags: "-s -w".to_owned(),
        ..BuildFlags::default()
    };
    for version in versions()? {
        let fixture = Fixture::build("mapstates", &version, &flags)?;
        let running = fixture.spawn(&[])?;
        let heap = |wanted: fn(&Program, &Layouts, &dyn Memory) -> Option<NoscanWanted>| {
            let case = Case::live_with(running.pid(), running.truth().clone(), wanted)?;
            ensure!(case.program.stripped().is_some(), "not stripped");
            Ok(case.heap()?.0)
        };
        let needed = heap(|program, layouts, memory| {
            let wanted = noscan_cells(program, layouts, memory);
            assert!(wanted.is_some(), "no map types");
            wanted
        })?;
        let all = heap(|_, _, _| None)?;
        let gaps: Vec<_> = needed.coverage.gaps.iter().collect();
        ensure!(gaps.is_empty(), "go{version}: {gaps:?}");
        ensure!(needed.maps == all.maps, "go{version}");
        ensure!(
            needed.totals.allocated == all.totals.allocated,
            "go{version}"
        );
    }
    Ok(())
}
