//! Documents about allocation sites and resident memory.

use leakscope_report::*;

use super::{HOSTILE, covered, head, live, stopped};

pub(crate) fn place(function: &str, line: u32) -> Place {
    Place {
        function: function.into(),
        file: Some("/src/service/handlers.go".into()),
        line: Some(line),
    }
}

fn sum(sampled_objects: u64, bytes: u64, error: f64) -> SampleSum {
    SampleSum {
        sampled_objects,
        sampled_bytes: bytes / 100,
        objects: bytes / 64,
        bytes,
        error,
    }
}

/// Who allocated what the first suspect holds.
pub(crate) fn held() -> Vec<HeldSite> {
    vec![
        HeldSite {
            place: place("main.(*application).login", 31),
            stack: vec![
                place("strings.(*Builder).grow", 81),
                place("main.(*application).login", 31),
                place("main.(*application).serve", 80),
                place("net/http.HandlerFunc.ServeHTTP", 2),
                place("main.main", 9),
            ],
            caller: 2,
            held: sum(740, 370 << 20, 0.072),
            share: 0.961,
        },
        HeldSite {
            place: place(HOSTILE, 7),
            stack: vec![place(HOSTILE, 7)],
            caller: 1,
            held: sum(12, 15 << 20, 0.0),
            share: 0.039,
        },
    ]
}

pub(crate) fn profile() -> ProfileRow {
    ProfileRow {
        missing: None,
        rate: Some(512 << 10),
        published_at: Some("as of the collection before the last".into()),
        live: sum(900, 450 << 20, 0.065),
        garbage: sum(3, 1 << 20, 1.1),
    }
}

pub(crate) fn sites() -> SitesDoc {
    let row = |function: &str, bytes| SiteRow {
        place: place(function, 31),
        stack: (0..9).map(|i| place(function, 31 + i)).collect(),
        live: sum(40, bytes, 0.31),
        garbage: sum(0, 0, 0.0),
        published: Published {
            alloc_objects: 100,
            alloc_bytes: 6400,
            in_use_objects: 41,
            in_use_bytes: 2624,
        },
    };
    SitesDoc {
        head: head(Document::Sites, live(), stopped(), covered(Vec::new())),
        profile: profile(),
        site_count: 5,
        sites: vec![
            row("main.(*application).login", 370 << 20),
            row(&"main.long".repeat(30), 12 << 20),
            row(HOSTILE, 4096),
            row("strings.(*Builder).grow", 0),
        ],
    }
}

pub(crate) fn ledger_row() -> LedgerRow {
    let part = |part, bytes| PartRow { part, bytes };
    LedgerRow {
        rss_bytes: 1 << 30,
        swap_bytes: 4096,
        parts: vec![
            part(MemoryPart::HeapLive, 480 << 20),
            part(MemoryPart::HeapUnswept, 60 << 20),
            part(MemoryPart::InsideSpans, 20 << 20),
            part(MemoryPart::FreeSpans, 400 << 20),
            part(MemoryPart::Stacks, 1 << 20),
            part(MemoryPart::OtherAnonymous, 63 << 20),
        ],
        remainder_bytes: -8192,
        pages_known: true,
    }
}

pub(crate) fn pacing() -> PacingRow {
    PacingRow {
        gogc: Some(100),
        memory_limit_bytes: Some(2 << 30),
        marked_bytes: Some(480 << 20),
        heap_bytes: Some(560 << 20),
        goal_bytes: Some(960 << 20),
        goal_by: Some(GoalBy::Gogc),
        to_goal_bytes: Some(400 << 20),
        counted_bytes: Some(980 << 20),
        to_limit_bytes: Some((2 << 30) - (980 << 20)),
        gc_cpu_share: Some(0.021),
        collections: Some(1234),
    }
}

pub(crate) fn ledger() -> LedgerDoc {
    let mapping = |path: Option<&str>, rss_bytes| MappingRow {
        start: Address(0xc000_0000_0000),
        end: Address(0xc000_4000_0000),
        perms: "rw-p".into(),
        path: path.map(Text::new),
        rss_bytes,
        swap_bytes: 0,
        parts: vec![PartRow {
            part: MemoryPart::HeapLive,
            bytes: rss_bytes,
        }],
        remainder_bytes: 0,
    };
    LedgerDoc {
        head: head(Document::Ledger, live(), stopped(), covered(Vec::new())),
        ledger: Some(ledger_row()),
        missing: None,
        mappings: vec![
            mapping(None, 960 << 20),
            mapping(Some("/usr/lib/x86_64-linux-gnu/libc.so.6"), 2 << 20),
            mapping(Some(HOSTILE), 4096),
            mapping(Some("[stack]"), 4096),
        ],
        pacing: pacing(),
    }
}
