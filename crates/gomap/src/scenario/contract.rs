//! 1: the table of what maps promise.

use super::{ABSENT, Outcome, Unit, Verdict, answer, classic, filled, put, row, shape};
use crate::{Iter, Key, Map, Release, Seeded};

/// Entries of the maps that are tried.
const ENTRIES: u32 = 5_000;

/// All keys of an iteration, in order, while `each` may change the map.
fn walk(
    map: &mut Map,
    world: &mut Seeded,
    mut each: impl FnMut(&mut Map, &mut Seeded, u32),
) -> Vec<Key> {
    let mut iter: Iter = map.iterate(world);
    let mut keys = Vec::new();
    while let Some((key, _)) = map.next(&mut iter, world) {
        keys.push(key);
        each(map, world, keys.len() as u32);
    }
    keys
}

pub(super) fn run(releases: &[&'static Release]) -> Outcome {
    let ints = shape("map[int]int");
    let mut rows = vec![
        row(
            "nil map: reading is safe",
            Unit::Answer,
            Some(1.0),
            releases,
            |_| answer(Map::Nil.get(1, &Seeded::new(1)).is_none(), true),
        ),
        row(
            "nil map: assigning panics",
            Unit::Answer,
            Some(1.0),
            releases,
            |_| answer(Map::Nil.assign(1, 1, &mut Seeded::new(1)).is_err(), true),
        ),
        row(
            "len(m) is right at every moment",
            Unit::Answer,
            Some(1.0),
            releases,
            |r| {
                let (mut map, mut world) = filled(r, &ints, ENTRIES, 1);
                let right = (1..=ENTRIES).all(|key| {
                    map.delete(key, &mut world);
                    map.count() == u64::from(ENTRIES - key)
                });
                answer(right, true)
            },
        ),
        row(
            "delete frees overflow buckets: of those linked, share gone after deleting all",
            Unit::Ratio,
            Some(1.0),
            releases,
            |r| {
                if !classic(r) {
                    return ABSENT;
                }
                let (mut map, mut world) = filled(r, &ints, ENTRIES, 1);
                let linked = |map: &Map, world: &Seeded| {
                    let chains = map.searches(world);
                    (chains.links - chains.number) as f64
                };
                // Writes that change no entry end a growth that may be in progress.
                put(&mut map, 1..=ENTRIES, &mut world);
                let before = linked(&map, &world);
                (1..=ENTRIES).for_each(|key| map.delete(key, &mut world));
                let gone = 1.0 - linked(&map, &world) / before;
                let verdict = if gone == 0.0 {
                    Verdict::Partly
                } else {
                    Verdict::True
                };
                (Some(gone), verdict)
            },
        ),
    ];
    rows.extend(iteration(releases));
    Outcome {
        rows,
        conclusion: "The promises hold. delete empties slots and maintains the marks in them; it never unlinks or frees a \
                     bucket. Iterating while the map changes is defined: each entry that stays is met once, new ones may be.",
        curves: Vec::new(),
    }
}

fn iteration(releases: &[&'static Release]) -> Vec<super::Row> {
    let ints = shape("map[int]int");
    vec![
        row(
            "two iterations may differ in order",
            Unit::Answer,
            Some(1.0),
            releases,
            |r| {
                let (mut map, mut world) = filled(r, &ints, 100, 1);
                let first = walk(&mut map, &mut world, |_, _, _| {});
                let second = walk(&mut map, &mut world, |_, _, _| {});
                answer(first != second && first.len() == second.len(), true)
            },
        ),
        row(
            "iterating while keys are put: old entries met exactly once",
            Unit::Ratio,
            Some(1.0),
            releases,
            |r| {
                let (met, _) = meet(r);
                let once = (1..=ENTRIES).filter(|k| met.binary_search(k).is_ok());
                let share = once.count() as f64 / f64::from(ENTRIES);
                super::equal(share, 1.0)
            },
        ),
        row(
            "of the new ones, share that is met",
            Unit::Ratio,
            None,
            releases,
            |r| {
                let (met, new) = meet(r);
                let share = (met.len() as f64 - f64::from(ENTRIES)) / f64::from(new);
                (Some(share), Verdict::True)
            },
        ),
    ]
}

/// Keys met, sorted, when as many are put during an iteration as there are entries; and how many were put.
fn meet(release: &'static Release) -> (Vec<Key>, u32) {
    let (mut map, mut world) = filled(release, &shape("map[int]int"), ENTRIES, 1);
    let mut keys = walk(&mut map, &mut world, |map, world, met| {
        if met <= ENTRIES {
            put(map, ENTRIES + met..=ENTRIES + met, world);
        }
    });
    keys.sort_unstable();
    let before = keys.len();
    keys.dedup();
    // A key met twice is no key met once.
    if keys.len() < before {
        keys.clear();
    }
    (keys, ENTRIES)
}
