//! Checks of a JVM: what it says of itself, whether it would answer, and what asking it would cost.

use leakscope_report::{Check, Status, Target, Text, bytes};
use leakscope_target::{Jvm, OwnAccess, ProcessSummary};

use super::{check, failing};
use crate::advice::attach as advice;

/// The checks; what they find out goes to `about` too.
pub(super) fn checks(jvm: &Jvm, own: &OwnAccess, about: &mut Target) -> Vec<Check> {
    let version = jvm.version.as_ref().map(Text::new);
    about.runtime = Some("jvm".into());
    about.runtime_version.clone_from(&version);
    let version = version.map_or("unknown".to_owned(), |v| v.raw().to_owned());
    let mut seen = format!("Java {version}");
    if let Some(main) = &jvm.main {
        seen.push_str(&format!(", {}", Text::new(main).raw()));
    }
    if let Some(collector) = jvm.collector {
        seen.push_str(&format!(", collector {collector}"));
    }
    vec![
        check("program.jvm", "JVM", Status::Ok, seen),
        attach(jvm, own),
        pause(jvm),
    ]
}

fn attach(jvm: &Jvm, own: &OwnAccess) -> Check {
    let (code, title) = ("jvm.attach", "asking it");
    let pid = jvm.pid;
    let why_not = match ProcessSummary::of(pid) {
        Ok(process) => crate::jvm::why_not(jvm, &process, own),
        Err(_) => Some("it has ended".to_owned()),
    };
    match why_not {
        None => check(code, title, Status::Ok, "it would answer"),
        Some(why) => {
            let fixes: Vec<String> = if jvm.attach_disabled {
                // jcmd attaches too: nothing from outside helps.
                advice::WITHOUT_ATTACH.map(str::to_owned).into()
            } else {
                vec![
                    format!("as root, where it is another user's: sudo leakscope snap {pid}"),
                    advice::OWN_TOOL.to_owned(),
                ]
            };
            failing(code, title, Status::Fail, why, &fixes)
        }
    }
}

/// What a dump would cost now.
fn pause(jvm: &Jvm) -> Check {
    let (code, title) = ("jvm.pause", "its pause");
    match (jvm.heap_used, jvm.heap_max) {
        (Some(used), most) => {
            let (pause, disk) = crate::jvm::cost_of_dump(used);
            let most = most.map_or(String::new(), |most| format!(" of {}", bytes(most)));
            let seen = format!(
                "heap {}{most}: a dump would have it stand still for about {:.2} s, and write about {}",
                bytes(used),
                pause.as_secs_f64(),
                bytes(disk)
            );
            check(code, title, Status::Ok, seen)
        }
        (None, _) => check(
            code,
            title,
            Status::Unknown,
            "it keeps no counters in a file (-XX:-UsePerfData), or none that can be read: it is asked before a dump",
        ),
    }
}
