//! GO-MAP-GROWTH-SPIKE: see the page.

use leakscope_go::counters::Counters;
use leakscope_go::maps::{Classic, MapInfo, Structure};
use leakscope_graph::{Node, Resolver};

use crate::Pattern;
use crate::finding::{Confidence, Evidence, Finding, Subject, Verdict};
use crate::page::Page;
use crate::seen::Seen;

pub(crate) const PATTERN: Pattern = Pattern {
    id: "GO-MAP-GROWTH-SPIKE",
    page: Page::of(include_str!(
        "../../../docs/patterns/GO-MAP-GROWTH-SPIKE.md"
    )),
    find,
};

/// A map that lacks at most this share of the entries at which it grows is due.
const DUE: u64 = 16;
/// Smaller arrays never make a spike.
const LEAST_EACH: u64 = 64 << 10;

/// A map that is about to grow.
struct Due {
    index: usize,
    inserts: u64,
    allocates: u64,
    point: Option<Node>,
}

fn find(seen: &Seen<'_>, out: &mut Vec<Finding>) {
    let Some((limit, used)) = room(&seen.heap.counters) else {
        return;
    };
    let mut due: Vec<Due> = (seen.maps())
        .filter_map(|(index, map)| {
            let Structure::Classic(inside) = map.structure else {
                return None;
            };
            let (inserts, allocates) = next_growth(seen, map, inside)?;
            let point = map.object.map(Node::Object);
            (allocates >= LEAST_EACH).then_some(Due {
                index,
                inserts,
                allocates,
                point,
            })
        })
        .collect();
    let bytes = due
        .iter()
        .fold(0u64, |sum, d| sum.saturating_add(d.allocates));
    due.sort_by_key(|d| std::cmp::Reverse(d.allocates));
    if used.saturating_add(bytes) > limit
        && let Some(first) = due.first()
        && let Some(map) = seen.heap.maps.get(first.index)
    {
        out.push(finding(seen, map, &due, bytes, limit, used));
    }
}

/// The limit that is set, and what of it is in use: mapped memory without what lies idle in the heap.
fn room(counters: &Counters) -> Option<(u64, u64)> {
    let idle = (counters.heap_idle?).saturating_sub(counters.heap_released?);
    Some((
        counters.memory_limit?,
        counters.mapped_ready?.saturating_sub(idle),
    ))
}

/// New keys until a map that is due grows, and what that allocates.
fn next_growth(seen: &Seen<'_>, map: &MapInfo, inside: Classic) -> Option<(u64, u64)> {
    if inside.growth.is_some() || map.slots == 0 {
        return None;
    }
    let shape = seen.heap.map_shape(map)?;
    let buckets = 1u64.checked_shl(inside.b.into())?;
    let most = shape.load_factor_num()?.checked_mul(buckets)? / 2;
    let left = most.saturating_sub(map.len);
    let allocates = shape.grown_array_bytes(inside.b)?;
    (left <= most / DUE).then_some((left + 1, allocates))
}

fn finding(
    seen: &Seen<'_>,
    map: &MapInfo,
    due: &[Due],
    bytes: u64,
    limit: u64,
    used: u64,
) -> Finding {
    let first = due.first();
    let inserts = first.map_or(0, |d| d.inserts);
    Finding {
        pattern: &PATTERN,
        verdict: Verdict::Suspect,
        bytes,
        confidence: Confidence::High,
        reasons: vec![
            format!(
                "{} maps are nearly full: their next growths allocate {bytes} bytes, while the old arrays live on",
                due.len()
            ),
            format!("{used} bytes of the memory limit of {limit} are in use: there is no room for that"),
            "it does no harm if no new keys come".to_owned(),
        ],
        subject: Subject::Map(first.map_or(0, |d| d.index)),
        places: due.len() as u64,
        points: due.iter().filter_map(|d| d.point).collect(),
        evidence: vec![
            Evidence::new("maps due to grow", due.len(), None),
            Evidence::new("type of the largest", seen.heap.names.type_name(map.type_), None),
            Evidence::new("hmap.count", map.len, Some(map.address.0)),
            Evidence::new("new keys until it grows", inserts, None),
            Evidence::new("bytes of its next array", first.map_or(0, |d| d.allocates), None),
            Evidence::new("memory limit", limit, None),
            Evidence::new("of which in use", used, None),
        ],
        advice: "divide the map into shards, by a part of the key, so that they grow one after the other; or upgrade to Go 1.24 or \
                 later, whose maps grow by tables of at most 1,024 slots"
            .to_owned(),
        change: Vec::new(),
        no_help: "runtime.GC and a lower GOGC do not help: both arrays are in use until the growth ends",
        fingerprint: None,
    }
}
