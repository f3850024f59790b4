//! Captures all private writable memory of a process, once or many times, and says how it went: the stop by itself,
//! without any runtime.
//!
//! `capture PID [max_stop_ms=N] [threads=N] [loops=N] [no_stop=1] [plan_sleep_ms=N] [plan_panic=1] [quiet=1]`

use std::io::Write;
use std::time::Duration;

use leakscope_target::{
    AddrRange, CaptureOptions, CopyPlan, CopyPlanner, LiveProcess, Memory, PlanError,
    release_on_panic,
};

/// Plans what was mapped when it was made.
struct Everything {
    ranges: Vec<AddrRange>,
    sleep: Duration,
    panic: bool,
}

impl CopyPlanner for Everything {
    fn rehearse(&mut self, _running: &dyn Memory) -> Result<CopyPlan, PlanError> {
        let mut plan = CopyPlan::with_capacity(self.ranges.len());
        self.ranges.iter().try_for_each(|r| plan.push(*r))?;
        Ok(plan)
    }

    fn plan(&mut self, _stopped: &dyn Memory, plan: &mut CopyPlan) -> Result<(), PlanError> {
        if self.panic {
            panic!("a planner that panics, on purpose");
        }
        if !self.sleep.is_zero() {
            std::thread::sleep(self.sleep);
        }
        self.ranges.iter().try_for_each(|r| plan.push(*r))
    }
}

fn main() -> std::process::ExitCode {
    release_on_panic();
    let mut args = std::env::args().skip(1);
    let Some(pid) = args.next().and_then(|a| a.parse().ok()) else {
        say("usage: capture PID [name=value...]", true);
        return 2.into();
    };
    let options: Vec<(String, u64)> = args
        .filter_map(|a| {
            a.split_once('=')
                .and_then(|(k, v)| Some((k.to_owned(), v.parse().ok()?)))
        })
        .collect();
    let option = |name: &str, default| {
        options
            .iter()
            .find(|(k, _)| k == name)
            .map_or(default, |(_, v)| *v)
    };
    let opts = CaptureOptions {
        max_stop: Duration::from_millis(option("max_stop_ms", 1000)),
        no_stop: option("no_stop", 0) != 0,
        copy_threads: option("threads", 2) as usize,
    };
    let mut failed = 0u8;
    for _ in 0..option("loops", 1) {
        let sleep = Duration::from_millis(option("plan_sleep_ms", 0));
        match capture(pid, &opts, sleep, option("plan_panic", 0) != 0) {
            Ok(line) => say(&line, option("quiet", 0) == 0),
            Err(e) => {
                failed = 1;
                say(&format!("error {e} ({e:?})"), true);
            }
        }
    }
    failed.into()
}

fn capture(
    pid: i32,
    opts: &CaptureOptions,
    sleep: Duration,
    panic: bool,
) -> Result<String, leakscope_target::Error> {
    let process = LiveProcess::open(pid)?;
    let mappings = process.mappings()?;
    let private = mappings
        .iter()
        .filter(|m| m.perms.read && m.perms.write && !m.perms.shared);
    let ranges = private
        .filter(|m| !m.path.starts_with(b"[v"))
        .map(|m| m.range)
        .collect();
    let mut planner = Everything {
        ranges,
        sleep,
        panic,
    };
    let captured = process.capture(&mut planner, opts, &mut |_| {})?;
    let s = captured.stop;
    Ok(format!(
        "captured bytes={} ranges={} threads={} attempts={} skipped={} predicted={:?} measured={:?} stopping={:?} planning={:?} copying={:?} freezer={:?}",
        s.copied_bytes,
        s.ranges,
        s.threads,
        s.attempts,
        s.skipped_bytes,
        s.predicted,
        s.measured,
        s.stopping,
        s.planning,
        s.copying,
        s.freezer
    ))
}

/// A line that nobody may be there to read any more.
fn say(line: &str, wanted: bool) {
    if wanted {
        let _ = writeln!(std::io::stdout(), "{line}");
    }
}
