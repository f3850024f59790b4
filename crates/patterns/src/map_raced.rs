//! GO-MAP-RACED: see the page.

use leakscope_go::maps::{MapInfo, RacedMap, Structure};
use leakscope_graph::Resolver;

use crate::Pattern;
use crate::finding::{Confidence, Evidence, Finding, Subject, Verdict};
use crate::page::Page;
use crate::seen::Seen;

pub(crate) const PATTERN: Pattern = Pattern {
    id: "GO-MAP-RACED",
    page: Page::of(include_str!("../../../docs/patterns/GO-MAP-RACED.md")),
    find,
};

fn find(seen: &Seen<'_>, out: &mut Vec<Finding>) {
    for raced in &seen.heap.keys.raced {
        let map = seen.heap.maps.get(raced.map);
        if let Some(map) = map.filter(|map| seen.is_used(map)) {
            out.push(finding(seen, raced, map));
        }
    }
}

fn finding(seen: &Seen<'_>, raced: &RacedMap, map: &MapInfo) -> Finding {
    let type_ = seen.heap.names.type_name(map.type_);
    let at = Some(map.address.0);
    let count = match map.structure {
        Structure::Classic(_) => "hmap.count",
        Structure::Swiss(_) => "Map.used",
    };
    let effect = if map.len < map.cells {
        "entries that the count does not know of"
    } else {
        "entries are counted that are not there"
    };
    Finding {
        pattern: &PATTERN,
        verdict: Verdict::Leak,
        bytes: map.bytes.saturating_sub(raced.rebuilt_bytes),
        confidence: Confidence::Medium,
        reasons: vec![
            format!("{} is {}, and {} cells are filled: {effect}", count, map.len, map.cells),
            "nobody was writing to it: the mark of a write under way is not set".to_owned(),
            "writes by several goroutines at once leave this; what else they have overwritten is not known".to_owned(),
            "a stray write over the count or over the marks of cells would look the same".to_owned(),
        ],
        subject: Subject::Map(raced.map),
        places: 1,
        points: seen.point(map),
        evidence: vec![
            Evidence::new(count, map.len, at),
            Evidence::new("filled cells", map.cells, None),
            Evidence::new("bytes now", map.bytes, None),
            Evidence::new("bytes rebuilt", raced.rebuilt_bytes, None),
        ],
        advice: "guard the map with a mutex, or use sync.Map; go test -race shows where. The present map stays wrong until it is \
                 built anew"
            .to_owned(),
        change: vec![
            "+   mu.Lock()".to_owned(),
            "    m[k] = v".to_owned(),
            "+   mu.Unlock()".to_owned(),
            format!("+   fresh := make({type_}, len(m))"),
            "+   for k, v := range m {".to_owned(),
            "+       fresh[k] = v".to_owned(),
            "+   }".to_owned(),
            "+   m = fresh".to_owned(),
        ],
        no_help: "recovering does not help: the fatal error of concurrent writes cannot be recovered from, and its absence proves nothing",
        fingerprint: None,
    }
}
