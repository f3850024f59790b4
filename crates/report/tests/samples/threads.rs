//! Threads of a JVM.

use leakscope_report::*;

use super::{HOSTILE, covered, gap, head};

pub(crate) fn threads() -> ThreadsDoc {
    let local = |type_: &str, retained_bytes, only_here| LocalRow {
        type_: type_.into(),
        address: Address(0xe03a_1200),
        retained_bytes,
        only_here,
    };
    let frame = |method: &str, line: Option<u32>, locals: Vec<LocalRow>| FrameRow {
        method: method.into(),
        file: line.map(|_| "Worker.java".into()),
        line,
        native: line.is_none(),
        locals,
    };
    let worker = ThreadRow {
        name: Some("pool-1-thread-3".into()),
        id: Some(23),
        kind: ThreadKind::Platform,
        address: Some(Address(0xe03a_0000)),
        type_: Some("java.lang.Thread".into()),
        carrier: None,
        state: Some("WAITING".into()),
        waits_for: Some(
            "java.util.concurrent.locks.AbstractQueuedSynchronizer$ConditionObject".into(),
        ),
        retained_bytes: 3 << 20,
        stack_known: true,
        stack: vec![
            frame("jdk.internal.misc.Unsafe.park", None, Vec::new()),
            frame(
                "com.acme.Worker.take",
                Some(88),
                vec![local("byte[]", 2 << 20, true), local("int[]", 16, true)],
            ),
            frame(
                &format!("com.acme.{HOSTILE}"),
                Some(12),
                vec![local(HOSTILE, 4096, false)],
            ),
        ],
        thread_locals: vec![ThreadLocalRow {
            name: "com.acme.RequestContext.CURRENT".into(),
            value: local("com.acme.RequestContext", 1 << 20, true),
        }],
    };
    let unmounted = ThreadRow {
        name: None,
        kind: ThreadKind::Unmounted,
        state: None,
        waits_for: None,
        stack_known: false,
        stack: Vec::new(),
        thread_locals: Vec::new(),
        retained_bytes: 900,
        ..worker.clone()
    };
    let mounted = ThreadRow {
        name: Some(HOSTILE.into()),
        kind: ThreadKind::Mounted,
        carrier: Some(HOSTILE.into()),
        ..worker.clone()
    };
    let group = |row: &ThreadRow, name: &str, count, example| ThreadGroup {
        name: name.into(),
        count,
        kind: row.kind,
        state: row.state.clone(),
        retained_bytes: row.retained_bytes * count,
        example,
    };
    let dump = Target {
        heap_dump: Some("heap.hprof".into()),
        runtime: Some("jvm".into()),
        runtime_version: Some("HPROF 1.0.2".into()),
        ..Target::of(TargetKind::HeapDump)
    };
    ThreadsDoc {
        head: head(
            Document::Threads,
            dump,
            Capture::of(Method::HeapDump),
            covered(vec![gap("virtual threads without a stack", 1)]),
        ),
        count: 10,
        virtual_count: 2,
        mounted_count: 1,
        without_stack: 1,
        groups: vec![
            group(&worker, "thread \"pool-*-thread-*\"", 8, 0),
            group(&mounted, HOSTILE, 1, 1),
            group(&unmounted, "virtual thread #*", 1, 2),
            group(&unmounted, "virtual thread #*", 1, 9),
        ],
        threads: vec![worker, mounted, unmounted],
    }
}
