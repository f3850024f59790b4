//! Threads of a JVM as text: groups that do the same, each by the one that holds most.

use std::fmt::Write as _;

use super::head::{coverage, fact, opening};
use super::{DIM, HEADER, Page, Render, UNKNOWN, shown};
use crate::text::shorten;
use crate::{
    FrameRow, LocalRow, ThreadGroup, ThreadKind, ThreadRow, ThreadsDoc, bytes, count, things,
};

/// Frames shown of a stack, unless all rows are; JSON has all.
const FRAMES: usize = 6;
/// Locals shown of a frame, and thread locals of a thread.
const LOCALS: usize = 3;
/// Least bytes of a local that is worth a line.
const LEAST: u64 = 1024;
/// Columns in front of a frame, and of a local.
const INDENT: usize = 6;
const INNER: usize = 10;

impl Render for ThreadsDoc {
    fn render(&self, page: &Page) -> String {
        let mut out = String::new();
        opening(&mut out, page, &self.head);
        let mut text = things(self.count, "thread");
        if self.virtual_count > 0 {
            let _ = write!(
                text,
                ", {} virtual ({} mounted)",
                count(self.virtual_count),
                count(self.mounted_count)
            );
        }
        if self.without_stack > 0 {
            let _ = write!(text, ", {} without a stack", count(self.without_stack));
        }
        fact(&mut out, page, "threads", &text);
        coverage(&mut out, page, &self.head.coverage);
        let groups = shown(&self.groups, page);
        for group in groups {
            out.push('\n');
            let example = usize::try_from(group.example);
            let example = example.ok().and_then(|at| self.threads.get(at));
            headline(&mut out, page, group, example);
            if let Some(example) = example {
                one(&mut out, page, example);
            }
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

fn headline(out: &mut String, page: &Page, group: &ThreadGroup, example: Option<&ThreadRow>) {
    let virtual_ = match group.kind {
        ThreadKind::Platform => "",
        ThreadKind::Mounted => "virtual, mounted, ",
        ThreadKind::Unmounted => "virtual, ",
    };
    let state = group.state.as_ref();
    let state = state.map_or(UNKNOWN.to_owned(), ToString::to_string);
    let who = match example {
        Some(row) if group.count == 1 => label(row),
        _ => format!("{} × {}", count(group.count), group.name),
    };
    let after = format!(
        ": {virtual_}{state}, {} retained",
        bytes(group.retained_bytes)
    );
    let who = shorten(&who, page.columns.saturating_sub(after.len())).into_owned();
    let line = format!("{who}{after}");
    let line = shorten(&line, page.columns);
    let _ = writeln!(out, "{HEADER}{line}{HEADER:#}");
    if let Some(row) = example.filter(|_| group.count > 1) {
        let text = format!(
            "such as {}, {} retained",
            label(row),
            bytes(row.retained_bytes)
        );
        indented(out, page, INDENT, &text);
    }
}

/// `"main" #1`.
fn label(row: &ThreadRow) -> String {
    let name = row.name.as_ref().map(|name| format!("\"{name}\""));
    let id = row.id.map(|id| format!("#{id}"));
    match (name, id) {
        (Some(name), Some(id)) => format!("{name} {id}"),
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => "a thread without a name".to_owned(),
    }
}

fn one(out: &mut String, page: &Page, row: &ThreadRow) {
    if let Some(waits_for) = &row.waits_for {
        indented(out, page, INDENT, &format!("waits for a {waits_for}"));
    }
    if let Some(carrier) = &row.carrier {
        indented(out, page, INDENT, &format!("run by \"{carrier}\""));
    }
    if !row.stack_known {
        indented(out, page, INDENT, "its stack is not in the dump");
    }
    let most = page.limit.map_or(usize::MAX, |_| FRAMES);
    let mut left = 0u64;
    for (at, frame) in row.stack.iter().enumerate() {
        // Where a large object is, the frame is told, however deep.
        let telling = frame.locals.iter().any(|l| l.retained_bytes >= LEAST);
        if at < most || telling {
            place(out, page, frame);
            locals(out, page, &frame.locals);
        } else {
            left += 1;
        }
    }
    if left > 0 {
        let _ = writeln!(
            out,
            "{:INDENT$}{DIM}and {}{DIM:#}",
            "",
            things(left, "frame")
        );
    }
    for local in row.thread_locals.iter().take(LOCALS) {
        indented(out, page, INDENT, &format!("thread local {}", local.name));
        inner(out, page, &held(&local.value));
    }
    let left = row.thread_locals.len().saturating_sub(LOCALS);
    if left > 0 {
        let left = things(left as u64, "thread local");
        let _ = writeln!(out, "{:INDENT$}{DIM}and {left}{DIM:#}", "");
    }
}

/// `com.acme.Main.run(Main.java:12)`.
fn place(out: &mut String, page: &Page, frame: &FrameRow) {
    let file = frame.file.as_ref().map(ToString::to_string);
    let place = match (file, frame.line) {
        _ if frame.native => "native".to_owned(),
        (Some(file), Some(line)) => format!("{file}:{line}"),
        (Some(file), None) => file,
        (None, _) => UNKNOWN.to_owned(),
    };
    indented(out, page, INDENT, &format!("{}({place})", frame.method));
}

fn locals(out: &mut String, page: &Page, locals: &[LocalRow]) {
    let telling = locals.iter().filter(|l| l.retained_bytes >= LEAST);
    for local in telling.take(LOCALS) {
        inner(out, page, &held(local));
    }
}

/// `1.0 MiB by a byte[] at 0x1234`.
fn held(local: &LocalRow) -> String {
    let shared = if local.only_here {
        ""
    } else {
        ", which others hold too"
    };
    format!(
        "{} by a {} at {}{shared}",
        bytes(local.retained_bytes),
        local.type_,
        local.address
    )
}

fn inner(out: &mut String, page: &Page, text: &str) {
    let text = shorten(text, page.columns.saturating_sub(INNER));
    let _ = writeln!(out, "{:INNER$}{DIM}{text}{DIM:#}", "");
}

fn indented(out: &mut String, page: &Page, indent: usize, text: &str) {
    let text = shorten(text, page.columns.saturating_sub(indent));
    let _ = writeln!(out, "{:indent$}{text}", "");
}
