//! Goroutines as text: groups that do the same.

use std::fmt::Write as _;

use super::head::{coverage, fact, opening};
use super::{BAD, CAUTION, DIM, HEADER, Page, Render, UNKNOWN, shown};
use crate::text::shorten;
use crate::{Doubt, GoroutineGroup, GoroutinesDoc, Leak, Place, bytes, count, nanoseconds, things};

/// Frames shown of a stack; JSON has all.
const FRAMES: usize = 6;
/// Columns in front of a frame.
const INDENT: usize = 6;

impl Render for GoroutinesDoc {
    fn render(&self, page: &Page) -> String {
        let mut out = String::new();
        opening(&mut out, page, &self.head);
        let mut text = things(self.count, "goroutine");
        let _ = write!(text, ", {} leaked", count(self.leaked_count));
        if self.suspect_count > 0 {
            let _ = write!(text, ", {} suspect", count(self.suspect_count));
        }
        fact(&mut out, page, "goroutines", &text);
        coverage(&mut out, page, &self.head.coverage);
        let groups = shown(&self.groups, page);
        for group in groups {
            out.push('\n');
            one(&mut out, page, group);
        }
        let left = self.groups.len() - groups.len();
        if left > 0 {
            let _ = writeln!(
                out,
                "\n{DIM}and {} (--all){DIM:#}",
                things(left as u64, "group")
            );
        }
        out
    }
}

fn one(out: &mut String, page: &Page, group: &GoroutineGroup) {
    let who = if group.count == 1 {
        format!("goroutine {}", group.example)
    } else {
        things(group.count, "goroutine")
    };
    let state = group
        .wait_reason
        .as_ref()
        .unwrap_or(&group.status)
        .to_string();
    let waited = match group.longest_wait_ns {
        Some(ns) if group.wait_reason.is_some() => format!(" for at least {}", nanoseconds(ns)),
        _ => String::new(),
    };
    let line = format!(
        "{who}: {state}{waited}, {} retained",
        bytes(group.retained_bytes)
    );
    let (style, verdict) = match group.verdict {
        Leak::Leaked => (BAD, "LEAKED  "),
        Leak::Suspect => (CAUTION, "suspect  "),
        Leak::Unknown | Leak::No => (DIM, ""),
    };
    let line = shorten(&line, page.columns.saturating_sub(verdict.len())).into_owned();
    let _ = writeln!(out, "{style}{verdict}{style:#}{HEADER}{line}{HEADER:#}");
    if let Some(doubt) = group.doubt {
        let text = match doubt {
            Doubt::MaybePointer => {
                "not called leaked: a word that may be a pointer leads to what it waits for"
            }
            Doubt::Unread => {
                "not called leaked: memory that could not be read may lead to what it waits for"
            }
        };
        let text = shorten(text, page.columns.saturating_sub(INDENT));
        let _ = writeln!(out, "{:INDENT$}{CAUTION}{text}{CAUTION:#}", "");
    }
    let frames = group.stack.iter().take(FRAMES);
    for place in frames {
        frame(out, page, "", place);
    }
    let left = group.stack.len().saturating_sub(FRAMES);
    if left > 0 {
        let _ = writeln!(
            out,
            "{:INDENT$}{DIM}and {}{DIM:#}",
            "",
            things(left as u64, "frame")
        );
    }
    if let Some(place) = &group.created_by {
        frame(out, page, "started by ", place);
    }
}

fn frame(out: &mut String, page: &Page, before: &str, place: &Place) {
    let file = place.file.as_ref().map_or(UNKNOWN.to_owned(), |f| {
        let file = f.to_string();
        file.rsplit('/').next().unwrap_or(&file).to_owned()
    });
    let line = place.line.map_or(String::new(), |l| format!(":{l}"));
    let text = format!("{before}{}  {file}{line}", place.function);
    let text = shorten(&text, page.columns.saturating_sub(INDENT)).into_owned();
    let _ = writeln!(out, "{:INDENT$}{text}", "");
}
