//! GO-MAP-HASH-SKEW: see the page.

use std::collections::BTreeSet;

use leakscope_go::maps::{MapInfo, OddMap, Structure};
use leakscope_gomap::{Expectation, classic_chains, swiss_probes};
use leakscope_graph::Resolver;

use crate::Pattern;
use crate::finding::{Confidence, Evidence, Finding, Subject, Verdict};
use crate::page::Page;
use crate::seen::Seen;

pub(crate) const PATTERN: Pattern = Pattern {
    id: "GO-MAP-HASH-SKEW",
    page: Page::of(include_str!("../../../docs/patterns/GO-MAP-HASH-SKEW.md")),
    find,
};

/// Cells of a bucket.
const CELLS: u64 = 8;
/// So many times what is expected is far from it, and one more.
const FAR: u64 = 2;
/// Directory entries per table from which on tables have split unequally: with a good hash they differ by one or two splits.
const DEEP: u64 = 8;

/// What was measured of a map, and what a good hash gives.
struct Skew {
    what: &'static str,
    measured: f64,
    expected: f64,
}

fn find(seen: &Seen<'_>, out: &mut Vec<Finding>) {
    for (odd, map) in seen.odd_maps() {
        // Keys that have moved since they were hashed explain any shape.
        if let Some(skew) = skew(odd, map).filter(|_| odd.whole && odd.misplaced == 0) {
            out.push(finding(seen, odd, map, &skew));
        }
    }
}

/// Takes out what other patterns say about room in maps whose keys are skewed, or are out of reach: that is the effect of it,
/// and rebuilding them is told already.
pub(crate) fn absorb(found: &mut Vec<Finding>) {
    let causes = [PATTERN.id, crate::map_unreachable_entries::PATTERN.id];
    let is_cause = |finding: &Finding| causes.contains(&finding.pattern.id);
    let map_of = |finding: &Finding| match finding.subject {
        Subject::Map(index) => Some(index),
        _ => None,
    };
    let explained: BTreeSet<usize> = (found.iter().filter(|f| is_cause(f)))
        .filter_map(map_of)
        .collect();
    found.retain(|f| is_cause(f) || map_of(f).is_none_or(|map| !explained.contains(&map)));
}

fn skew(odd: &OddMap, map: &MapInfo) -> Option<Skew> {
    match map.structure {
        Structure::Classic(inside) => {
            let expected = classic_chains(map.len, inside.b).longest;
            let measured = odd.fullest_chain.div_ceil(CELLS);
            (measured > FAR * expected + 1).then_some(Skew {
                what: "buckets that the entries of the fullest chain take",
                measured: measured as f64,
                expected: expected as f64,
            })
        }
        Structure::Swiss(inside) => {
            if inside.directory_len > inside.tables.saturating_mul(DEEP) {
                return Some(Skew {
                    what: "directory entries per table",
                    measured: inside.directory_len as f64 / inside.tables.max(1) as f64,
                    expected: 1.0,
                });
            }
            let tables = inside.tables.max(1);
            let used = map.len.saturating_add(inside.tombstones) / tables;
            let expected: Expectation = swiss_probes(used, map.slots / tables);
            let measured = odd.probes as f64 / odd.agreed.max(1) as f64;
            (measured > FAR as f64 * expected.mean + 1.0).then_some(Skew {
                what: "groups that a search looks at on average",
                measured,
                expected: expected.mean,
            })
        }
    }
}

fn finding(seen: &Seen<'_>, odd: &OddMap, map: &MapInfo, skew: &Skew) -> Finding {
    let type_ = seen.heap.names.type_name(map.type_);
    let at = Some(map.address.0);
    let mut evidence = vec![
        Evidence::new(skew.what, format!("{:.1}", skew.measured), at),
        Evidence::new(
            "expected of a good hash",
            format!("{:.1}", skew.expected),
            None,
        ),
    ];
    match map.structure {
        Structure::Classic(inside) => {
            evidence.push(Evidence::new("hmap.B", inside.b, at));
            evidence.push(Evidence::new("overflow buckets", inside.overflow, None));
        }
        Structure::Swiss(inside) => {
            evidence.push(Evidence::new("Map.dirLen", inside.directory_len, at));
            evidence.push(Evidence::new("tables", inside.tables, None));
            evidence.push(Evidence::new(
                "longest search, groups",
                odd.longest_search,
                None,
            ));
        }
    }
    evidence.push(Evidence::new("entries", map.len, None));
    evidence.push(Evidence::new("bytes now", map.bytes, None));
    evidence.push(Evidence::new("bytes rebuilt", map.rebuilt_bytes, None));
    Finding {
        pattern: &PATTERN,
        verdict: Verdict::Waste,
        bytes: map.bytes.saturating_sub(map.rebuilt_bytes),
        confidence: Confidence::High,
        reasons: vec![
            format!(
                "{}: {:.1}, where a good hash gives about {:.1}",
                skew.what, skew.measured, skew.expected
            ),
            "every key lies where its hash leads: it is the hashes that are alike".to_owned(),
            "keys do not come out like this by chance: they were chosen by somebody who knows the map's seed, or changed and were \
             moved by a growth"
                .to_owned(),
        ],
        subject: Subject::Map(odd.map),
        places: 1,
        points: seen.point(map),
        evidence,
        advice: "build the map anew: a new map hashes with a new seed; and find out who chooses the keys, or writes to their bytes"
            .to_owned(),
        change: vec![
            format!("+   fresh := make({type_}, len(m))"),
            "+   for k, v := range m {".to_owned(),
            "+       fresh[k] = v".to_owned(),
            "+   }".to_owned(),
            "+   m = fresh".to_owned(),
        ],
        no_help: "more room does not help: keys with the same hash stay together in an array of any size",
        fingerprint: None,
    }
}
