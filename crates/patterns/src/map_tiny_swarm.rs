//! GO-MAP-TINY-SWARM: see the page.

use std::collections::BTreeMap;

use leakscope_go::maps::MapInfo;
use leakscope_graph::{Node, Resolver, TypeIx};

use crate::Pattern;
use crate::finding::{Confidence, Evidence, Finding, Subject, Verdict};
use crate::page::Page;
use crate::seen::Seen;
use crate::shapes::Shapes;

pub(crate) const PATTERN: Pattern = Pattern {
    id: "GO-MAP-TINY-SWARM",
    page: Page::of(include_str!("../../../docs/patterns/GO-MAP-TINY-SWARM.md")),
    find,
};

/// Slots of a map of one bucket or group: searching a slice of as many entries costs no more than hashing.
const ONE_GROUP: u64 = 8;
/// Fewer maps of one kind are no swarm.
const LEAST_MAPS: u64 = 10_000;
/// A slice's header takes so much more in its holder than a map's pointer.
const HEADER: u64 = 16;
/// Holders that are named as what the finding is about.
const MOST_POINTS: usize = 4096;

/// Tiny maps of one type that are held by objects of one type.
#[derive(Default)]
struct Swarm {
    maps: u64,
    entries: u64,
    bytes: u64,
    as_slices: u64,
    first: Option<usize>,
    points: Vec<Node>,
}

fn find(seen: &Seen<'_>, out: &mut Vec<Finding>) {
    let mut shapes = Shapes::new(seen);
    let mut swarms: BTreeMap<(TypeIx, Option<TypeIx>), Swarm> = BTreeMap::new();
    for (index, map) in seen.maps() {
        if map.slots > ONE_GROUP || map.len > ONE_GROUP {
            continue;
        }
        let shape = shapes.of(map).filter(|shape| !shape.indirect());
        let Some((shape, object)) = shape.zip(map.object) else {
            continue;
        };
        let holder = seen.tree.holder(object);
        let held_by = match holder {
            Some(Node::Object(holder)) => Some(seen.heap.graph.type_of(holder)),
            _ => None,
        };
        let swarm = swarms.entry((map.type_, held_by)).or_default();
        swarm.maps += 1;
        swarm.entries += map.len;
        swarm.bytes += map.bytes;
        swarm.as_slices += shape.slice_bytes(map.len) + HEADER;
        swarm.first.get_or_insert(index);
        let point = holder.filter(|h| matches!(h, Node::Object(_)));
        let point = point.unwrap_or(Node::Object(object));
        if swarm.points.last() != Some(&point) && swarm.points.len() < MOST_POINTS {
            swarm.points.push(point);
        }
    }
    let least = seen.small_waste();
    for swarm in swarms.into_values() {
        let bytes = swarm.bytes.saturating_sub(swarm.as_slices);
        let much = bytes >= least && bytes >= swarm.bytes / 2;
        if let Some(first) = swarm.first.filter(|_| much && swarm.maps >= LEAST_MAPS)
            && let Some(map) = seen.heap.maps.get(first)
        {
            out.push(finding(seen, first, map, swarm, bytes));
        }
    }
}

fn finding(seen: &Seen<'_>, index: usize, map: &MapInfo, swarm: Swarm, bytes: u64) -> Finding {
    let type_ = seen.heap.names.type_name(map.type_);
    let (key, elem) = key_and_elem(&type_);
    Finding {
        pattern: &PATTERN,
        verdict: Verdict::Waste,
        bytes,
        confidence: Confidence::High,
        reasons: vec![
            format!(
                "{} maps of one bucket or group, with {} entries in all, take {} bytes; slices of the same entries take {}",
                swarm.maps, swarm.entries, swarm.bytes, swarm.as_slices
            ),
            "a map has a header of 48 bytes and room for eight entries from the first one on".to_owned(),
        ],
        subject: Subject::Map(index),
        places: swarm.maps,
        points: swarm.points,
        evidence: vec![
            Evidence::new("maps", swarm.maps, None),
            Evidence::new("entries", swarm.entries, None),
            Evidence::new("one of them", &type_, Some(map.address.0)),
            Evidence::new("bytes now", swarm.bytes, None),
            Evidence::new("bytes as slices", swarm.as_slices, None),
        ],
        advice: "keep few entries in a slice and search it; or keep one map for all of them, whose key has two parts".to_owned(),
        change: vec![
            format!("-   entries {type_}"),
            format!("+   entries []struct {{ key {key}; value {elem} }}"),
        ],
        no_help: "make with a smaller number does not help: no map has room for fewer than eight entries",
        fingerprint: None,
    }
}

/// Of `map[K]V`.
fn key_and_elem(type_: &str) -> (&str, &str) {
    let Some(inner) = type_.strip_prefix("map[") else {
        return ("K", "V");
    };
    let mut open = 1;
    for (at, c) in inner.char_indices() {
        match c {
            '[' => open += 1,
            ']' => open -= 1,
            _ => {}
        }
        if open == 0 {
            return (&inner[..at], &inner[at + 1..]);
        }
    }
    ("K", "V")
}

#[cfg(test)]
mod tests {
    use super::key_and_elem;

    #[test]
    fn keys_and_elems_are_told_apart_by_their_brackets() {
        assert_eq!(key_and_elem("map[string]int"), ("string", "int"));
        assert_eq!(
            key_and_elem("map[[2]uint64]map[int][]T"),
            ("[2]uint64", "map[int][]T")
        );
        assert_eq!(key_and_elem("main.Named"), ("K", "V"));
        assert_eq!(key_and_elem("map[broken"), ("K", "V"));
    }
}
