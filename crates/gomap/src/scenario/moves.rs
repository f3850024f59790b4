//! 4.1 and 4.2: what growing leaves behind.

use super::{ABSENT, Outcome, Unit, Verdict, classic, filled, put, row, shape};
use crate::{Map, Release, Rules, Seeded};

/// Entries after which one more doubles a map of 2^12 buckets.
fn brim(release: &Release) -> u32 {
    match release.rules {
        Rules::Classic(rules) => rules.load_factor_num as u32 * 2048,
        Rules::Swiss(_) => 13 * 2048,
    }
}

/// Keys deleted while the map grows.
const DELETED: u32 = 1000;

/// A map that has begun to grow, whose first keys are deleted then; iterated before or not.
fn deleted_in_growth(release: &Release, iterated: bool) -> Map {
    let brim = brim(release);
    let (mut map, mut world) = filled(release, &shape("map[int][129]byte"), brim, 1);
    if iterated {
        let mut iter = map.iterate(&mut world);
        while map.next(&mut iter, &world).is_some() {}
    }
    put(&mut map, brim + 1..=brim + 1, &mut world);
    (1..=DELETED).for_each(|key| map.delete(key, &mut world));
    map
}

pub(super) fn double_reference(releases: &[&'static Release]) -> Outcome {
    let kept = |iterated: bool| {
        move |r: &'static Release| {
            if !classic(r) {
                return ABSENT;
            }
            let bytes = deleted_in_growth(r, iterated).memory().zombies;
            let verdict = if bytes > 0 {
                Verdict::Partly
            } else {
                Verdict::False
            };
            (Some(bytes as f64), verdict)
        }
    };
    let rows = vec![
        row(
            "1,000 elems of 129 bytes deleted while the map grows: bytes kept",
            Unit::Bytes,
            None,
            releases,
            kept(false),
        ),
        row(
            "the same, if the map was ranged over before it grew",
            Unit::Bytes,
            None,
            releases,
            kept(true),
        ),
    ];
    Outcome {
        rows,
        conclusion: "An emptied bucket is zeroed at once, so nothing is held twice, unless an iteration began since the last \
                     growth: then old buckets stay as they were until the growth ends, with all that they lead to.",
        curves: Vec::new(),
    }
}

pub(super) fn unreachable(releases: &[&'static Release]) -> Outcome {
    let lost = |map: &Map, world: &Seeded, entries: u32| {
        let lost = (1..=entries).filter(|&key| map.get(key, world).is_none());
        let lost = lost.count();
        let verdict = if lost > 0 {
            Verdict::True
        } else {
            Verdict::False
        };
        (Some(lost as f64), verdict)
    };
    let rows = vec![
        row(
            "of up to 100,000 entries, those that no search finds",
            Unit::Count,
            None,
            releases,
            |r| {
                let mut worst = (Some(0.0), Verdict::False);
                for entries in [9, 27, 1000, 13_313, 30_000, 53_249, 100_000] {
                    let (map, world) = filled(r, &shape("map[int]int"), entries, 1);
                    let now = lost(&map, &world, entries);
                    if now.0 > worst.0 {
                        worst = now;
                    }
                }
                worst
            },
        ),
        row(
            "the same, while 1,000 of them are deleted from a growing map",
            Unit::Count,
            None,
            releases,
            |r| {
                let map = deleted_in_growth(r, true);
                // The map never drew another seed: the hashes are those it was filled with.
                let world = Seeded::new(1);
                let alive = DELETED + 1..=brim(r) + 1;
                let lost = alive.filter(|&key| map.get(key, &world).is_none()).count();
                let verdict = if lost > 0 {
                    Verdict::True
                } else {
                    Verdict::False
                };
                (Some(lost as f64), verdict)
            },
        ),
    ];
    Outcome {
        rows,
        conclusion: "Growing loses no entry in any release; the code that the article shows is in none. Entries that no \
                     search finds do exist, for other reasons: keys that do not equal themselves, and keys whose memory \
                     was changed.",
        curves: Vec::new(),
    }
}
