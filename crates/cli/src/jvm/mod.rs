//! Live JVMs: asked over their own attach protocol, after what that will cost them was said and found allowed.

mod dump;
mod heap_info;
mod histo;
mod prediction;
mod snap;

use std::ffi::OsStr;
use std::time::Duration;

use leakscope_report::{Capture, Method, Target, TargetKind, Text};
use leakscope_target::{Attach, AttachError, Jvm, OwnAccess, ProcessSummary};

pub(crate) use self::dump::dump_for_now;
pub(crate) use self::histo::histo;
pub(crate) use self::snap::snap;

use self::prediction::Prediction;
use crate::args::HowArgs;
use crate::failure::Failure;
use crate::head::now;
use crate::progress::Progress;

/// How long a JVM may take to begin to listen: its own tools wait 10 s.
const PATIENCE: Duration = Duration::from_secs(15);
/// How long a JVM may take for a question that needs no stop.
const ANSWER_PATIENCE: Duration = Duration::from_secs(30);
/// How much longer than predicted a stop may last before we go; a busy machine takes ten times as long.
const SLOWER: u32 = 20;
/// At least this long.
const AT_LEAST: Duration = Duration::from_secs(120);
/// Longest short answer.
const SHORT: usize = 1 << 20;

/// The process that `target` means on the command line, if that is a JVM.
pub(crate) fn is_meant(target: &OsStr) -> Option<i32> {
    crate::read::process(target).filter(|pid| is_one(*pid))
}

/// Whether this process is a JVM.
pub(crate) fn is_one(pid: i32) -> bool {
    Jvm::look(pid).is_some()
}

/// Why a JVM would not answer us as we are, as far as can be told without asking it.
pub(crate) fn why_not(jvm: &Jvm, process: &ProcessSummary, own: &OwnAccess) -> Option<String> {
    if jvm.attach_disabled {
        return Some("it lets nobody attach (-XX:+DisableAttachMechanism)".to_owned());
    }
    if matches!(process.state, 'T' | 't') {
        return Some("it is stopped, and cannot answer".to_owned());
    }
    if !jvm.catches_quit {
        return Some("it does not catch SIGQUIT: it is starting, or runs with -Xrs".to_owned());
    }
    match process.uid {
        Some(uid) if uid != own.euid && own.euid != 0 => {
            Some(format!("it answers user {uid} and root only"))
        }
        _ => None,
    }
}

/// How long a JVM with so much heap would stand still for a dump, and how many bytes it would usually write.
pub(crate) fn cost_of_dump(heap: u64) -> (Duration, u64) {
    let prediction = Prediction::of_dump(heap, false);
    (prediction.pause, prediction.usual)
}

/// A JVM that listens, and how much it holds.
struct Asked {
    attach: Attach,
    target: Target,
    heap_used: u64,
}

impl Asked {
    fn open(pid: i32, progress: &mut Progress) -> Result<Self, Failure> {
        progress.phase("asking the JVM to listen");
        let attach = Attach::open(pid, PATIENCE)?;
        let summary = ProcessSummary::of(pid)?;
        let jvm = attach.jvm();
        let target = Target {
            pid: Some(pid),
            name: Some(Text::new(&summary.comm)),
            executable: summary.exe.as_ref().map(Text::new),
            runtime: Some("jvm".into()),
            runtime_version: jvm.version.as_ref().map(Text::new),
            ..Target::of(TargetKind::Live)
        };
        let answer = attach.command("jcmd", &[b"GC.heap_info"], SHORT, ANSWER_PATIENCE);
        let told = match answer {
            Ok(text) => heap_info::used_bytes(&text),
            // Such as one that does not know the command.
            Err(AttachError::Refused { .. } | AttachError::BadAnswer { .. }) => None,
            Err(e) => return Err(e.into()),
        };
        // What it counted at its last collection, or all of its memory.
        let heap_used = told.or(jvm.heap_used).unwrap_or(summary.rss);
        Ok(Self {
            attach,
            target,
            heap_used,
        })
    }

    /// Nothing more is asked: the rights that took are given up.
    fn drop_privileges(progress: &Progress) {
        if let Err(e) = leakscope_target::drop_privileges() {
            progress.remark(&format!("cannot give up privileges: {e}"));
        }
    }

    /// How long to wait for what is predicted to take so long.
    fn patience(prediction: &Prediction) -> Duration {
        prediction.pause.saturating_mul(SLOWER).max(AT_LEAST)
    }

    /// What the document says of the stop.
    fn capture(prediction: &Prediction, measured: Option<Duration>) -> Capture {
        let ns = |d: Duration| u64::try_from(d.as_nanos()).unwrap_or(u64::MAX);
        Capture {
            taken_at: Some(now()),
            stop_predicted_ns: Some(ns(prediction.pause)),
            stop_measured_ns: measured.map(ns),
            ..Capture::of(Method::Attach)
        }
    }
}

/// Fails where the JVM would stand still for longer than allowed, or may not at all.
fn allowed(how: &HowArgs, prediction: &Prediction, what: &'static str) -> Result<(), Failure> {
    if how.no_stop {
        return Err(Failure::JvmStops { what });
    }
    if prediction.pause > how.max_stop {
        return Err(Failure::JvmPause {
            what,
            predicted: prediction.pause,
            max_stop: how.max_stop,
            heap: prediction.heap,
        });
    }
    Ok(())
}
