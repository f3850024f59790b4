//! Objects and bytes against what the program itself says, from cores and live.

mod heap_support;

use anyhow::{Context, Result, ensure};
use heap_support::{Heap, Live};
use leakscope_go::objects::Objects;
use leakscope_testkit::{BuildFlags, Fixture, Medium, builds, gcore, versions};
use serde_json::Value;

/// What is written down about builds.
const OBJECTS: &str = "objects and bytes";

/// Runs the fixture in a mode with every build, and checks its heap as read from a core and as read live.
fn counts_are_exact(mode: &str) -> Result<()> {
    for build in builds()? {
        let fixture = build.fixture("exact")?;
        let running = fixture.spawn(&["-mode", mode])?;
        let told = running.truth();
        let live = || {
            let (mut live, _) = Live::open(running.pid())?.read()?;
            check(&mut live, told)?;
            Ok(live)
        };
        let mut live = build.record(Medium::Live, OBJECTS, live())?;
        let Some(core) = gcore(running.pid())? else {
            continue;
        };
        let mut core = || {
            let mut heap = Heap::of_core(core.path(), fixture.path())?;
            check(&mut heap, told)?;
            let marks = |heap: &mut Heap| heap.mark(|r| !r.kind.is_weak());
            ensure!(
                marks(&mut heap) == marks(&mut live),
                "core and process differ"
            );
            Ok(())
        };
        build.record(Medium::Core, OBJECTS, core())?;
    }
    Ok(())
}

fn check(heap: &mut Heap, told: &Value) -> Result<()> {
    let totals = *heap.objects.totals();
    let fact = |name: &str| told[name].as_u64().context(format!("no {name}"));
    let counted = (totals.allocated.objects, totals.allocated.bytes);
    let stated = (fact("heap_objects")?, fact("heap_alloc")?);
    ensure!(counted == stated, "{counted:?} counted, {stated:?} stated");
    ids_and_addresses_agree(&heap.objects);
    ensure!(heap.mark(|_| true).iter().any(|m| *m), "nothing reached");
    let gaps: Vec<_> = heap.gaps.iter().collect();
    ensure!(gaps.is_empty(), "{gaps:?}");
    Ok(())
}

/// Every object is found from any of its addresses, and from its id.
fn ids_and_addresses_agree(objects: &Objects) {
    let mut next = 0;
    for (i, span) in objects.spans().iter().enumerate() {
        assert_eq!(span.first_obj, next);
        next += span.objects;
        let mut last_free = 0;
        for (obj, slot) in objects.slots(i as u32) {
            let base = span.start.0 + u64::from(slot) * span.elem_size;
            let last = if span.size_class == 0 {
                span.limit.0
            } else {
                base + span.elem_size
            } - 1;
            for at in [base, (base + last) / 2, last] {
                let hit = objects.find(at).expect("an allocated slot");
                assert_eq!((hit.obj, hit.span, hit.base), (obj, i as u32, base));
            }
            assert_eq!(
                objects.locate(obj),
                objects.find(base).expect("found above")
            );
            assert_eq!(objects.size(obj), span.elem_size);
            for free in last_free..slot {
                assert_eq!(
                    objects.find(span.start.0 + u64::from(free) * span.elem_size),
                    None
                );
            }
            last_free = slot + 1;
        }
    }
    assert_eq!(next, objects.len());
}

#[test]
fn what_has_no_pointers_can_be_left_out() -> Result<()> {
    for version in versions()? {
        let fixture = Fixture::build("exact", &version, &BuildFlags::default())?;
        for mode in ["gc", "unswept"] {
            let running = fixture.spawn(&["-mode", mode])?;
            let (mut all, copied) = Live::open(running.pid())?.read()?;
            let (mut some, copied_less) = Live::without_noscan(running.pid())?.read()?;
            let (all_totals, some_totals) = (*all.objects.totals(), *some.objects.totals());
            assert_eq!(all_totals.allocated, some_totals.allocated);
            assert_eq!(all_totals.unswept, some_totals.unswept);
            assert!(copied_less.copied_bytes < copied.copied_bytes);
            assert_eq!(all.mark(|_| true), some.mark(|_| true));
            let gaps: Vec<_> = some.gaps.iter().collect();
            assert!(gaps.is_empty(), "{gaps:?}");
        }
    }
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
