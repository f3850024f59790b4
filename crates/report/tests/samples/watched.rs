//! A decision of the agent.

use leakscope_report::*;

use super::{HOSTILE, head, live};

fn test(name: &str, value: f64, bound: f64) -> TrendTest {
    TrendTest {
        name: name.into(),
        value: Some(value),
        bound: Some(bound),
        passed: value >= bound,
    }
}

/// A leak that was called one for a good reason.
pub(crate) fn explain() -> ExplainDoc {
    let points = (0..40).map(|i| PointRow {
        time_unix_s: 1.7e9 + 300.0 * f64::from(i),
        value: 2e8 + 1e7 * f64::from(i),
    });
    ExplainDoc {
        head: head(
            Document::Explain,
            live(),
            Capture::of(Method::NoStop),
            Coverage::default(),
        ),
        decision: VerdictLine {
            schema_version: SCHEMA_VERSION,
            id: 17,
            time_unix_s: 1.7e9 + 12_000.0,
            verdict: TrendVerdict::Leak,
            from: TrendVerdict::Suspect,
            channel: "heap_floor".into(),
            risk: 71,
            risk_terms: RiskTerms {
                trend: 1.0,
                ratchet: 1.0,
                load_independent: 1.0,
                agreement: 0.8,
                evidence: 0.0,
                urgency: 0.9,
            },
            slope_bytes_per_s: Some(33_333.3),
            time_to_exhaustion_s: Some(9_000.0),
            window_s: Some(10_800.0),
            tests: vec![test("pace", 1.2, 1.0)],
            fleet: Some(FleetRow {
                follows: "uptime".into(),
                replicas: 5,
                growing: 0.8,
                older_holds_more: 0.96,
                onset: Some(HOSTILE.into()),
            }),
            pid: 4242,
            name: HOSTILE.into(),
            executable: "/usr/local/bin/sessiond".into(),
            runtime: "go".into(),
            runtime_version: Some("go1.27.3".into()),
            version: Some("3f2a91c07b1d".into()),
            collector: None,
            workload: "/usr/local/bin/sessiond".into(),
            container: None,
            pod: None,
            start_time_unix_s: 1.7e9 - 60.0,
        },
        capacity: Some(1e9),
        series: vec![SeriesRow {
            name: "heap_floor".into(),
            points: points.collect(),
        }],
        windows: vec![
            WindowRow {
                length_s: None,
                tests: vec![test("groups", 24.0, 8.0), test("trend", 2.1, 3.09)],
            },
            WindowRow {
                length_s: Some(10_800.0),
                tests: vec![test("trend", 6.2, 3.09), test("growth", 4e8, 1.6e7)],
            },
        ],
        verdict_again: Some(TrendVerdict::Leak),
        slope_again: Some(33_333.3),
        sensitivities: vec![SensitivityRow {
            sensitivity: "quiet".into(),
            verdict: TrendVerdict::Suspect,
        }],
        turning: vec![TurningRow {
            test: test("pace", 1.2, 1.0),
            margin: 0.2,
        }],
    }
}
