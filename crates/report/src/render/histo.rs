//! The histogram as text.

use std::fmt::Write as _;

use super::head::{coverage, fact, opening};
use super::table::{Column, Table};
use super::{DIM, HEADER, Page, Render, shown};
use crate::{
    Amount, HistoDoc, PackageRow, RootKind, RootRow, TypeRow, bytes, count, percent, things,
};

impl Render for HistoDoc {
    fn render(&self, page: &Page) -> String {
        let mut out = String::new();
        opening(&mut out, page, &self.head);
        // Where nobody looked at references, what is unreachable is among the others.
        let looked = self.head.coverage.objects.is_some();
        let what = if looked { "reachable" } else { "counted" };
        fact(&mut out, page, what, &amount(self.reachable));
        coverage(&mut out, page, &self.head.coverage);
        out.push('\n');
        types(&mut out, page, &self.types, self.reachable.bytes);
        let listed: u64 = shown(&self.types, page).iter().map(|r| r.bytes).sum();
        more(
            &mut out,
            left(self.type_count, &self.types, page),
            "type",
            self.reachable.bytes.saturating_sub(listed),
        );
        out.push('\n');
        packages(
            &mut out,
            page,
            &self.packages,
            self.package_count,
            self.reachable.bytes,
        );
        out.push('\n');
        if !self.roots.is_empty() {
            roots(&mut out, page, &self.roots, self.root_count);
            out.push('\n');
        }
        if !self.unreachable.is_empty() {
            let _ = writeln!(
                out,
                "unreachable, not collected yet: {}",
                amount(self.garbage)
            );
            types(&mut out, page, &self.unreachable, self.garbage.bytes);
            let listed = shown(&self.unreachable, page).iter().map(|r| r.bytes);
            more(
                &mut out,
                left(self.unreachable_type_count, &self.unreachable, page),
                "type",
                self.garbage.bytes.saturating_sub(listed.sum()),
            );
        } else if looked {
            let _ = writeln!(out, "unreachable: nothing");
        }
        out
    }
}

/// `1,234 objects, 5.6 MiB`.
pub(super) fn amount(amount: Amount) -> String {
    format!(
        "{}, {}",
        things(amount.objects, "object"),
        bytes(amount.bytes)
    )
}

/// A row of types or packages.
struct Line {
    bytes: u64,
    count: u64,
    retained: Option<u64>,
    name: String,
}

/// Appends a table of types or packages, with a column for what they retain where that is known.
fn table(out: &mut String, page: &Page, what: &'static str, whole: u64, lines: Vec<Line>) {
    let with_retained = lines.iter().any(|line| line.retained.is_some());
    let mut columns = vec![
        (Column::Number, "BYTES"),
        (Column::Number, "SHARE"),
        (Column::Number, "COUNT"),
    ];
    if with_retained {
        columns.push((Column::Number, "RETAINED"));
    }
    columns.push((Column::Flexible, what));
    let mut table = Table::new(&columns);
    for line in lines {
        let mut cells = vec![
            bytes(line.bytes),
            share_of(line.bytes, whole),
            count(line.count),
        ];
        if with_retained {
            cells.push(line.retained.map_or("-".to_owned(), bytes));
        }
        cells.push(line.name);
        table.row(cells);
    }
    table.write(out, page.columns, HEADER);
}

/// Appends the table of roots.
fn roots(out: &mut String, page: &Page, rows: &[RootRow], all: u64) {
    let mut table = Table::new(&[
        (Column::Number, "RETAINED"),
        (Column::Number, "OBJECTS"),
        (Column::Number, "COUNT"),
        (Column::Flexible, "ROOT"),
    ]);
    let listed = shown(rows, page);
    for row in listed {
        let name = match row.kind {
            RootKind::Goroutines => format!("goroutines of {}", row.name),
            _ => row.name.to_string(),
        };
        let maybe = if row.maybe_retained_bytes > 0 {
            format!(" ({} of it maybe)", bytes(row.maybe_retained_bytes))
        } else {
            String::new()
        };
        table.row(vec![
            bytes(row.retained_bytes),
            count(row.retained_objects),
            count(row.count),
            format!("{name}{maybe}"),
        ]);
    }
    table.write(out, page.columns, HEADER);
    let left = all.saturating_sub(listed.len() as u64);
    if left > 0 {
        let _ = writeln!(out, "{DIM}… and {}{DIM:#}", things(left, "more root"));
    }
}

fn share_of(part: u64, whole: u64) -> String {
    if whole == 0 {
        percent(0.0)
    } else {
        percent(part as f64 / whole as f64)
    }
}

/// How many of `all` rows a table leaves out.
pub(super) fn left<T>(all: u64, rows: &[T], page: &Page) -> u64 {
    all.saturating_sub(shown(rows, page).len() as u64)
}

/// Appends the table of types, with their shares of `whole` bytes.
pub(super) fn types(out: &mut String, page: &Page, rows: &[TypeRow], whole: u64) {
    let rows = shown(rows, page);
    let lines = rows.iter().map(|row| Line {
        bytes: row.bytes,
        count: row.count,
        retained: row.retained_bytes,
        name: row.type_.to_string(),
    });
    table(out, page, "TYPE", whole, lines.collect());
}

fn packages(out: &mut String, page: &Page, rows: &[PackageRow], all: u64, whole: u64) {
    let listed = shown(rows, page);
    let lines = listed.iter().map(|row| Line {
        bytes: row.bytes,
        count: row.count,
        retained: row.retained_bytes,
        name: if row.package.is_empty() {
            "(no package)".to_owned()
        } else {
            row.package.to_string()
        },
    });
    table(out, page, "PACKAGE", whole, lines.collect());
    let sum: u64 = listed.iter().map(|r| r.bytes).sum();
    more(
        out,
        all.saturating_sub(listed.len() as u64),
        "package",
        whole.saturating_sub(sum),
    );
}

/// Appends a line on rows that a table leaves out, where it does.
pub(super) fn more(out: &mut String, rows: u64, of_what: &str, rest: u64) {
    if rows > 0 {
        let rows = things(rows, &format!("more {of_what}"));
        let _ = writeln!(out, "{DIM}… and {rows} with {}{DIM:#}", bytes(rest));
    }
}
