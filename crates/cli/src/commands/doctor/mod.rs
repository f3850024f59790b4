//! `leakscope doctor`: each precondition of reading a process, and what meets it. Looks only; stops nothing.

mod jvm;
mod machine;
mod program;
mod target;

use leakscope_report::{
    Capture, Check, Coverage, DoctorDoc, Document, Method, Status, Target, TargetKind, Text,
};
use leakscope_target::{Jvm, OwnAccess, ProcessSummary};

use crate::args::Common;
use crate::failure::Failure;
use crate::head::{head, now};
use crate::output;

pub(crate) fn run(pid: Option<i32>, options: &Common) -> Result<(), Failure> {
    let capture = Capture {
        taken_at: Some(now()),
        ..Capture::of(Method::Proc)
    };
    let own = OwnAccess::look();
    let mut checks = machine::checks(&own, pid);
    let mut about = Target::of(if pid.is_some() {
        TargetKind::Live
    } else {
        TargetKind::Host
    });
    if let Some(pid) = pid {
        about.pid = Some(pid);
        if let Ok(process) = ProcessSummary::of(pid) {
            about.name = Some(Text::new(&process.comm));
            about.executable = process.exe.as_ref().map(Text::new);
            checks.push(machine::memory(Some(process.rss)));
        }
        match Jvm::look(pid) {
            // It is asked, not read.
            Some(jvm) => {
                checks.extend(target::checks_of_asked(pid));
                checks.extend(jvm::checks(&jvm, &own, &mut about));
            }
            None => {
                checks.extend(target::checks(pid, &own));
                checks.extend(program::checks(pid, &mut about));
            }
        }
    } else {
        checks.push(machine::memory(None));
    }
    let doc = DoctorDoc {
        head: head(Document::Doctor, about, capture, Coverage::default()),
        checks,
    };
    output::document(&doc, options, None)
}

/// A check without a fix.
fn check(code: &str, title: &str, status: Status, seen: impl AsRef<[u8]>) -> Check {
    Check {
        code: code.to_owned(),
        title: title.to_owned(),
        status,
        seen: Text::new(seen),
        fix: Vec::new(),
    }
}

/// A check with what helps, the best first.
fn failing(
    code: &str,
    title: &str,
    status: Status,
    seen: impl AsRef<[u8]>,
    fixes: &[String],
) -> Check {
    Check {
        fix: fixes.to_vec(),
        ..check(code, title, status, seen)
    }
}

/// The command that reads `pid`, or any process.
fn analyze(pid: Option<i32>) -> String {
    pid.map_or("leakscope analyze PID".to_owned(), |pid| {
        format!("leakscope analyze {pid}")
    })
}
