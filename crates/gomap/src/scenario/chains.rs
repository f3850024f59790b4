//! 2.4: chains, and what churn does to them.

use super::{ABSENT, Outcome, Unit, Verdict, classic, row, shape};
use crate::{Map, Release, Rules, Seeded, Trace, classic_chains, swiss_probes};

/// The article's load: of 8 slots, 6.4 in use.
const LOAD: f64 = 0.8;
/// Maps simulated for a mean.
const MAPS: u64 = 200;

/// Entries of `2^log2` buckets at the article's load, or at the highest that the release lets them have.
fn entries(release: &Release, log2: u8) -> u32 {
    let buckets = 1u32 << log2;
    let wanted = (LOAD * 8.0 * f64::from(buckets)) as u32;
    match release.rules {
        Rules::Classic(rules) => wanted.min(rules.load_factor_num as u32 * (buckets / 2)),
        Rules::Swiss(_) => wanted,
    }
}

/// Overflow buckets of a chain, or groups beyond the first that a search looks at, on average over many maps.
fn beyond_first(release: &'static Release, log2: u8) -> f64 {
    let count = entries(release, log2);
    let ints = shape("map[int]int");
    let mean = |seed| {
        let mut map = Map::make(release, ints, u64::from(count));
        let mut world = Seeded::new(seed);
        super::put(&mut map, 1..=count, &mut world);
        map.searches(&world).mean() - 1.0
    };
    (0..MAPS).map(mean).sum::<f64>() / MAPS as f64
}

/// The longest chain of all these maps.
fn longest(release: &'static Release, log2: u8) -> u64 {
    let count = entries(release, log2);
    let ints = shape("map[int]int");
    let longest = (0..MAPS).map(|seed| {
        let mut map = Map::make(release, ints, u64::from(count));
        let mut world = Seeded::new(seed);
        super::put(&mut map, 1..=count, &mut world);
        map.searches(&world).longest
    });
    longest.max().unwrap_or(0)
}

/// How near a mean must be to the article's number to be the same.
const NEAR: f64 = 0.1;

pub(super) fn run(releases: &[&'static Release]) -> Outcome {
    let claimed = |log2: u8, article: f64| {
        move |r: &'static Release| {
            let ours = beyond_first(r, log2);
            let same = (ours - article).abs() <= NEAR;
            let verdict = if same { Verdict::True } else { Verdict::False };
            (Some(ours), verdict)
        }
    };
    let expected = |r: &'static Release| {
        let mean = match r.rules {
            Rules::Classic(_) => classic_chains(u64::from(entries(r, 8)), 8).mean,
            Rules::Swiss(_) => swiss_probes(u64::from(entries(r, 8)) / 2, 1024).mean,
        };
        (Some(mean - 1.0), Verdict::NotApplicable)
    };
    let rows = vec![
        row(
            "overflow buckets per chain, B=5, load 0.8",
            Unit::Ratio,
            Some(0.9),
            releases,
            claimed(5, 0.9),
        ),
        row(
            "overflow buckets per chain, B=8, load 0.8",
            Unit::Ratio,
            Some(2.3),
            releases,
            claimed(8, 2.3),
        ),
        row(
            "chains at B=8 by those at B=5",
            Unit::Ratio,
            Some(2.3 / 0.9),
            releases,
            |r| {
                if !classic(r) {
                    return ABSENT;
                }
                let ours = beyond_first(r, 8) / beyond_first(r, 5);
                let verdict = if ours > 2.0 {
                    Verdict::True
                } else {
                    Verdict::False
                };
                (Some(ours), verdict)
            },
        ),
        row(
            "what theory expects at B=8",
            Unit::Ratio,
            None,
            releases,
            expected,
        ),
        row(
            "longest chain of 200 maps, B=8, buckets or groups",
            Unit::Count,
            None,
            releases,
            |r| (Some(longest(r, 8) as f64), Verdict::NotApplicable),
        ),
    ];
    Outcome {
        rows,
        conclusion: "Chains depend on the entries per bucket only, not on B: at equal load they are equally long. Swiss maps \
                     have no chains; their numbers are the groups a search looks at beyond the first.",
        curves: Vec::new(),
    }
}

/// What a constant number of entries with ever new keys comes to: rounds of the trace below.
const TURNS: &str = "turn 1000 1000000";

pub(super) fn churn(releases: &[&'static Release]) -> Outcome {
    let trace = |key: &str| {
        Trace::parse(&format!("map[{key}]int\n{TURNS}"))
            .map(|t| t.run_all(releases, 120))
            .unwrap_or_default()
    };
    let (fast, general) = (trace("int"), trace("[2]int64"));
    let bytes = |curves: &[crate::Curve], r: &Release| {
        let curve = curves.iter().find(|c| c.release == r.name);
        let last = curve.and_then(|c| c.points.last());
        let grown = last.map_or(0.0, |p| p.memory.total() as f64)
            / curve.map_or(1.0, |c| c.smallest.max(1) as f64);
        // A map that has just doubled has twice the room it needs; more is a growth that it did not need.
        let verdict = if grown > 2.5 {
            Verdict::True
        } else {
            Verdict::False
        };
        (Some(grown), verdict)
    };
    let rows = vec![
        row(
            "1 M ever new keys, 1,000 alive, make map[int]int grow: bytes by those needed",
            Unit::Ratio,
            None,
            releases,
            |r| bytes(&fast, r),
        ),
        row(
            "the same in map[[2]int64]int",
            Unit::Ratio,
            None,
            releases,
            |r| bytes(&general, r),
        ),
    ];
    Outcome {
        rows,
        conclusion: "Bucket maps grow to the same size when they have as many overflow buckets as buckets. Go 1.24 counts \
                     tombstones as load and only ever doubles. Since 1.25 assignments to keys of 4 or 8 bytes and to \
                     strings remove tombstones first; other keys, and elems over 128 bytes, are assigned by a function \
                     that does not, up to 1.27.",
        curves: general,
    }
}
