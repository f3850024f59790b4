//! One document of each kind, with values that strain the layout.

mod findings;
mod holders;
mod memory;
mod simulate;
mod threads;
mod watched;

use leakscope_report::*;

pub(crate) use memory::{ledger, sites};
pub(crate) use watched::explain;

pub(crate) use findings::rule;
pub(crate) use holders::{diff, goroutines, why};
pub(crate) use simulate::simulate;
pub(crate) use threads::threads;

/// Names that a hostile target could choose.
pub(crate) const HOSTILE: &str = "ev\x1b[2Jil\u{202e}gnp.\x07\u{200b}\nx";

fn head(document: Document, target: Target, capture: Capture, coverage: Coverage) -> Head {
    Head {
        schema_version: SCHEMA_VERSION,
        document,
        tool: Tool {
            name: "leakscope".into(),
            version: "0.1.0".into(),
        },
        target,
        capture,
        coverage,
    }
}

fn live() -> Target {
    Target {
        pid: Some(4242),
        name: Some("sessiond".into()),
        executable: Some("/usr/local/bin/sessiond".into()),
        runtime: Some("go".into()),
        runtime_version: Some("go1.27.3".into()),
        debug_info: Some(true),
        ..Target::of(TargetKind::Live)
    }
}

fn core() -> Target {
    Target {
        pid: Some(77),
        core: Some(format!("/var/crash/{}/core.77", "deep/".repeat(40)).into()),
        runtime: Some("go".into()),
        runtime_version: Some("go1.23.9".into()),
        debug_info: Some(true),
        ..Target::of(TargetKind::Core)
    }
}

/// What a snapshot came to.
pub(crate) fn snap() -> SnapDoc {
    SnapDoc {
        head: head(Document::Snap, live(), stopped(), Coverage::default()),
        snapshot: format!("/var/tmp/{HOSTILE}.lks").into(),
        unpacked_bytes: 540 << 20,
        written_bytes: 130 << 20,
        values: true,
    }
}

fn stopped() -> Capture {
    Capture {
        taken_at: Some("2026-11-02T10:20:30Z".into()),
        stop_predicted_ns: Some(61_000_000),
        stop_measured_ns: Some(58_340_000),
        copied_bytes: Some(512 << 20),
        ranges: Some(1234),
        threads: Some(12),
        attempts: Some(1),
        ..Capture::of(Method::Stop)
    }
}

fn covered(gaps: Vec<Gap>) -> Coverage {
    Coverage {
        named_bytes_share: Some(0.9987),
        objects: Some(6_200_000),
        bytes: Some(518 << 20),
        untyped_with_pointers: Some(Amount {
            objects: 12,
            bytes: 4096,
        }),
        untyped_without_pointers: Some(Amount {
            objects: 3_000,
            bytes: 650_000,
        }),
        gaps,
    }
}

fn gap(reason: &str, count: u64) -> Gap {
    Gap {
        reason: reason.into(),
        count,
        examples: vec![Address(0xc0_0001_2340)],
    }
}

fn type_row(type_: &str, package: &str, count: u64, bytes: u64) -> TypeRow {
    TypeRow {
        type_: type_.into(),
        package: package.into(),
        count,
        bytes,
        retained_bytes: (count > 1).then_some(bytes * 2),
    }
}

fn types() -> Vec<TypeRow> {
    vec![
        type_row("main.session", "main", 2_000_000, 192_000_000),
        type_row("string", "", 2_100_000, 67_108_864),
        type_row(
            "map[string]*github.com/example/service/internal/very/deep/package.Response[github.com/example/service/api.Body]",
            "",
            12,
            576,
        ),
        type_row(HOSTILE, "main", 1, 96),
    ]
}

fn map_row(address: u64, owner: Option<&str>, type_: &str) -> MapRow {
    MapRow {
        address: Address(address),
        owner: owner.map(Text::from),
        reachable: Some(owner.is_some()),
        type_: type_.into(),
        generation: Generation::Swiss,
        len: 2_000_000,
        slots: 4_194_304,
        load: 2_000_000.0 / 4_194_304.0,
        bytes: 142_606_336,
        rebuilt_bytes: 71_303_168,
        waste_bytes: 71_303_168,
        retained_bytes: owner.map(|_| 500 << 20),
        cells: 2_000_000,
        torn: false,
        incomplete: false,
        classic: None,
        swiss: Some(Swiss {
            global_depth: 12,
            directory_len: 4096,
            tables: 4096,
            tombstones: 0,
        }),
    }
}

