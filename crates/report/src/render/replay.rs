//! A replay as text: plots of the floors, and every change of a verdict with its reason.

use std::fmt::Write as _;

use super::head::fact;
use super::replay_plot::braille;
use super::table::{Column, Table};
use super::{BAD, CAUTION, DIM, GOOD, HEADER, Page, Render, shown, wrap};
use crate::{ReplayDoc, ReplayLine, ReplaySeries, TrendTest, TrendVerdict, bytes, count, things};

/// Lines of a plot.
const PLOT_LINES: usize = 8;

/// Columns beside a plot for its values.
const PLOT_LABEL: usize = 12;

impl TrendVerdict {
    /// Its name.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Leak => "leak",
            Self::Suspect => "suspect",
            Self::Quiet => "quiet",
            Self::Unknown => "unknown",
        }
    }

    fn style(self) -> anstyle::Style {
        match self {
            Self::Leak => BAD,
            Self::Suspect => CAUTION,
            Self::Quiet => GOOD,
            Self::Unknown => DIM,
        }
    }

    /// What marks it under a plot.
    fn mark(self) -> char {
        match self {
            Self::Leak => 'L',
            Self::Suspect => 's',
            Self::Quiet => 'q',
            Self::Unknown => '?',
        }
    }
}

impl Render for ReplayDoc {
    fn render(&self, page: &Page) -> String {
        let mut out = String::new();
        fact(&mut out, page, "history", &self.source.to_string());
        if let Some(process) = &self.process {
            fact(&mut out, page, "process", &process.to_string());
        }
        fact(&mut out, page, "runtime", &self.runtime);
        let span = match self.span {
            Some((from, to)) => format!(
                "{}, {} from {}",
                things(self.samples, "sample"),
                duration(to - from),
                moment(from)
            ),
            None => "no sample".to_owned(),
        };
        fact(&mut out, page, "span", &span);
        for series in &self.series {
            out.push('\n');
            self::series(&mut out, page, series);
        }
        out.push('\n');
        self.changes(&mut out, page);
        if !self.remarks.is_empty() {
            out.push('\n');
            for remark in shown(&self.remarks, page) {
                fact(&mut out, page, "not read", &remark.to_string());
            }
            let hidden = self.remarks.len() - shown(&self.remarks, page).len();
            if hidden > 0 {
                fact(&mut out, page, "", &format!("and {hidden} more"));
            }
        }
        out
    }
}

impl ReplayDoc {
    fn changes(&self, out: &mut String, page: &Page) {
        if self.lines.is_empty() {
            let _ = writeln!(out, "Nothing can be said of this history.");
            return;
        }
        let mut table = Table::new(&[
            (Column::Word, "WHEN"),
            (Column::Word, "VERDICT"),
            (Column::Flexible, "CHANNEL"),
            (Column::Number, "RISK"),
            (Column::Number, "GROWTH"),
            (Column::Number, "FULL IN"),
        ]);
        let lines = shown(&self.lines, page);
        for line in lines {
            table.row(vec![
                moment(line.time_unix_s),
                line.verdict.word().to_owned(),
                line.channel.to_string(),
                line.risk.to_string(),
                line.slope_bytes_per_s.map_or_else(
                    || "-".to_owned(),
                    |slope| format!("{}/h", amount(slope * 3600.0, self.counts_bytes(line))),
                ),
                line.time_to_exhaustion_s
                    .map_or_else(|| "-".to_owned(), duration),
            ]);
        }
        table.write(out, page.columns, HEADER);
        if lines.len() < self.lines.len() {
            let _ = writeln!(out, "and {} more", self.lines.len() - lines.len());
        }
        if let Some(last) = lines.iter().rev().find(|l| l.verdict == TrendVerdict::Leak) {
            let _ = writeln!(
                out,
                "\n{HEADER}why {} was a leak at {}{HEADER:#}",
                last.channel,
                moment(last.time_unix_s)
            );
            for test in &last.tests {
                let text = self::test(test, self.counts_bytes(last));
                let _ = writeln!(out, "  {}", wrap(&text, page.columns, 4));
            }
        }
    }

    fn counts_bytes(&self, line: &ReplayLine) -> bool {
        let mut series = self.series.iter();
        series.any(|s| s.channel == line.channel.raw() && s.bytes)
    }
}

