//! Places where memory accumulates, as text.

use std::fmt::Write as _;

use super::{BAD, CAUTION, DIM, HEADER, Page, findings};
use crate::text::{shorten, width};
use crate::{EntryRow, FindingRow, SuspectRow, Verdict, bytes, count, percent, things};

/// Columns in front of what belongs to a suspect.
const INDENT: usize = 4;
/// Types of entries shown of each.
const ENTRIES: usize = 2;
/// Allocation sites shown of each.
const SITES: usize = 1;
/// Suspects with details on the first screen; the others have a line each.
const DETAILED: usize = 5;

/// A row of the list: what a pattern has found, or where memory accumulates for no reason that one knows.
enum Row<'a> {
    Finding(&'a FindingRow),
    Suspect(&'a SuspectRow),
}

/// Appends findings and suspects as one list with its heading, or nothing where there are none. Suspects stay in their order;
/// a finding comes before those that accumulate less. `total` are all of both that were found.
pub(super) fn suspects(
    out: &mut String,
    page: &Page,
    findings: &[FindingRow],
    suspects: &[SuspectRow],
    total: u64,
) {
    let mut rows: Vec<Row<'_>> = suspects.iter().map(Row::Suspect).collect();
    for finding in findings {
        let smaller = |row: &Row<'_>| match row {
            Row::Finding(row) => findings::weight(row) < findings::weight(finding),
            Row::Suspect(row) => row.accumulated_bytes < findings::weight(finding),
        };
        let at = rows.iter().position(smaller).unwrap_or(rows.len());
        rows.insert(at, Row::Finding(finding));
    }
    if rows.is_empty() {
        return;
    }
    let _ = writeln!(
        out,
        "\n{HEADER}Where memory accumulates{HEADER:#} {DIM}(one capture: big or suspect, growth is not known){DIM:#}"
    );
    let (detailed, entries) = match page.limit {
        None => (usize::MAX, ENTRIES),
        Some(_) => (DETAILED, 1),
    };
    for (i, row) in rows.iter().enumerate() {
        match row {
            Row::Finding(row) => {
                findings::headline(out, page, i + 1, row);
                if i < detailed {
                    findings::details(out, page, row, page.limit.is_some());
                }
            }
            Row::Suspect(row) => {
                headline(out, page, i + 1, row);
                if i < detailed {
                    details(out, page, row, entries);
                } else if let Some(reason) = &row.reason {
                    let reason = reason.to_string();
                    let reason = shorten(&reason, page.columns.saturating_sub(INDENT));
                    let _ = writeln!(out, "{:INDENT$}{reason}", "");
                }
            }
        }
    }
    let left = total.saturating_sub(rows.len() as u64);
    if left > 0 {
        let _ = writeln!(out, "{DIM}and {} more (--all){DIM:#}", count(left));
    }
}

fn headline(out: &mut String, page: &Page, number: usize, row: &SuspectRow) {
    let (style, verdict) = match row.verdict {
        Verdict::Suspect => (BAD, "suspect"),
        Verdict::Big => (CAUTION, "big"),
    };
    let size = bytes(row.accumulated_bytes);
    let share = percent(row.share);
    let before = format!("{number:>2}. ");
    let mut after = if row.places > 1 {
        format!("  ({})", things(row.places, "place"))
    } else {
        String::new()
    };
    if row.new == Some(true) {
        after.push_str("  new");
    }
    let used = before.len() + verdict.len() + size.len() + share.len() + after.len() + 6;
    let holder = row.holder.to_string();
    let holder = shorten(&holder, page.columns.saturating_sub(used));
    let _ = writeln!(
        out,
        "{before}{style}{verdict}{style:#}  {size}  {share}  {HEADER}{holder}{HEADER:#}{after}"
    );
}

fn details(out: &mut String, page: &Page, row: &SuspectRow, entries: usize) {
    let indent = " ".repeat(INDENT);
    let room = page.columns.saturating_sub(INDENT);
    let mut fingerprint = row.fingerprint.as_ref().map(ToString::to_string);
    // The fingerprint goes behind the type; without a type, behind the first entry; and alone where there is neither.
    let mut line = |text: &str, dim: &str| {
        let print = fingerprint
            .take()
            .map_or(String::new(), |f| format!("  {f}"));
        let used = width(dim) + width(&print);
        let text = shorten(text, room.saturating_sub(used));
        let _ = writeln!(out, "{indent}{text}{DIM}{dim}{print}{DIM:#}");
    };
    if let Some(type_) = &row.type_ {
        let address = row.address.map_or(String::new(), |a| format!(" at {a}"));
        line(&type_.to_string(), &address);
    }
    for entry in row.entries.iter().take(entries) {
        line(&holds(entry), "");
    }
    if let Some(reason) = &row.reason {
        line(&reason.to_string(), "");
    }
    let sites = if entries == ENTRIES {
        usize::MAX
    } else {
        SITES
    };
    for site in row.sites.iter().take(sites) {
        line(&super::sites::allocated(site, room), "");
        line("", &format!("  {}", super::sites::sampled(site, room - 2)));
    }
    if !row.certain {
        line("maybe: only words that may be numbers lead there", "");
    }
    if let Some(fingerprint) = fingerprint {
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
