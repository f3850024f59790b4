//! GO-FINALIZER-CYCLE: see the page.

use std::collections::BTreeMap;

use leakscope_go::finalizers::{Attached, AttachedKind};
use leakscope_graph::{Node, Resolver, TypeIx};
use leakscope_target::Addr;

use crate::Pattern;
use crate::finding::{Confidence, Evidence, Finding, Subject, Verdict};
use crate::forgotten::Forgotten;
use crate::page::Page;
use crate::seen::Seen;

pub(crate) const PATTERN: Pattern = Pattern {
    id: "GO-FINALIZER-CYCLE",
    page: Page::of(include_str!("../../../docs/patterns/GO-FINALIZER-CYCLE.md")),
    find,
};

fn find(seen: &Seen<'_>, out: &mut Vec<Finding>) {
    for kept in by_type(seen, AttachedKind::Finalizer) {
        out.push(finding(seen, kept));
    }
}

/// Objects of one type that the same function never runs for.
pub(crate) struct Kept {
    /// The first of them.
    pub(crate) first: Attached,
    /// How many there are.
    pub(crate) objects: u64,
    /// Bytes that they alone keep, their own included.
    pub(crate) bytes: u64,
    /// Nodes of the dominator tree that hold little else.
    pub(crate) points: Vec<Node>,
}

/// Objects that what is set on them keeps, by their type and the function.
pub(crate) fn by_type(seen: &Seen<'_>, kind: AttachedKind) -> Vec<Kept> {
    let Some(forgotten) = Forgotten::of(seen) else {
        return Vec::new();
    };
    let mut taken = forgotten.none_taken();
    let mut by_type: BTreeMap<(TypeIx, Addr), Kept> = BTreeMap::new();
    for (node, attached) in forgotten.kept_by_themselves(kind) {
        let type_ = seen.heap.graph.type_of(attached.on);
        let kept = by_type.entry((type_, attached.code)).or_insert(Kept {
            first: attached,
            objects: 0,
            bytes: 0,
            points: Vec::new(),
        });
        kept.objects += 1;
        let bytes = forgotten.take(node, &mut taken);
        kept.bytes = kept.bytes.saturating_add(bytes);
    }
    let mut all: Vec<Kept> = by_type.into_values().collect();
    for kept in &mut all {
        kept.points = forgotten.points(kept.bytes);
        kept.points.push(Node::Object(kept.first.on));
    }
    all
}

fn finding(seen: &Seen<'_>, kept: Kept) -> Finding {
    let heap = seen.heap;
    let Attached { on, at, code, .. } = kept.first;
    let function = seen.function(code);
    Finding {
        pattern: &PATTERN,
        verdict: Verdict::Leak,
        bytes: kept.bytes,
        confidence: Confidence::High,
        reasons: vec![
            "what the object refers to leads back to it, and the collector follows that for as long as the finalizer is set: it is \
             never found unreachable, so the finalizer never runs"
                .to_owned(),
            "nothing else leads there: no variable and no goroutine".to_owned(),
        ],
        subject: Subject::Attached { object: on, code },
        places: kept.objects,
        points: kept.points,
        evidence: vec![
            Evidence::new("objects with such a finalizer", kept.objects, None),
            Evidence::new("object", heap.names.type_name(heap.graph.type_of(on)), Some(heap.objects.base(on.0).0)),
            Evidence::new("specialfinalizer.fn", function, Some(at.0)),
        ],
        advice: "set the finalizer on a small object of its own that the others refer to and that refers to none of them, or break the \
                 cycle before the last reference goes; from Go 1.24 on, use runtime.AddCleanup with an argument that does not lead back"
            .to_owned(),
        change: vec![
            "-   runtime.SetFinalizer(node, (*Node).close) // node.next leads back to node".to_owned(),
            "+   runtime.AddCleanup(node, closeHandle, node.handle)".to_owned(),
        ],
        no_help: "runtime.GC does not help, however often: the cycle is reached from its own finalizer each time",
        fingerprint: None,
    }
}