/// A test in words.
fn test(test: &TrendTest, in_bytes: bool) -> String {
    let amounts = ["growth", "record", "high_water"];
    let is_time = test.name.raw() == "span";
    let number = |n: Option<f64>| match n {
        None => "-".to_owned(),
        Some(n) if is_time => duration(n),
        Some(n) if amounts.contains(&test.name.raw()) => amount(n, in_bytes),
        Some(n) => format!("{n:.2}"),
    };
    let than = if test.name.raw() == "biggest_step" {
        "at most"
    } else {
        "at least"
    };
    let verdict = if test.passed { "passed" } else { "FAILED" };
    format!(
        "{verdict}  {}: {}, {than} {}",
        test.name,
        number(test.value),
        number(test.bound)
    )
}

fn series(out: &mut String, page: &Page, series: &ReplaySeries) {
    let full = series.capacity.map_or_else(
        || "nothing known bounds it".to_owned(),
        |c| format!("full at {}", amount(c, series.bytes)),
    );
    let _ = writeln!(out, "{HEADER}{}{HEADER:#}, {full}", series.channel);
    let columns = page.columns.saturating_sub(PLOT_LABEL + 1).clamp(10, 160);
    let Some(plot) = braille(&series.points, columns, PLOT_LINES) else {
        let _ = writeln!(out, "no floors");
        return;
    };
    for (i, line) in plot.lines.iter().enumerate() {
        let label = match i {
            0 => amount(plot.high, series.bytes),
            _ if i + 1 == plot.lines.len() => amount(plot.low, series.bytes),
            _ => String::new(),
        };
        let _ = writeln!(out, "{label:>PLOT_LABEL$} {}", line.trim_end());
    }
    let mut marks = vec![(' ', DIM); columns];
    for (at, verdict) in &series.marks {
        let column = plot.column(*at, columns);
        if let Some(slot) = marks.get_mut(column) {
            *slot = (verdict.mark(), verdict.style());
        }
    }
    while marks.last().is_some_and(|(c, _)| *c == ' ') {
        marks.pop();
    }
    let mut line = String::new();
    for (c, style) in marks {
        if c == ' ' {
            line.push(c);
        } else {
            let _ = write!(line, "{style}{c}{style:#}");
        }
    }
    let _ = writeln!(out, "{:>PLOT_LABEL$} {line}", "verdicts");
}

/// An amount of a channel.
fn amount(value: f64, in_bytes: bool) -> String {
    let size = value.abs().round() as u64;
    let text = if in_bytes { bytes(size) } else { count(size) };
    if value < 0.0 {
        format!("-{text}")
    } else {
        text
    }
}

/// Seconds as days, hours and minutes, the two largest that there are.
fn duration(seconds: f64) -> String {
    let whole = seconds.max(0.0).round() as u64;
    let (days, hours, minutes) = (whole / 86_400, whole / 3600 % 24, whole / 60 % 60);
    if days > 365 {
        "over a year".to_owned()
    } else if days > 0 {
        format!("{days} d {hours} h")
    } else if hours > 0 {
        format!("{hours} h {minutes} min")
    } else if minutes > 0 {
        format!("{minutes} min {} s", whole % 60)
    } else {
        format!("{seconds:.1} s")
    }
}

/// A time as people read it, in UTC, to the second.
fn moment(unix_s: f64) -> String {
    let seconds = jiff::Timestamp::from_second(unix_s.floor() as i64);
    seconds.map_or_else(
        |_| "unknown".to_owned(),
        |at| at.strftime("%Y-%m-%d %H:%M:%S").to_string(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_civil_dates() {
        assert_eq!(moment(0.0), "1970-01-01 00:00:00");
        assert_eq!(moment(951_782_400.0), "2000-02-29 00:00:00");
        assert_eq!(moment(1_795_305_599.9), "2026-11-21 23:59:59");
        assert_eq!(moment(-1.0), "1969-12-31 23:59:59");
        assert_eq!(moment(1e18), "unknown");
    }

    #[test]
    fn durations_show_their_two_largest_units() {
        assert_eq!(duration(0.25), "0.2 s");
        assert_eq!(duration(61.0), "1 min 1 s");
        assert_eq!(duration(7_260.0), "2 h 1 min");
        assert_eq!(duration(90_000.0), "1 d 1 h");
        assert_eq!(duration(1e12), "over a year");
    }
}
