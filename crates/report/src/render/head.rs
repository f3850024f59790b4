//! The parts that every document shows: target, capture, coverage.

use std::fmt::Write as _;

use super::{CAUTION, DIM, HEADER, Page, UNKNOWN, wrap};
use crate::text::{shorten, width};
use crate::{
    Capture, Coverage, Head, Method, Target, TargetKind, bytes, count, nanoseconds, percent, things,
};

/// Columns of the labels in front of facts.
const LABEL: usize = 12;

/// Most kinds of gaps listed; the rest is summed up. JSON has all of them.
const MOST_GAPS: usize = 5;

/// Appends `label  fact`, the fact wrapped beside its label.
pub(super) fn fact(out: &mut String, page: &Page, label: &str, fact: &str) {
    let text = wrap(fact, page.columns, LABEL);
    let _ = writeln!(out, "{HEADER}{label:<LABEL$}{HEADER:#}{text}");
}

/// Appends target and capture.
pub(super) fn opening(out: &mut String, page: &Page, head: &Head) {
    let room = page.columns.saturating_sub(LABEL);
    fact(out, page, "target", &target(&head.target, room));
    fact(out, page, "runtime", &runtime(&head.target));
    captured(out, page, &head.capture);
}

/// Appends target and capture in as few lines as possible.
pub(super) fn opening_in_short(out: &mut String, page: &Page, head: &Head) {
    let runtime = runtime(&head.target);
    let room = page.columns.saturating_sub(LABEL + width(&runtime) + 2);
    let text = format!("{}, {runtime}", target(&head.target, room));
    fact(out, page, "target", &text);
    captured(out, page, &head.capture);
}

/// `go1.27.3, with debug info`.
fn runtime(target: &Target) -> String {
    let version = target
        .runtime_version
        .as_ref()
        .map_or(UNKNOWN.to_owned(), ToString::to_string);
    let debug_info = match target.debug_info {
        _ if target.runtime.as_ref().is_some_and(|r| r.raw() == "jvm") => return version,
        Some(true) => "with debug info",
        Some(false) => "without debug info",
        None => "debug info unknown",
    };
    format!("{version}, {debug_info}")
}

fn captured(out: &mut String, page: &Page, how: &Capture) {
    fact(out, page, "capture", &capture(how));
    if how.torn {
        let text =
            "possibly torn: read while the process ran, so parts may be from different moments";
        let _ = writeln!(
            out,
            "{CAUTION}{:<LABEL$}{}{CAUTION:#}",
            "warning",
            wrap(text, page.columns, LABEL)
        );
    }
}

fn target(target: &Target, columns: usize) -> String {
    let named = |path: &Option<crate::Text>| {
        path.as_ref()
            .map_or(UNKNOWN.to_owned(), ToString::to_string)
    };
    let pid = target.pid.map_or(UNKNOWN.to_owned(), |pid| pid.to_string());
    match target.kind {
        TargetKind::Live => {
            let name = named(&target.name);
            format!(
                "{} (pid {pid}, live)",
                shorten(&name, columns.saturating_sub(20))
            )
        }
        TargetKind::Core => {
            let core = named(&target.core);
            format!(
                "core {} (pid {pid})",
                shorten(&core, columns.saturating_sub(20))
            )
        }
        TargetKind::Snapshot => {
            let snapshot = named(&target.snapshot);
            format!(
                "snapshot {} (pid {pid})",
                shorten(&snapshot, columns.saturating_sub(20))
            )
        }
        TargetKind::HeapDump => {
            let dump = named(&target.heap_dump);
            format!("heap dump {}", shorten(&dump, columns.saturating_sub(10)))
        }
        TargetKind::Host => "this machine".to_owned(),
        TargetKind::Model => "a model".to_owned(),
    }
}

fn capture(capture: &Capture) -> String {
    let copied = capture.copied_bytes.map_or(UNKNOWN.to_owned(), bytes);
    let threads = capture
        .threads
        .map_or("threads unknown".to_owned(), |n| things(n, "thread"));
    let at = capture.taken_at.as_deref().unwrap_or(UNKNOWN);
    let time = |ns: Option<u64>| ns.map_or(UNKNOWN.to_owned(), nanoseconds);
    match capture.method {
        Method::Stop => format!(
            "stopped for {} (predicted {}), {threads}, {copied} copied, {at}",
            time(capture.stop_measured_ns),
            time(capture.stop_predicted_ns),
        ),
        Method::NoStop => {
            format!("read while running, not stopped, {threads}, {copied} copied, {at}")
        }
        Method::Core => format!("core file of {at}, {threads}"),
        Method::HeapDump => format!("heap dump of {at}, {threads}"),
        Method::Attach => match capture.stop_measured_ns {
            Some(_) => format!(
                "told by the runtime, which stood still for {} (predicted {}), {at}",
                time(capture.stop_measured_ns),
                time(capture.stop_predicted_ns),
            ),
            None => format!(
                "told by the runtime, which stood still for it (predicted {}), {at}",
                time(capture.stop_predicted_ns),
            ),
        },
        Method::Proc => format!("facts of the kernel, no memory read, {at}"),
        Method::Model => format!("simulated, {at}"),
    }
}

/// Appends what the answer rests on.
pub(super) fn coverage(out: &mut String, page: &Page, coverage: &Coverage) {
    let share = coverage
        .named_bytes_share
        .map_or(UNKNOWN.to_owned(), percent);
    let total = coverage.bytes.map_or(UNKNOWN.to_owned(), bytes);
    let objects = coverage
        .objects
        .map_or(UNKNOWN.to_owned(), |n| things(n, "object"));
    let gaps: u64 = coverage.gaps.iter().map(|g| g.count).sum();
    let mut text = if coverage.objects.is_none() && coverage.bytes.is_none() {
        UNKNOWN.to_owned()
    } else {
        format!("{share} of {total} in {objects} named")
    };
    let untyped = [
        (coverage.untyped_with_pointers, "with"),
        (coverage.untyped_without_pointers, "without"),
    ];
    for (amount, kind) in untyped {
        if let Some(amount) = amount.filter(|a| a.objects > 0) {
            let _ = write!(
                text,
                "; untyped {kind} pointers: {} in {}",
                bytes(amount.bytes),
                things(amount.objects, "object")
            );
        }
    }
    let _ = write!(
        text,
        "; gaps: {}",
        if gaps == 0 {
            "none".to_owned()
        } else {
            count(gaps)
        }
    );
    fact(out, page, "coverage", &text);
    gap_lines(out, page, coverage);
}

/// Appends a line per kind of gap, most frequent first.
pub(super) fn gap_lines(out: &mut String, page: &Page, coverage: &Coverage) {
    let mut gaps: Vec<_> = coverage.gaps.iter().collect();
    gaps.sort_by_key(|g| std::cmp::Reverse(g.count));
    let most = if page.limit.is_none() {
        usize::MAX
    } else {
        MOST_GAPS
    };
    for gap in gaps.iter().take(most) {
        let text = format!("{} x {}", count(gap.count), gap.reason);
        let _ = writeln!(
            out,
            "{:LABEL$}{DIM}{}{DIM:#}",
            "",
            wrap(&text, page.columns, LABEL)
        );
    }
    if gaps.len() > most {
        let rest: u64 = gaps[most..].iter().map(|g| g.count).sum();
        let _ = writeln!(
            out,
            "{:LABEL$}{DIM}{} of {} other kinds{DIM:#}",
            "",
            count(rest),
            gaps.len() - most
        );
    }
}
