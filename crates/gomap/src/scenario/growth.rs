//! 2.2, 4.3 and 4.4: what growing takes, and for how long.

use super::{ABSENT, Outcome, Unit, Verdict, answer, classic, filled, put, row, shape};
use crate::{Curve, Map, NextGrowth, Release, Rules, Seeded, Shape, Trace};

/// Entries after which one more doubles a classic map of `2^log2` buckets.
fn brim(release: &Release, log2: u8) -> u32 {
    let factor = match release.rules {
        Rules::Classic(rules) => rules.load_factor_num as u32,
        Rules::Swiss(_) => 13,
    };
    factor * (1 << (log2 - 1))
}

/// The map that the article's sizes suggest: 2^17 buckets.
const LARGE: u8 = 17;
/// Of many maps.
const SMALL: u8 = 12;
/// How many.
const MAPS: u64 = 16;

pub(super) fn old_buckets(releases: &[&'static Release]) -> Outcome {
    let ints = shape("map[int]int");
    let rows = vec![
        row(
            "states seen with the old array kept though all of it was moved",
            Unit::Count,
            Some(1.0),
            releases,
            |r| {
                if !classic(r) {
                    return ABSENT;
                }
                let (mut map, mut world) = filled(r, &ints, 1, 1);
                let mut dangling = 0;
                for key in 2..=20_000 {
                    put(&mut map, key..=key, &mut world);
                    if let Map::Classic(m) = &map {
                        let h = m.header();
                        let buckets = 1u64 << (h.log2.max(1) - 1);
                        dangling += u32::from(h.growing && h.evacuated >= buckets);
                    }
                }
                let verdict = if dangling > 0 {
                    Verdict::True
                } else {
                    Verdict::False
                };
                (Some(f64::from(dangling)), verdict)
            },
        ),
        row(
            "bytes of the old array, kept as long as the map is only read",
            Unit::Bytes,
            None,
            releases,
            |r| {
                let (mut map, mut world) = filled(r, &ints, brim(r, LARGE) + 1, 1);
                let mut iter = map.iterate(&mut world);
                while map.next(&mut iter, &world).is_some() {}
                let kept = map.memory().old_arrays;
                let verdict = if kept > 0 {
                    Verdict::Partly
                } else {
                    Verdict::NotApplicable
                };
                (Some(kept as f64), verdict)
            },
        ),
        row(
            "writes that end such a growth",
            Unit::Count,
            None,
            releases,
            |r| {
                if !classic(r) {
                    return ABSENT;
                }
                let (mut map, mut world) = filled(r, &ints, brim(r, LARGE) + 1, 1);
                let mut writes = 0;
                while map.memory().old_arrays > 0 {
                    writes += 1;
                    put(&mut map, writes..=writes, &mut world);
                }
                (Some(f64::from(writes)), Verdict::NotApplicable)
            },
        ),
    ];
    Outcome {
        rows,
        conclusion: "The call that moves the last bucket also lets go of the old array, so the dangling state does not \
                     exist. But growth goes on only with writes: a map that is only read from then on keeps both arrays.",
        curves: fill_curves(releases),
    }
}

fn fill_curves(releases: &[&'static Release]) -> Vec<Curve> {
    Trace::parse("map[int]int\nput 1..1000000")
        .map(|trace| trace.run_all(releases, 160))
        .unwrap_or_default()
}

pub(super) fn spike(releases: &[&'static Release]) -> Outcome {
    let ints = shape("map[int]int");
    let curves = fill_curves(releases);
    let largest = |r: &Release| {
        let curve = curves.iter().find(|c| c.release == r.name);
        curve.map_or(0.0, |c| c.largest.1 as f64)
    };
    // Of the maps due: bytes that they take, what growing is foretold to take, what it took.
    let due: Vec<[u64; 3]> = releases.iter().map(|r| grow_due(r, &ints)).collect();
    let sum = |r: &Release, which: usize| {
        let at = releases.iter().position(|own| own.name == r.name);
        let number = at.map(|at| due[at][which] as f64);
        (number, Verdict::NotApplicable)
    };
    let rows = vec![
        row(
            "growth waits for a token bucket of the pacer",
            Unit::Answer,
            Some(1.0),
            releases,
            |r| {
                // The insert that finds the map full allocates at once: no other condition is in the model, which goes
                // through the states of real maps.
                let (mut map, mut world) = filled(r, &ints, brim(r, SMALL), 1);
                let inserts = map.next_growth().map_or(0, |g| g.inserts()) as u32;
                let before = map.allocated();
                let next = brim(r, SMALL) + 1;
                put(&mut map, next..next + inserts, &mut world);
                answer(map.allocated() == before && classic(r), true)
            },
        ),
        row(
            "most bytes that one insert allocates on the way to 1 M entries",
            Unit::Bytes,
            None,
            releases,
            |r| (Some(largest(r)), Verdict::NotApplicable),
        ),
        row(
            "16 maps of 2^12 buckets at the brim: bytes that they take",
            Unit::Bytes,
            None,
            releases,
            |r| sum(r, 0),
        ),
        row(
            "bytes that one more key in each allocates, foretold",
            Unit::Bytes,
            None,
            releases,
            |r| sum(r, 1),
        ),
        row(
            "bytes that one more key in each allocates, done",
            Unit::Bytes,
            None,
            releases,
            |r| sum(r, 2),
        ),
        row(
            "made for 1 M entries that it has: overflow buckets never used",
            Unit::Bytes,
            None,
            releases,
            |r| {
                let mut map = Map::make(r, ints, 1_000_000);
                put(&mut map, 1..=1_000_000, &mut Seeded::new(1));
                let Map::Classic(m) = &map else {
                    return ABSENT;
                };
                (
                    Some((m.spare_overflow() * ints.bucket_size()) as f64),
                    Verdict::Partly,
                )
            },
        ),
    ];
    Outcome {
        rows,
        conclusion: "The pacer of the collector has no token bucket, and no map waits for it. The spike is real but simpler: \
                     the insert that finds a bucket map full allocates the whole new array beside the old one. Swiss maps \
                     replace one table at a time.",
        curves,
    }
}

/// Fills maps to the brim, then puts one more key into each: bytes before, foretold and allocated.
fn grow_due(release: &'static Release, shape: &Shape) -> [u64; 3] {
    let entries = brim(release, SMALL);
    let mut sums = [0; 3];
    for seed in 0..MAPS {
        let (mut map, mut world) = filled(release, shape, entries, seed);
        sums[0] += map.memory().total();
        sums[1] += match map.next_growth() {
            Some(NextGrowth::Classic(g)) if g.to_evacuate == 0 && g.inserts == 1 => g.allocates,
            _ => 0,
        };
        let before = map.allocated();
        put(&mut map, entries + 1..=entries + 1, &mut world);
        sums[2] += map.allocated() - before;
    }
    sums
}
