//! 2.1: the bucket of `map[uint64]uint64`.

use super::{ABSENT, Outcome, Unit, Verdict, classic, equal, row, shape};
use crate::{Release, Rules, Shape};

/// Bytes of a bucket or group.
fn unit_bytes(release: &Release, shape: &Shape) -> u64 {
    match release.rules {
        Rules::Classic(_) => shape.bucket_size(),
        Rules::Swiss(rules) => shape.group_size(rules.split_groups),
    }
}

pub(super) fn run(releases: &[&'static Release]) -> Outcome {
    let words = shape("map[uint64]uint64");
    let rows = vec![
        row(
            "bytes of a bucket of map[uint64]uint64",
            Unit::Bytes,
            Some(144.0),
            releases,
            |r| equal(unit_bytes(r, &words) as f64, 144.0),
        ),
        row(
            "offset of its pointer to the next bucket",
            Unit::Bytes,
            Some(136.0),
            releases,
            |r| {
                if classic(r) {
                    equal(words.overflow_offset() as f64, 136.0)
                } else {
                    ABSENT
                }
            },
        ),
        row(
            "buckets that lie across words of 8 bytes",
            Unit::Count,
            None,
            releases,
            |r| {
                let sizes = ["map[uint8]uint8", "map[uint16]bool", "map[[3]byte][5]byte"];
                let unaligned = sizes
                    .iter()
                    .filter(|text| !unit_bytes(r, &shape(text)).is_multiple_of(8))
                    .count();
                let verdict = if unaligned > 0 {
                    Verdict::True
                } else {
                    Verdict::False
                };
                (Some(unaligned as f64), verdict)
            },
        ),
    ];
    Outcome {
        rows,
        conclusion: "The sizes are those of bucket maps. Every bucket and group is a multiple of 8 bytes and the allocator \
                     aligns it, so the collector never meets the unaligned bucket of which the article warns.",
        curves: Vec::new(),
    }
}
