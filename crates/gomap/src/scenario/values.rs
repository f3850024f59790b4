//! 2.3 and 2.5: what keys and elems cost beside their slots.

use super::{Outcome, Unit, Verdict, equal, filled, row, shape};
use crate::{Release, Shape};

/// Entries of the maps that are weighed.
const ENTRIES: u32 = 10_000;

/// Bytes of a struct of one string.
const USER: u64 = 16;

/// Bytes per entry that lie outside the map's own arrays.
fn outside(release: &Release, shape: &Shape) -> f64 {
    let (map, _) = filled(release, shape, ENTRIES, 1);
    map.memory().indirect as f64 / f64::from(ENTRIES)
}

/// Bytes of the object that holds a value of `size` bytes in an interface.
fn boxed(release: &Release, size: u64) -> f64 {
    release.alloc.slot_size(size, false) as f64
}

pub(super) fn indirect(releases: &[&'static Release]) -> Outcome {
    let per_entry = |text: &'static str, article: f64| {
        move |r: &'static Release| equal(outside(r, &shape(text)), article)
    };
    let rows = vec![
        row(
            "map[struct{p *int}]int: bytes per entry outside the map",
            Unit::Bytes,
            Some(8.0),
            releases,
            per_entry("map[struct{*int}]int", 8.0),
        ),
        row(
            "map[int]func(): the same",
            Unit::Bytes,
            Some(8.0),
            releases,
            per_entry("map[int]func()", 8.0),
        ),
        row(
            "map[[4]byte]int: the same",
            Unit::Bytes,
            Some(0.0),
            releases,
            per_entry("map[[4]byte]int", 0.0),
        ),
        row(
            "map[[128]byte]int: the same",
            Unit::Bytes,
            None,
            releases,
            |r| {
                (
                    Some(outside(r, &shape("map[[128]byte]int"))),
                    Verdict::NotApplicable,
                )
            },
        ),
        row(
            "map[[129]byte]int: the same",
            Unit::Bytes,
            None,
            releases,
            |r| {
                (
                    Some(outside(r, &shape("map[[129]byte]int"))),
                    Verdict::NotApplicable,
                )
            },
        ),
    ];
    Outcome {
        rows,
        conclusion: "Size alone decides: keys and elems of more than 128 bytes get an object each. Pointers, interfaces and \
                     functions in them do not matter.",
        curves: Vec::new(),
    }
}

pub(super) fn boxing(releases: &[&'static Release]) -> Outcome {
    let rows = vec![
        row(
            "map[string]string: bytes per entry in objects of elems",
            Unit::Bytes,
            Some(0.0),
            releases,
            |r| equal(outside(r, &shape("map[string]string")), 0.0),
        ),
        row(
            "map[string]User, 16 bytes with a pointer: the same",
            Unit::Bytes,
            None,
            releases,
            |r| {
                // The article says none, but only for a User without pointers.
                let ours = outside(r, &shape("map[string]struct{string}"));
                let verdict = if ours == 0.0 {
                    Verdict::Partly
                } else {
                    Verdict::False
                };
                (Some(ours), verdict)
            },
        ),
        row(
            "map[string]interface{} with a User: the same",
            Unit::Bytes,
            Some(16.0),
            releases,
            |r| equal(boxed(r, USER), 16.0),
        ),
        row(
            "map[string]interface{} with a struct of 40 bytes: the same",
            Unit::Bytes,
            None,
            releases,
            |r| (Some(boxed(r, 40)), Verdict::NotApplicable),
        ),
    ];
    Outcome {
        rows,
        conclusion: "Values in interfaces are boxed: a heap object each, which the map keeps alive like any other. Nothing \
                     dangles. Other elems lie in the map whether they hold pointers or not, up to 128 bytes.",
        curves: Vec::new(),
    }
}
