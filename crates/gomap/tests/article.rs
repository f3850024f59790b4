//! Each number of the article that a model can come to, and what becomes of it.

use leakscope_gomap::scenario::{Outcome, Row, SCENARIOS, Scenario, Verdict};
use leakscope_gomap::{Map, RELEASES, Release, Seeded, Shape};

/// Releases that differ from each other in what scenarios measure.
const TRIED: [&str; 5] = ["1.21", "1.23", "1.24", "1.25", "1.27"];

fn outcome(name: &str) -> Outcome {
    let releases: Vec<_> = TRIED
        .iter()
        .map(|name| Release::named(name).unwrap())
        .collect();
    Scenario::named(name).unwrap().run(&releases)
}

fn row<'a>(outcome: &'a Outcome, claim: &str) -> &'a Row {
    let found = outcome.rows.iter().find(|r| r.claim.contains(claim));
    found.unwrap_or_else(|| panic!("no row {claim:?}: {:?}", outcome.rows))
}

fn number(row: &Row, release: &str) -> f64 {
    let value = row.values.iter().find(|v| v.release == release).unwrap();
    value
        .number
        .unwrap_or_else(|| panic!("{}: no number", row.claim))
}

fn verdicts(row: &Row) -> Vec<Verdict> {
    row.values.iter().map(|v| v.verdict).collect()
}

const T: Verdict = Verdict::True;
const P: Verdict = Verdict::Partly;
const F: Verdict = Verdict::False;
const N: Verdict = Verdict::NotApplicable;

#[test]
fn what_maps_promise_holds_and_delete_frees_no_bucket() {
    let o = outcome("contract");
    for row in o.rows.iter().filter(|r| !r.claim.starts_with("delete")) {
        assert_eq!(verdicts(row), [T; 5], "{}", row.claim);
    }
    assert_eq!(verdicts(row(&o, "delete frees")), [P, P, N, N, N]);
    let met = row(&o, "of the new ones");
    assert!(TRIED.iter().all(|r| (0.01..0.99).contains(&number(met, r))));
}

#[test]
fn the_bucket_of_2_1_is_144_bytes_and_no_swiss_group_is() {
    let o = outcome("bucket-size");
    assert_eq!(verdicts(row(&o, "bytes of a bucket")), [T, T, F, F, F]);
    assert_eq!(number(row(&o, "bytes of a bucket"), "1.27"), 136.0);
    assert_eq!(verdicts(row(&o, "offset")), [T, T, N, N, N]);
    assert_eq!(verdicts(row(&o, "across words")), [F; 5]);
}

/// 1.23 kept 45,055 KiB in a real program that stopped at the insert that made its map[int]int of 2^18 buckets grow.
#[test]
fn the_dangling_state_of_2_2_does_not_exist_but_growth_stops_without_writes() {
    let o = outcome("old-buckets");
    assert_eq!(verdicts(row(&o, "all of it was moved")), [F, F, N, N, N]);
    let kept = row(&o, "only read");
    assert!(number(kept, "1.23") > 18e6 && number(kept, "1.24") == 0.0);
    let release = Release::named("1.23").unwrap();
    let mut map = Map::make(release, Shape::parse("map[int]int").unwrap(), 0);
    let mut world = Seeded::new(1);
    for key in 1..=13 << 17 {
        map.assign(key, 1, &mut world).unwrap();
    }
    assert_eq!(map.memory().old_arrays, 0);
    map.assign((13 << 17) + 1, 1, &mut world).unwrap();
    let kib = map.memory().old_arrays as f64 / 1024.0;
    assert!((kib / 45_055.0 - 1.0).abs() < 0.01, "{kib}");
}

#[test]
fn size_alone_makes_keys_and_elems_indirect_against_2_3() {
    let o = outcome("indirect");
    for claim in ["struct{p", "func()"] {
        assert_eq!(verdicts(row(&o, claim)), [F; 5]);
    }
    assert_eq!(number(row(&o, "[128]byte"), "1.23"), 0.0);
    assert_eq!(number(row(&o, "[129]byte"), "1.27"), 144.0);
}

