//! The list of processes as text.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::head::gap_lines;
use super::table::{Column, Table};
use super::{HEADER, Page, Render, UNKNOWN, shown, wrap};
use crate::text::shorten;
use crate::{ProcessRow, PsDoc, Text, bytes, count};

/// What stands for a container or pod that there is not.
const NOT_THERE: &str = "-";
/// Digits of a container's id that engines show too.
const ID_SHOWN: usize = 12;
/// Digits of a container's id.
const ID: usize = 64;

/// An id of a container as engines show it; a name in as many columns.
fn abridged(id: &Text) -> String {
    let text = id.to_string();
    let is_id = text.len() == ID && text.bytes().all(|b| b.is_ascii_hexdigit());
    match text.get(..ID_SHOWN) {
        Some(start) if is_id => start.to_owned(),
        _ => shorten(&text, ID_SHOWN).into_owned(),
    }
}

impl Render for PsDoc {
    fn render(&self, page: &Page) -> String {
        let mut out = String::new();
        if self.processes.is_empty() {
            let _ = writeln!(out, "no Go program or JVM found");
        } else {
            let nested = self.processes.iter().any(|p| p.ns_pid.is_some());
            let contained = self.processes.iter().any(|p| p.container.is_some());
            let in_pods = self.processes.iter().any(|p| p.pod.is_some());
            let mut columns = vec![(Column::Number, "PID")];
            columns.extend(nested.then_some((Column::Number, "NSPID")));
            columns.extend([
                (Column::Number, "RSS"),
                (Column::Flexible, "VERSION"),
                (Column::Word, "DEBUG"),
                (Column::Word, "READ"),
            ]);
            columns.extend(contained.then_some((Column::Word, "CONTAINER")));
            columns.extend(in_pods.then_some((Column::Flexible, "POD")));
            columns.push((Column::Flexible, "NAME"));
            let mut table = Table::new(&columns);
            for row in shown(&self.processes, page) {
                let debug_info = match row.debug_info {
                    Some(true) => "yes",
                    Some(false) => "no",
                    None if is_jvm(row) => NOT_THERE,
                    None => UNKNOWN,
                };
                let mut cells = vec![row.pid.to_string()];
                let inside = row
                    .ns_pid
                    .map_or(NOT_THERE.to_owned(), |pid| pid.to_string());
                cells.extend(nested.then_some(inside));
                cells.extend([
                    row.rss_bytes.map_or(UNKNOWN.to_owned(), bytes),
                    row.runtime_version
                        .as_ref()
                        .map_or(UNKNOWN.to_owned(), ToString::to_string),
                    debug_info.to_owned(),
                    if row.readable { "yes" } else { "no" }.to_owned(),
                ]);
                let or_not = |text: Option<String>| text.unwrap_or(NOT_THERE.to_owned());
                cells.extend(contained.then(|| or_not(row.container.as_ref().map(abridged))));
                cells.extend(in_pods.then(|| or_not(row.pod.as_ref().map(Text::to_string))));
                cells.push(row.name.to_string());
                table.row(cells);
            }
            table.write(&mut out, page.columns, HEADER);
            let hidden = self.processes.len() - shown(&self.processes, page).len();
            if hidden > 0 {
                let _ = writeln!(out, "… and {} more processes", count(hidden as u64));
            }
        }
        self.heaps(&mut out, page);
        for (why, pids) in self.unreadable() {
            let text = format!("not readable, {why}: {}", pids.join(", "));
            let _ = writeln!(out, "{}", wrap(&text, page.columns, 4));
        }
        if !self.head.coverage.gaps.is_empty() {
            let _ = writeln!(out, "not examined:");
            gap_lines(&mut out, page, &self.head.coverage);
        }
        out
    }
}

/// Whether it is a Java virtual machine.
fn is_jvm(row: &ProcessRow) -> bool {
    row.runtime.raw() == "jvm"
}

impl PsDoc {
    /// What JVMs say of their heaps.
    fn heaps(&self, out: &mut String, page: &Page) {
        let jvms = shown(&self.processes, page).iter().filter(|p| is_jvm(p));
        let mut table = Table::new(&[
            (Column::Number, "JVM"),
            (Column::Number, "HEAP"),
            (Column::Number, "AT MOST"),
            (Column::Word, "COLLECTOR"),
            (Column::Flexible, "MAIN"),
        ]);
        let mut any = false;
        for row in jvms {
            any = true;
            let text = |text: &Option<Text>| {
                text.as_ref()
                    .map_or(UNKNOWN.to_owned(), ToString::to_string)
            };
            table.row(vec![
                row.pid.to_string(),
                row.heap_used_bytes.map_or(UNKNOWN.to_owned(), bytes),
                row.heap_max_bytes.map_or(UNKNOWN.to_owned(), bytes),
                text(&row.collector),
                text(&row.main),
            ]);
        }
        if any {
            out.push('\n');
            table.write(out, page.columns, HEADER);
        }
    }

    /// Ids of the processes that cannot be looked into, by the reason.
    fn unreadable(&self) -> BTreeMap<String, Vec<String>> {
        let mut by_reason: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for row in self.processes.iter().filter(|p| !p.readable) {
            let why = row
                .why_not
                .as_ref()
                .map_or(UNKNOWN.to_owned(), ToString::to_string);
            by_reason.entry(why).or_default().push(row.pid.to_string());
        }
        by_reason
    }
}
