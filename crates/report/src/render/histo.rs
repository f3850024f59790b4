//! The histogram as text.

use std::fmt::Write as _;

use super::head::{coverage, fact, opening};
use super::table::{Column, Table};
use super::{DIM, HEADER, Page, Render, shown};
use crate::{Amount, HistoDoc, PackageRow, TypeRow, bytes, count, percent, things};

impl Render for HistoDoc {
    fn render(&self, page: &Page) -> String {
        let mut out = String::new();
        opening(&mut out, page, &self.head);
        fact(&mut out, page, "reachable", &amount(self.reachable));
        coverage(&mut out, page, &self.head.coverage);
        out.push('\n');
        types(
            &mut out,
            page,
            &self.types,
            self.type_count,
            self.reachable.bytes,
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
        if self.unreachable.is_empty() {
            let _ = writeln!(out, "unreachable: nothing");
        } else {
            let _ = writeln!(
                out,
                "unreachable, not collected yet: {}",
                amount(self.garbage)
            );
            types(
                &mut out,
                page,
                &self.unreachable,
                self.unreachable_type_count,
                self.garbage.bytes,
            );
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

fn share_of(part: u64, whole: u64) -> String {
    if whole == 0 {
        percent(0.0)
    } else {
        percent(part as f64 / whole as f64)
    }
}

/// Appends the table of types and a line on what it leaves out of `all` types with `whole` bytes.
pub(super) fn types(out: &mut String, page: &Page, rows: &[TypeRow], all: u64, whole: u64) {
    let mut table = Table::new(&[
        (Column::Number, "BYTES"),
        (Column::Number, "SHARE"),
        (Column::Number, "COUNT"),
        (Column::Flexible, "TYPE"),
    ]);
    let rows = shown(rows, page);
    for row in rows {
        table.row(vec![
            bytes(row.bytes),
            share_of(row.bytes, whole),
            count(row.count),
            row.type_.to_string(),
        ]);
    }
    table.write(out, page.columns, HEADER);
    let listed: u64 = rows.iter().map(|r| r.bytes).sum();
    more(
        out,
        all.saturating_sub(rows.len() as u64),
        "type",
        whole.saturating_sub(listed),
    );
}

fn packages(out: &mut String, page: &Page, rows: &[PackageRow], all: u64, whole: u64) {
    let mut table = Table::new(&[
        (Column::Number, "BYTES"),
        (Column::Number, "SHARE"),
        (Column::Number, "COUNT"),
        (Column::Flexible, "PACKAGE"),
    ]);
    let listed = shown(rows, page);
    for row in listed {
        let package = if row.package.is_empty() {
            "(no package)".to_owned()
        } else {
            row.package.to_string()
        };
        table.row(vec![
            bytes(row.bytes),
            share_of(row.bytes, whole),
            count(row.count),
            package,
        ]);
    }
    table.write(out, page.columns, HEADER);
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
