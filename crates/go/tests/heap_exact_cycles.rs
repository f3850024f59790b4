//! What a parked program holds, before and after two collections: the collector is the judge of every root.

mod heap_support;

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use heap_support::{Heap, Live};
use leakscope_go::roots::RootKind;
use leakscope_testkit::{BuildFlags, Fixture, gcore, versions};

/// Roots that two collections and the goroutines that run finalizers and cleanups use up.
fn passing(kind: RootKind) -> bool {
    matches!(
        kind,
        RootKind::Finalizer { .. }
            | RootKind::FinalizerReach { .. }
            | RootKind::FinalizerQueue
            | RootKind::Cleanup { .. }
            | RootKind::CleanupQueue
            | RootKind::WeakHandle { .. }
    )
}

/// Why an object that nothing reaches may still be there after two collections.
fn excuse(heap: &Heap, obj: u32) -> Option<&'static str> {
    let span = &heap.objects.spans()[heap.objects.span_of(obj) as usize];
    if !heap.roots.specials.of(obj).is_empty() {
        return Some("has a finalizer, cleanup or weak handle");
    }
    (span.noscan && span.elem_size == 16).then_some("block of tiny objects")
}

#[test]
fn collections_free_what_is_unreachable_and_keep_what_is_reachable() -> Result<()> {
    for version in versions()? {
        let fixture = Fixture::build("cycles", &version, &BuildFlags::default())?;
        let mut running = fixture.spawn(&[])?;
        let mut live = Live::open(running.pid())?;
        let (mut before, _) = live.read()?;
        let core = gcore(running.pid())?;
        running.ask("collect")?;
        let (after, _) = live.read()?;
        check(&mut before, &after).with_context(|| format!("go{version}, live"))?;
        if let Some(core) = core {
            let mut before = Heap::of_core(core.path(), fixture.path())?;
            check(&mut before, &after).with_context(|| format!("go{version}, core"))?;
        }
    }
    Ok(())
}

fn check(before: &mut Heap, after: &Heap) -> Result<()> {
    let lasting = before.mark(|r| !r.kind.is_weak() && !passing(r.kind));
    let reached = before.mark(|r| !r.kind.is_weak());
    let mut excused: BTreeMap<&str, u32> = BTreeMap::new();
    let (mut gone, mut left) = (Vec::new(), Vec::new());
    for obj in 0..before.objects.len() {
        let base = before.objects.base(obj);
        let size = before.objects.size(obj);
        let still = after
            .objects
            .find(base.0)
            .is_some_and(|h| after.objects.size(h.obj) == size);
        if lasting[obj as usize] && !still {
            gone.push((base, size));
        }
        if !reached[obj as usize] && still {
            match excuse(before, obj) {
                Some(why) => *excused.entry(why).or_default() += 1,
                None => left.push((base, size)),
            }
        }
    }
    // Both ways there must be something to judge.
    assert!(lasting.iter().any(|m| *m) && reached.iter().any(|m| !*m));
    let gaps: Vec<_> = before.gaps.iter().collect();
    assert!(gaps.is_empty(), "{gaps:?}");
    assert!(gone.is_empty(), "reached and yet freed: {gone:?}");
    assert!(left.is_empty(), "not reached and yet kept: {left:?}");
    Ok(())
}
