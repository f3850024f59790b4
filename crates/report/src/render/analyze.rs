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
        suspects(&mut out, page, &self.suspects, self.suspect_count);
        out.push('\n');
        let rss = self.process.rss_bytes.map_or(UNKNOWN.to_owned(), bytes);
        let threads = self
            .process
            .threads
            .map_or("threads unknown".to_owned(), |n| things(n, "thread"));
        let goroutines = &self.process.goroutines;
        fact(
            &mut out,
            page,
            "process",
            &format!(
                "resident {rss}, {threads}, {}{}, {} of stacks and collector buffers",
                things(goroutines.count, "goroutine"),
                leaked(goroutines),
                bytes(goroutines.manual_bytes)
            ),
        );
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
        let _ = write!(out, " {DIM}({} more: leakscope {command}){DIM:#}", count(more));
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
    fn heap(&self, out: &mut String, page: &Page) {
        let heap = &self.heap;
        let spans = format!(
            "{} allocated, in {} of {}",
            amount(heap.allocated),
            things(heap.spans, "span"),
            bytes(heap.span_bytes)
        );
        fact(out, page, "heap", &spans);
        fact(out, page, "  reachable", &amount(heap.reachable));
        let none = Amount::default();
        if heap.maybe_reachable != none {
            let text = format!(
                "{}: only words that may be numbers point there",
                amount(heap.maybe_reachable)
            );
            fact(out, page, "  maybe", &text);
        }
        let garbage = format!(
            "{}: garbage that no collection has seen yet",
            amount(heap.unreachable)
        );
        fact(out, page, "  garbage", &garbage);
        // A detail: not worth a line of the first screen.
        for kept in heap.unreachable_kept.iter().filter(|_| page.limit.is_none()) {
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
