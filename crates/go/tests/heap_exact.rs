//! Objects and bytes against what the program itself says, from cores and live.

mod heap_support;

use anyhow::{Context, Result};
use heap_support::{Heap, Live};
use leakscope_testkit::{BuildFlags, Fixture, gcore, versions};
use serde_json::Value;

/// Runs the fixture in a mode with every version, and checks its heap as read from a core and as read live.
fn counts_are_exact(mode: &str) -> Result<()> {
    for version in versions()? {
        let fixture = Fixture::build("exact", &version, &BuildFlags::default())?;
        let running = fixture.spawn(&["-mode", mode])?;
        let told = running.truth();
        let (live, _) = Live::open(running.pid())?.read()?;
        check(&live, told).with_context(|| format!("go{version} {mode}, live"))?;
        if let Some(core) = gcore(running.pid())? {
            let heap = Heap::of_core(core.path(), fixture.path())?;
            check(&heap, told).with_context(|| format!("go{version} {mode}, core"))?;
            let same = |a: &Heap, b: &Heap| a.objects.len() == b.objects.len();
            assert!(same(&heap, &live), "core and process differ");
        }
    }
    Ok(())
}

fn check(heap: &Heap, told: &Value) -> Result<()> {
    let totals = heap.objects.totals();
    heap.print();
    let fact = |name: &str| told[name].as_u64().context(format!("no {name}"));
    assert_eq!(totals.allocated.objects, fact("heap_objects")?, "objects");
    assert_eq!(totals.allocated.bytes, fact("heap_alloc")?, "bytes");
    let gaps: Vec<_> = heap.gaps.iter().collect();
    assert!(gaps.is_empty(), "{gaps:?}");
    Ok(())
}

#[test]
fn counts_equal_memstats_when_nothing_was_ever_freed() -> Result<()> {
    counts_are_exact("off")
}

#[test]
fn counts_equal_memstats_after_collections() -> Result<()> {
    counts_are_exact("gc")
}

#[test]
fn counts_equal_memstats_before_the_sweep() -> Result<()> {
    counts_are_exact("unswept")
}

#[test]
fn counts_equal_memstats_in_the_middle_of_marking() -> Result<()> {
    counts_are_exact("marking")
}
