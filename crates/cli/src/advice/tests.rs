//! Every message that a failure can lead to, compared with `golden.txt`. `LEAKSCOPE_BLESS=1` writes it anew.

use std::io;
use std::time::Duration;

use leakscope_go::error::{Error as GoError, NotGo};
use leakscope_go::heap::BuildError;
use leakscope_go::layouts::MissingLayout;
use leakscope_target::{Addr, BuildIds, CoreError, Error, Fault, PlanError, ProcessSummary};

use super::advice;
use crate::failure::Failure;

fn os(errno: i32) -> io::Error {
    io::Error::from_raw_os_error(errno)
}

const ENOENT: i32 = 2;
const EIO: i32 = 5;
const EAGAIN: i32 = 11;
const ENOMEM: i32 = 12;
const ENOSPC: i32 = 28;

fn not_permitted(target_uid: u32, yama: Option<i32>, cap_sys_ptrace: bool) -> Error {
    Error::NotPermitted {
        pid: 42,
        what: "read the memory of",
        target_uid,
        uid: 1000,
        yama,
        cap_sys_ptrace,
    }
}

fn named(pid: i32) -> ProcessSummary {
    ProcessSummary {
        pid,
        ppid: 1,
        comm: b"svc".to_vec(),
        exe: None,
        exe_deleted: false,
        uid: None,
        start_ticks: 0,
        state: 'S',
        threads: 1,
        rss: 0,
        kernel_thread: false,
    }
}

fn targets() -> Vec<Error> {
    let second = Duration::from_secs(1);
    vec![
        Error::NoSuchProcess { pid: 42 },
        Error::Gone { pid: 42 },
        Error::Zombie { pid: 42 },
        Error::NotAProcess {
            tid: 43,
            process: 42,
        },
        Error::Itself { pid: 42 },
        Error::KernelThread { pid: 2 },
        Error::AlreadyTraced {
            pid: 42,
            tracer: 41,
            comm: b"st\x1b[31mrace".to_vec(),
        },
        not_permitted(0, None, false),
        not_permitted(1000, Some(1), false),
        not_permitted(1000, Some(0), false),
        not_permitted(u32::MAX, Some(0), true),
        Error::NoSuchName {
            name: b"ses\x1bsiond".to_vec(),
        },
        Error::AmbiguousName {
            name: b"svc".to_vec(),
            matches: vec![named(42), named(43)],
        },
        Error::Hidden { pid: 42 },
        Error::Proc {
            pid: 42,
            file: "maps",
            source: os(EIO),
        },
        Error::ChangedIdentity { pid: 42 },
        Error::StopTooLong {
            predicted: Duration::from_millis(1234),
            max_stop: second,
            bytes: 12 << 30,
            threads: 40,
        },
        Error::StopEnded {
            max_stop: second,
            copied: 1 << 30,
            bytes: 2 << 30,
        },
        Error::NoMemory {
            needed: 3 << 30,
            available: 1 << 30,
            limit: "/sys/fs/cgroup/user.slice".into(),
        },
        Error::Reserve {
            bytes: 1 << 40,
            source: os(ENOMEM),
        },
        Error::ThreadStuck {
            pid: 42,
            tid: 44,
            state: 'D',
            wchan: b"nfs_wait".to_vec(),
            waited: second,
        },
        Error::TooManyThreads {
            pid: 42,
            cap: 65536,
        },
        Error::NoHolder { source: os(EAGAIN) },
        Error::HolderDied { pid: 42 },
        Error::Outgrown {
            what: "the span table",
            attempts: 4,
        },
        Error::Plan(PlanError::Unreadable {
            what: "runtime.mheap_",
            fault: Fault::Unmapped(Addr(0x1000)),
        }),
        Error::Read(Fault::Denied(Addr(0x1000))),
        Error::Open {
            path: "core\x1b[2J.1".into(),
            source: os(ENOENT),
        },
        Error::NotAFile {
            path: "/dev/null".into(),
        },
    ]
}

fn cores() -> Vec<CoreError> {
    let ids = |id: &str| BuildIds {
        gnu: Some(vec![0xab, 0xcd]),
        go: Some(id.as_bytes().to_vec()),
    };
    vec![
        CoreError::NotElf {
            start: b"\x1b[2Jabc".to_vec(),
        },
        CoreError::Compressed { format: "zstd" },
        CoreError::NotACore {
            kind: "an executable",
        },
        CoreError::ThirtyTwoBit,
        CoreError::Machine { machine: 183 },
        CoreError::Truncated {
            what: "the program headers",
            needed: 4096,
            held: 64,
        },
        CoreError::Corrupt {
            what: "e_phentsize",
            offset: 54,
            value: 7,
        },
        CoreError::Jvm,
        CoreError::NotAnExecutable,
        CoreError::Mismatch {
            core: ids("a/b"),
            executable: ids("c/d"),
        },
        CoreError::MismatchedBytes { offset: 24 },
        CoreError::MismatchedSize {
            mapped: 8192,
            held: 4096,
        },
    ]
}

