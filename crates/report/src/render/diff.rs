//! What grew between captures, as text.

use std::fmt::Write as _;

use super::head::{coverage, opening};
use super::table::{Column, Table};
use super::{CAUTION, DIM, HEADER, Page, Render, UNKNOWN, findings, shown};
use crate::{DiffDoc, GrowthRow, bytes, count, things};

const SITES: &str = "Allocation sites (sampled)";
const LEDGER: &str = "Resident memory";
const GOROUTINES: &str = "Goroutines, by where they were started";
/// Tables of what JVMs do not have.
const OF_GO: [&str; 3] = [SITES, LEDGER, GOROUTINES];

impl Render for DiffDoc {
    fn render(&self, page: &Page) -> String {
        let mut out = String::new();
        opening(&mut out, page, &self.head);
        if !self.same_program {
            let text =
                "the captures are of different programs or builds: names may not mean the same";
            let _ = writeln!(
                out,
                "{CAUTION}{:<12}{}{CAUTION:#}",
                "warning",
                super::wrap(text, page.columns, 12)
            );
        }
        coverage(&mut out, page, &self.head.coverage);
        let jvm = self.of_jvm();
        out.push('\n');
        self.captures(&mut out, page);
        if !self.findings.is_empty() {
            let _ = writeln!(out, "\n{HEADER}Patterns over time{HEADER:#}");
            for (i, finding) in self.findings.iter().enumerate() {
                findings::headline(&mut out, page, i + 1, finding);
                findings::details(&mut out, page, finding, page.limit.is_some());
            }
        }
        for (title, rows) in [
            ("Where memory accumulates", &self.holders),
            ("Types", &self.types),
            ("Maps", &self.maps),
            (SITES, &self.sites),
            (LEDGER, &self.ledger),
            (GOROUTINES, &self.goroutines),
        ] {
            if jvm && rows.is_empty() && OF_GO.contains(&title) {
                continue;
            }
            table(&mut out, page, title, rows);
        }
        out
    }
}

impl DiffDoc {
    /// Whether all captures are of JVMs.
    fn of_jvm(&self) -> bool {
        let mut runtimes = self.captures.iter().map(|c| c.target.runtime.as_ref());
        runtimes.all(|runtime| runtime.is_some_and(|r| r.raw() == "jvm"))
    }

    fn captures(&self, out: &mut String, page: &Page) {
        let goroutines = !self.of_jvm();
        let mut columns = vec![
            (Column::Number, "CAPTURE"),
            (Column::Flexible, "TAKEN AT"),
            (Column::Number, "REACHABLE"),
            (Column::Number, "OBJECTS"),
        ];
        columns.extend(goroutines.then_some((Column::Number, "GOROUTINES")));
        let mut table = Table::new(&columns);
        for (i, capture) in self.captures.iter().enumerate() {
            let taken_at = capture.capture.taken_at.clone();
            let mut cells = vec![
                (i + 1).to_string(),
                taken_at.unwrap_or_else(|| UNKNOWN.to_owned()),
                bytes(capture.reachable.bytes),
                count(capture.reachable.objects),
            ];
            cells.extend(goroutines.then(|| count(capture.goroutines)));
            table.row(cells);
        }
        table.write(out, page.columns, HEADER);
    }
}

fn table(out: &mut String, page: &Page, title: &str, rows: &[GrowthRow]) {
    let grown: Vec<&GrowthRow> = rows
        .iter()
        .filter(|r| r.bytes_grown != 0 || r.objects_grown != 0)
        .collect();
    let _ = writeln!(out, "\n{HEADER}{title}{HEADER:#}");
    if grown.is_empty() {
        let _ = writeln!(out, "{DIM}no change{DIM:#}");
        return;
    }
    let mut table = Table::new(&[
        (Column::Number, "GROWN"),
        (Column::Number, "COUNT"),
        (Column::Number, "NOW"),
        (Column::Word, "TREND"),
        (Column::Flexible, "WHAT"),
    ]);
    let rows = shown(&grown, page);
    for row in rows {
        table.row(vec![
            signed(row.bytes_grown, bytes),
            signed(row.objects_grown, count),
            bytes(row.sums.last().map_or(0, |s| s.bytes)),
            trend(row),
            row.name.to_string(),
        ]);
    }
    table.write(out, page.columns, HEADER);
    let left = grown.len() - rows.len();
    if left > 0 {
        let _ = writeln!(
            out,
            "{DIM}and {} (--all){DIM:#}",
            things(left as u64, "other")
        );
    }
}

/// `steady, 1.2 KiB/s`.
fn trend(row: &GrowthRow) -> String {
    let word = match (row.sums.len(), row.steady) {
        (..3, _) => "",
        (_, true) => "steady",
        (_, false) => "uneven",
    };
    match row.bytes_per_second {
        Some(rate) if rate.abs() >= 1.0 => {
            let rate = signed(rate as i64, bytes);
            if word.is_empty() {
                format!("{rate}/s")
            } else {
                format!("{word}, {rate}/s")
            }
        }
        _ => word.to_owned(),
    }
}

fn signed(n: i64, unit: fn(u64) -> String) -> String {
    let sign = if n < 0 { "-" } else { "+" };
    format!("{sign}{}", unit(n.unsigned_abs()))
}
