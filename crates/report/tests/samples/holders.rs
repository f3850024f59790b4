//! Documents about who holds what.

use leakscope_report::*;

use super::{HOSTILE, core, covered, gap, head, live, stopped};

pub(crate) fn suspects() -> Vec<SuspectRow> {
    let entry = |type_: &str, count, bytes| EntryRow {
        type_: type_.into(),
        count,
        bytes,
        largest_bytes: bytes / 2,
    };
    let sessions = SuspectRow {
        verdict: Verdict::Suspect,
        reason: None,
        kind: HolderKind::Object,
        holder: "main.server.sessions".into(),
        places: 1,
        address: Some(Address(0xc000_0123_4000)),
        type_: Some("map[string]*main.session".into()),
        retained_bytes: 400 << 20,
        accumulated_bytes: 380 << 20,
        share: 0.795,
        sharpness: 0.999,
        certain: true,
        entry_count: 2_000_000,
        entries: vec![
            entry("main.session", 2_000_000, 370 << 20),
            entry("string", 2_000_000, 10 << 20),
        ],
        sites: super::memory::held(),
        fingerprint: Some("v1:0123456789abcdef".into()),
        new: Some(true),
    };
    vec![
        sessions.clone(),
        SuspectRow {
            verdict: Verdict::Big,
            reason: Some(format!("a cache of {HOSTILE}: {}", "bounded ".repeat(20)).into()),
            kind: HolderKind::Root,
            holder: format!("goroutines of {}.{HOSTILE}", "main.long".repeat(12)).into(),
            places: 16,
            address: None,
            type_: None,
            certain: false,
            share: 0.0004,
            entries: vec![entry(HOSTILE, 1, 4096)],
            fingerprint: None,
            new: None,
            ..sessions
        },
    ]
}

fn place(function: &str, line: u32) -> Place {
    Place {
        function: function.into(),
        file: Some("/src/service/handlers.go".into()),
        line: Some(line),
    }
}

pub(crate) fn goroutines() -> GoroutinesDoc {
    let blocked = GoroutineRow {
        id: 18,
        status: "waiting".into(),
        wait_reason: Some("chan send".into()),
        wait_ns: Some(90_000_000_000),
        leaked: true,
        verdict: Leak::Leaked,
        doubt: None,
        retained_bytes: 13 << 10,
        stack: vec![
            place("runtime.gopark", 474),
            place("main.(*application).report.func1", 88),
        ],
        created_by: Some(place("main.(*application).report", 87)),
    };
    let running = GoroutineRow {
        id: 1,
        status: "running".into(),
        wait_reason: None,
        wait_ns: None,
        leaked: false,
        verdict: Leak::No,
        doubt: None,
        retained_bytes: 0,
        stack: (0..9)
            .map(|i| place(&format!("main.{HOSTILE}"), i))
            .collect(),
        created_by: None,
    };
    let group = |row: &GoroutineRow, count, verdict| GoroutineGroup {
        count,
        verdict,
        doubt: (verdict == Leak::Suspect).then_some(Doubt::MaybePointer),
        status: row.status.clone(),
        wait_reason: row.wait_reason.clone(),
        longest_wait_ns: row.wait_ns,
        retained_bytes: row.retained_bytes * count,
        example: row.id,
        stack: row.stack.clone(),
        created_by: row.created_by.clone(),
    };
    GoroutinesDoc {
        head: head(Document::Goroutines, live(), stopped(), covered(Vec::new())),
        count: 3002,
        leaked_count: 3000,
        suspect_count: 1,
        groups: vec![
            group(&blocked, 3000, Leak::Leaked),
            group(&blocked, 1, Leak::Suspect),
            group(&running, 1, Leak::No),
        ],
        goroutines: vec![blocked, running],
    }
}

pub(crate) fn why() -> WhyDoc {
    let row = |path: &str, count, certain| PathRow {
        path: path.into(),
        types: vec!["map[string]*main.session".into(), "main.session".into()],
        count,
        bytes: count * 112,
        certain,
        example: Address(0xc000_0123_4000),
        example_path: certain.then(|| format!("main.server.sessions[\"{HOSTILE}\"]").into()),
        fingerprint: Some("v1:fedcba9876543210".into()),
    };
    WhyDoc {
        head: head(Document::Why, core(), stopped(), covered(Vec::new())),
        question: Question::Type,
        about: "main.session".into(),
        address: None,
        objects: Amount {
            objects: 2_000_000,
            bytes: 2_000_000 * 112,
        },
        retained_bytes: 400 << 20,
        unreachable: Amount {
            objects: 3,
            bytes: 336,
        },
        paths: vec![
            row("main.server.sessions[...]", 1_999_998, true),
            row(
                &format!("goroutine 18 {HOSTILE}{}", ".next".repeat(40)),
                2,
                false,
            ),
        ],
        path_count: 7,
    }
}

pub(crate) fn diff() -> DiffDoc {
    let amounts = |list: &[(u64, u64)]| {
        let list = list.iter();
        list.map(|(objects, bytes)| Amount {
            objects: *objects,
            bytes: *bytes,
        })
        .collect::<Vec<_>>()
    };
    let grown = |name: &str, list: &[(u64, u64)], steady| {
        let sums = amounts(list);
        let (first, last) = (list[0], list[list.len() - 1]);
        GrowthRow {
            name: name.into(),
            fingerprint: Some("v1:0123456789abcdef".into()),
            sums,
            bytes_grown: last.1 as i64 - first.1 as i64,
            objects_grown: last.0 as i64 - first.0 as i64,
            steady,
            bytes_per_second: Some((last.1 as f64 - first.1 as f64) / 60.0),
        }
    };
    let capture = |objects| CaptureRow {
        target: live(),
        capture: stopped(),
        reachable: Amount {
            objects,
            bytes: objects * 100,
        },
        allocated: Amount {
            objects: objects + 50,
            bytes: objects * 101,
        },
        goroutines: objects / 100,
    };
    DiffDoc {
        head: head(
            Document::Diff,
            live(),
            stopped(),
            covered(vec![gap("a gap", 1)]),
        ),
        captures: vec![capture(1000), capture(2000), capture(4000)],
        same_program: false,
        findings: super::findings::findings().into_iter().take(1).collect(),
        holders: vec![grown(
            "main.server.sessions",
            &[(100, 10_000), (200, 20_000), (400, 40_000)],
            true,
        )],
        types: vec![
            grown(HOSTILE, &[(100, 10_000), (90, 9_000), (400, 40_000)], false),
            grown("string", &[(9, 900), (9, 900), (2, 200)], false),
        ],
        maps: Vec::new(),
        sites: vec![grown(
            "main.login:31",
            &[(10, 640), (20, 1280), (40, 2560)],
            true,
        )],
        ledger: Vec::new(),
        goroutines: vec![grown("main.serve:12", &[(1, 0), (2, 0), (3, 2)], true)],
    }
}
