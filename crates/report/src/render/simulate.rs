//! Simulations of maps, as text.

use std::fmt::Write as _;

use super::table::{Column, Table};
use super::{BAD, CAUTION, DIM, GOOD, HEADER, Page, Render, wrap};
use crate::plot::Series;
use crate::{ClaimRow, CurveRow, Finding, Measure, SimulateDoc, ValueRow, bytes, count, things};

/// Columns of releases in front of numbers and curves.
const RELEASES: usize = 14;
/// Columns of a number.
const NUMBER: usize = 12;

impl Render for SimulateDoc {
    fn render(&self, page: &Page) -> String {
        let mut out = String::new();
        if let Some(s) = &self.scenario {
            let title = format!("{} (article, section {}): {}", s.name, s.section, s.title);
            let _ = writeln!(out, "{HEADER}{}{HEADER:#}", wrap(&title, page.columns, 0));
        }
        if let Some(trace) = &self.trace {
            let title = format!(
                "{} made for {}: {} of {}",
                trace.map_type,
                things(trace.hint, "entry").replace("entrys", "entries"),
                things(trace.steps, "step"),
                trace.file
            );
            let _ = writeln!(out, "{HEADER}{}{HEADER:#}", wrap(&title, page.columns, 0));
        }
        for claim in &self.claims {
            out.push('\n');
            row(&mut out, page, claim);
        }
        curves(&mut out, page, &self.curves);
        if let Some(conclusion) = &self.conclusion {
            let _ = writeln!(out, "\n{}", wrap(conclusion, page.columns, 0));
        }
        if !self.scenarios.is_empty() {
            let mut table = Table::new(&[
                (Column::Word, "SCENARIO"),
                (Column::Word, "SECTION"),
                (Column::Flexible, "ABOUT"),
            ]);
            for s in &self.scenarios {
                table.row(vec![s.name.clone(), s.section.clone(), s.title.clone()]);
            }
            table.write(&mut out, page.columns, HEADER);
        }
        out
    }
}

fn row(out: &mut String, page: &Page, claim: &ClaimRow) {
    let _ = writeln!(out, "{}", wrap(&claim.claim, page.columns, 0));
    if let Some(article) = claim.article {
        let number = number(claim.measure, article);
        let _ = writeln!(
            out,
            "  {DIM}{:<RELEASES$}{number:>NUMBER$}{DIM:#}",
            "article"
        );
    }
    let same = |a: &ValueRow, b: &ValueRow| a.number == b.number && a.verdict == b.verdict;
    for group in claim.values.chunk_by(same) {
        let Some(first) = group.first() else { continue };
        let names = range(group.iter().map(|v| v.release.as_str()));
        let value = match first.number {
            Some(n) => number(claim.measure, n),
            None => "-".to_owned(),
        };
        let (style, word) = match first.verdict {
            Finding::True => (GOOD, "true"),
            Finding::Partly => (CAUTION, "partly"),
            Finding::False => (BAD, "false"),
            Finding::NotApplicable if first.number.is_none() => (DIM, "not applicable"),
            Finding::NotApplicable => (DIM, ""),
        };
        let _ = write!(out, "  {names:<RELEASES$}{value:>NUMBER$}");
        if !word.is_empty() {
            let _ = write!(out, "  {style}{word}{style:#}");
        }
        out.push('\n');
    }
}

fn number(measure: Measure, n: f64) -> String {
    match measure {
        // Sizes of buckets are compared by the byte.
        Measure::Bytes if n < 100_000.0 => format!("{} B", count(n as u64)),
        Measure::Bytes => bytes(n as u64),
        Measure::Count => count(n as u64),
        Measure::Ratio => format!("{n:.2}"),
        Measure::Answer if n == 0.0 => "no".to_owned(),
        Measure::Answer => "yes".to_owned(),
    }
}

/// `1.21 to 1.23`, or a single name.
fn range<'a>(mut names: impl Iterator<Item = &'a str>) -> String {
    let first = names.next().unwrap_or_default();
    match names.last() {
        Some(last) => format!("{first} to {last}"),
        None => first.to_owned(),
    }
}

fn curves(out: &mut String, page: &Page, curves: &[CurveRow]) {
    let end = |c: &CurveRow| c.points.last().map_or(0, |p| p.step);
    let Some(steps) = curves.iter().map(end).max() else {
        return;
    };
    let most = curves.iter().map(|c| c.peak_bytes).max().unwrap_or(0);
    let title = format!(
        "Memory over {}, up to {}",
        things(steps, "step"),
        bytes(most)
    );
    let _ = writeln!(out, "\n{HEADER}{title}{HEADER:#}");
    let same = |a: &CurveRow, b: &CurveRow| {
        CurveRow {
            release: b.release.clone(),
            ..a.clone()
        } == *b
    };
    for group in curves.chunk_by(same) {
        let Some(first) = group.first() else { continue };
        let names = range(group.iter().map(|c| c.release.as_str()));
        let series = first.series();
        let room = page.columns.saturating_sub(RELEASES + 2);
        let blocks = series.blocks(steps, most, room);
        let _ = writeln!(out, "  {names:<RELEASES$}{blocks}");
        let numbers = format!(
            "peak {} at step {}; {} at the end, {} needed; most at once {} at step {}",
            bytes(first.peak_bytes),
            count(first.peak_step),
            bytes(first.final_bytes),
            bytes(first.needed_bytes),
            bytes(first.largest_allocation_bytes),
            count(first.largest_allocation_step)
        );
        let indent = RELEASES + 2;
        let text = wrap(&numbers, page.columns, indent);
        let _ = writeln!(out, "{:indent$}{DIM}{text}{DIM:#}", "");
    }
}

impl CurveRow {
    /// Its bytes over steps.
    pub fn series(&self) -> Series {
        Series {
            name: self.release.clone(),
            points: self.points.iter().map(|p| (p.step, p.bytes)).collect(),
        }
    }
}
