//! Objects and bytes against what the program itself says.

mod heap_support;

use anyhow::{Context, Result};
use heap_support::Heap;
use leakscope_testkit::{BuildFlags, Fixture, gcore, versions};

fn each_version(mode: &str, check: impl Fn(&serde_json::Value, Heap) -> Result<()>) -> Result<()> {
    for version in versions()? {
        let fixture = Fixture::build("exact", &version, &BuildFlags::default())?;
        let running = fixture.spawn(&["-mode", mode])?;
        let Some(core) = gcore(running.pid())? else {
            return Ok(());
        };
        let heap =
            Heap::of_core(core.path(), fixture.path()).with_context(|| format!("go{version}"))?;
        println!("go{version} {mode} {}", running.truth());
        heap.print();
        check(running.truth(), heap).with_context(|| format!("go{version}"))?;
    }
    Ok(())
}

fn counts_are_exact(mode: &str) -> Result<()> {
    each_version(mode, |truth, heap| {
        let totals = heap.objects.totals();
        assert_eq!(
            Some(totals.allocated.objects),
            truth["heap_objects"].as_u64(),
            "objects"
        );
        assert_eq!(
            Some(totals.allocated.bytes),
            truth["heap_alloc"].as_u64(),
            "bytes"
        );
        Ok(())
    })
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
