//! GO-MAP-NEVER-SHRINKS: see the page.

use leakscope_go::maps::{Generation, MapInfo, Structure};
use leakscope_graph::Resolver;

use crate::Pattern;
use crate::finding::{Confidence, Evidence, Finding, Subject, Verdict};
use crate::page::Page;
use crate::seen::Seen;

pub(crate) const PATTERN: Pattern = Pattern {
    id: "GO-MAP-NEVER-SHRINKS",
    page: Page::of(include_str!(
        "../../../docs/patterns/GO-MAP-NEVER-SHRINKS.md"
    )),
    find,
};

/// Slots per entry from which on a map is called sparse. One that only grew has at most 8/3 (buckets; 8/3.25 from Go 1.22 on) or 8/3.5 (groups): a
/// growth doubles a full array once.
const SPARSE: u64 = 4;
/// Maps that give back less are passed over; they count only where very many are held in the same way.
const LEAST_EACH: u64 = 4 << 10;
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
        if let Some(bytes) = given_back(map) {
            out.push(finding(seen, index, map, bytes));
        }
    }
}

/// Bytes that rebuilding a sparse map gives back; `None` for any other.
fn given_back(map: &MapInfo) -> Option<u64> {
    let old = match map.structure {
        Structure::Classic(inside) => inside.growth.map_or(0, |g| g.old_bytes),
        Structure::Swiss(_) => 0,
    };
    let bytes = (map.bytes.saturating_sub(old)).saturating_sub(map.rebuilt_bytes);
    let sparse = map.len.saturating_mul(SPARSE) <= map.slots;
    (sparse && bytes >= LEAST_EACH).then_some(bytes)
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
            Confidence::High
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
    let (advice, change) = advice(&past, map, &type_);
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

fn advice(past: &Past, map: &MapInfo, type_: &str) -> (String, Vec<String>) {
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
            vec![
                format!("+   fresh := make({type_}, len(m))"),
                "+   for k, v := range m {".to_owned(),
                "+       fresh[k] = v".to_owned(),
                "+   }".to_owned(),
                "+   m = fresh".to_owned(),
            ],
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
