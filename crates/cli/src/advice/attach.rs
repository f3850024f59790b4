//! Advice on JVMs that cannot be asked.

use std::time::Duration;

use leakscope_report::bytes;
use leakscope_target::AttachError;

use super::Advice;

/// What works without us: the JVM's own tool, or its own doing.
pub(crate) const OWN_TOOL: &str =
    "have its own user write a dump (jcmd PID GC.heap_dump -all FILE), then leakscope analyze FILE";

/// What is left where a JVM lets nobody attach, its own tools included.
pub(crate) const WITHOUT_ATTACH: [&str; 2] = [
    "start it without that flag",
    "have it write a dump when memory runs out: -XX:+HeapDumpOnOutOfMemoryError",
];

/// The cheapest question there is, as it is called in the line before it and in refusals.
pub(crate) const HISTOGRAM: &str = "a histogram";

pub(super) fn advice(error: &AttachError) -> Advice {
    let about = |code| Advice::of(code, error);
    match error {
        AttachError::NotJvm { .. } => {
            about("jvm.none").fix("list the processes that can be read: leakscope ps")
        }
        AttachError::SignalNotCaught { ignored, .. } => about("jvm.quit")
            .seen(if *ignored {
                "SigIgn in its /proc/PID/status"
            } else {
                "SigCgt in its /proc/PID/status: it may be starting up still"
            })
            .fix("try again when it has started")
            .fix(OWN_TOOL),
        AttachError::Disabled { .. } => {
            let [start, dump] = WITHOUT_ATTACH;
            about("jvm.disabled").fix(start).fix(dump)
        }
        AttachError::Stopped { pid, .. } => {
            about("jvm.stopped").fix(format!("let it go on: kill -CONT {pid}"))
        }
        AttachError::OtherUser {
            pid, target_uid, ..
        } => about("jvm.other-user")
            .fix(format!("sudo leakscope snap {pid}"))
            .fix(format!("sudo -u '#{target_uid}' leakscope snap {pid}"))
            .fix("in Kubernetes: securityContext: {runAsUser: 0, capabilities: {add: [SYS_PTRACE, SETUID, SETGID, KILL, DAC_OVERRIDE]}}"),
        AttachError::NoAnswer { pid, .. } => about("jvm.no-answer")
            .seen("it runs on; what it was asked for, it may still do")
            .fix(format!("see whether it runs at all: leakscope doctor {pid}"))
            .fix("try again when the machine is less busy"),
        AttachError::WrongPeer { .. } => about("jvm.wrong-peer")
            .fix("remove that socket, if nobody needs it, then try again"),
        AttachError::NoPlace { .. } => about("jvm.no-place")
            .fix("give the container a writable /tmp (in Kubernetes: an emptyDir volume)")
            .fix("run leakscope as a user who may make folders where the dump is to be, with -o"),
        AttachError::NoSpace { .. } => about("jvm.no-space")
            .seen("nothing was written")
            .fix("write to another file system with -o")
            .fix("have it packed, which takes longer: -o FILE.hprof.gz"),
        AttachError::TooLong { .. } => {
            about("jvm.too-long").fix("choose a shorter path with -o")
        }
        other => Advice::of("jvm.failed", other).fix(OWN_TOOL),
    }
}

pub(super) fn pause(what: &str, predicted: Duration, max_stop: Duration, heap: u64) -> Advice {
    // A tenth on top: the prediction is no promise.
    let enough = (predicted.as_millis() + predicted.as_millis() / 10 + 1).max(1);
    let advice = Advice::new(
        "jvm.pause",
        format!(
            "for {what} of {} of heap the JVM would stand still for about {} ms, more than {max_stop:?}",
            bytes(heap),
            predicted.as_millis().max(1)
        ),
    )
    .seen("it was not asked for it")
    .fix(format!("allow it: --max-stop {enough}ms"));
    if what == HISTOGRAM {
        return advice;
    }
    advice.fix("count its objects only, which is ten times faster: leakscope histo PID")
}

pub(super) fn stops(what: &str) -> Advice {
    Advice::new(
        "jvm.stops",
        format!("{what} makes a JVM stand still: --no-stop cannot be had"),
    )
    .fix("without --no-stop; --max-stop says how long it may stand still")
}

pub(super) fn values() -> Advice {
    Advice::new(
        "jvm.values",
        "a JVM's dump holds what strings, numbers and buffers hold: --no-values cannot be had",
    )
    .fix("without --no-values, and mind who may read the file")
}

pub(super) fn to_stdout() -> Advice {
    Advice::new(
        "jvm.to-stdout",
        "the JVM writes its dump to a file: it cannot go to standard output",
    )
    .fix("name a file with -o")
}
