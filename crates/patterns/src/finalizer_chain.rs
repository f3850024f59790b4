//! GO-FINALIZER-CHAIN: see the page.

use std::cmp::Reverse;

use leakscope_graph::{Node, Resolver};

use crate::Pattern;
use crate::finding::{Confidence, Evidence, Finding, Subject, Verdict};
use crate::forgotten::Forgotten;
use crate::page::Page;
use crate::seen::Seen;

pub(crate) const PATTERN: Pattern = Pattern {
    id: "GO-FINALIZER-CHAIN",
    page: Page::of(include_str!("../../../docs/patterns/GO-FINALIZER-CHAIN.md")),
    find,
};

/// Collections that a chain needs from which on it is told. An idle program collects every two minutes (proc.go, `forcegcperiod`):
/// that is half an hour. What files and connections of the standard library need is one.
const LEAST_TURNS: u32 = 16;

fn find(seen: &Seen<'_>, out: &mut Vec<Finding>) {
    let Some(forgotten) = Forgotten::of(seen) else {
        return;
    };
    let turns = forgotten.turns();
    // From the longest on: what one leads to is part of it.
    let mut heads: Vec<_> = forgotten
        .with_finalizer()
        .map(|(node, attached)| (forgotten.turns_of(node, &turns), node, attached))
        .filter(|(turns, ..)| *turns >= LEAST_TURNS)
        .collect();
    heads.sort_by_key(|(turns, node, _)| (Reverse(*turns), forgotten.object(*node)));
    let mut taken = forgotten.none_taken();
    for (turns, node, attached) in heads {
        if taken[node as usize] {
            continue;
        }
        let bytes = forgotten.take(node, &mut taken);
        let heap = seen.heap;
        let mut points = forgotten.points(bytes);
        points.push(Node::Object(attached.on));
        out.push(Finding {
            pattern: &PATTERN,
            verdict: Verdict::Waste,
            bytes,
            confidence: Confidence::High,
            reasons: vec![
                format!(
                    "{turns} finalizers wait for each other: each keeps what its object refers to until it has run, and a collection \
                     finds only the first of them"
                ),
                format!("it takes {turns} collections until the last is gone"),
            ],
            subject: Subject::Attached {
                object: attached.on,
                code: attached.code,
            },
            places: 1,
            points,
            evidence: vec![
                Evidence::new("finalizers one behind the other", turns, None),
                Evidence::new(
                    "first object",
                    heap.names.type_name(heap.graph.type_of(attached.on)),
                    Some(heap.objects.base(attached.on.0).0),
                ),
                Evidence::new("specialfinalizer.fn", seen.function(attached.code), Some(attached.at.0)),
            ],
            advice: "cut the links before the list is dropped, or set finalizers on small objects of their own that refer to nothing; \
                     from Go 1.24 on runtime.AddCleanup runs them all after one collection"
                .to_owned(),
            change: vec![
                "-   runtime.SetFinalizer(node, (*Node).close) // keeps node.next".to_owned(),
                "+   runtime.AddCleanup(node, closeHandle, node.handle)".to_owned(),
            ],
            no_help: "one runtime.GC frees one of them",
            fingerprint: None,
        });
    }
}
