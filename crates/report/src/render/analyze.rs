//! The overview of a heap as text.

use std::fmt::Write as _;

use super::head::{coverage, fact, opening_in_short};
use super::histo::{amount, left, types};
use super::maps::{sums, top};
use super::suspects::suspects;
use super::{DIM, HEADER, Page, Render, UNKNOWN};
use crate::{Amount, AnalyzeDoc, Goroutines, bytes, count, things};

impl Render for AnalyzeDoc {
    fn render(&self, page: &Page) -> String {
        let mut out = String::new();
        opening_in_short(&mut out, page, &self.head);
        let total = self.finding_count.saturating_add(self.suspect_count);
        suspects(&mut out, page, &self.findings, &self.suspects, total);
        if self.suppressed > 0 {
            let left_out = count(self.suppressed);
            let _ = writeln!(out, "{DIM}{left_out} left out by --suppress{DIM:#}");
        }
        out.push('\n');
        let rss = self.process.rss_bytes.map_or(UNKNOWN.to_owned(), bytes);
        let threads = self
            .process
            .threads
            .map_or("threads unknown".to_owned(), |n| things(n, "thread"));
        let goroutines = &self.process.goroutines;
        let process = if self.of_jvm() {
            format!("resident {rss}, {threads}")
        } else {
            format!(
                "resident {rss}, {threads}, {}{}, {} of stacks and collector buffers",
                things(goroutines.count, "goroutine"),
                leaked(goroutines),
                bytes(goroutines.manual_bytes)
            )
        };
        fact(&mut out, page, "process", &process);
        if let Some(ledger) = &self.process.ledger {
            fact(
                &mut out,
                page,
                "  resident",
                &super::ledger::in_short(ledger),
            );
        }
        if let Some(pacing) = &self.process.pacing {
            fact(
                &mut out,
                page,
                "  collector",
                &super::pacing::in_short(pacing),
            );
        }
        if let Some(missing) = self
            .process
            .profile
            .as_ref()
            .and_then(|p| p.missing.as_ref())
        {
            fact(&mut out, page, "  sites", &missing.to_string());
        }
        self.heap(&mut out, page);
        fact(&mut out, page, "maps", &sums(&self.map_sums));
        coverage(&mut out, page, &self.head.coverage);
        let more = left(self.type_count, &self.types, page);
        title(&mut out, "Top types by bytes", more, "histo");
        let reachable = self.heap.reachable.bytes;
        let whole = reachable.saturating_add(self.heap.maybe_reachable.bytes);
        types(&mut out, page, &self.types, whole);
        if self.map_sums.count > 0 {
            let more = left(self.map_sums.count, &self.maps, page);
            title(&mut out, "Top maps by bytes", more, "maps");
            top(&mut out, page, &self.maps);
        }
        out
    }
}

/// Appends the title of a table, and which command shows the rows that it leaves out.
fn title(out: &mut String, text: &str, more: u64, command: &str) {
    let _ = write!(out, "\n{HEADER}{text}{HEADER:#}");
    if more > 0 {
        let _ = write!(
            out,
            " {DIM}({} more: leakscope {command}){DIM:#}",
            count(more)
        );
    }
    out.push('\n');
}

/// ` (12 leaked, 1 suspect)`; nothing where none is.
fn leaked(goroutines: &Goroutines) -> String {
    let parts: Vec<String> = [
        (goroutines.leaked, "leaked"),
        (goroutines.suspect, "suspect"),
    ]
    .into_iter()
    .filter(|(n, _)| *n > 0)
    .map(|(n, word)| format!("{} {word}", count(n)))
    .collect();
    if parts.is_empty() {
        String::new()
    } else {
        format!(" ({})", parts.join(", "))
    }
}

impl AnalyzeDoc {
    fn of_jvm(&self) -> bool {
        let runtime = self.head.target.runtime.as_ref();
        runtime.is_some_and(|r| r.raw() == "jvm")
    }

    fn heap(&self, out: &mut String, page: &Page) {
        let heap = &self.heap;
        let whole = match &heap.layout {
            Some(layout) => format!("{} allocated; {layout}", amount(heap.allocated)),
            None => format!(
                "{} allocated, in {} of {}",
                amount(heap.allocated),
                things(heap.spans, "span"),
                bytes(heap.span_bytes)
            ),
        };
        fact(out, page, "heap", &whole);
        fact(out, page, "  reachable", &amount(heap.reachable));
        let none = Amount::default();
        if heap.maybe_reachable != none {
            let why = if self.of_jvm() {
                "only soft references lead there"
            } else {
                "only words that may be numbers point there"
            };
            let text = format!("{}: {why}", amount(heap.maybe_reachable));
            fact(out, page, "  maybe", &text);
        }
        let why = if self.of_jvm() {
            "garbage, or only weak references lead there"
        } else {
            "garbage that no collection has seen yet"
        };
        let garbage = format!("{}: {why}", amount(heap.unreachable));
        fact(out, page, "  garbage", &garbage);
        // A detail: not worth a line of the first screen.
        for kept in heap
            .unreachable_kept
            .iter()
            .filter(|_| page.limit.is_none())
        {
            fact(
                out,
                page,
                "",
                &format!("of these {}: {}", amount(kept.amount), kept.reason),
            );
        }
        if heap.unswept != none {
            fact(
                out,
                page,
                "  unswept",
                &format!("{}: dead since the last collection", amount(heap.unswept)),
            );
        }
    }
}
