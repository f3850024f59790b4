//! A live process as a target.

use std::sync::Arc;

use leakscope_go::error::Error as GoError;
use leakscope_go::maps::noscan_cells;
use leakscope_go::planner::GoPlanner;
use leakscope_go::program::Program;
use leakscope_report::{Address, Capture, Gap, Method, Target, TargetKind, Text, bytes};
use leakscope_target::{
    CaptureOptions, Error, Fault, Freezer, LiveProcess, Method as StopMethod, Phase,
    ProcessSummary, StopReport,
};

use super::{Captured, Contents, How, describe};
use crate::args::TargetArgs;
use crate::failure::Failure;
use crate::head::now;
use crate::progress::Progress;

pub(super) fn capture(
    pid: i32,
    args: &TargetArgs,
    how: How,
    progress: &mut Progress,
) -> Result<Captured, Failure> {
    if args.how.exe.is_some() {
        progress
            .remark("--exe is for cores: of a process, the very executable that it runs is read");
    }
    progress.phase("opening the process");
    let process = LiveProcess::open(pid)?;
    let summary = ProcessSummary::of(pid)?;
    let mappings = process.mappings()?;
    progress.phase("reading the executable and its debug info");
    let program = Program::open(process.executable(), &mappings, &process.memory())
        .map_err(|e| not_opened(e, &process))?;
    let program = Arc::new(program);
    let mut target = Target {
        pid: Some(pid),
        name: Some(Text::new(&summary.comm)),
        executable: Some(Text::new(process.exe_path())),
        ..Target::of(TargetKind::Live)
    };
    let layouts = describe(&program, &mut target, progress)?;
    let mut planner = GoPlanner::new(&program, layouts.clone());
    if how.contents == Contents::Needed
        && let Some(wanted) = noscan_cells(&program, &layouts, &process.memory())
    {
        planner = planner.noscan_where(wanted);
    }
    let options = CaptureOptions {
        max_stop: args.how.max_stop,
        no_stop: args.how.no_stop,
        ..CaptureOptions::default()
    };
    let captured = process.capture(&mut planner, &options, &mut |phase| tell(phase, progress))?;
    let taken_at = now();
    // After the stop: the process runs on.
    let residency = how.residency.then(|| process.residency().ok()).flatten();
    how.drop_privileges(progress);
    remark(&captured.stop, progress);
    let mut image = captured.image;
    program.exe().add_static(program.bias(), &mut image);
    Ok(Captured {
        program,
        layouts,
        image: image.build(),
        threads: captured.threads,
        mappings: captured.mappings,
        target,
        gaps: gaps(&captured.stop),
        capture: describe_stop(&captured.stop, taken_at),
        rss: Some(summary.rss),
        residency,
        values: true,
        running: Some(process),
    })
}

/// A process that ends or becomes another program meanwhile looks like a broken one from here.
fn not_opened(error: GoError, process: &LiveProcess) -> Failure {
    match (process.verify(), error) {
        (Err(changed), _) => changed.into(),
        (
            Ok(()),
            GoError::Unreadable {
                fault: Fault::Gone, ..
            },
        ) => Error::Gone { pid: process.pid() }.into(),
        (Ok(()), error) => error.into(),
    }
}

fn tell(phase: Phase, progress: &mut Progress) {
    match phase {
        Phase::Rehearsing { attempt: 1 } => progress.phase("looking at the running heap"),
        Phase::Rehearsing { attempt } => {
            progress.phase(format!("looking at the running heap again ({attempt})"))
        }
        Phase::Preparing {
            predicted: Some(predicted),
            bytes: copy,
            threads,
        } => progress.phase(format!(
            "preparing to copy {} (a stop of about {:.1} ms, {threads} threads)",
            bytes(copy),
            predicted.as_secs_f64() * 1e3
        )),
        Phase::Preparing { bytes: copy, .. } => {
            progress.phase(format!("preparing to copy {}", bytes(copy)))
        }
        Phase::Stopping => progress.phase("stopped: copying"),
        Phase::Reading => progress.phase("copying from the running process"),
        Phase::Resumed { .. } => progress.phase("the process runs on"),
        _ => {}
    }
}

/// What the user should know at once.
fn remark(stop: &StopReport, progress: &Progress) {
    if let Some(stopped) = stop.measured {
        progress.remark(&format!(
            "the process was stopped for {:.1} ms (predicted {:.1} ms) and runs on",
            stopped.as_secs_f64() * 1e3,
            stop.predicted.as_secs_f64() * 1e3
        ));
    }
    if stop.freezer == Freezer::Inside && stop.method == StopMethod::Stop {
        progress.remark("had leakscope's own control group been frozen meanwhile, the stop would have lasted until the thaw");
    }
}

fn describe_stop(stop: &StopReport, taken_at: String) -> Capture {
    let ns = |d: std::time::Duration| u64::try_from(d.as_nanos()).unwrap_or(u64::MAX);
    let method = match stop.method {
        StopMethod::NoStop => Method::NoStop,
        _ => Method::Stop,
    };
    Capture {
        taken_at: Some(taken_at),
        stop_predicted_ns: stop.measured.is_some().then(|| ns(stop.predicted)),
        stop_measured_ns: stop.measured.map(ns),
        copied_bytes: Some(stop.copied_bytes),
        ranges: Some(stop.ranges as u64),
        threads: Some(stop.threads as u64),
        attempts: Some(stop.attempts),
        torn: stop.torn,
        ..Capture::of(method)
    }
}

fn gaps(stop: &StopReport) -> Vec<Gap> {
    if stop.skipped_ranges == 0 {
        return Vec::new();
    }
    let reason = format!(
        "ranges of memory that could not be copied ({} bytes)",
        stop.skipped_bytes
    );
    vec![Gap {
        reason: reason.into(),
        count: stop.skipped_ranges as u64,
        examples: stop
            .first_skipped
            .iter()
            .map(|range| Address(range.start.0))
            .collect(),
    }]
}
