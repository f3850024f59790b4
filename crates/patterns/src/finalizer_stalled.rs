//! GO-FINALIZER-STALLED: see the page.

use leakscope_go::finalizers::Due;
use leakscope_go::goroutine_leaks::Verdict as Judged;
use leakscope_go::goroutines::Goroutine;
use leakscope_graph::{Node, Strength};
use leakscope_target::Addr;

use crate::Pattern;
use crate::finding::{Confidence, Evidence, Finding, Subject, Verdict};
use crate::page::Page;
use crate::seen::Seen;

pub(crate) const PATTERN: Pattern = Pattern {
    id: "GO-FINALIZER-STALLED",
    page: Page::of(include_str!(
        "../../../docs/patterns/GO-FINALIZER-STALLED.md"
    )),
    find,
};

/// Functions of the goroutine that runs finalizers: mfinal.go, `createfing`; up to 1.24, and from 1.25 on.
const FINALIZERS: [&str; 2] = ["runtime.runfinq", "runtime.runFinalizers"];
/// The function of those that run cleanups: mcleanup.go, `createGs`; 1.25 on.
const CLEANUPS: &str = "runtime.runCleanups";
/// Packages through which the runtime calls finalizers.
const BETWEEN: [&str; 2] = ["runtime.", "reflect."];

/// Whether a goroutine runs finalizers or cleanups.
pub(crate) fn runs_calls(seen: &Seen<'_>, goroutine: &Goroutine) -> bool {
    due(seen, goroutine).is_some()
}

/// The queue that a goroutine works on.
fn due(seen: &Seen<'_>, goroutine: &Goroutine) -> Option<Due> {
    let function = seen.function(goroutine.start_pc);
    if FINALIZERS.contains(&function) {
        Some(seen.heap.finalizers.finalizers)
    } else {
        (function == CLEANUPS).then_some(seen.heap.finalizers.cleanups)
    }
}

fn find(seen: &Seen<'_>, out: &mut Vec<Finding>) {
    let mut told = Vec::new();
    for (index, goroutine) in (0u32..).zip(seen.heap.goroutines.iter()) {
        let Some(due) = due(seen, goroutine) else {
            continue;
        };
        let leaked = matches!(seen.heap.leaks.verdict(index), Judged::Leaked);
        let waits = goroutine.wait_reason.is_some() && (due.calls > 0 || leaked);
        let Some(called) = called(seen, goroutine).filter(|_| waits) else {
            continue;
        };
        // Several goroutines may be stuck before one queue: what waits in it counts once.
        let first = !told.contains(&due.root);
        told.push(due.root);
        out.push(finding(
            seen,
            index,
            goroutine,
            due,
            called,
            (leaked, first),
        ));
    }
}

/// Where in the program's own function the goroutine is, if it has called one.
fn called(seen: &Seen<'_>, goroutine: &Goroutine) -> Option<Addr> {
    let frames = seen.heap.goroutines.frames(goroutine).iter().rev();
    let mut own = frames.map(|frame| frame.lookup_pc()).filter(|pc| {
        let function = seen.function(*pc);
        !function.is_empty() && !BETWEEN.iter().any(|package| function.starts_with(package))
    });
    own.next()
}

fn finding(
    seen: &Seen<'_>,
    index: u32,
    goroutine: &Goroutine,
    due: Due,
    called: Addr,
    (leaked, first): (bool, bool),
) -> Finding {
    let goroutines = &seen.heap.goroutines;
    let queue = due.root.filter(|_| first);
    let queue = queue.and_then(|root| seen.groups.of_root(root));
    let own = seen.goroutines.get(&index).copied();
    let groups = queue.into_iter().chain(own);
    let bytes = (groups.clone()).fold(0u64, |sum, group| sum.saturating_add(seen.held(group)));
    let points = groups.flat_map(|group| {
        [Strength::Strong, Strength::Conservative].map(|strength| Node::Group(group, strength))
    });
    let reason = goroutine.wait_reason.map(usize::from);
    let reason = reason.and_then(|r| goroutines.wait_reasons().get(r));
    let reason = reason.map_or("", String::as_str);
    let waited = goroutines.waited(goroutine);
    let mut reasons = vec![format!(
        "the goroutine that runs them waits in {} ({reason}), and {} wait for it",
        seen.function(called),
        due.calls
    )];
    let (verdict, confidence) = if leaked {
        reasons.push("nothing that can still run leads to what it waits for".to_owned());
        (Verdict::Leak, Confidence::High)
    } else if waited.is_some() {
        reasons.push("a collection has seen it wait; something may still wake it".to_owned());
        (Verdict::Suspect, Confidence::Medium)
    } else {
        reasons.push("it has not waited for a whole collection yet".to_owned());
        (Verdict::NeedsSecondCapture, Confidence::Medium)
    };
    let mut evidence = vec![
        Evidence::new("calls due", due.calls, None),
        Evidence::new("g.goid", goroutine.id, Some(goroutine.at.0)),
        Evidence::new("g.waitreason", reason, Some(goroutine.at.0)),
        Evidence::new("called", seen.function(called), Some(called.0)),
    ];
    if let Some(waited) = waited {
        evidence.push(Evidence::new("waited at least, ns", waited, None));
    }
    Finding {
        pattern: &PATTERN,
        verdict,
        bytes,
        confidence,
        reasons,
        subject: Subject::Runner {
            goroutine: index,
            called,
        },
        places: 1,
        points: points.collect(),
        evidence,
        advice: "let finalizers and cleanups do nothing that can wait: start a goroutine from them, or send to a channel with room"
            .to_owned(),
        change: vec![
            "-   runtime.SetFinalizer(f, func(f *File) { done <- f.fd })".to_owned(),
            "+   runtime.SetFinalizer(f, func(f *File) { fd := f.fd; go func() { done <- fd }() })".to_owned(),
        ],
        no_help: "runtime.GC does not help: it only adds to what waits. One goroutine runs all finalizers of a program",
        fingerprint: None,
    }
}
