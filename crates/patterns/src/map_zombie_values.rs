//! GO-MAP-ZOMBIE-VALUES: see the page.

use std::collections::{BTreeMap, BTreeSet};

use leakscope_go::maps::{Growth, MapInfo, Moved, Structure};
use leakscope_graph::{Node, ObjIx, Resolver};
use leakscope_target::Addr;

use crate::Pattern;
use crate::finding::{Confidence, Evidence, Finding, Subject, Verdict};
use crate::page::Page;
use crate::seen::Seen;

pub(crate) const PATTERN: Pattern = Pattern {
    id: "GO-MAP-ZOMBIE-VALUES",
    page: Page::of(include_str!(
        "../../../docs/patterns/GO-MAP-ZOMBIE-VALUES.md"
    )),
    find,
};

/// Less is what any growth under way may hold for a moment.
const LEAST_BYTES: u64 = 64 << 10;
/// As much is told even of a growth that may have begun just now.
const MUCH: u64 = 1 << 20;

/// What only the moved buckets of an old array hold.
pub(crate) struct Zombies {
    /// Objects to which their cells point.
    objects: u64,
    /// All that these hold, bytes.
    bytes: u64,
    /// The growth that keeps them.
    growth: Growth,
    flags: u8,
}

fn find(seen: &Seen<'_>, out: &mut Vec<Finding>) {
    if seen.heap.moved.is_empty() {
        return;
    }
    for (index, map) in seen.maps() {
        if let Some(zombies) = zombies(seen, map) {
            out.push(finding(seen, index, map, &zombies));
        }
    }
}

/// What the moved buckets of a map keep, where that is worth telling.
pub(crate) fn zombies(seen: &Seen<'_>, map: &MapInfo) -> Option<Zombies> {
    let Structure::Classic(inside) = map.structure else {
        return None;
    };
    let growth = inside.growth?;
    let all = &seen.heap.moved;
    let at = all.binary_search_by_key(&map.address, |m| m.map).ok()?;
    let moved = all.get(at)?;
    let kept = kept(seen, moved);
    let bytes = (kept.iter()).fold(0u64, |sum, o| sum.saturating_add(seen.tree.retained(*o)));
    let told = bytes >= MUCH || (bytes >= LEAST_BYTES && growth.outlived);
    told.then_some(Zombies {
        objects: kept.len() as u64,
        bytes,
        growth,
        flags: inside.flags,
    })
}

/// Objects to which cells of moved buckets point, and nothing else but these.
fn kept(seen: &Seen<'_>, moved: &Moved) -> BTreeSet<ObjIx> {
    let objects = &seen.heap.objects;
    let parts = moved.parts.iter().filter_map(|part| {
        let hit = objects.find(part.0)?;
        let header = objects.spans().get(hit.span as usize)?.header();
        Some((ObjIx(hit.obj), hit.base.checked_add(header)?))
    });
    let parts: BTreeMap<ObjIx, u64> = parts.collect();
    let held_here = |object| match seen.tree.holder(object) {
        Some(Node::Object(holder)) => parts.contains_key(&holder),
        _ => false,
    };
    let (mut kept, mut in_use) = (BTreeSet::new(), BTreeSet::new());
    for (part, start) in &parts {
        for edge in seen.heap.graph.out(*part) {
            let at = start.saturating_add(u64::from(edge.slot) * 8);
            if parts.contains_key(&edge.to) || !held_here(edge.to) {
                continue;
            }
            if in_moved(moved, Addr(at)) {
                kept.insert(edge.to);
            } else {
                in_use.insert(edge.to);
            }
        }
    }
    &kept - &in_use
}

/// Whether a word lies in a moved bucket.
fn in_moved(moved: &Moved, at: Addr) -> bool {
    let after = moved.buckets.partition_point(|bucket| *bucket <= at);
    let bucket = after.checked_sub(1).and_then(|i| moved.buckets.get(i));
    bucket.is_some_and(|bucket| at.0 - bucket.0 < moved.bucket_bytes)
}

fn finding(seen: &Seen<'_>, index: usize, map: &MapInfo, zombies: &Zombies) -> Finding {
    let at = Some(map.address.0);
    let growth = zombies.growth;
    let left = growth.old_buckets.saturating_sub(growth.evacuated);
    let mut reasons = vec![
        format!(
            "{} objects with {} bytes are held by moved buckets of the old array and by nothing else",
            zombies.objects, zombies.bytes
        ),
        "hmap.flags says that an iteration had begun when the map grew: since then, moved cells are not cleared".to_owned(),
    ];
    reasons.push(if growth.outlived {
        format!(
            "a collection has ended since the growth began; {} to {left} more writes end it",
            left.div_ceil(2)
        )
    } else {
        format!(
            "the growth may be young; {} to {left} more writes end it",
            left.div_ceil(2)
        )
    });
    reasons.push(
        "a map that is written to gets there; one that is only read keeps them for ever: a second capture tells by hmap.nevacuate"
            .to_owned(),
    );
    Finding {
        pattern: &PATTERN,
        verdict: Verdict::NeedsSecondCapture,
        bytes: zombies.bytes.saturating_add(growth.old_bytes),
        confidence: Confidence::High,
        reasons,
        subject: Subject::Map(index),
        places: 1,
        points: seen.point(map),
        evidence: vec![
            Evidence::new("type", seen.heap.names.type_name(map.type_), None),
            Evidence::new("hmap.count", map.len, at),
            Evidence::new("hmap.flags", zombies.flags, at),
            Evidence::new("hmap.oldbuckets, buckets", growth.old_buckets, at),
            Evidence::new("hmap.nevacuate", growth.evacuated, at),
            Evidence::new("bytes of what was deleted or replaced", zombies.bytes, None),
            Evidence::new("bytes of the old array and its overflow buckets", growth.old_bytes, None),
        ],
        advice: "end the growth: assign every entry to itself once. Make the map for the entries that it gets, so that it never \
                 grows. Go 1.24 and later keep no old array"
            .to_owned(),
        change: vec![
            "+   for k, v := range m {".to_owned(),
            "+       m[k] = v // moves the bucket and lets the old array go".to_owned(),
            "+   }".to_owned(),
        ],
        no_help: "delete and runtime.GC do not help: the old array is in use and still points to what was deleted",
        fingerprint: None,
    }
}
