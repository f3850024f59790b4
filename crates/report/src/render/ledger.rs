//! The ledger of resident memory as text.

use std::fmt::Write as _;

use super::head::{coverage, fact, opening};
use super::pacing::pacing;
use super::table::{Column, Table};
use super::{DIM, HEADER, Page, Render, shown};
use crate::{LedgerDoc, LedgerRow, MappingRow, bytes, percent, things};

impl Render for LedgerDoc {
    fn render(&self, page: &Page) -> String {
        let mut out = String::new();
        opening(&mut out, page, &self.head);
        coverage(&mut out, page, &self.head.coverage);
        out.push('\n');
        if let Some(ledger) = &self.ledger {
            parts(&mut out, page, ledger);
            out.push('\n');
            self.table(&mut out, page);
            out.push('\n');
        }
        if let Some(missing) = &self.missing {
            fact(&mut out, page, "resident", &missing.to_string());
        }
        pacing(&mut out, page, &self.pacing);
        out
    }
}

impl LedgerDoc {
    fn table(&self, out: &mut String, page: &Page) {
        let mut table = Table::new(&[
            (Column::Number, "RESIDENT"),
            (Column::Word, "RIGHTS"),
            (Column::Flexible, "MAPPING"),
            (Column::Flexible, "MOSTLY"),
            (Column::Number, "REMAINDER"),
        ]);
        let rows = shown(&self.mappings, page);
        for row in rows {
            table.row(vec![
                bytes(row.rss_bytes),
                row.perms.clone(),
                mapping(row),
                mostly(row),
                signed(row.remainder_bytes),
            ]);
        }
        table.write(out, page.columns, HEADER);
        let left = self.mappings.len() - rows.len();
        if left > 0 {
            let _ = writeln!(
                out,
                "{DIM}and {} (--all){DIM:#}",
                things(left as u64, "mapping")
            );
        }
    }
}

fn parts(out: &mut String, page: &Page, ledger: &LedgerRow) {
    let mut table = Table::new(&[
        (Column::Number, "RESIDENT"),
        (Column::Number, "SHARE"),
        (Column::Flexible, "WHAT"),
    ]);
    let share = |n: u64| percent(n as f64 / ledger.rss_bytes.max(1) as f64);
    for row in &ledger.parts {
        table.row(vec![
            bytes(row.bytes),
            share(row.bytes),
            row.part.words().to_owned(),
        ]);
    }
    let remainder = if ledger.pages_known {
        "remainder: came or went between reads"
    } else {
        "remainder: which pages are resident is not known"
    };
    table.row(vec![
        signed(ledger.remainder_bytes),
        String::new(),
        remainder.to_owned(),
    ]);
    table.row(vec![
        bytes(ledger.rss_bytes),
        share(ledger.rss_bytes),
        "resident, as the kernel counts it".to_owned(),
    ]);
    table.write(out, page.columns, HEADER);
    if ledger.swap_bytes > 0 {
        let _ = writeln!(out, "swapped out: {}", bytes(ledger.swap_bytes));
    }
}

/// `-4.0 KiB`.
pub(super) fn signed(n: i64) -> String {
    let size = bytes(n.unsigned_abs());
    if n < 0 { format!("-{size}") } else { size }
}

fn mapping(row: &MappingRow) -> String {
    let path = row.path.as_ref().map(ToString::to_string);
    path.unwrap_or_else(|| format!("{}-{}", row.start, row.end))
}

/// The largest part of a mapping.
fn mostly(row: &MappingRow) -> String {
    let largest = row.parts.iter().max_by_key(|p| p.bytes);
    largest.map_or("-".to_owned(), |p| p.part.words().to_owned())
}

/// `1.2 GiB: live objects 500.0 MiB, free spans, ...`: the largest parts of a ledger in one line.
pub(super) fn in_short(ledger: &LedgerRow) -> String {
    const MOST: usize = 3;
    let mut parts = ledger.parts.clone();
    parts.sort_by_key(|p| std::cmp::Reverse(p.bytes));
    let rest: u64 = parts.iter().skip(MOST).map(|p| p.bytes).sum();
    let mut text = parts
        .iter()
        .take(MOST)
        .map(|p| format!("{} {}", bytes(p.bytes), p.part.words()))
        .collect::<Vec<_>>()
        .join("; ");
    if rest > 0 {
        let _ = write!(text, "; {} other", bytes(rest));
    }
    text
}
