//! What patterns found.

use leakscope_report::*;

use super::{HOSTILE, covered, head, holders};

pub(crate) fn findings() -> Vec<FindingRow> {
    let drained = FindingRow {
        pattern: "GO-MAP-NEVER-SHRINKS".to_owned(),
        title: "the room of a past peak, kept by few entries".to_owned(),
        verdict: FindingVerdict::Waste,
        bytes: 400 << 20,
        confidence: Confidence::High,
        reasons: vec![
            "3 entries in room for 65536; a map that only grew is at least 44 % full".into(),
            HOSTILE.into(),
        ],
        fingerprint: Some("v1:00112233445566aa".into()),
        new: Some(true),
        holder: "main.state.drained".into(),
        places: 1,
        address: Some(Address(0xc000_0123_4000)),
        type_: Some("map[uint64][4]uint64".into()),
        site: Some(Place {
            function: "main.fill".into(),
            file: Some("/src/service/state.go".into()),
            line: Some(12),
        }),
        evidence: vec![EvidenceRow {
            what: "Map.used".into(),
            value: "3".into(),
            address: Some(Address(0xc000_0123_4000)),
        }],
        advice: "copy those that are left into a new map".into(),
        change: vec!["+   m = fresh".into()],
        no_help: "clear does not help".to_owned(),
        suspects: holders::suspects().into_iter().take(1).collect(),
    };
    vec![
        drained.clone(),
        FindingRow {
            pattern: "GO-GOROUTINE-LEAK".to_owned(),
            title: "goroutines that wait for what can never come".to_owned(),
            verdict: FindingVerdict::Leak,
            bytes: 4096,
            confidence: Confidence::Medium,
            fingerprint: None,
            new: None,
            holder: HOSTILE.into(),
            places: 12,
            address: None,
            type_: None,
            site: None,
            evidence: Vec::new(),
            suspects: Vec::new(),
            ..drained
        },
    ]
}

pub(crate) fn rule() -> RuleDoc {
    RuleDoc {
        head: head(
            Document::Rule,
            Target::of(TargetKind::Model),
            Capture::of(Method::Model),
            covered(Vec::new()),
        ),
        rules: vec![
            RuleRow {
                id: "GO-GOROUTINE-LEAK".to_owned(),
                title: "goroutines that wait for what can never come".to_owned(),
                page: None,
            },
            RuleRow {
                id: "GO-MAP-NEVER-SHRINKS".to_owned(),
                title: "the room of a past peak, kept by few entries".to_owned(),
                page: None,
            },
        ],
    }
}
