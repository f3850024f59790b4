//! GO-MAP-BOXED-VALUES: see the page.

use leakscope_go::maps::{BoxedMap, Dynamic, MapInfo, MapShape};
use leakscope_graph::{Node, ObjIx, Resolver};

use crate::Pattern;
use crate::finding::{Confidence, Evidence, Finding, Subject, Verdict};
use crate::page::Page;
use crate::seen::Seen;
use crate::shapes::Shapes;
use crate::sparse::is_sparse;

pub(crate) const PATTERN: Pattern = Pattern {
    id: "GO-MAP-BOXED-VALUES",
    page: Page::of(include_str!(
        "../../../docs/patterns/GO-MAP-BOXED-VALUES.md"
    )),
    find,
};

/// A slot's elem: an interface.
const INTERFACE: u64 = 16;
/// Larger elems do not fit a slot: each is an object in any map (`internal/abi.MapMaxElemBytes`).
const MAX_ELEM: u64 = 128;
/// A type of fewer than this part of a map's entries is not worth a map of its own.
const FEW: u64 = 8;
/// Of what the map and its boxes take, at least this part is given back: an eighth.
const LITTLE: u64 = 8;
/// Objects between a box and the header of its map: its group, a table and the directory, or a short chain of buckets.
const PARTS: usize = 8;

/// Maps of the elems' own types in place of a map of interfaces.
struct Advised<'a> {
    /// Types that get a map.
    types: Vec<&'a Dynamic>,
    /// Entries of other types.
    rest: u64,
    /// Boxes that nothing but the map's cells hold, of these types.
    alone: u64,
    /// Their bytes.
    alone_bytes: u64,
    /// Boxes of these types that something else holds too.
    shared: u64,
    /// What the maps take.
    maps_bytes: u64,
}

fn find(seen: &Seen<'_>, out: &mut Vec<Finding>) {
    let least = seen.small_waste();
    let mut shapes = Shapes::new(seen);
    for boxed in &seen.heap.boxed {
        let map = seen.heap.maps.get(boxed.map);
        let Some(map) = map.filter(|map| seen.is_used(map) && !is_sparse(map)) else {
            continue;
        };
        let shape = shapes.of(map);
        let advised = shape.and_then(|shape| advised(seen, boxed, map, &shape));
        if let Some(advised) = advised {
            let now = map.bytes.saturating_add(advised.alone_bytes);
            let bytes = now.saturating_sub(advised.maps_bytes);
            if bytes >= least && bytes >= now / LITTLE {
                out.push(finding(seen, boxed, map, &advised, bytes));
            }
        }
    }
}

/// What is advised for a map; `None` where nothing is.
fn advised<'a>(
    seen: &Seen<'_>,
    boxed: &'a BoxedMap,
    map: &MapInfo,
    shape: &MapShape,
) -> Option<Advised<'a>> {
    let header = Node::Object(map.object?);
    let worth = |t: &&Dynamic| {
        t.size <= MAX_ELEM && t.entries >= map.len / FEW && t.unboxed <= t.entries / 2
    };
    let types: Vec<&Dynamic> = boxed.types.iter().filter(worth).collect();
    let moved = types.iter().map(|t| t.entries).sum();
    let rest = map.len.saturating_sub(moved);
    let mut maps_bytes = match rest {
        0 => 0,
        _ => shape.footprint_with(INTERFACE, true, rest).total(),
    };
    let (mut alone, mut alone_bytes, mut shared) = (0, 0u64, 0);
    for t in &types {
        let footprint = shape.footprint_with(t.size, t.pointers, t.entries);
        maps_bytes = maps_bytes.saturating_add(footprint.total());
        for object in &t.boxes {
            if held_by(seen, header, *object) {
                alone += 1;
                alone_bytes = alone_bytes.saturating_add(seen.heap.graph.size(*object));
            } else {
                shared += 1;
            }
        }
    }
    (alone > 0).then_some(Advised {
        types,
        rest,
        alone,
        alone_bytes,
        shared,
        maps_bytes,
    })
}

/// Whether every way to an object that cells of a map refer to leads through the map.
fn held_by(seen: &Seen<'_>, header: Node, object: ObjIx) -> bool {
    let holders = std::iter::successors(seen.tree.parent(Node::Object(object)), |node| {
        seen.tree.parent(*node)
    });
    holders.take(PARTS).any(|node| node == header)
}

fn finding(
    seen: &Seen<'_>,
    boxed: &BoxedMap,
    map: &MapInfo,
    advised: &Advised<'_>,
    bytes: u64,
) -> Finding {
    let type_ = seen.heap.names.type_name(map.type_);
    let name = |t: &Dynamic| seen.heap.dynamic_type_name(t);
    let mut evidence = vec![
        Evidence::new("type", &type_, Some(map.address.0)),
        Evidence::new("entries", map.len, None),
        Evidence::new("slots", map.slots, None),
    ];
    for t in &advised.types {
        let sizes = t.boxes.iter().map(|object| seen.heap.graph.size(*object));
        let bytes = sizes.fold(0u64, u64::saturating_add);
        let value = format!(
            "{} entries, bytes of each: {}, objects: {}, bytes of these: {bytes}",
            t.entries,
            t.size,
            t.boxes.len()
        );
        evidence.push(Evidence::new(&format!("elems {}", name(t)), value, None));
    }
    if advised.rest > 0 {
        let rest = "elems that are pointers, nil, large, few, or have no object";
        evidence.push(Evidence::new(rest, advised.rest, None));
    }
    if boxed.with_keys > 0 {
        let shared = "objects in which keys lie too";
        evidence.push(Evidence::new(shared, boxed.with_keys, None));
    }
    evidence.extend([
        Evidence::new("objects that only these elems hold", advised.alone, None),
        Evidence::new("objects held elsewhere too", advised.shared, None),
        Evidence::new("bytes of those objects", advised.alone_bytes, None),
        Evidence::new("bytes of the map", map.bytes, None),
        Evidence::new("bytes of maps as advised", advised.maps_bytes, None),
    ]);
    let mut change = Vec::new();
    if advised.rest == 0 {
        change.push(format!("-   m {type_}"));
    }
    change.extend((advised.types.iter()).map(|t| format!("+   m map[K]{}", name(t))));
    Finding {
        pattern: &PATTERN,
        verdict: Verdict::Waste,
        bytes,
        confidence: Confidence::High,
        reasons: advised
            .types
            .iter()
            .map(|t| reason(map, t, name(t)))
            .collect(),
        subject: Subject::Map(boxed.map),
        places: 1,
        points: seen.point(map),
        evidence,
        advice: advice(advised).to_owned(),
        change,
        no_help: "pointers as elems do not help: what they lead to are objects too; copying the map into a new one of the same \
                  type does not help",
        fingerprint: None,
    }
}

fn reason(map: &MapInfo, t: &Dynamic, name: &str) -> String {
    format!(
        "{} of {} elems are {name} behind an interface: each takes {INTERFACE} bytes of its slot, and its {} bytes lie in an object",
        t.entries, map.len, t.size
    )
}

fn advice(advised: &Advised<'_>) -> &'static str {
    match (advised.types.len(), advised.rest) {
        (1, 0) => "declare the map with the type that its elems have: they then lie in its slots",
        (1, _) => {
            "give the elems of this type a map of their own, declared with it: they then lie in its slots"
        }
        _ => {
            "give each type a map of its own, in whose slots the elems then lie; or where these are small, make one struct of them"
        }
    }
}
