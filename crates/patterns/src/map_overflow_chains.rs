//! GO-MAP-OVERFLOW-CHAINS: see the page.

use leakscope_go::maps::{Classic, MapInfo, Structure};
use leakscope_gomap::classic_chains;
use leakscope_graph::Resolver;

use crate::Pattern;
use crate::finding::{Confidence, Evidence, Finding, Subject, Verdict};
use crate::page::Page;
use crate::seen::Seen;
use crate::sparse::is_sparse;

pub(crate) const PATTERN: Pattern = Pattern {
    id: "GO-MAP-OVERFLOW-CHAINS",
    page: Page::of(include_str!(
        "../../../docs/patterns/GO-MAP-OVERFLOW-CHAINS.md"
    )),
    find,
};

/// Overflow buckets beyond what a full map links; fewer come from chance alone (five times its spread in the smallest maps
/// that could give enough back).
const LEAST_EXCESS: u64 = 64;

/// Fewer bytes are small waste, a sixteenth of the smallest heap that the collector aims at (`heapMinimum`, mgcpacer.go): a healthy cache of some
/// thousand entries that come and go has as much.
const LEAST_BYTES: u64 = 256 << 10;

fn find(seen: &Seen<'_>, out: &mut Vec<Finding>) {
    for (index, map) in seen.maps() {
        // While a map grows, the chains of both arrays are counted together.
        if let Structure::Classic(inside) = map.structure
            && inside.growth.is_none()
            && u64::from(inside.overflow) >= LEAST_EXCESS
            && !is_sparse(map)
            && let Some(grown) = at_most(seen, map, inside)
        {
            let overflow = u64::from(inside.overflow);
            let bytes = map.bytes.saturating_sub(map.rebuilt_bytes);
            // Half as many again: no luck with hashes makes so many.
            if overflow >= grown + grown / 2 + LEAST_EXCESS && bytes >= LEAST_BYTES {
                out.push(finding(seen, index, map, inside, grown, bytes));
            }
        }
    }
}

/// Overflow buckets that a map with as many buckets links when it is as full as it gets before it grows.
fn at_most(seen: &Seen<'_>, map: &MapInfo, inside: Classic) -> Option<u64> {
    let factor = seen.heap.map_shape(map)?.load_factor_num()?;
    let buckets = 1u64.checked_shl(inside.b.into())?;
    let full = classic_chains(factor.checked_mul(buckets)? / 2, inside.b);
    Some(((full.mean - 1.0).max(0.0) * buckets as f64).round() as u64)
}

fn finding(
    seen: &Seen<'_>,
    index: usize,
    map: &MapInfo,
    inside: Classic,
    grown: u64,
    bytes: u64,
) -> Finding {
    let type_ = seen.heap.names.type_name(map.type_);
    let at = Some(map.address.0);
    Finding {
        pattern: &PATTERN,
        verdict: Verdict::Waste,
        bytes,
        confidence: Confidence::High,
        reasons: vec![
            format!(
                "{} overflow buckets are linked to 2^{} buckets; filled to the brim, they link about {grown}",
                inside.overflow, inside.b
            ),
            "buckets are linked when a chain is full and never taken out again: entries came and went".to_owned(),
        ],
        subject: Subject::Map(index),
        places: 1,
        points: seen.point(map),
        evidence: vec![
            Evidence::new("hmap.count", map.len, at),
            Evidence::new("hmap.B", inside.b, at),
            Evidence::new("overflow buckets", inside.overflow, None),
            Evidence::new("overflow buckets of the longest chain", inside.longest_chain, None),
            Evidence::new("bytes now", map.bytes, None),
            Evidence::new("bytes rebuilt", map.rebuilt_bytes, None),
        ],
        advice: "copy the map into a new one from time to time, such as after ten times as many deletions as it has entries; or \
                 upgrade to Go 1.24 or later, whose maps have no chains"
            .to_owned(),
        change: seen.copied(&type_),
        no_help: "delete and runtime.GC do not help: an empty overflow bucket stays in its chain; the runtime itself rebuilds the \
                  chains only once there are as many overflow buckets as buckets",
        fingerprint: None,
    }
}
