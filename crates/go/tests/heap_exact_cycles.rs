//! What a parked program holds, before and after two collections: the collector is the judge of every root.

mod heap_support;

use anyhow::{Context, Result, ensure};
use heap_support::{Heap, Live};
use leakscope_go::roots::RootKind;
use leakscope_testkit::{Medium, builds, gcore};

/// What is written down about builds.
const REACHED: &str = "what collections keep";

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

/// Whether an object that nothing reaches may still be there after two collections: a finalizer, cleanup or weak handle
/// was in between, or it shares its block with other tiny objects.
fn may_stay(heap: &Heap, obj: u32) -> bool {
    let span = &heap.objects.spans()[heap.objects.span_of(obj) as usize];
    let tiny = span.noscan && span.elem_size == 16;
    tiny || !heap.roots.specials.of(obj).is_empty()
}

#[test]
fn collections_free_what_is_unreachable_and_keep_what_is_reachable() -> Result<()> {
    for build in builds()? {
        let fixture = build.fixture("cycles")?;
        let mut running = fixture.spawn(&[])?;
        let mut live = Live::open(running.pid())?;
        let (mut before, _) = live.read()?;
        let core = gcore(running.pid())?;
        let mallocs = running.fact("mallocs")?;
        let told = running.ask("collect")?;
        // Slots that were freed may have been taken anew.
        let taken = told["mallocs"].as_u64().context("no mallocs")? - mallocs;
        let (after, _) = live.read()?;
        build.record(Medium::Live, REACHED, check(&mut before, &after, taken))?;
        if let Some(core) = core {
            let checked = Heap::of_core(core.path(), fixture.path())
                .and_then(|mut before| check(&mut before, &after, taken));
            build.record(Medium::Core, REACHED, checked)?;
        }
    }
    Ok(())
}

fn check(before: &mut Heap, after: &Heap, taken: u64) -> Result<()> {
    let lasting = before.mark(|r| !r.kind.is_weak() && !passing(r.kind));
    let reached = before.mark(|r| !r.kind.is_weak());
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
        if !reached[obj as usize] && still && !may_stay(before, obj) {
            left.push((base, size));
        }
    }
    // Both ways there must be something to judge.
    ensure!(
        lasting.iter().any(|m| *m) && reached.iter().any(|m| !*m),
        "nothing to judge"
    );
    let gaps: Vec<_> = before.gaps.iter().collect();
    ensure!(gaps.is_empty(), "{gaps:?}");
    ensure!(gone.is_empty(), "reached and yet freed: {gone:?}");
    let freed = reached.iter().filter(|m| !**m).count() as u64;
    ensure!(
        taken < freed / 50,
        "{taken} new objects hide what {freed} freed ones show"
    );
    ensure!(
        left.len() as u64 <= taken,
        "not reached and yet kept: {left:?}"
    );
    Ok(())
}
