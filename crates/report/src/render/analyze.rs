//! The overview of a heap as text.

use std::fmt::Write as _;

use super::head::{coverage, fact, opening};
use super::histo::{amount, types};
use super::maps::{sums, top};
use super::suspects::suspects;
use super::{HEADER, Page, Render, UNKNOWN};
use crate::{Amount, AnalyzeDoc, Goroutines, bytes, count, things};

impl Render for AnalyzeDoc {
    fn render(&self, page: &Page) -> String {
        let mut out = String::new();
        opening(&mut out, page, &self.head);
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
        let _ = writeln!(out, "\n{HEADER}Top types by bytes{HEADER:#}");
        types(
            &mut out,
            page,
            &self.types,
            self.type_count,
            self.heap.reachable.bytes + self.heap.maybe_reachable.bytes,
        );
        if self.map_sums.count > 0 {
            let _ = writeln!(out, "\n{HEADER}Top maps by bytes{HEADER:#}");
            top(&mut out, page, &self.maps, &self.map_sums);
        }
        out
    }
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
        for kept in &heap.unreachable_kept {
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
