//! Executables without debug information, against their unstripped twins at the same stopped moment.

#![expect(
    clippy::print_stdout,
    reason = "shares of named bytes, shown by --nocapture"
)]

mod stripped_support;

use anyhow::{Context, Result};
use leakscope_go::heap::GoHeap;
use leakscope_go::maps::MapInfo;
use leakscope_testkit::{BuildFlags, versions};
use stripped_support::{Twin, maps_apart, named, names_apart, rows};

/// Fixtures whose heaps are compared, with their arguments.
const FIXTURES: &[(&str, &[&str])] = &[
    ("typed", &[]),
    ("mapstates", &[]),
    ("exact", &["-mode", "gc"]),
    ("big", &["-scale", "0.02"]),
];

/// Share of the bytes that must have names, in percent.
const NAMED: f64 = 70.0;

/// Slots of the tiny allocator, which hold several values: any of their names is right.
const TINY: u64 = 16;

#[test]
fn a_stripped_program_has_the_heap_of_its_unstripped_twin() -> Result<()> {
    for version in versions()? {
        for (name, arguments) in FIXTURES {
            compare(name, &version, arguments, &BuildFlags::default())?;
        }
    }
    Ok(())
}

#[test]
fn so_has_a_position_independent_one() -> Result<()> {
    let flags = BuildFlags {
        buildmode: "pie".to_owned(),
        ..BuildFlags::default()
    };
    for version in versions()? {
        compare("typed", &version, &[], &flags)?;
    }
    Ok(())
}

#[test]
fn so_has_one_linked_by_the_c_linker() -> Result<()> {
    for version in versions()? {
        for buildmode in ["exe", "pie"] {
            let flags = BuildFlags {
                cgo: true,
                ldflags: "-linkmode=external".to_owned(),
                buildmode: buildmode.to_owned(),
                ..BuildFlags::default()
            };
            compare("typed", &version, &[], &flags)?;
        }
    }
    Ok(())
}

#[test]
fn so_has_one_without_section_headers() -> Result<()> {
    for version in versions()? {
        let Some(twin) = Twin::of("typed", &version, &[])? else {
            return Ok(());
        };
        let bare = twin.heap(twin.without_sections()?)?;
        same(&twin.heap(twin.unstripped())?, &bare, &version);
    }
    Ok(())
}

/// Reads a program's core with and without its debug information.
fn compare(name: &str, version: &str, arguments: &[&str], flags: &BuildFlags) -> Result<()> {
    let context = format!("{name} of go{version} {}", flags.buildmode);
    let Some(twin) = Twin::built(name, version, arguments, flags)? else {
        return Ok(());
    };
    let full = twin.heap(twin.unstripped()).context(context.clone())?;
    let bare = twin.heap(twin.stripped()).context(context.clone())?;
    same(&full, &bare, &context);
    Ok(())
}

fn same(full: &GoHeap, bare: &GoHeap, context: &str) {
    println!("{context}: {}", rows(full, bare));
    assert_eq!(full.graph.objects(), bare.graph.objects(), "{context}");
    assert_eq!(full.graph.edges(), bare.graph.edges(), "{context}");
    assert_eq!(full.totals.allocated, bare.totals.allocated, "{context}");
    assert_eq!(full.totals.reachable, bare.totals.reachable, "{context}");
    let maybe = &full.totals.maybe_reachable;
    assert_eq!(*maybe, bare.totals.maybe_reachable, "{context}");
    assert_eq!(full.totals.goroutines, bare.totals.goroutines, "{context}");
    let share = named(bare);
    assert!(share >= NAMED, "{context}: {share:.1} %");
    // Maps that the code never uses by their type are not found, and debug information leaves out variables that the
    // linker could tell nothing of; maps found both ways are the same.
    for map in &full.maps {
        let other = bare.maps.iter().find(|m| m.address == map.address);
        let census = |m: &MapInfo| (m.len, m.cells, m.slots, m.bytes, m.structure);
        if let Some(other) = other {
            assert_eq!(census(map), census(other), "{context}: {}", map.address);
        }
    }
    let lost = maps_apart(full, bare);
    println!("    maps not found: {}", lost.join("; "));
    let own = lost.iter().filter(|m| m.contains("held by main."));
    assert_eq!(own.count(), 0, "{context}: {lost:?}");
    let apart = names_apart(full, bare);
    let differ = apart.iter().filter(|((a, b), (objects, bytes))| {
        !a.starts_with("untyped") && !b.starts_with("untyped") && *bytes > TINY * objects
    });
    for ((a, b), (objects, _)) in differ {
        println!("    {objects} objects: {a} is called {b}");
    }
}

/// Experiments that change layouts, with a release that has them.
const EXPERIMENTS: &[(&str, &str)] = &[
    ("1.22.10", "noallocheaders"),
    ("1.24.11", "noswissmap"),
    ("1.24.11", "nosynchashtriemap"),
    ("1.25.5", "greenteagc"),
    ("1.25.5", "greenteagc,noswissmap"),
    ("1.26.6", "nogreenteagc"),
    ("1.27.3", "mapsplitgroup"),
];

#[test]
fn so_have_builds_with_experiments() -> Result<()> {
    let versions = versions()?;
    for (version, experiments) in EXPERIMENTS {
        if versions.iter().any(|v| v == version) {
            let flags = BuildFlags {
                experiments: (*experiments).to_owned(),
                ..BuildFlags::default()
            };
            compare("typed", version, &[], &flags).with_context(|| (*experiments).to_owned())?;
        }
    }
    Ok(())
}
