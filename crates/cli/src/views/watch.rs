//! Verdicts of the agent, worded.

use leakscope_report::{
    ExplainDoc, FleetRow, Head, PointRow, RiskTerms, SCHEMA_VERSION, SensitivityRow, SeriesRow,
    Text, TrendTest, TrendVerdict, TurningRow, VerdictLine, WindowRow,
};
use leakscope_watch::{Explanation, TestSeen, Verdict};

/// A verdict as a line of output.
pub(crate) fn line(verdict: &Verdict) -> VerdictLine {
    let terms = &verdict.risk_terms;
    let who = &verdict.who;
    let text = |value: &Option<String>| value.as_ref().map(Text::new);
    VerdictLine {
        schema_version: SCHEMA_VERSION,
        id: verdict.id,
        time_unix_s: seconds(verdict.at),
        verdict: word(&verdict.verdict),
        from: word(&verdict.from),
        channel: Text::new(&verdict.channel),
        risk: verdict.risk,
        risk_terms: RiskTerms {
            trend: terms.trend,
            ratchet: terms.ratchet,
            load_independent: terms.load_independent,
            agreement: terms.agreement,
            evidence: terms.evidence,
            urgency: terms.urgency,
        },
        slope_bytes_per_s: verdict.slope,
        time_to_exhaustion_s: verdict.time_to_exhaustion.map(seconds),
        window_s: verdict.window.map(seconds),
        tests: verdict.tests.iter().map(test).collect(),
        fleet: verdict.fleet.as_ref().map(|seen| FleetRow {
            follows: Text::new(&seen.follows),
            replicas: seen.replicas as u64,
            growing: seen.growing,
            older_holds_more: seen.older_holds_more,
            onset: text(&seen.onset),
        }),
        pid: who.pid,
        name: Text::new(&who.name),
        executable: Text::new(&who.executable),
        runtime: Text::new(&who.runtime),
        runtime_version: text(&who.runtime_version),
        version: text(&who.version),
        collector: text(&who.collector),
        workload: Text::new(&who.workload),
        container: text(&who.container),
        pod: text(&who.pod),
        start_time_unix_s: seconds(who.started),
    }
}

/// A decision again, as a document.
pub(crate) fn explanation(head: Head, explanation: &Explanation) -> ExplainDoc {
    ExplainDoc {
        head,
        decision: line(&explanation.verdict),
        capacity: explanation.capacity,
        series: explanation
            .series
            .iter()
            .map(|series| SeriesRow {
                name: Text::new(&series.name),
                points: series
                    .points
                    .iter()
                    .map(|(at, value)| PointRow {
                        time_unix_s: seconds(*at),
                        value: *value,
                    })
                    .collect(),
            })
            .collect(),
        windows: explanation
            .windows
            .iter()
            .map(|window| WindowRow {
                length_s: window.length.map(seconds),
                tests: window.tests.iter().map(test).collect(),
            })
            .collect(),
        verdict_again: explanation.again.as_ref().map(|(verdict, _)| word(verdict)),
        slope_again: explanation.again.as_ref().and_then(|(_, slope)| *slope),
        sensitivities: explanation
            .sensitivities
            .iter()
            .map(|(sensitivity, verdict)| SensitivityRow {
                sensitivity: Text::new(sensitivity),
                verdict: word(verdict),
            })
            .collect(),
        turning: explanation
            .turning
            .iter()
            .map(|turning| TurningRow {
                test: test(&turning.test),
                margin: turning.margin,
            })
            .collect(),
    }
}

fn seconds(millis: i64) -> f64 {
    millis as f64 / 1e3
}

fn word(verdict: &str) -> TrendVerdict {
    match verdict {
        "leak" => TrendVerdict::Leak,
        "suspect" => TrendVerdict::Suspect,
        "quiet" => TrendVerdict::Quiet,
        _ => TrendVerdict::Unknown,
    }
}

fn test(test: &TestSeen) -> TrendTest {
    TrendTest {
        name: Text::new(&test.name),
        value: test.value,
        bound: test.bound,
        passed: test.passed,
    }
}
