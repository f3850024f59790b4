//! Checks of the program that a process runs: Go, a version that is known, debug information.

use std::io::ErrorKind;

use leakscope_go::binary::{Executable, GoVersion, Support};
use leakscope_report::{Check, Status, Target, Text};
use leakscope_target::{Error, map_exe};

use super::{check, failing};
use crate::advice::advice;
use crate::failure::Failure;

/// The checks; what they find out about the program goes to `about` too.
pub(super) fn checks(pid: i32, about: &mut Target) -> Vec<Check> {
    let (code, title) = ("program.go", "Go program");
    let parsed = map_exe(pid)
        .map_err(Failure::from)
        .and_then(|file| Executable::parse(file).map_err(Failure::from));
    match parsed {
        Ok(exe) => {
            let version = Text::new(&exe.build_info().version);
            about.runtime = Some("go".into());
            about.runtime_version = Some(version.clone());
            about.debug_info = Some(exe.has_debug_info());
            vec![
                check(code, title, Status::Ok, version.raw()),
                release(&exe),
                debug_info(&exe),
            ]
        }
        Err(Failure::Target(Error::Open { source, .. }))
            if source.kind() == ErrorKind::PermissionDenied =>
        {
            let sudo = format!("sudo leakscope doctor {pid}");
            vec![failing(
                code,
                title,
                Status::Unknown,
                "its executable cannot be read: permission denied",
                &[sudo],
            )]
        }
        Err(failure) => {
            let advice = advice(&failure);
            vec![failing(
                code,
                title,
                Status::Fail,
                advice.cause,
                &advice.fixes,
            )]
        }
    }
}

fn release(exe: &Executable) -> Check {
    let (code, title) = ("program.version", "Go release");
    let known = format!(
        "go1.{} to go1.{}",
        GoVersion::OLDEST_MINOR,
        GoVersion::NEWEST_MINOR
    );
    match exe.go_version().support() {
        Support::Known => check(code, title, Status::Ok, format!("known ({known})")),
        Support::Newer => failing(
            code,
            title,
            Status::Warn,
            format!("newer than those that are known ({known}): probably readable"),
            &["use a newer leakscope".to_owned()],
        ),
        Support::TooOld => check(
            code,
            title,
            Status::Fail,
            format!("older than those that are known ({known})"),
        ),
    }
}

fn debug_info(exe: &Executable) -> Check {
    let (code, title) = ("program.debug-info", "debug info");
    if exe.has_debug_info() {
        check(code, title, Status::Ok, "there")
    } else {
        failing(
            code,
            title,
            Status::Warn,
            "missing (no section .debug_info): read by the layouts of its release; variables have no names",
            &[
                "for names of variables, build it without -ldflags=-w or -s, and do not strip it"
                    .to_owned(),
            ],
        )
    }
}