fn go() -> Vec<GoError> {
    vec![
        GoError::NotElf,
        GoError::NotExecutable { kind: 1 },
        GoError::Not64Bit,
        GoError::Machine { machine: 183 },
        GoError::NotGo { hint: NotGo::Jvm },
        GoError::NotGo {
            hint: NotGo::Unknown,
        },
        GoError::TooOld {
            version: "go1.12\x1b[0m".into(),
            oldest: 21,
        },
        GoError::NoLayouts {
            version: "go1.31".into(),
        },
        GoError::NoFunctionTable,
        GoError::NoModule,
        GoError::Obfuscated,
        GoError::NoAnchor {
            global: "runtime.mheap_",
            what: "the heap",
            tried: "runtime.(*mcentral).grow".into(),
        },
        GoError::DebugInfo {
            section: ".debug_info",
            offset: 0x77,
            why: "unexpected end".into(),
        },
        GoError::SectionTooLarge {
            section: ".debug_info".into(),
            size: 1 << 40,
            cap: 1 << 30,
        },
        GoError::NoField {
            strukt: "runtime.mspan",
            field: "freeindex",
            version: "go1.31".into(),
        },
        GoError::NoGlobal {
            name: "runtime.mheap_",
            version: "go1.31".into(),
        },
        GoError::NotMapped {
            why: "no mapping of its first segment",
        },
        GoError::Elf {
            part: "program headers",
            why: "out of bounds".into(),
        },
        GoError::Unreadable {
            what: "runtime.mheap_",
            fault: Fault::NotInImage(Addr(0x1000)),
        },
        GoError::Implausible {
            what: "mheap_.allspans",
            at: Addr(0x1000),
        },
    ]
}

fn others() -> Vec<Failure> {
    let output = |source| Failure::Output {
        path: "out\x1b.json".into(),
        source,
    };
    vec![
        Failure::Layout(MissingLayout {
            what: "field",
            name: "runtime.g.sched".into(),
            go_version: "go1.31".into(),
        }),
        Failure::Build(BuildError::Spans(Fault::NotInImage(Addr(0x1000)))),
        output(io::ErrorKind::AlreadyExists.into()),
        output(os(ENOSPC)),
        output(os(ENOENT)),
        Failure::NotATarget {
            given: b"sess\x1b[31m\xff".to_vec(),
        },
        Failure::NoProfile {
            path: "out\x1b.pb.gz".into(),
        },
        Failure::Baseline {
            path: "before\x1b.json".into(),
            why: "it is not JSON".to_owned(),
        },
        Failure::Suppressions {
            path: "known\x1b.txt".into(),
            why: "line 2 is no fingerprint: x".to_owned(),
        },
        Failure::NoExecutable {
            core: "core.1".into(),
            hint: Some(b"/app/s\x1bvc".to_vec()),
            why: "no such file".into(),
        },
        Failure::NoExecutable {
            core: "core.1".into(),
            hint: None,
            why: "it is not known".into(),
        },
        Failure::Setup {
            what: "handle signals",
            source: os(ENOMEM),
        },
    ]
}

fn failures() -> Vec<Failure> {
    let mut all: Vec<Failure> = targets().into_iter().map(Failure::Target).collect();
    all.extend(cores().into_iter().map(|source| {
        Failure::Target(Error::Core {
            path: "core.1".into(),
            source,
        })
    }));
    all.extend(go().into_iter().map(Failure::Go));
    all.extend(others());
    all
}

#[test]
fn every_message_is_as_reviewed() {
    let got: Vec<String> = failures().iter().map(|f| advice(f).message()).collect();
    let got = got.join("\n");
    let path = format!("{}/src/advice/golden.txt", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("LEAKSCOPE_BLESS").is_some() {
        std::fs::write(&path, &got).unwrap();
    }
    assert_eq!(got, std::fs::read_to_string(&path).unwrap_or_default());
}

#[test]
fn every_message_has_a_code_a_cause_and_a_remedy_and_drives_no_terminal() {
    for failure in failures() {
        let advice = advice(&failure);
        assert!(
            !advice.cause.is_empty() && !advice.fixes.is_empty(),
            "{failure:?}"
        );
        assert!(
            !advice.code.ends_with(".other"),
            "{failure:?} has no advice of its own"
        );
        assert!(
            advice
                .message()
                .chars()
                .all(|c| c == '\n' || !c.is_control()),
            "{failure:?}"
        );
    }
}
