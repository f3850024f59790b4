//! A fixture that runs: its truth, its lines, its end.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};
use std::{fs, os::unix::process::CommandExt};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::Value;

use crate::cache::folder;
use crate::spawner;

/// How long an answer to a line may take.
const ANSWER_PATIENCE: Duration = Duration::from_secs(120);
/// How much of a fixture's standard error is kept to be shown when it fails.
const KEPT_ERROR_LINES: usize = 40;

/// A running fixture. Dropping it kills it and every process of its group.
#[derive(Debug)]
pub struct Running {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
    errors: Arc<Mutex<VecDeque<String>>>,
    truth: Value,
}

/// Memory and threads of a process, as `/proc` says.
#[derive(Debug, Clone, Copy)]
pub struct Usage {
    /// Resident bytes now.
    pub resident: u64,
    /// The most that was ever resident, in bytes.
    pub peak_resident: u64,
    /// How many threads it has.
    pub threads: u64,
}

impl Running {
    pub(crate) fn start(
        path: &Path,
        arguments: &[&str],
        environment: &[(&str, &str)],
        patience: Duration,
    ) -> Result<Running> {
        let mut command = Command::new(path);
        command
            .args(arguments)
            .env("FIXTURE_DIE_WITH_PARENT", "1")
            .env("FIXTURE_ALLOW_TRACING", "1")
            .process_group(0);
        command.current_dir(folder("run")?);
        // The environment of the tests must not change how the runtime under test behaves.
        for name in [
            "GOGC",
            "GOMEMLIMIT",
            "GODEBUG",
            "GOMAXPROCS",
            "GOTRACEBACK",
            "JAVA_TOOL_OPTIONS",
            "JDK_JAVA_OPTIONS",
            "_JAVA_OPTIONS",
            "CLASSPATH",
        ] {
            command.env_remove(name);
        }
        command.envs(environment.iter().copied());
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child =
            spawner::spawn(command).with_context(|| format!("cannot run {}", path.display()))?;

        let (sender, lines) = channel();
        if let Some(stdout) = child.stdout.take() {
            thread::spawn(move || {
                for line in BufReader::new(stdout).lines().map_while(|line| line.ok()) {
                    if sender.send(line).is_err() {
                        break;
                    }
                }
            });
        }
        let errors = Arc::new(Mutex::new(VecDeque::new()));
        if let Some(stderr) = child.stderr.take() {
            keep_last_lines(stderr, Arc::clone(&errors));
        }
        let stdin = child.stdin.take();
        let mut running = Running {
            child,
            stdin,
            lines,
            errors,
            truth: Value::Null,
        };
        running.truth = running.wait_ready(patience)?;
        Ok(running)
    }

    fn wait_ready(&mut self, patience: Duration) -> Result<Value> {
        let end = Instant::now() + patience;
        loop {
            let value = self.next_line(end.saturating_duration_since(Instant::now()))?;
            if value["ready"] == Value::Bool(true) {
                return Ok(value);
            }
        }
    }

    /// The process id.
    pub fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).unwrap_or(i32::MAX)
    }

    /// What the fixture said of itself when it was ready.
    pub fn truth(&self) -> &Value {
        &self.truth
    }

    /// A number of the truth; fails if it is not there, so that no test compares with nothing.
    pub fn fact(&self, name: &str) -> Result<u64> {
        self.truth[name]
            .as_u64()
            .with_context(|| format!("the fixture states no number {name:?}: {}", self.truth))
    }

    /// Sends one line to the fixture, without waiting for an answer.
    pub fn tell(&mut self, line: &str) -> Result<()> {
        let stdin = self
            .stdin
            .as_mut()
            .context("the fixture's input is closed")?;
        writeln!(stdin, "{line}").context("the fixture does not listen any more")?;
        Ok(())
    }

    /// Sends one line and waits for the line of JSON that answers it.
    pub fn ask(&mut self, line: &str) -> Result<Value> {
        self.tell(line)?;
        self.next_line(ANSWER_PATIENCE)
            .with_context(|| format!("asked {line:?}"))
    }

    /// Waits for the next line of JSON that the fixture prints.
    pub fn next_line(&mut self, patience: Duration) -> Result<Value> {
        match self.lines.recv_timeout(patience) {
            Ok(line) => {
                serde_json::from_str(&line).with_context(|| format!("not a line of JSON: {line:?}"))
            }
            Err(RecvTimeoutError::Timeout) => {
                bail!("said nothing for {patience:?}{}", self.last_errors())
            }
            Err(RecvTimeoutError::Disconnected) => {
                let status = self
                    .child
                    .wait()
                    .map_or_else(|e| e.to_string(), |s| s.to_string());
                bail!("ended ({status}){}", self.last_errors())
            }
        }
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// Waits until it has ended by itself.
    pub fn wait_for_end(&mut self) -> Result<ExitStatus> {
        Ok(self.child.wait()?)
    }

    /// Memory and threads of the process now.
    pub fn usage(&self) -> Result<Usage> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid()))?;
        let number = |name: &str| -> Result<u64> {
            let line = status
                .lines()
                .find_map(|line| line.strip_prefix(name))
                .context("no such line in status")?;
            let digits = line
                .trim_start_matches(':')
                .split_whitespace()
                .next()
                .context("empty line in status")?;
            Ok(digits.parse()?)
        };
        Ok(Usage {
            resident: number("VmRSS")? * 1024,
            peak_resident: number("VmHWM")? * 1024,
            threads: number("Threads")?,
        })
    }

    fn last_errors(&self) -> String {
        let errors = self.errors.lock().unwrap_or_else(PoisonError::into_inner);
        let mut text = String::new();
        for line in errors.iter() {
            text.push('\n');
            text.push_str(line);
        }
        text
    }

    /// Kills it and its group, and reaps it.
    pub fn kill(&mut self) {
        if let Some(group) = Pid::from_raw(self.pid()) {
            // Already gone is what we want.
            let _ = kill_process_group(group, Signal::KILL);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

fn keep_last_lines(stream: impl Read + Send + 'static, kept: Arc<Mutex<VecDeque<String>>>) {
    thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(|line| line.ok()) {
            let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
            if kept.len() == KEPT_ERROR_LINES {
                kept.pop_front();
            }
            kept.push_back(line);
        }
    });
}
