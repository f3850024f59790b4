//! GO-GOROUTINE-LEAK: see the page.

use std::collections::BTreeMap;

use leakscope_go::goroutine_leaks::{Doubt, Verdict as Judged};
use leakscope_go::goroutines::Goroutine;
use leakscope_graph::{GroupIx, Node, Strength};
use leakscope_target::Addr;

use crate::Pattern;
use crate::finalizer_stalled;
use crate::finding::{Confidence, Evidence, Finding, Subject, Verdict};
use crate::page::Page;
use crate::seen::Seen;

pub(crate) const PATTERN: Pattern = Pattern {
    id: "GO-GOROUTINE-LEAK",
    page: Page::of(include_str!("../../../docs/patterns/GO-GOROUTINE-LEAK.md")),
    find,
};

/// Leaked goroutines of a function stand for all of it if no more than one of so many is not leaked.
const MOST: usize = 10;

fn find(seen: &Seen<'_>, out: &mut Vec<Finding>) {
    let mut by_site: BTreeMap<(Judged, Addr), Vec<u32>> = BTreeMap::new();
    for (index, goroutine) in (0u32..).zip(seen.heap.goroutines.iter()) {
        let judged = seen.heap.leaks.verdict(index);
        // A function that these wait in is told by its own pattern.
        if finalizer_stalled::runs_calls(seen, goroutine) {
            continue;
        }
        if matches!(judged, Judged::Leaked | Judged::Suspect(_)) {
            let same = by_site.entry((judged, goroutine.created_at)).or_default();
            same.push(index);
        }
    }
    for ((judged, created_at), indices) in by_site {
        out.push(finding(seen, judged, created_at, indices));
    }
}

fn finding(seen: &Seen<'_>, judged: Judged, created_at: Addr, indices: Vec<u32>) -> Finding {
    let groups: Vec<GroupIx> = indices
        .iter()
        .filter_map(|index| seen.goroutines.get(index).copied())
        .collect();
    // What several of them share, none of them holds alone. Where all goroutines of a function are leaked, what these hold
    // together is known too.
    let around = around(seen, &groups);
    let whole = around.and_then(|(group, all)| (all == groups.len()).then_some(group));
    let bytes = match whole {
        Some(group) => seen.held(group),
        None => groups
            .iter()
            .fold(0, |sum, group| seen.held(*group).saturating_add(sum)),
    };
    let all: Vec<&Goroutine> = indices
        .iter()
        .filter_map(|index| seen.heap.goroutines.get(*index))
        .collect();
    let stacks = all
        .iter()
        .fold(0u64, |sum, g| sum.saturating_add(g.stack.len()));
    let mut reasons = vec![
        "nothing that can still run leads to what they wait for: the rule of the goroutineleak profile of Go 1.27".to_owned(),
    ];
    let (verdict, confidence) = match judged {
        Judged::Suspect(doubt) => {
            reasons.push(match doubt {
                Doubt::Conservative => "a word that may be a pointer leads there".to_owned(),
                Doubt::Unread => "part of what holds references could not be read".to_owned(),
            });
            (Verdict::Suspect, Confidence::Medium)
        }
        _ => (Verdict::Leak, Confidence::High),
    };
    if whole.is_none() && groups.len() > 1 {
        reasons.push("what they share with each other is not counted".to_owned());
    }
    // A suspect that is mostly these is the same thing.
    let most = around.and_then(|(group, all)| {
        (groups.len().saturating_mul(MOST) >= all.saturating_mul(MOST - 1)).then_some(group)
    });
    let points = groups.iter().chain(most.as_ref()).flat_map(|group| {
        [Strength::Strong, Strength::Conservative].map(|strength| Node::Group(*group, strength))
    });
    Finding {
        pattern: &PATTERN,
        verdict,
        bytes,
        confidence,
        reasons,
        places: indices.len() as u64,
        points: points.collect(),
        evidence: evidence(seen, &all, stacks),
        subject: Subject::Goroutines {
            indices,
            created_at,
        },
        advice: "give whoever waits a way out: a context or a closed channel in the select, or a buffered channel so that the last \
                 send needs no receiver"
            .to_owned(),
        change: vec![
            "-   ch := make(chan T)".to_owned(),
            "+   ch := make(chan T, 1) // the sender ends even if nobody receives".to_owned(),
        ],
        no_help: "runtime.GC does not help: a blocked goroutine is never collected, nor is what its stack holds",
        fingerprint: None,
    }
}

/// The group around these, and how many goroutines it has.
fn around(seen: &Seen<'_>, groups: &[GroupIx]) -> Option<(GroupIx, usize)> {
    let parent = seen.groups.parent(*groups.first()?)?;
    let in_parent = |group: &GroupIx| seen.groups.parent(*group) == Some(parent);
    let all = seen
        .goroutines
        .values()
        .filter(|group| in_parent(group))
        .count();
    groups.iter().all(in_parent).then_some((parent, all))
}

fn evidence(seen: &Seen<'_>, all: &[&Goroutine], stacks: u64) -> Vec<Evidence> {
    let mut evidence = vec![Evidence::new("goroutines", all.len(), None)];
    let goroutines = &seen.heap.goroutines;
    if let Some(first) = all.first() {
        evidence.push(Evidence::new("g.goid", first.id, Some(first.at.0)));
        let reason = first.wait_reason.map(usize::from);
        if let Some(reason) = reason.and_then(|r| goroutines.wait_reasons().get(r)) {
            evidence.push(Evidence::new("g.waitreason", reason, Some(first.at.0)));
        }
    }
    if let Some(longest) = all.iter().filter_map(|g| goroutines.waited(g)).max() {
        evidence.push(Evidence::new("longest wait known, ns", longest, None));
    }
    evidence.push(Evidence::new(
        "bytes of stacks, beside the heap",
        stacks,
        None,
    ));
    evidence
}
