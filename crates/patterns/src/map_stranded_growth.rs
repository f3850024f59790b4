//! GO-MAP-STRANDED-GROWTH: see the page.

use leakscope_go::maps::{Growth, MapInfo, Structure};
use leakscope_graph::Resolver;

use crate::Pattern;
use crate::finding::{Confidence, Evidence, Finding, Subject, Verdict};
use crate::map_zombie_values::zombies;
use crate::page::Page;
use crate::seen::Seen;

pub(crate) const PATTERN: Pattern = Pattern {
    id: "GO-MAP-STRANDED-GROWTH",
    page: Page::of(include_str!(
        "../../../docs/patterns/GO-MAP-STRANDED-GROWTH.md"
    )),
    find,
};

fn find(seen: &Seen<'_>, out: &mut Vec<Finding>) {
    for (index, map) in seen.maps() {
        if let Structure::Classic(inside) = map.structure
            && let Some(growth) = inside.growth.filter(|growth| growth.outlived)
            && zombies(seen, map).is_none()
        {
            out.push(finding(seen, index, map, inside.flags, growth));
        }
    }
}

fn finding(seen: &Seen<'_>, index: usize, map: &MapInfo, flags: u8, growth: Growth) -> Finding {
    let type_ = seen.heap.names.type_name(map.type_);
    let at = Some(map.address.0);
    let left = growth.old_buckets.saturating_sub(growth.evacuated);
    Finding {
        pattern: &PATTERN,
        verdict: Verdict::NeedsSecondCapture,
        bytes: growth.old_bytes,
        confidence: Confidence::Medium,
        reasons: vec![
            format!(
                "the growth has moved {} of {} old buckets, and a collection has ended since it began",
                growth.evacuated, growth.old_buckets
            ),
            format!(
                "only writes move buckets: {} to {left} more are needed",
                left.div_ceil(2)
            ),
            "a map that is written to gets there; one that is only read keeps the old array for ever: a second capture \
             tells by hmap.nevacuate"
                .to_owned(),
        ],
        subject: Subject::Map(index),
        places: 1,
        points: seen.point(map),
        evidence: vec![
            Evidence::new("hmap.count", map.len, at),
            Evidence::new("hmap.flags", flags, at),
            Evidence::new("hmap.oldbuckets, buckets", growth.old_buckets, at),
            Evidence::new("hmap.nevacuate", growth.evacuated, at),
            Evidence::new("bytes of the old array and its overflow buckets", growth.old_bytes, None),
        ],
        advice: "make the map for the entries that it gets, so that it never grows; or, once it is filled and only read, copy it \
                 into one made for them. Go 1.24 and later move all entries at once"
            .to_owned(),
        change: seen.copied(&type_),
        no_help: "reading, ranging and runtime.GC do not help: none of them moves a bucket",
        fingerprint: None,
    }
}
