//! What the catalogue of patterns found, and the catalogue itself, as text.

use std::fmt::Write as _;

use super::table::{Column, Table};
use super::{BAD, CAUTION, DIM, HEADER, Page, Render, wrap};
use crate::text::{shorten, width};
use crate::{Confidence, FindingRow, FindingVerdict, RuleDoc, bytes, things};

/// Columns in front of what belongs to a finding.
const INDENT: usize = 4;

/// Bytes by which a finding stands among suspects: its own, or what accumulates at its places.
pub(super) fn weight(row: &FindingRow) -> u64 {
    let suspects = row.suspects.iter().map(|s| s.accumulated_bytes);
    suspects.fold(0, u64::saturating_add).max(row.bytes)
}

/// Appends the line of a finding.
pub(super) fn headline(out: &mut String, page: &Page, number: usize, row: &FindingRow) {
    let (style, verdict) = match row.verdict {
        FindingVerdict::Leak => (BAD, "leak"),
        FindingVerdict::Waste => (CAUTION, "waste"),
        FindingVerdict::Suspect => (BAD, "suspect"),
        FindingVerdict::NeedsSecondCapture => (CAUTION, "capture again"),
    };
    let size = bytes(row.bytes);
    let before = format!("{number:>2}. ");
    let mut after = if row.places > 1 {
        format!("  ({})", things(row.places, "place"))
    } else {
        String::new()
    };
    if row.new == Some(true) {
        after.push_str("  new");
    }
    let used = before.len() + verdict.len() + size.len() + row.pattern.len() + after.len() + 6;
    let holder = row.holder.to_string();
    let holder = shorten(&holder, page.columns.saturating_sub(used));
    let _ = writeln!(
        out,
        "{before}{style}{verdict}{style:#}  {size}  {}  {HEADER}{holder}{HEADER:#}{after}",
        row.pattern
    );
}

/// Appends what belongs to a finding: in short its reason and the advice, or all that is known.
pub(super) fn details(out: &mut String, page: &Page, row: &FindingRow, in_short: bool) {
    let indent = " ".repeat(INDENT);
    let room = page.columns.saturating_sub(INDENT);
    let print = (row.fingerprint.as_ref()).map_or(String::new(), |f| format!("  {f}"));
    let what = match (&row.type_, row.address) {
        (Some(type_), Some(at)) => format!("{type_} at {at}"),
        (Some(type_), None) => type_.to_string(),
        _ => row.title.clone(),
    };
    let what = shorten(&what, room.saturating_sub(width(&print)));
    let _ = writeln!(out, "{indent}{what}{DIM}{print}{DIM:#}");
    let mut say = |text: &str| {
        let _ = writeln!(out, "{indent}{}", wrap(text, page.columns, INDENT));
    };
    let sure = match row.confidence {
        Confidence::High => "sure",
        Confidence::Medium => "likely",
    };
    let reasons = if in_short { 1 } else { usize::MAX };
    for (i, reason) in row.reasons.iter().take(reasons).enumerate() {
        if i == 0 {
            say(&format!("{sure}: {reason}"));
        } else {
            say(&reason.to_string());
        }
    }
    let whole = weight(row);
    if whole > row.bytes {
        say(&format!("{} accumulate there in all", bytes(whole)));
    }
    if let Some(site) = &row.site {
        let line = site.line.map_or(String::new(), |line| format!(":{line}"));
        let file = (site.file.as_ref()).map_or(String::new(), |file| format!(" {file}{line}"));
        say(&format!("from {}{file}", site.function));
    }
    say(&format!("fix: {}", row.advice));
    if in_short {
        return;
    }
    for line in &row.change {
        let line = line.to_string();
        let _ = writeln!(out, "{indent}  {}", shorten(&line, room.saturating_sub(2)));
    }
    let mut dim = |text: &str| {
        let text = wrap(text, page.columns, INDENT);
        let _ = writeln!(out, "{indent}{DIM}{text}{DIM:#}");
    };
    dim(&row.no_help);
    let read: Vec<String> = row
        .evidence
        .iter()
        .map(|e| format!("{} {}", e.what, e.value))
        .collect();
    dim(&format!("read: {}", read.join("; ")));
}

impl Render for RuleDoc {
    fn render(&self, page: &Page) -> String {
        let mut out = String::new();
        if let [rule] = self.rules.as_slice()
            && let Some(text) = &rule.page
        {
            article(&mut out, text, page.columns);
            return out;
        }
        let mut table = Table::new(&[(Column::Word, "PATTERN"), (Column::Flexible, "ABOUT")]);
        for rule in &self.rules {
            table.row(vec![rule.id.clone(), rule.title.clone()]);
        }
        table.write(&mut out, page.columns, HEADER);
        out
    }
}

/// Appends a page. Texts are broken anew for the terminal; lines of code stay as they are.
fn article(out: &mut String, text: &str, columns: usize) {
    let mut paragraph = String::new();
    let end = |paragraph: &mut String, out: &mut String| {
        if !paragraph.is_empty() {
            let indent = if paragraph.starts_with("- ") { 2 } else { 0 };
            let _ = writeln!(out, "{}", wrap(paragraph, columns, indent));
            paragraph.clear();
        }
    };
    for line in text.lines() {
        let code = line.starts_with("    ");
        if line.is_empty() || code || line.starts_with('#') {
            end(&mut paragraph, out);
            if line.starts_with('#') {
                let _ = writeln!(out, "{HEADER}{}{HEADER:#}", wrap(line, columns, 0));
            } else {
                let _ = writeln!(out, "{line}");
            }
            continue;
        }
        if line.starts_with("- ") {
            end(&mut paragraph, out);
        }
        if !paragraph.is_empty() {
            paragraph.push(' ');
        }
        paragraph.push_str(line.trim_start());
    }
    end(&mut paragraph, out);
}