fn maps() -> Vec<MapRow> {
    let mut growing = map_row(
        0xc000_1000,
        Some("main.registry.byTenant[…].shards[3].cache.entries"),
        "map[github.com/example/service/api.Key]*github.com/example/service/api.Entry",
    );
    growing.generation = Generation::Classic;
    growing.swiss = None;
    growing.classic = Some(Classic {
        log2_buckets: 17,
        overflow_buckets: 1029,
        overflow_free: 3,
        growth: Some(Growth {
            same_size: true,
            old_buckets: 131_072,
            evacuated: 77_000,
        }),
    });
    growing.torn = true;
    let mut unowned = map_row(0xc000_2000, None, HOSTILE);
    (unowned.len, unowned.slots, unowned.load) = (0, 0, 0.0);
    (unowned.bytes, unowned.rebuilt_bytes, unowned.waste_bytes) = (48, 48, 0);
    unowned.incomplete = true;
    let mut sessions = map_row(
        0xc000_0000,
        Some("main.server.sessions"),
        "map[string]*main.session",
    );
    sessions.swiss = sessions.swiss.map(|s| Swiss {
        tombstones: 4711,
        ..s
    });
    vec![sessions, growing, unowned]
}

const SUMS: MapSums = MapSums {
    count: 1234,
    len: 4_100_000,
    bytes: 300_000_000,
    rebuilt_bytes: 150_000_000,
    waste_bytes: 150_000_000,
};

pub(crate) fn analyze() -> AnalyzeDoc {
    let amount = |objects, bytes| Amount { objects, bytes };
    AnalyzeDoc {
        head: head(
            Document::Analyze,
            live(),
            stopped(),
            covered(vec![gap("a stack frame without a pointer map", 3)]),
        ),
        process: Process {
            threads: Some(12),
            goroutines: Goroutines {
                count: 1025,
                leaked: 12,
                suspect: 1,
                manual_bytes: 8 << 20,
            },
            rss_bytes: None,
            ledger: Some(memory::ledger_row()),
            pacing: Some(memory::pacing()),
            profile: Some(memory::profile()),
        },
        heap: Heap {
            allocated: amount(6_200_000, 518 << 20),
            unswept: amount(4, 4096),
            reachable: amount(6_100_000, 500 << 20),
            maybe_reachable: amount(2, 128),
            unreachable: amount(99_994, 18 << 20),
            unreachable_kept: vec![Kept {
                reason: "a finalizer has to run first".into(),
                amount: amount(3, 144),
            }],
            spans: 66_000,
            span_bytes: 530 << 20,
            layout: None,
        },
        finding_count: 2,
        findings: findings::findings(),
        suspect_count: 5,
        suspects: holders::suspects(),
        suppressed: 3,
        type_count: 812,
        types: types(),
        map_sums: SUMS,
        maps: maps(),
    }
}

pub(crate) fn histo() -> HistoDoc {
    let mut capture = Capture::of(Method::Core);
    capture.threads = Some(5);
    HistoDoc {
        head: head(
            Document::Histo,
            core(),
            capture,
            covered(
                (0..8)
                    .map(|i| gap(&format!("gap of kind {i}"), 10 - i))
                    .collect(),
            ),
        ),
        reachable: Amount {
            objects: 4_100_014,
            bytes: 259_109_536,
        },
        garbage: Amount {
            objects: 7,
            bytes: 672,
        },
        type_count: 4,
        package_count: 2,
        unreachable_type_count: 1,
        types: types(),
        packages: vec![
            PackageRow {
                package: "main".into(),
                count: 2_000_001,
                bytes: 192_000_096,
                retained_bytes: Some(390_000_000),
            },
            PackageRow {
                package: "".into(),
                count: 2_100_012,
                bytes: 67_109_440,
                retained_bytes: None,
            },
        ],
        unreachable: vec![TypeRow {
            retained_bytes: None,
            ..type_row("main.session", "main", 7, 672)
        }],
        root_count: 9,
        roots: vec![
            RootRow {
                kind: RootKind::Variable,
                name: "main.server".into(),
                count: 1,
                retained_objects: 4_000_000,
                retained_bytes: 400 << 20,
                maybe_retained_bytes: 0,
            },
            RootRow {
                kind: RootKind::Goroutines,
                name: HOSTILE.into(),
                count: 3000,
                retained_objects: 12,
                retained_bytes: 4096,
                maybe_retained_bytes: 1024,
            },
        ],
    }
}

pub(crate) fn maps_doc() -> MapsDoc {
    let mut capture = stopped();
    (capture.method, capture.torn) = (Method::NoStop, true);
    (capture.stop_measured_ns, capture.stop_predicted_ns) = (None, None);
    MapsDoc {
        head: head(Document::Maps, live(), capture, covered(Vec::new())),
        sums: SUMS,
        maps: maps(),
    }
}

