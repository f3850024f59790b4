//! Places where memory accumulates, as text.

use std::fmt::Write as _;

use super::{BAD, CAUTION, DIM, HEADER, Page, shown};
use crate::text::shorten;
use crate::{EntryRow, SuspectRow, Verdict, bytes, count, percent};

/// Columns in front of what belongs to a suspect.
const INDENT: usize = 4;
/// Types of entries shown of each.
const ENTRIES: usize = 2;

/// Appends the suspects with their heading, or nothing where there are none.
pub(super) fn suspects(out: &mut String, page: &Page, suspects: &[SuspectRow], total: u64) {
    if suspects.is_empty() {
        return;
    }
    let _ = writeln!(
        out,
        "\n{HEADER}Where memory accumulates{HEADER:#} {DIM}(one capture: big or suspect, growth is not known){DIM:#}"
    );
    let rows = shown(suspects, page);
    for (i, row) in rows.iter().enumerate() {
        one(out, page, i + 1, row);
    }
    let left = total.saturating_sub(rows.len() as u64);
    if left > 0 {
        let _ = writeln!(out, "{DIM}and {} more (--all){DIM:#}", count(left));
    }
}

fn one(out: &mut String, page: &Page, number: usize, row: &SuspectRow) {
    let (style, verdict) = match row.verdict {
        Verdict::Suspect => (BAD, "suspect"),
        Verdict::Big => (CAUTION, "big"),
    };
    let size = bytes(row.accumulated_bytes);
    let share = percent(row.share);
    let before = format!("{number:>2}. ");
    let used = before.len() + verdict.len() + 2 + size.len() + 2 + share.len() + 2;
    let holder = row.holder.to_string();
    let holder = shorten(&holder, page.columns.saturating_sub(used));
    let _ = writeln!(
        out,
        "{before}{style}{verdict}{style:#}  {size}  {share}  {HEADER}{holder}{HEADER:#}"
    );
    let indent = " ".repeat(INDENT);
    let room = page.columns.saturating_sub(INDENT);
    if let Some(type_) = &row.type_ {
        let address = row.address.map_or(String::new(), |a| format!(" at {a}"));
        let name = type_.to_string();
        let name = shorten(&name, room.saturating_sub(address.len()));
        let _ = writeln!(out, "{indent}{name}{DIM}{address}{DIM:#}");
    }
    for entry in row.entries.iter().take(ENTRIES) {
        let _ = writeln!(out, "{indent}{}", shorten(&holds(entry), room));
    }
    if !row.certain {
        let text = "only words that may be numbers lead there";
        let _ = writeln!(out, "{indent}{}", shorten(text, room));
    }
    if let Some(fingerprint) = &row.fingerprint {
        let _ = writeln!(out, "{indent}{DIM}{fingerprint}{DIM:#}");
    }
}

/// `holds 1,999,998 × main.entry, 371.9 MiB, 195 B each`.
fn holds(entry: &EntryRow) -> String {
    let each = entry.bytes / entry.count.max(1);
    if entry.count == 1 {
        return format!("holds 1 × {}, {}", entry.type_, bytes(entry.bytes));
    }
    format!(
        "holds {} × {}, {}, {} each",
        count(entry.count),
        entry.type_,
        bytes(entry.bytes),
        bytes(each)
    )
}
