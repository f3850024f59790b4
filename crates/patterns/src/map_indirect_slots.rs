//! GO-MAP-INDIRECT-SLOTS: see the page.

use leakscope_go::maps::{MapInfo, MapShape, Structure};
use leakscope_graph::Resolver;

use crate::Pattern;
use crate::finding::{Confidence, Evidence, Finding, Subject, Verdict};
use crate::page::Page;
use crate::seen::Seen;
use crate::shapes::Shapes;
use crate::sparse::is_sparse;

pub(crate) const PATTERN: Pattern = Pattern {
    id: "GO-MAP-INDIRECT-SLOTS",
    page: Page::of(include_str!(
        "../../../docs/patterns/GO-MAP-INDIRECT-SLOTS.md"
    )),
    find,
};

/// An index into a slice: `int32`.
const INDEX: u64 = 4;
/// Of what indirect elems take, at least so much is lost to rounding: a twelfth. Size classes lose an eighth at most.
const ROUNDED: u64 = 12;
/// Of what a map of large slots takes, at least so much is in empty ones: a third. At the highest load it is a tenth.
const EMPTY: u64 = 3;
/// Smaller elems are not called large: a pointer and an object of their own cost as much.
const LARGE: u64 = 64;
const POINTER: u64 = 8;

/// What the elems cost, and in which way.
enum Cost {
    /// Each is an object of its own, rounded up to a size class.
    Outside { now: u64, as_slice: u64 },
    /// They lie in the slots, of which many are empty.
    Inside { as_pointers: u64 },
}

fn find(seen: &Seen<'_>, out: &mut Vec<Finding>) {
    let least = seen.small_waste();
    let mut shapes = Shapes::new(seen);
    for (index, map) in seen.maps() {
        if is_sparse(map) || growing(map) {
            continue;
        }
        if let Some(shape) = shapes.of(map)
            && let Some((cost, bytes)) = cost(map, &shape).filter(|(_, bytes)| *bytes >= least)
        {
            out.push(finding(seen, index, map, &shape, &cost, bytes));
        }
    }
}

fn growing(map: &MapInfo) -> bool {
    matches!(map.structure, Structure::Classic(inside) if inside.growth.is_some())
}

/// What is lost, and how.
fn cost(map: &MapInfo, shape: &MapShape) -> Option<(Cost, u64)> {
    let elem = shape.elem_bytes();
    if shape.indirect_elems() {
        let now = (map.bytes).saturating_add(map.len.saturating_mul(shape.elems_bytes(1)));
        let map_of_indices = shape.footprint_with(INDEX, false, map.len).total();
        let as_slice = map_of_indices.saturating_add(shape.elems_bytes(map.len));
        let bytes = now.saturating_sub(as_slice);
        (bytes >= now / ROUNDED).then_some((Cost::Outside { now, as_slice }, bytes))
    } else if elem >= LARGE && map.len.saturating_mul(2) <= map.slots {
        let objects = map.len.saturating_mul(shape.elems_bytes(1));
        let map_of_pointers = shape.footprint_with(POINTER, true, map.len).total();
        let as_pointers = map_of_pointers.saturating_add(objects);
        let bytes = map.bytes.saturating_sub(as_pointers);
        (bytes >= map.bytes / EMPTY).then_some((Cost::Inside { as_pointers }, bytes))
    } else {
        None
    }
}

fn finding(
    seen: &Seen<'_>,
    index: usize,
    map: &MapInfo,
    shape: &MapShape,
    cost: &Cost,
    bytes: u64,
) -> Finding {
    let type_ = seen.heap.names.type_name(map.type_);
    let elem = shape.elem_bytes();
    let mut evidence = vec![
        Evidence::new("type", &type_, Some(map.address.0)),
        Evidence::new("entries", map.len, None),
        Evidence::new("slots", map.slots, None),
        Evidence::new("bytes of an elem", elem, None),
        Evidence::new("bytes of the map", map.bytes, None),
    ];
    let (reason, advice, change) = match cost {
        Cost::Outside { now, as_slice } => {
            let class = shape.elems_bytes(1);
            evidence.push(Evidence::new("bytes of the object of an elem", class, None));
            evidence.push(Evidence::new("bytes with elems", now, None));
            evidence.push(Evidence::new("bytes with elems in a slice", as_slice, None));
            (
                format!(
                    "each elem of {elem} bytes is an object of {class} of its own: more than 128 bytes do not fit a slot"
                ),
                "keep elems in a slice made for them, and their index in the map; or make the elem as large as a size class \
                 of the allocator",
                vec![
                    format!("-   m {type_}"),
                    "+   m map[K]int32 // index into values".to_owned(),
                    "+   values []V".to_owned(),
                ],
            )
        }
        Cost::Inside { as_pointers } => {
            evidence.push(Evidence::new(
                "bytes with pointers to elems",
                as_pointers,
                None,
            ));
            (
                format!(
                    "{} of {} slots are empty, each with {elem} bytes for an elem",
                    map.slots.saturating_sub(map.len),
                    map.slots
                ),
                "store pointers to elems: an empty slot then costs 8 bytes for them",
                vec![format!("-   m {type_}"), "+   m map[K]*V".to_owned()],
            )
        }
    };
    Finding {
        pattern: &PATTERN,
        verdict: Verdict::Waste,
        bytes,
        confidence: Confidence::High,
        reasons: vec![reason],
        subject: Subject::Map(index),
        places: 1,
        points: seen.point(map),
        evidence,
        advice: advice.to_owned(),
        change,
        no_help: "copying the map into a new one of the same type does not help",
        fingerprint: None,
    }
}
