//! GO-MAP-GROWS-ONLY: see the page.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use leakscope_graph::{Fingerprint, Resolver, TypePaths};
use leakscope_target::Addr;

use crate::Pattern;
use crate::finding::{Confidence, Evidence, Finding, Subject, Verdict};
use crate::page::Page;
use crate::seen::Seen;

pub(crate) const PATTERN: Pattern = Pattern {
    id: "GO-MAP-GROWS-ONLY",
    page: Page::of(include_str!("../../../docs/patterns/GO-MAP-GROWS-ONLY.md")),
    // One capture does not show what grows.
    find: |_, _| {},
};

/// Maps of a capture that are remembered for comparison, those that hold most.
const MOST_MAPS: usize = 512;
/// Maps that hold less are not remembered, bytes.
const LEAST_BYTES: u64 = 64 << 10;

/// What is remembered of the maps of one capture: large ones by the address of their header.
#[derive(Clone, Default, Debug)]
pub struct MapSizes(BTreeMap<Addr, MapSize>);

#[derive(Clone, Debug)]
struct MapSize {
    index: usize,
    type_: String,
    len: u64,
    /// What the map alone holds, itself included.
    retained: u64,
}

impl MapSizes {
    /// The maps of a heap that hold most.
    pub fn of(seen: &Seen<'_>) -> Self {
        let mut all: Vec<(u64, usize)> = seen
            .maps()
            .filter_map(|(index, map)| Some((seen.tree.retained(map.object?), index)))
            .filter(|(retained, _)| *retained >= LEAST_BYTES)
            .collect();
        all.sort_unstable_by_key(|(retained, index)| (Reverse(*retained), *index));
        all.truncate(MOST_MAPS);
        let sizes = all.into_iter().filter_map(|(retained, index)| {
            let map = seen.heap.maps.get(index)?;
            let size = MapSize {
                index,
                type_: seen.heap.names.type_name(map.type_).into_owned(),
                len: map.len,
                retained,
            };
            Some((map.address, size))
        });
        Self(sizes.collect())
    }
}

/// Maps that had more entries in each capture of a process than in the one before. `earlier` are what the captures
/// before `now` had, oldest first; `now` is what `seen` has.
pub fn growing(seen: &Seen<'_>, earlier: &[&MapSizes], now: &MapSizes) -> Vec<Finding> {
    let least = seen.small_waste();
    let mut paths = TypePaths::new(&seen.heap.graph, &seen.heap.reach, &seen.heap.names);
    let mut found = Vec::new();
    for (address, last) in &now.0 {
        let before: Option<Vec<&MapSize>> = earlier.iter().map(|c| c.0.get(address)).collect();
        let Some((history, first)) = before.and_then(|b| Some((b.clone(), *b.first()?))) else {
            continue;
        };
        let history: Vec<&MapSize> = history.into_iter().chain([last]).collect();
        let grows = history.is_sorted_by(|a, b| a.type_ == b.type_ && a.len < b.len);
        let bytes = last.retained.saturating_sub(first.retained);
        if grows && bytes >= least {
            let object = seen.heap.maps.get(last.index).and_then(|map| map.object);
            let way = object.and_then(|object| paths.fingerprint(object));
            let print =
                way.map(|way| Fingerprint::of_text(format!("{}\n{}", PATTERN.id, way.text())));
            found.push(finding(*address, &history, bytes, print));
        }
    }
    found.sort_by_key(|finding| Reverse(finding.bytes));
    found
}

fn finding(
    address: Addr,
    history: &[&MapSize],
    bytes: u64,
    fingerprint: Option<Fingerprint>,
) -> Finding {
    let all = |of: fn(&MapSize) -> u64| {
        let numbers: Vec<String> = history.iter().map(|size| of(size).to_string()).collect();
        numbers.join(", ")
    };
    let (index, type_) = history
        .last()
        .map_or((0, ""), |last| (last.index, last.type_.as_str()));
    let intervals = history.len().saturating_sub(1);
    Finding {
        pattern: &PATTERN,
        verdict: Verdict::Suspect,
        bytes,
        confidence: Confidence::Medium,
        reasons: vec![
            format!(
                "the same map has more entries in each of {} captures than in the one before",
                history.len()
            ),
            if intervals < 3 {
                "a cache that still fills up looks the same: more captures tell".to_owned()
            } else {
                "a cache that still fills up looks the same, unless it is known to be full by now".to_owned()
            },
        ],
        subject: Subject::Map(index),
        places: 1,
        points: Vec::new(),
        evidence: vec![
            Evidence::new("type", type_, Some(address.0)),
            Evidence::new("entries, capture by capture", all(|size| size.len), None),
            Evidence::new(
                "bytes that it alone holds, capture by capture",
                all(|size| size.retained),
                None,
            ),
        ],
        advice: "bound it: delete entries when what they stand for ends, or evict the oldest when it is full; a map that was large once \
                 is best made anew"
            .to_owned(),
        change: vec![
            "    s.sessions[id] = session".to_owned(),
            "+   context.AfterFunc(ctx, func() { s.remove(id) }) // when its owner ends".to_owned(),
        ],
        no_help: "runtime.GC does not help, nor does a larger limit of memory: both only put the end off",
        fingerprint,
    }
}
