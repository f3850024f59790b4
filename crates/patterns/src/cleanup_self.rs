//! GO-CLEANUP-SELF: see the page.

use leakscope_go::finalizers::AttachedKind;
use leakscope_graph::Resolver;

use crate::Pattern;
use crate::finalizer_cycle::{Kept, by_type};
use crate::finding::{Confidence, Evidence, Finding, Subject, Verdict};
use crate::page::Page;
use crate::seen::Seen;

pub(crate) const PATTERN: Pattern = Pattern {
    id: "GO-CLEANUP-SELF",
    page: Page::of(include_str!("../../../docs/patterns/GO-CLEANUP-SELF.md")),
    find,
};

fn find(seen: &Seen<'_>, out: &mut Vec<Finding>) {
    for kept in by_type(seen, AttachedKind::Cleanup) {
        out.push(finding(seen, kept));
    }
}

fn finding(seen: &Seen<'_>, kept: Kept) -> Finding {
    let heap = seen.heap;
    let on = kept.first.on;
    Finding {
        pattern: &PATTERN,
        verdict: Verdict::Leak,
        bytes: kept.bytes,
        confidence: Confidence::High,
        reasons: vec![
            "the cleanup's function or argument leads to the object that it waits for: the object is never found unreachable, so \
             the cleanup never runs"
                .to_owned(),
            "nothing else leads there: no variable and no goroutine".to_owned(),
        ],
        subject: Subject::Attached {
            object: on,
            code: kept.first.code,
        },
        places: kept.objects,
        points: kept.points,
        evidence: vec![
            Evidence::new("objects with such a cleanup", kept.objects, None),
            Evidence::new(
                "object",
                heap.names.type_name(heap.graph.type_of(on)),
                Some(heap.objects.base(on.0).0),
            ),
            Evidence::new("specialCleanup", "set", Some(kept.first.at.0)),
        ],
        advice: "pass the cleanup what it needs and no more: a descriptor, a key, a small object without a way back. Neither the \
                 argument nor what the function captures may lead to the object"
            .to_owned(),
        change: vec![
            "-   runtime.AddCleanup(conn, release, conn.buffer) // buffer.owner is conn".to_owned(),
            "+   runtime.AddCleanup(conn, release, conn.buffer.id)".to_owned(),
        ],
        no_help: "runtime.GC does not help; the runtime refuses only an argument that is the object itself",
        fingerprint: None,
    }
}
