//! Running the binary as people do, and looking at everything it says.
#![allow(dead_code, reason = "each test uses its own part")]

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// What a run said and how it ended.
pub(crate) struct Run {
    pub(crate) status: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// The binary under test, without anything in the environment that it listens to.
pub(crate) fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_leakscope"));
    for (name, _) in
        std::env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"LEAKSCOPE_"))
    {
        command.env_remove(name);
    }
    for name in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "COLUMNS"] {
        command.env_remove(name);
    }
    command.stdin(Stdio::null());
    command
}

/// Runs the binary with these arguments.
pub(crate) fn leakscope<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(arguments: I) -> Result<Run> {
    run(command().args(arguments))
}

/// Copies a program that is to be started. By a child: a file that this process holds open for writing, even if only in a
/// child that another thread forks meanwhile, cannot be executed.
pub(crate) fn copy_program(from: &Path, to: &Path) -> Result<()> {
    let status = Command::new("cp").arg(from).arg(to).status()?;
    ensure!(status.success(), "cp {}", from.display());
    Ok(())
}

pub(crate) fn run(command: &mut Command) -> Result<Run> {
    let output = command.output().context("cannot run leakscope")?;
    Ok(Run {
        status: output.status.code(),
        out: String::from_utf8(output.stdout).context("standard output is not UTF-8")?,
        err: String::from_utf8(output.stderr).context("standard error is not UTF-8")?,
    })
}

impl Run {
    /// Its standard output, as a document that obeys the committed schema of `name`.
    pub(crate) fn document(&self, name: &str) -> Result<Value> {
        ensure!(
            self.status == Some(0),
            "exit {:?}: {}",
            self.status,
            self.err
        );
        let document: Value =
            serde_json::from_str(&self.out).context("standard output is not JSON")?;
        obeys(&document, name)?;
        Ok(document)
    }

    /// Its standard output as text that fits 80 columns and drives no terminal.
    pub(crate) fn page(&self) -> Result<&str> {
        ensure!(
            self.status == Some(0),
            "exit {:?}: {}",
            self.status,
            self.err
        );
        for line in self.out.lines() {
            ensure!(line.chars().count() <= 80, "wider than 80 columns: {line}");
            ensure!(
                !line.chars().any(char::is_control),
                "a control character: {line:?}"
            );
        }
        Ok(&self.out)
    }

    /// Asserts that it failed with this code, a cause and a remedy, and with nothing on standard output.
    #[track_caller]
    pub(crate) fn failed_with(&self, code: &str) {
        let Self { status, out, err } = self;
        assert_eq!(*status, Some(2), "{err}");
        assert!(out.is_empty(), "{out}");
        assert!(
            err.contains(&format!("leakscope: error[{code}]: ")),
            "{err}"
        );
        assert!(err.contains("\n   fix: "), "no remedy: {err}");
        assert!(err.chars().all(|c| c == '\n' || !c.is_control()), "{err:?}");
    }
}

/// Fails where `document` does not obey the committed schema of that name.
pub(crate) fn obeys(document: &Value, name: &str) -> Result<()> {
    let path = format!(
        "{}/../../docs/schema/{name}.json",
        env!("CARGO_MANIFEST_DIR")
    );
    let schema: Value = serde_json::from_str(&std::fs::read_to_string(&path).context(path)?)?;
    let validator = jsonschema::validator_for(&schema).map_err(|e| anyhow::anyhow!("{e}"))?;
    let errors: Vec<String> = validator
        .iter_errors(document)
        .map(|e| e.to_string())
        .collect();
    ensure!(errors.is_empty(), "{name}: {errors:?}");
    ensure!(document["document"] == name, "not a document of {name}");
    Ok(())
}

/// A field of `/proc/PID/status`.
pub(crate) fn status_field(pid: i32, field: &str) -> Option<String> {
    let text = std::fs::read(format!("/proc/{pid}/status")).ok()?;
    let text = String::from_utf8_lossy(&text).into_owned();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))?;
    Some(line.trim().to_owned())
}

/// Asserts that nobody traces or has stopped the process.
#[track_caller]
pub(crate) fn untouched(pid: i32) {
    assert_eq!(status_field(pid, "TracerPid").as_deref(), Some("0"));
    let state = status_field(pid, "State").unwrap_or_default();
    assert!(state.starts_with(['S', 'R', 'D']), "{state}");
}
