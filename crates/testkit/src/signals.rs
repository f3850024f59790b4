//! Signals to fixtures.

use std::process::Command;

use anyhow::{Context, Result, bail};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process, test_kill_process};

/// Stops a process until [`SIGCONT`].
pub const SIGSTOP: i32 = Signal::STOP.as_raw();
/// Lets a stopped process go on.
pub const SIGCONT: i32 = Signal::CONT.as_raw();

/// Sends one signal by its number; real-time signals too.
pub fn send_signal(pid: i32, signal: i32) -> Result<()> {
    let Some(named) = Signal::from_named_raw(signal) else {
        return send_signals(pid, signal, 1);
    };
    let target = Pid::from_raw(pid).context("no such pid")?;
    kill_process(target, named).with_context(|| format!("cannot send signal {signal} to {pid}"))
}

/// Sends a signal many times, as fast as one shell loop does. Real-time signals all arrive; others may merge.
pub fn send_signals(pid: i32, signal: i32, count: u32) -> Result<()> {
    let script = format!(
        "i=0; while [ $i -lt {count} ]; do kill -{signal} {pid} || exit 1; i=$((i+1)); done"
    );
    let output = Command::new("sh")
        .args(["-c", &script])
        .output()
        .context("cannot run sh")?;
    if !output.status.success() {
        bail!(
            "cannot send signal {signal} to {pid}: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(())
}

/// Whether a process of that pid exists, a zombie included.
pub fn alive(pid: i32) -> bool {
    Pid::from_raw(pid).is_some_and(|pid| test_kill_process(pid) != Err(Errno::SRCH))
}
