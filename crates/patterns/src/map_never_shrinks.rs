//! GO-MAP-NEVER-SHRINKS: see the page.

use leakscope_go::maps::{Generation, MapInfo, Structure};
use leakscope_graph::Resolver;

use crate::Pattern;
use crate::finding::{Confidence, Evidence, Finding, Subject, Verdict};
use crate::map_tombstones::grown_by_deletions;
use crate::page::Page;
use crate::seen::Seen;
use crate::sparse::{deletions_grow, few_at_a_time, given_back};

pub(crate) const PATTERN: Pattern = Pattern {
    id: "GO-MAP-NEVER-SHRINKS",
    page: Page::of(include_str!(
        "../../../docs/patterns/GO-MAP-NEVER-SHRINKS.md"
    )),
    find,
};

/// One of so many empty slots with the key of a deleted entry proves that the map was fuller once: a few come from the
/// ordinary coming and going of entries.
const STALE_SHARE: u64 = 16;

/// What empty slots tell of the past.
enum Past {
    /// Entries were deleted: so many keys are left, or so many marks of deletions.
    WasFull { keys: u64, marks: u64 },
    /// None ever was where there are none now, or they were cleared.
    NeverUsed,
    /// Nothing.
    Unknown,
}

fn find(seen: &Seen<'_>, out: &mut Vec<Finding>) {
    for (index, map) in seen.maps() {
        if let Some(bytes) = given_back(map).filter(|_| !grown_by_deletions(seen, map)) {
            out.push(finding(seen, index, map, bytes));
        }
    }
}

fn past(map: &MapInfo) -> Past {
    let marks = match map.structure {
        Structure::Swiss(inside) => inside.tombstones,
        Structure::Classic(_) => 0,
    };
    let empty = map.slots.saturating_sub(map.len);
    match map.stale_keys {
        Some(keys) if keys.saturating_mul(STALE_SHARE) >= empty => Past::WasFull { keys, marks },
        _ if marks > 0 => Past::WasFull { keys: 0, marks },
        Some(_) => Past::NeverUsed,
        None => Past::Unknown,
    }
}

fn finding(seen: &Seen<'_>, index: usize, map: &MapInfo, bytes: u64) -> Finding {
    let type_ = seen.heap.names.type_name(map.type_);
    let past = past(map);
    let mut reasons = vec![format!(
        "{} entries in room for {}; a map that only grew is at least {} full",
        map.len,
        map.slots,
        match map.generation() {
            Generation::Classic => "37 %",
            Generation::Swiss => "44 %",
        }
    )];
    let confidence = match past {
        Past::WasFull { keys, marks } => {
            if keys > 0 {
                reasons.push(format!(
                    "it was fuller: {keys} empty slots still hold the key of a deleted entry"
                ));
            }
            if marks > 0 {
                reasons.push(format!(
                    "it was fuller: {marks} slots are marked as deleted, which only happens in full groups"
                ));
            }
            // Where the runtime prunes marks, or keys say that the table was filled, nothing else leaves so much.
            if deletions_grow(seen, map) && few_at_a_time(map) != Some(false) {
                reasons.push(
                    "or it never was: this release grows maps of this type for the marks of deleted entries alone, and no keys are \
                     left that tell (GO-MAP-TOMBSTONES)"
                        .to_owned(),
                );
                Confidence::Medium
            } else {
                Confidence::High
            }
        }
        Past::NeverUsed => {
            reasons.push(
                "made for more entries than it ever had, or emptied by clear: empty slots hold no key of a deleted entry"
                    .to_owned(),
            );
            reasons.push("the room may be for entries still to come".to_owned());
            Confidence::Medium
        }
        Past::Unknown => {
            reasons.push(
                "keys with pointers are cleared when they are deleted: whether it was full or made too large is not known"
                    .to_owned(),
            );
            Confidence::Medium
        }
    };
    let (advice, change) = advice(seen, &past, map, &type_);
    Finding {
        pattern: &PATTERN,
        verdict: Verdict::Waste,
        bytes,
        confidence,
        reasons,
        subject: Subject::Map(index),
        places: 1,
        points: seen.point(map),
        evidence: evidence(map),
        advice,
        change,
        no_help: "delete, clear, runtime.GC and debug.FreeOSMemory do not help: a map gives no array back while it lives, in no release",
        fingerprint: None,
    }
}

fn advice(seen: &Seen<'_>, past: &Past, map: &MapInfo, type_: &str) -> (String, Vec<String>) {
    match past {
        Past::NeverUsed => (
            "make the map for as many entries as it gets, or without a number: it grows by itself".to_owned(),
            vec![
                format!("-   m := make({type_}, n) // n: room for {}", map.slots),
                format!("+   m := make({type_})"),
            ],
        ),
        Past::WasFull { .. } | Past::Unknown => (
            "after the map has lost most of its entries, copy those that are left into a new one and drop the old one"
                .to_owned(),
            seen.copied(type_),
        ),
    }
}

fn evidence(map: &MapInfo) -> Vec<Evidence> {
    let at = Some(map.address.0);
    let mut evidence = Vec::new();
    match map.structure {
        Structure::Classic(inside) => {
            evidence.push(Evidence::new("hmap.count", map.len, at));
            evidence.push(Evidence::new("hmap.B", inside.b, at));
            evidence.push(Evidence::new("overflow buckets", inside.overflow, None));
        }
        Structure::Swiss(inside) => {
            evidence.push(Evidence::new("Map.used", map.len, at));
            evidence.push(Evidence::new("Map.dirLen", inside.directory_len, at));
            evidence.push(Evidence::new("tables", inside.tables, None));
            evidence.push(Evidence::new(
                "slots marked deleted",
                inside.tombstones,
                None,
            ));
        }
    }
    evidence.push(Evidence::new("slots", map.slots, None));
    if let Some(keys) = map.stale_keys {
        evidence.push(Evidence::new("keys of deleted entries", keys, None));
    }
    evidence.push(Evidence::new("bytes now", map.bytes, None));
    evidence.push(Evidence::new("bytes rebuilt", map.rebuilt_bytes, None));
    evidence
}
