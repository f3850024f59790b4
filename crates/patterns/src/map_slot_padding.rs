//! GO-MAP-SLOT-PADDING: see the page.

use leakscope_go::maps::{MapInfo, MapShape};
use leakscope_graph::Resolver;

use crate::Pattern;
use crate::finding::{Confidence, Evidence, Finding, Subject, Verdict};
use crate::page::Page;
use crate::seen::Seen;
use crate::shapes::Shapes;
use crate::sparse::is_sparse;

pub(crate) const PATTERN: Pattern = Pattern {
    id: "GO-MAP-SLOT-PADDING",
    page: Page::of(include_str!(
        "../../../docs/patterns/GO-MAP-SLOT-PADDING.md"
    )),
    find,
};

fn find(seen: &Seen<'_>, out: &mut Vec<Finding>) {
    let least = seen.small_waste();
    let mut shapes = Shapes::new(seen);
    for (index, map) in seen.maps().filter(|(_, map)| !is_sparse(map)) {
        if let Some(shape) = shapes.of(map)
            && let Some(packed) = shape.packed_footprint(map.len)
        {
            // What an array with more slots than a new map would have loses, it loses by growing.
            let bytes = map.bytes.min(map.rebuilt_bytes);
            let bytes = bytes.saturating_sub(packed.total());
            if bytes >= least {
                out.push(finding(seen, index, map, &shape, packed.total(), bytes));
            }
        }
    }
}

fn finding(
    seen: &Seen<'_>,
    index: usize,
    map: &MapInfo,
    shape: &MapShape,
    packed: u64,
    bytes: u64,
) -> Finding {
    let type_ = seen.heap.names.type_name(map.type_);
    let (key, elem) = (shape.key_bytes(), shape.elem_bytes());
    let (slot, group) = (shape.slot_bytes(), shape.group_bytes());
    let (wide, spelled) = if key >= elem {
        ("key", format!("map[[{key}]byte]V"))
    } else {
        ("elem", format!("map[K][{elem}]byte"))
    };
    Finding {
        pattern: &PATTERN,
        verdict: Verdict::Waste,
        bytes,
        confidence: Confidence::High,
        reasons: vec![format!(
            "a slot of {slot} bytes holds a key of {key} and an elem of {elem}: the rest aligns the next one"
        )],
        subject: Subject::Map(index),
        places: 1,
        points: seen.point(map),
        evidence: vec![
            Evidence::new("type", &type_, Some(map.address.0)),
            Evidence::new("entries", map.len, None),
            Evidence::new("slots", map.slots, None),
            Evidence::new("bytes of a group", group, None),
            Evidence::new("bytes now", map.bytes, None),
            Evidence::new("bytes of a new map", map.rebuilt_bytes, None),
            Evidence::new("bytes of a new map without padding", packed, None),
        ],
        advice: format!(
            "spell the {wide} as an array of bytes, which needs no alignment (encoding/binary converts); or use the room: an elem \
             as wide as the key costs nothing more"
        ),
        change: vec![format!("-   m {type_}"), format!("+   m {spelled}")],
        no_help: "struct{} in place of a bool does not help: the compiler gives a last field without bytes one of its own; copying \
                  the map into a new one of the same type does not help",
        fingerprint: None,
    }
}
