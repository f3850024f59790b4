//! GO-MAP-PREALLOCATED-OVERFLOW: see the page.

use leakscope_go::maps::{Classic, MapInfo, Structure};
use leakscope_graph::Resolver;

use crate::Pattern;
use crate::finding::{Confidence, Evidence, Finding, Subject, Verdict};
use crate::page::Page;
use crate::seen::Seen;
use crate::shapes::Shapes;
use crate::sparse::is_sparse;

pub(crate) const PATTERN: Pattern = Pattern {
    id: "GO-MAP-PREALLOCATED-OVERFLOW",
    page: Page::of(include_str!(
        "../../../docs/patterns/GO-MAP-PREALLOCATED-OVERFLOW.md"
    )),
    find,
};

/// Less than this part of the heap is small waste here: every large map that is not full has some.
const LEAST_PART: u64 = 50;

fn find(seen: &Seen<'_>, out: &mut Vec<Finding>) {
    let part = seen.heap.totals.reachable.bytes / LEAST_PART;
    let least = seen.small_waste().max(part);
    let mut shapes = Shapes::new(seen);
    for (index, map) in seen.maps().filter(|(_, map)| !is_sparse(map)) {
        if let Structure::Classic(inside) = map.structure
            && inside.growth.is_none()
            && let Some(bucket) = shapes.of(map).map(|shape| shape.group_bytes())
        {
            let bytes = bucket.saturating_mul(inside.overflow_free.into());
            if bytes >= least {
                out.push(finding(seen, index, map, inside, bucket, bytes));
            }
        }
    }
}

fn finding(
    seen: &Seen<'_>,
    index: usize,
    map: &MapInfo,
    inside: Classic,
    bucket: u64,
    bytes: u64,
) -> Finding {
    let type_ = seen.heap.names.type_name(map.type_);
    let at = Some(map.address.0);
    Finding {
        pattern: &PATTERN,
        verdict: Verdict::Waste,
        bytes,
        confidence: Confidence::High,
        reasons: vec![format!(
            "{} overflow buckets were made with the array of 2^{} and never linked",
            inside.overflow_free, inside.b
        )],
        subject: Subject::Map(index),
        places: 1,
        points: seen.point(map),
        evidence: vec![
            Evidence::new("type", &type_, at),
            Evidence::new("hmap.count", map.len, at),
            Evidence::new("hmap.B", inside.b, at),
            Evidence::new("overflow buckets in use", inside.overflow, None),
            Evidence::new("overflow buckets never used", inside.overflow_free, None),
            Evidence::new("bytes of a bucket", bucket, None),
        ],
        advice: "upgrade to Go 1.24 or later, whose maps have no overflow buckets; entries that are only looked up, or deleted all \
                 at once, fit a sorted slice"
            .to_owned(),
        change: vec![
            format!("-   m {type_}"),
            "+   s []struct{ key K; elem V } // sorted by key: sort.Search".to_owned(),
        ],
        no_help: "clear, delete and a smaller hint do not help: the array of any 16 buckets and more has a sixteenth on top",
        fingerprint: None,
    }
}
