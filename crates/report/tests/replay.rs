//! Replays: their lines obey the committed schema, their page and picture are safe. `LEAKSCOPE_BLESS=1` writes anew.

use leakscope_report::{
    Page, Render, ReplayDoc, ReplayLine, ReplaySeries, RiskTerms, Text, TrendTest, TrendVerdict,
    replay_svg, to_json_line,
};
use serde_json::Value;

const HOSTILE: &str = "ev\x1b[2Jil\u{202e}<&\">\nx";

fn line(verdict: TrendVerdict, at: f64) -> ReplayLine {
    ReplayLine {
        time_unix_s: at,
        verdict,
        from: TrendVerdict::Quiet,
        channel: "heap_floor".into(),
        process: Some(Text::new(HOSTILE)),
        risk: 62,
        risk_terms: RiskTerms {
            trend: 0.9,
            ratchet: 1.0,
            load_independent: 0.5,
            agreement: 1.0,
            evidence: 0.0,
            urgency: 0.61,
        },
        slope_bytes_per_s: Some(16_384.5),
        time_to_exhaustion_s: Some(90_000.0),
        window_s: Some(86_400.0),
        tests: vec![
            TrendTest {
                name: "growth".into(),
                value: Some(7.5e8),
                bound: Some(6e7),
                passed: true,
            },
            TrendTest {
                name: "condition".into(),
                value: None,
                bound: None,
                passed: false,
            },
        ],
    }
}

fn replay() -> ReplayDoc {
    let start = 1_790_000_000.0;
    ReplayDoc {
        source: Text::new(HOSTILE),
        process: Some(Text::new(HOSTILE)),
        runtime: "go".into(),
        samples: 123_456,
        span: Some((start, start + 90_000.0)),
        series: vec![
            ReplaySeries {
                channel: "heap_floor".into(),
                bytes: true,
                points: (0..300)
                    .map(|i| (start + 300.0 * f64::from(i), 3e8 + 5e6 * f64::from(i)))
                    .collect(),
                capacity: Some(2e9),
                marks: vec![
                    (start + 600.0, TrendVerdict::Unknown),
                    (start + 4000.0, TrendVerdict::Quiet),
                    (start + 30_000.0, TrendVerdict::Suspect),
                    (start + 60_000.0, TrendVerdict::Leak),
                ],
            },
            ReplaySeries {
                channel: "count".into(),
                bytes: false,
                points: Vec::new(),
                capacity: None,
                marks: Vec::new(),
            },
        ],
        lines: vec![
            line(TrendVerdict::Quiet, start + 4000.0),
            line(TrendVerdict::Leak, start + 60_000.0),
        ],
        remarks: vec![Text::new(HOSTILE)],
    }
}

/// The rendering without our own styles.
fn plain(styled: &str) -> String {
    let mut plain = String::new();
    let mut rest = styled;
    while let Some((before, sequence)) = rest.split_once("\x1b[") {
        let (style, after) = sequence.split_once('m').expect("a style ends with m");
        assert!(style.chars().all(|c| c.is_ascii_digit() || c == ';'));
        plain.push_str(before);
        rest = after;
    }
    plain + rest
}

#[test]
fn the_page_is_as_reviewed_fits_and_drives_no_terminal() {
    let page = Page {
        columns: 80,
        limit: None,
    };
    let got = plain(&replay().render(&page));
    for line in got.lines() {
        assert!(line.chars().count() <= 80, "{line}");
        assert!(!line.chars().any(char::is_control), "{line:?}");
    }
    let path = format!("{}/tests/golden/replay.txt", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("LEAKSCOPE_BLESS").is_some() {
        std::fs::write(&path, &got).unwrap();
    }
    assert_eq!(got, std::fs::read_to_string(&path).unwrap_or_default());
}

#[test]
fn lines_obey_the_committed_schema() {
    let schema = leakscope_report::replay_line_schema();
    let path = format!(
        "{}/../../docs/schema/replay-line.json",
        env!("CARGO_MANIFEST_DIR")
    );
    let got = serde_json::to_string_pretty(&schema).unwrap() + "\n";
    if std::env::var_os("LEAKSCOPE_BLESS").is_some() {
        std::fs::write(&path, &got).unwrap();
    }
    let want = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(got, want, "docs/schema/replay-line.json is out of date");
    let validator = jsonschema::validator_for(schema.as_value()).unwrap();
    for line in replay().lines {
        let json = to_json_line(&line).unwrap();
        assert_eq!(json.iter().filter(|b| **b == b'\n').count(), 1);
        assert!(json[..json.len() - 1].iter().all(|b| !b.is_ascii_control()));
        let value: Value = serde_json::from_slice(&json).unwrap();
        assert!(validator.is_valid(&value), "{value}");
        assert_eq!(value["process"], HOSTILE);
    }
    assert!(!validator.is_valid(&serde_json::json!({ "verdict": "maybe" })));
}

#[test]
fn the_picture_has_its_verdicts_and_names_break_nothing_in_it() {
    let picture = replay_svg(&[replay()]).unwrap();
    assert!(picture.starts_with("<svg ") && picture.trim_end().ends_with("</svg>"));
    for word in ["leak", "suspect", "heap_floor"] {
        assert!(picture.contains(word), "no {word}");
    }
    assert!(!picture.contains("<&") && !picture.contains('\x1b'));
}