pub(crate) fn ps() -> PsDoc {
    let row = |pid, name: &str, version: &str| ProcessRow {
        pid,
        ns_pid: None,
        container: None,
        container_engine: None,
        pod: None,
        name: name.into(),
        executable: Some(format!("/usr/bin/{name}").into()),
        runtime: "go".into(),
        runtime_version: Some(version.into()),
        debug_info: Some(true),
        main: None,
        collector: None,
        heap_used_bytes: None,
        heap_max_bytes: None,
        readable: true,
        why_not: None,
        uid: Some(1000),
        rss_bytes: Some(600 << 20),
    };
    let mut stripped = row(
        4_194_303,
        "containerd-shim",
        "go1.24.1 X:greenteagc,nosynchashtriemap",
    );
    stripped.debug_info = Some(false);
    stripped.readable = false;
    stripped.why_not = Some("it belongs to user 0; needs CAP_SYS_PTRACE".into());
    stripped.ns_pid = Some(12);
    stripped.container = Some("0123456789abcdef".repeat(4).into());
    stripped.container_engine = Some("containerd".into());
    stripped.pod = Some("d8f9fd3f-5a4c-4f8e-a1f0-0c2b6e5d7a91".into());
    let mut hostile = row(9, HOSTILE, "go1.27.3");
    hostile.container = Some(HOSTILE.into());
    hostile.rss_bytes = None;
    hostile.debug_info = None;
    let mut jvm = row(4711, "java", "17.0.15");
    jvm.runtime = "jvm".into();
    jvm.debug_info = None;
    jvm.main = Some("com.acme.checkout.CheckoutApplication".into());
    jvm.collector = Some("G1".into());
    jvm.heap_used_bytes = Some(300 << 20);
    jvm.heap_max_bytes = Some(2 << 30);
    let mut capture = Capture::of(Method::Proc);
    capture.taken_at = Some("2026-11-02T10:20:30Z".into());
    PsDoc {
        head: head(
            Document::Ps,
            Target::of(TargetKind::Host),
            capture,
            Coverage {
                gaps: vec![Gap {
                    reason: "executable not readable: permission denied".into(),
                    count: 31,
                    examples: Vec::new(),
                }],
                ..Coverage::default()
            },
        ),
        processes: vec![jvm, row(17, "sessiond", "go1.27.3"), stripped, hostile],
    }
}

pub(crate) fn doctor() -> DoctorDoc {
    let check = |code: &str, title: &str, status, seen: &str, fix: &[&str]| Check {
        code: code.into(),
        title: title.into(),
        status,
        seen: seen.into(),
        fix: fix.iter().map(|f| (*f).to_owned()).collect(),
    };
    DoctorDoc {
        head: head(
            Document::Doctor,
            live(),
            Capture::of(Method::Proc),
            Coverage::default(),
        ),
        checks: vec![
            check(
                "target.exists",
                "process",
                Status::Ok,
                "4242, sleeping",
                &[],
            ),
            check(
                "perm.ptrace-scope",
                "Yama",
                Status::Fail,
                "kernel.yama.ptrace_scope is 1: a process may only look into its own descendants, and 4242 is none of ours",
                &[
                    "sudo leakscope analyze 4242",
                    "sudo sysctl kernel.yama.ptrace_scope=0",
                ],
            ),
            check(
                "host.memory",
                "memory headroom",
                Status::Warn,
                HOSTILE,
                &["close something"],
            ),
            check(
                "host.cgroup",
                "cgroup",
                Status::Unknown,
                "no cgroup file system",
                &[],
            ),
        ],
    }
}

/// The first `count` of three processes.
pub(crate) fn top(count: usize) -> TopDoc {
    let busy = CounterRow {
        pid: 4_194_303,
        name: "sessiond".into(),
        runtime_version: "go1.27.3".into(),
        heap_marked_bytes: Some(522_000_000),
        heap_live_bytes: Some(641_000_000),
        heap_goal_bytes: Some(1_046_000_000),
        heap_alloc_bytes: Some(640_000_000),
        total_alloc_bytes: Some(88_000_000_000),
        heap_in_use_bytes: Some(702_000_000),
        heap_idle_bytes: Some(64 << 20),
        heap_released_bytes: Some(32 << 20),
        stacks_in_use_bytes: Some(18 << 20),
        gc_percent: Some(100),
        memory_limit_bytes: Some(2 << 30),
        num_gc: Some(12_345),
        num_forced_gc: Some(2),
        marking: Some(true),
        last_gc_unix_ns: Some(1_793_000_000_000_000_000),
        last_pause_ns: Some(184_223),
        pause_total_ns: Some(2_200_000_000),
        gc_cpu_share: Some(0.0312),
        goroutines: Some(20_011),
        gomaxprocs: Some(8),
        torn: true,
    };
    let fresh = CounterRow {
        pid: 17,
        name: HOSTILE.into(),
        heap_goal_bytes: None,
        gc_percent: Some(-1),
        num_gc: Some(0),
        last_pause_ns: None,
        torn: false,
        ..busy.clone()
    };
    let unknown = CounterRow {
        pid: 18,
        name: "stripped".into(),
        heap_marked_bytes: None,
        num_gc: None,
        last_pause_ns: None,
        goroutines: None,
        torn: false,
        ..busy.clone()
    };
    let mut capture = Capture::of(Method::NoStop);
    capture.taken_at = Some("2026-11-02T10:20:30Z".into());
    let coverage = Coverage {
        gaps: vec![Gap {
            reason: "process 9: permission denied".into(),
            count: 1,
            examples: Vec::new(),
        }],
        ..Coverage::default()
    };
    TopDoc {
        head: head(
            Document::Top,
            Target::of(TargetKind::Host),
            capture,
            coverage,
        ),
        processes: [busy, fresh, unknown].into_iter().take(count).collect(),
    }
}
