//! The list of processes as text.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::head::gap_lines;
use super::table::{Column, Table};
use super::{HEADER, Page, Render, UNKNOWN, shown, wrap};
use crate::{PsDoc, bytes, count};

impl Render for PsDoc {
    fn render(&self, page: &Page) -> String {
        let mut out = String::new();
        if self.processes.is_empty() {
            let _ = writeln!(out, "no Go process found");
        } else {
            let mut table = Table::new(&[
                (Column::Number, "PID"),
                (Column::Number, "RSS"),
                (Column::Flexible, "VERSION"),
                (Column::Word, "DEBUG"),
                (Column::Word, "READABLE"),
                (Column::Flexible, "NAME"),
            ]);
            for row in shown(&self.processes, page) {
                let debug_info = match row.debug_info {
                    Some(true) => "yes",
                    Some(false) => "no",
                    None => UNKNOWN,
                };
                table.row(vec![
                    row.pid.to_string(),
                    row.rss_bytes.map_or(UNKNOWN.to_owned(), bytes),
                    row.runtime_version
                        .as_ref()
                        .map_or(UNKNOWN.to_owned(), ToString::to_string),
                    debug_info.to_owned(),
                    if row.readable { "yes" } else { "no" }.to_owned(),
                    row.name.to_string(),
                ]);
            }
            table.write(&mut out, page.columns, HEADER);
            let hidden = self.processes.len() - shown(&self.processes, page).len();
            if hidden > 0 {
                let _ = writeln!(out, "… and {} more processes", count(hidden as u64));
            }
        }
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

impl PsDoc {
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
