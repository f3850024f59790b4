//! GO-CONSERVATIVE-ROOT: see the page.

use leakscope_go::goroutine_leaks::Verdict as Judged;
use leakscope_go::goroutines::Goroutine;
use leakscope_graph::{GroupIx, Node, Strength};

use crate::Pattern;
use crate::finding::{Confidence, Evidence, Finding, Subject, Verdict};
use crate::page::Page;
use crate::seen::Seen;

pub(crate) const PATTERN: Pattern = Pattern {
    id: "GO-CONSERVATIVE-ROOT",
    page: Page::of(include_str!(
        "../../../docs/patterns/GO-CONSERVATIVE-ROOT.md"
    )),
    find,
};

fn find(seen: &Seen<'_>, out: &mut Vec<Finding>) {
    let least = seen.small_waste();
    for (&index, &group) in &seen.goroutines {
        // What a leaked goroutine holds is told with it.
        if seen.heap.leaks.verdict(index) != Judged::NotLeaked {
            continue;
        }
        let held = seen.tree.held(Node::Group(group, Strength::Conservative));
        if held.bytes >= least
            && let Some(goroutine) = seen.heap.goroutines.get(index)
        {
            out.push(finding(
                seen,
                index,
                goroutine,
                group,
                held.bytes,
                held.objects,
            ));
        }
    }
}

fn finding(
    seen: &Seen<'_>,
    index: u32,
    goroutine: &Goroutine,
    group: GroupIx,
    bytes: u64,
    objects: u64,
) -> Finding {
    let precise = seen.tree.held(Node::Group(group, Strength::Strong)).bytes;
    Finding {
        pattern: &PATTERN,
        verdict: Verdict::NeedsSecondCapture,
        bytes,
        confidence: Confidence::Medium,
        reasons: vec![
            "nothing else leads there but words on its stack or in its registers that may be pointers: where it was interrupted, the \
             compiler left no map of what is in use"
                .to_owned(),
            "the function may still be using it: whether the same words are there in a later capture tells".to_owned(),
        ],
        places: 1,
        points: vec![Node::Group(group, Strength::Conservative)],
        evidence: vec![
            Evidence::new("g.goid", goroutine.id, Some(goroutine.at.0)),
            Evidence::new("objects held by such words alone", objects, None),
            Evidence::new("bytes that its other words hold alone", precise, None),
        ],
        subject: Subject::Goroutines {
            indices: vec![index],
            created_at: goroutine.created_at,
        },
        advice: "wait in place of spinning: at a call the compiler knows what is in use; or set the variable to nil before the loop"
            .to_owned(),
        change: vec![
            "    data := load(); use(data); use(data)".to_owned(),
            "-   for !done.Load() {}".to_owned(),
            "+   <-done".to_owned(),
        ],
        no_help: "runtime.GC does not help while the goroutine is interrupted there: the collector takes the same words for pointers",
        fingerprint: None,
    }
}
