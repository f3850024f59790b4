//! A simulation.

use leakscope_report::*;

use super::{HOSTILE, head};

fn value(release: &str, number: Option<f64>, verdict: Finding) -> ValueRow {
    ValueRow {
        release: release.to_owned(),
        number,
        verdict,
    }
}

fn curve(release: &str, scale: u64) -> CurveRow {
    let step = |i: u64| StepRow {
        step: i * 25_000,
        entries: i * 25_000,
        bytes: 48 + (i * i * scale),
        old_bytes: 0,
    };
    CurveRow {
        release: release.to_owned(),
        points: (0..=40).map(step).collect(),
        peak_bytes: 48 + 1600 * scale,
        peak_step: 1_000_000,
        final_bytes: 48 + 1600 * scale,
        needed_bytes: 1500 * scale,
        largest_allocation_bytes: 40_108_032,
        largest_allocation_step: 851_969,
        allocated_bytes: 3200 * scale,
    }
}

/// A scenario and a trace in one, with every kind of number and verdict.
pub(crate) fn simulate() -> SimulateDoc {
    let scenario = ScenarioRow {
        name: "bucket-size".to_owned(),
        section: "2.1".to_owned(),
        title: "bytes of a bucket, and where its overflow pointer lies".to_owned(),
    };
    let claim = |claim: &str, measure, article, values| ClaimRow {
        claim: claim.to_owned(),
        measure,
        article,
        values,
    };
    SimulateDoc {
        head: head(
            Document::Simulate,
            Target::of(TargetKind::Model),
            Capture::of(Method::Model),
            Coverage::default(),
        ),
        scenario: Some(scenario.clone()),
        trace: Some(TraceRow {
            file: HOSTILE.into(),
            map_type: "map[string]struct{string; *T; int}".into(),
            hint: 100,
            steps: 1_000_000,
        }),
        claims: vec![
            claim(
                "bytes of a bucket of map[uint64]uint64",
                Measure::Bytes,
                Some(144.0),
                vec![
                    value("1.22", Some(144.0), Finding::True),
                    value("1.23", Some(144.0), Finding::True),
                    value("1.27", Some(136.0), Finding::False),
                ],
            ),
            claim(
                "overflow buckets per chain",
                Measure::Ratio,
                None,
                vec![
                    value("1.23", Some(0.196), Finding::Partly),
                    value("1.27", None, Finding::NotApplicable),
                ],
            ),
            claim(
                "longest chain",
                Measure::Count,
                None,
                vec![value("1.23", Some(1234.0), Finding::NotApplicable)],
            ),
            claim(
                "growth waits for the pacer",
                Measure::Answer,
                Some(1.0),
                vec![value("1.23", Some(0.0), Finding::False)],
            ),
        ],
        conclusion: Some(
            "The sizes are those of bucket maps. Every bucket is a multiple of 8 bytes, so the collector never meets \
             the unaligned bucket of which the article warns."
                .to_owned(),
        ),
        curves: vec![
            curve("1.22", 39_000),
            curve("1.23", 39_000),
            curve("1.27", 23_000),
        ],
        scenarios: vec![scenario],
    }
}
