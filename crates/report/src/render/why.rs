//! The ways from roots to objects, as text.

use std::fmt::Write as _;

use super::head::{coverage, fact, opening};
use super::{CAUTION, DIM, HEADER, Page, Render, shown, wrap};
use crate::{Amount, PathRow, Question, WhyDoc, bytes, things};

/// Columns in front of what belongs to a way.
const INDENT: usize = 4;

impl Render for WhyDoc {
    fn render(&self, page: &Page) -> String {
        let mut out = String::new();
        opening(&mut out, page, &self.head);
        let about = match (self.question, self.address) {
            (Question::Map, Some(at)) => format!("entries of the {} at {at}", self.about),
            (_, Some(at)) => format!("the {} at {at}", self.about),
            (_, None) => format!("every {}", self.about),
        };
        fact(&mut out, page, "about", &about);
        let held = format!(
            "{}, {}; {} would be garbage without",
            things(self.objects.objects, "object"),
            bytes(self.objects.bytes),
            bytes(self.retained_bytes)
        );
        fact(&mut out, page, "reachable", &held);
        if self.unreachable != Amount::default() {
            let text = format!(
                "{}, {}: garbage, nothing holds them",
                things(self.unreachable.objects, "object"),
                bytes(self.unreachable.bytes)
            );
            fact(&mut out, page, "unreachable", &text);
        }
        coverage(&mut out, page, &self.head.coverage);
        let rows = shown(&self.paths, page);
        for row in rows {
            out.push('\n');
            self.one(&mut out, page, row);
        }
        let left = self.path_count.saturating_sub(rows.len() as u64);
        if left > 0 {
            let _ = writeln!(
                out,
                "\n{DIM}and {} (--all){DIM:#}",
                things(left, "other way")
            );
        }
        out
    }
}

impl WhyDoc {
    fn one(&self, out: &mut String, page: &Page, row: &PathRow) {
        let path = wrap(&row.path.to_string(), page.columns, INDENT);
        let _ = writeln!(out, "{HEADER}{path}{HEADER:#}");
        let text = if self.question == Question::Object {
            format!("{} like this", things(row.count, "way"))
        } else {
            format!(
                "{} like this, {}, such as {}",
                things(row.count, "path"),
                bytes(row.bytes),
                row.example
            )
        };
        let _ = writeln!(out, "{:INDENT$}{}", "", wrap(&text, page.columns, INDENT));
        if let Some(example) = &row.example_path {
            let example = wrap(&example.to_string(), page.columns, INDENT);
            let _ = writeln!(out, "{:INDENT$}{example}", "");
        }
        let types: Vec<String> = row.types.iter().map(ToString::to_string).collect();
        let types = wrap(&types.join(" → "), page.columns, INDENT);
        let _ = writeln!(out, "{:INDENT$}{DIM}{types}{DIM:#}", "");
        if !row.certain {
            let text = "maybe: its first word may be a number that is no pointer";
            let _ = writeln!(out, "{:INDENT$}{CAUTION}{text}{CAUTION:#}", "");
        }
        if let Some(fingerprint) = &row.fingerprint {
            let _ = writeln!(out, "{:INDENT$}{DIM}{fingerprint}{DIM:#}", "");
        }
    }
}
