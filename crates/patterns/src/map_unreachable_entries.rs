//! GO-MAP-UNREACHABLE-ENTRIES: see the page.

use leakscope_go::maps::{MapInfo, OddMap};
use leakscope_graph::{Node, Resolver};

use crate::Pattern;
use crate::finding::{Confidence, Evidence, Finding, Subject, Verdict};
use crate::page::Page;
use crate::seen::Seen;

pub(crate) const PATTERN: Pattern = Pattern {
    id: "GO-MAP-UNREACHABLE-ENTRIES",
    page: Page::of(include_str!(
        "../../../docs/patterns/GO-MAP-UNREACHABLE-ENTRIES.md"
    )),
    find,
};

/// Fewer keys that do not equal themselves are passed over: a mean of nothing gets into many a map once.
const LEAST_UNEQUAL: u64 = 16;

/// As few keys that lie elsewhere could be the work of one stray write over the map.
const FEW_MISPLACED: u64 = 16;

fn find(seen: &Seen<'_>, out: &mut Vec<Finding>) {
    for (odd, map) in seen.odd_maps() {
        if odd.misplaced > 0 || odd.unequal >= LEAST_UNEQUAL {
            out.push(finding(seen, odd, map));
        }
    }
}

/// Bytes of objects that entries out of reach refer to, and that nothing outside the map does.
fn held(seen: &Seen<'_>, odd: &OddMap, map: &MapInfo) -> u64 {
    let Some(header) = map.object.map(Node::Object) else {
        return 0;
    };
    // The cells' array, a directory and a table lie between the header and what a cell refers to.
    let parts = |node: Node| {
        let above = std::iter::successors(seen.tree.parent(node), |n| seen.tree.parent(*n));
        above.take(4).any(|node| node == header)
    };
    let objects = odd
        .held
        .iter()
        .filter(|object| parts(Node::Object(**object)));
    objects.fold(0, |sum, object| {
        sum.saturating_add(seen.tree.retained(*object))
    })
}

fn finding(seen: &Seen<'_>, odd: &OddMap, map: &MapInfo) -> Finding {
    let type_ = seen.heap.names.type_name(map.type_);
    let at = Some(map.address.0);
    let mut reasons = Vec::new();
    if odd.unequal > 0 {
        reasons.push(format!(
            "{} keys hold a NaN, which equals nothing, not even itself",
            odd.unequal
        ));
    }
    if odd.misplaced > 0 {
        reasons.push(format!(
            "{} keys have another hash than when they were inserted: searches look elsewhere",
            odd.misplaced
        ));
    }
    // Without one key that is where it belongs, it may be the map's seed that is wrong.
    let proved = odd.proved && odd.agreed > 0;
    let likely = proved || odd.misplaced == 0;
    let sure = likely && (odd.misplaced == 0 || odd.misplaced >= FEW_MISPLACED);
    reasons.push(match (odd.misplaced, odd.proved) {
        (0, _) => "no hash is needed to know".to_owned(),
        (_, true) => {
            "the hash was recomputed, and led to where they lie for other keys of this type".to_owned()
        }
        (_, false) => {
            "no key of this type lies where its hash leads: the program may hash in a way that is not known".to_owned()
        }
    });
    if odd.proved && !proved {
        reasons.push(
            "no key of this map lies where its hash leads: the seed of the map's hash may have been overwritten".to_owned(),
        );
    } else if likely && !sure {
        reasons
            .push("they are so few that a stray write over the map would look the same".to_owned());
    }
    if !odd.whole {
        reasons.push("only a sample of the keys was looked at: there are more".to_owned());
    }
    let rebuilt = map.bytes.saturating_sub(odd.rebuilt_bytes);
    let held = held(seen, odd, map);
    Finding {
        pattern: &PATTERN,
        verdict: if likely {
            Verdict::Leak
        } else {
            Verdict::Suspect
        },
        bytes: rebuilt.saturating_add(held),
        confidence: if sure {
            Confidence::High
        } else {
            Confidence::Medium
        },
        reasons,
        subject: Subject::Map(odd.map),
        places: 1,
        points: seen.point(map),
        evidence: vec![
            Evidence::new("entries", map.len, at),
            Evidence::new("keys that do not equal themselves", odd.unequal, None),
            Evidence::new("keys where no search looks", odd.misplaced, None),
            Evidence::new("keys where their hash leads", odd.agreed, None),
            Evidence::new("keys not read", odd.unread, None),
            Evidence::new("bytes now", map.bytes, None),
            Evidence::new("bytes rebuilt without them", odd.rebuilt_bytes, None),
            Evidence::new("bytes that only their keys and elements hold", held, None),
        ],
        advice: advice(odd),
        change: change(odd, &type_),
        no_help: "delete and overwriting do not help, nor does a loop that deletes every key: these entries are found by neither; clear empties the map of all entries",
        fingerprint: None,
    }
}

fn advice(odd: &OddMap) -> String {
    let cause = if odd.unequal >= odd.misplaced {
        "let no NaN become a key: test k == k before inserting"
    } else {
        "insert a copy of the key that nobody writes to: strings made with unsafe change with the buffer that they were made of"
    };
    format!("{cause}; to get rid of the entries, copy those that are found into a new map")
}

fn change(odd: &OddMap, type_: &str) -> Vec<String> {
    let mut lines = if odd.unequal >= odd.misplaced {
        vec![
            "-   m[k] = v".to_owned(),
            "+   if k == k { // not NaN".to_owned(),
            "+       m[k] = v".to_owned(),
            "+   }".to_owned(),
        ]
    } else {
        vec![
            "-   m[unsafe.String(&buffer[0], n)] = v".to_owned(),
            "+   m[string(buffer[:n])] = v".to_owned(),
        ]
    };
    lines.extend([
        format!("+   fresh := make({type_})"),
        "+   for k := range m {".to_owned(),
        "+       if v, ok := m[k]; ok {".to_owned(),
        "+           fresh[k] = v".to_owned(),
        "+       }".to_owned(),
        "+   }".to_owned(),
        "+   m = fresh".to_owned(),
    ]);
    lines
}
