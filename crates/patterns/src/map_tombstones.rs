//! GO-MAP-TOMBSTONES: see the page.

use leakscope_go::maps::{Assign, MapInfo, Structure, Swiss};
use leakscope_graph::Resolver;

use crate::Pattern;
use crate::finding::{Confidence, Evidence, Finding, Subject, Verdict};
use crate::page::Page;
use crate::seen::Seen;
use crate::sparse::{deletions_grow, few_at_a_time, given_back};

pub(crate) const PATTERN: Pattern = Pattern {
    id: "GO-MAP-TOMBSTONES",
    page: Page::of(include_str!("../../../docs/patterns/GO-MAP-TOMBSTONES.md")),
    find,
};

fn find(seen: &Seen<'_>, out: &mut Vec<Finding>) {
    for (index, map) in seen.maps() {
        if let Structure::Swiss(inside) = map.structure
            && let Some(bytes) = given_back(map).filter(|_| grown_by_deletions(seen, map))
        {
            out.push(finding(seen, index, map, inside, bytes));
        }
    }
}

/// Whether a sparse map has its size from deletions and not from a past peak.
pub(crate) fn grown_by_deletions(seen: &Seen<'_>, map: &MapInfo) -> bool {
    // A map that was just made too large holds fewer keys of the past than entries.
    let came_and_went = map.stale_keys.is_some_and(|stale| stale >= map.len);
    came_and_went && few_at_a_time(map) == Some(true) && deletions_grow(seen, map)
}

fn finding(seen: &Seen<'_>, index: usize, map: &MapInfo, inside: Swiss, bytes: u64) -> Finding {
    let type_ = seen.heap.names.type_name(map.type_);
    let version = seen.heap.names.program().exe().go_version().to_string();
    let general = seen.heap.map_shape(map).map(|shape| shape.assign()) == Some(Assign::General);
    let at = Some(map.address.0);
    let mut advice =
        "copy the map into a new one from time to time, such as after as many deletions as it has entries"
            .to_owned();
    advice.push_str(if general {
        "; or take keys that are strings, pointers or integers of 4 or 8 bytes, with elems of at most 128: for these Go 1.25 and \
         later remove the marks (for pointers 1.27)"
    } else {
        "; or upgrade to Go 1.25 or later, which removes the marks before it grows (for keys that are pointers 1.27)"
    });
    Finding {
        pattern: &PATTERN,
        verdict: Verdict::Waste,
        bytes,
        confidence: Confidence::Medium,
        reasons: vec![
            format!("{} entries in room for {}", map.len, map.slots),
            "slots that were ever in use lie evenly over the groups: entries came and went, few at a time, and it never was as \
             full as its size needs"
                .to_owned(),
            format!("Go {version} counts the marks of deleted entries as load when it grows maps of this type"),
            "made four times too large, and then used so, it would look the same".to_owned(),
        ],
        subject: Subject::Map(index),
        places: 1,
        points: seen.point(map),
        evidence: vec![
            Evidence::new("Map.used", map.len, at),
            Evidence::new("Map.dirLen", inside.directory_len, at),
            Evidence::new("tables", inside.tables, None),
            Evidence::new("slots", map.slots, None),
            Evidence::new("slots marked deleted", inside.tombstones, None),
            Evidence::new(
                "keys of deleted entries",
                map.stale_keys.unwrap_or_default(),
                None,
            ),
            Evidence::new("bytes now", map.bytes, None),
            Evidence::new("bytes rebuilt", map.rebuilt_bytes, None),
        ],
        advice,
        change: seen.copied(&type_),
        no_help: "delete, clear and runtime.GC do not help: none gives room back; making the map larger only lets it grow later",
        fingerprint: None,
    }
}
