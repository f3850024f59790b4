//! GO-ITER-PINS-STORAGE: see the page.

use std::collections::BTreeSet;

use leakscope_go::maps::{Generation, MapInfo, OldIterator};
use leakscope_graph::{Node, ObjIx, Resolver};

use crate::Pattern;
use crate::finding::{Confidence, Evidence, Finding, Subject, Verdict};
use crate::page::Page;
use crate::seen::Seen;

pub(crate) const PATTERN: Pattern = Pattern {
    id: "GO-ITER-PINS-STORAGE",
    page: Page::of(include_str!(
        "../../../docs/patterns/GO-ITER-PINS-STORAGE.md"
    )),
    find,
};

fn find(seen: &Seen<'_>, out: &mut Vec<Finding>) {
    let mut known = BTreeSet::new();
    let mut found = Vec::new();
    for iterator in &seen.heap.iterators {
        // Two iterators may hold the same.
        if let Some(map) = seen.heap.maps.get(iterator.map) {
            let mut held = parts(seen, iterator, map);
            held.retain(|object| seen.heap.reach.is_reached(*object) && known.insert(*object));
            found.extend(finding(seen, iterator, map, &held));
        }
    }
    let all = found
        .iter()
        .fold(0u64, |sum, f| sum.saturating_add(f.bytes));
    if all >= seen.small_waste() {
        out.append(&mut found);
    }
}

/// What an iterator keeps; with a table its groups, of which it also has one.
fn parts(seen: &Seen<'_>, iterator: &OldIterator, map: &MapInfo) -> Vec<ObjIx> {
    let mut parts = iterator.holds.clone();
    if map.generation() == Generation::Swiss {
        for table in &iterator.holds {
            parts.extend(seen.heap.graph.out(*table).map(|edge| edge.to));
        }
    }
    parts
}

fn finding(
    seen: &Seen<'_>,
    iterator: &OldIterator,
    map: &MapInfo,
    held: &[ObjIx],
) -> Option<Finding> {
    let first = *held.first()?;
    let retained = held.iter().map(|object| seen.tree.retained(*object));
    let bytes = retained.fold(0, u64::saturating_add);
    let type_ = seen.heap.names.type_name(map.type_);
    let old = seen.heap.objects.base(first.0);
    let mut evidence = vec![
        Evidence::new("type", &type_, Some(map.address.0)),
        Evidence::new("entries", map.len, None),
        Evidence::new("bytes of the map", map.bytes, None),
    ];
    evidence.push(match map.generation() {
        Generation::Classic => Evidence::new(
            "hiter.buckets, which is no array of the map",
            old,
            Some(iterator.at.0),
        ),
        Generation::Swiss => Evidence::new(
            "Iter.tab, which is no table of the map",
            old,
            Some(iterator.at.0),
        ),
    });
    Some(Finding {
        pattern: &PATTERN,
        verdict: Verdict::NeedsSecondCapture,
        bytes,
        confidence: Confidence::Medium,
        reasons: vec![
            "the iterator began before the map grew, and keeps what the map had then".to_owned(),
            "an iteration that goes on lets go at its end: whether this one stands still tells a later capture".to_owned(),
        ],
        subject: Subject::Iterator {
            map: iterator.map,
            within: seen.heap.objects.find(iterator.at.0).map(|hit| ObjIx(hit.obj)),
            keeps: first,
            place: seen.tree.holder(first)?,
        },
        places: 1,
        points: held.iter().copied().map(Node::Object).collect(),
        evidence,
        advice: "let nothing wait inside a loop over a map that others write to: collect keys first, then loop over them. Drop a reflect.MapIter \
                 that is not used any more, or reset it"
            .to_owned(),
        change: vec![
            "-   for k := range m { results <- k }".to_owned(),
            "+   keys := make([]K, 0, len(m))".to_owned(),
            "+   for k := range m { keys = append(keys, k) }".to_owned(),
            "+   for _, k := range keys { results <- k }".to_owned(),
        ],
        no_help: "copying the map into a new one does not help: the iterator keeps the old array as long as it lives",
        fingerprint: None,
    })
}