#[test]
fn chains_of_2_4_are_equally_long_at_every_b() {
    let o = outcome("chain-length");
    for (claim, article) in [("B=5, load", 0.9), ("B=8, load", 2.3)] {
        let row = row(&o, claim);
        assert_eq!(row.article, Some(article));
        assert_eq!(verdicts(row), [F; 5], "{row:?}");
        assert!((0.1..0.25).contains(&number(row, "1.23")), "{row:?}");
    }
    let ratio = row(&o, "by those at B=5");
    assert!((number(ratio, "1.23") - 1.0).abs() < 0.2, "{ratio:?}");
    let theory = number(row(&o, "theory"), "1.23");
    let ours = number(row(&o, "B=8, load"), "1.23");
    assert!((ours - theory).abs() < 0.02, "{ours} {theory}");
}

/// Real programs keep 2,048 slots for 1,000 live keys with 1.25 and 1.27, and ever more with 1.24.
#[test]
fn tombstones_make_maps_grow_in_1_24_and_where_the_general_function_assigns() {
    let o = outcome("churn");
    assert_eq!(verdicts(row(&o, "map[int]int")), [F, F, T, F, F]);
    assert_eq!(verdicts(row(&o, "map[[2]int64]int")), [F, F, T, T, T]);
}

#[test]
fn the_rows_of_2_5_only_boxed_elems_are_objects_of_their_own() {
    let o = outcome("boxing");
    assert_eq!(verdicts(row(&o, "map[string]string")), [T; 5]);
    assert_eq!(verdicts(row(&o, "map[string]User")), [P; 5]);
    assert_eq!(verdicts(row(&o, "with a User")), [T; 5]);
    assert_eq!(number(row(&o, "40 bytes"), "1.23"), 48.0);
}

#[test]
fn old_buckets_of_4_1_keep_what_was_deleted_only_after_an_iteration() {
    let o = outcome("double-reference");
    assert_eq!(verdicts(row(&o, "bytes kept")), [F, F, N, N, N]);
    assert_eq!(number(row(&o, "ranged over"), "1.23"), 1000.0 * 144.0);
}

#[test]
fn growth_of_4_2_loses_no_entry() {
    for row in outcome("unreachable-entries").rows {
        assert_eq!(verdicts(&row), [F; 5], "{}", row.claim);
    }
}

/// Insert 851,969 of a map[int]int allocated 39,168 KiB in real programs of 1.22 and 1.23. A map made for a million
/// entries that it has kept 12,058 of 16,384 overflow buckets unused.
#[test]
fn the_spike_of_4_3_is_one_array_and_foretold_for_all_maps_due() {
    let o = outcome("growth-spike");
    assert_eq!(verdicts(row(&o, "token")), [F; 5]);
    assert_eq!(number(row(&o, "one insert"), "1.23"), 39_168.0 * 1024.0);
    assert!(number(row(&o, "one insert"), "1.27") < 64_000.0);
    let curve = o.curves.iter().find(|c| c.release == "1.23").unwrap();
    assert_eq!(curve.largest.0, 851_969);
    for release in ["1.21", "1.23"] {
        let foretold = number(row(&o, "foretold"), release);
        let done = number(row(&o, "done"), release);
        assert!(
            foretold > 0.0 && done >= foretold && done < foretold * 1.001,
            "{release}: {foretold} {done}"
        );
    }
    let unused = number(row(&o, "never used"), "1.23") / 144.0;
    assert!((unused / 12_058.0 - 1.0).abs() < 0.02, "{unused}");
}

#[test]
fn every_scenario_is_named_once_and_says_what_to_conclude() {
    for (i, scenario) in SCENARIOS.iter().enumerate() {
        assert!(SCENARIOS[..i].iter().all(|s| s.name != scenario.name));
        assert!(!scenario.title.is_empty() && !scenario.section.is_empty());
    }
    let nothing = Scenario::named("bucket-size").unwrap().run(&[]);
    assert!(!nothing.conclusion.is_empty());
    assert_eq!(RELEASES.len(), 10);
}
