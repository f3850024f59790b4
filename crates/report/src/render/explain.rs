//! A decision again, as text.

use std::fmt::Write as _;

use super::head::fact;
use super::table::{Column, Table};
use super::{HEADER, Page, Render, UNKNOWN, wrap};
use crate::{ExplainDoc, FleetRow, SeriesRow, TrendTest, VerdictLine};
use crate::{bytes, nanoseconds};

/// Rows of a series that are shown: enough to see its shape.
const POINTS: usize = 12;

/// Columns of the bars that draw a series.
const BAR: usize = 30;

impl Render for ExplainDoc {
    fn render(&self, page: &Page) -> String {
        let mut out = String::new();
        let decision = &self.decision;
        let mut line = |label: &str, text: String| fact(&mut out, page, label, &text);
        line(
            "verdict",
            format!(
                "{}: {} (was {}), {} of {} (pid {})",
                decision.id,
                decision.verdict.word(),
                decision.from.word(),
                decision.channel,
                decision.name,
                decision.pid
            ),
        );
        line("risk", risk(decision));
        if let Some(slope) = slope(decision) {
            let capacity = self.capacity.map_or("nothing known".to_owned(), |c| {
                amount(c, is_bytes(&decision.channel.to_string()))
            });
            let left = decision
                .time_to_exhaustion_s
                .map_or(String::new(), |s| format!(", full in {}", span(s)));
            line(
                "growth",
                format!("{slope} a second towards {capacity}{left}"),
            );
        }
        if let Some(fleet) = &decision.fleet {
            line("replicas", replicas(fleet));
        }
        line("replayed", self.replayed());
        for series in &self.series {
            plot(&mut out, page, series, decision);
        }
        self.windows(&mut out, page);
        self.turning(&mut out, page);
        out
    }
}

impl ExplainDoc {
    fn replayed(&self) -> String {
        let again = self
            .verdict_again
            .as_ref()
            .map_or("the floors of that time are gone".to_owned(), |v| {
                format!("the stored floors give {}", v.word())
            });
        let others = self.sensitivities.iter().map(|s| {
            format!(
                "; with sensitivity = \"{}\": {}",
                s.sensitivity,
                s.verdict.word()
            )
        });
        again + &others.collect::<String>()
    }

    fn windows(&self, out: &mut String, page: &Page) {
        for window in &self.windows {
            let length = window.length_s.map_or("the whole life".to_owned(), span);
            let failed = window.tests.iter().find(|t| !t.passed);
            let end = failed.map_or("every test passed".to_owned(), |t| {
                format!("{} failed", t.name)
            });
            let _ = writeln!(out, "\n{HEADER}window of {length}{HEADER:#}: {end}");
            let mut table = Table::new(&[
                (Column::Flexible, "TEST"),
                (Column::Number, "SEEN"),
                (Column::Number, "BOUND"),
                (Column::Number, "PASSED"),
            ]);
            for test in &window.tests {
                let passed = if test.passed { "yes" } else { "no" };
                let (value, bound) = (known(test.value), known(test.bound));
                table.row(vec![test.name.to_string(), value, bound, passed.to_owned()]);
            }
            table.write(out, page.columns, HEADER);
        }
    }

    fn turning(&self, out: &mut String, page: &Page) {
        if self.turning.is_empty() {
            return;
        }
        let _ = writeln!(out, "\nwhat would have changed it, the closest first:");
        for turning in &self.turning {
            let TrendTest {
                name, value, bound, ..
            } = &turning.test;
            let text = format!(
                "  {name}: {} against {}, {:.0} % apart",
                known(*value),
                known(*bound),
                100.0 * turning.margin
            );
            let _ = writeln!(out, "{}", wrap(&text, page.columns, 4));
        }
    }
}

fn replicas(fleet: &FleetRow) -> String {
    let onset = fleet.onset.as_ref().map_or(String::new(), |version| {
        format!(", since version {version}")
    });
    let follows = match fleet.follows.to_string().as_str() {
        "uptime" => "growth follows uptime",
        "clock" => "growth follows the clock on the wall",
        _ => "nothing can be told from them",
    };
    format!(
        "{}: {follows}; {:.0} % grow{onset}; the older holds more in {:.0} % of pairs",
        fleet.replicas,
        100.0 * fleet.growing,
        100.0 * fleet.older_holds_more
    )
}

fn risk(decision: &VerdictLine) -> String {
    let terms = &decision.risk_terms;
    format!(
        "{} = 100 x (0.25 x {:.2} trend + 0.20 x {:.2} ratchet + 0.15 x {:.2} load-independent + 0.15 x {:.2} agreement \
         + 0.25 x {:.2} evidence) x (0.35 + 0.65 x {:.2} urgency)",
        decision.risk,
        terms.trend,
        terms.ratchet,
        terms.load_independent,
        terms.agreement,
        terms.evidence,
        terms.urgency
    )
}

/// The other channels are counts.
fn is_bytes(channel: &str) -> bool {
    ["limit", "heap_max", "heap_floor", "rss", "native"].contains(&channel)
}

fn slope(decision: &VerdictLine) -> Option<String> {
    let bytes = is_bytes(&decision.channel.to_string());
    Some(amount(decision.slope_bytes_per_s?, bytes))
}

fn amount(value: f64, is_bytes: bool) -> String {
    if is_bytes && value >= 0.0 {
        bytes(value as u64)
    } else {
        number(value)
    }
}

fn number(value: f64) -> String {
    if value.abs() >= 1e6 {
        format!("{value:.3e}")
    } else if value == value.trunc() {
        format!("{value}")
    } else {
        format!("{value:.3}")
    }
}

fn known(value: Option<f64>) -> String {
    value.map_or(UNKNOWN.to_owned(), number)
}

fn span(seconds: f64) -> String {
    match seconds {
        s if !s.is_finite() || s < 0.0 => UNKNOWN.to_owned(),
        s if s >= 172_800.0 => format!("{:.1} days", s / 86_400.0),
        s if s >= 7_200.0 => format!("{:.1} hours", s / 3_600.0),
        s if s >= 120.0 => format!("{:.0} min", s / 60.0),
        s => nanoseconds((s * 1e9) as u64),
    }
}

/// A bar for the low end of each part of a series.
fn plot(out: &mut String, page: &Page, series: &SeriesRow, decision: &VerdictLine) {
    let Some(first) = series.points.first() else {
        return;
    };
    let most = series.points.iter().map(|p| p.value).fold(0.0, f64::max);
    let _ = writeln!(out, "\n{HEADER}{}{HEADER:#}", series.name);
    let in_bytes = is_bytes(&series.name.to_string());
    let width = BAR.min(page.columns / 3);
    for part in series.points.chunks(series.points.len().div_ceil(POINTS)) {
        let (Some(start), Some(low)) =
            (part.first(), part.iter().map(|p| p.value).reduce(f64::min))
        else {
            continue;
        };
        let before = span(decision.time_unix_s - start.time_unix_s);
        let share = if most > 0.0 {
            (low / most).clamp(0.0, 1.0)
        } else {
            0.0
        };
        let bar = "#".repeat((share * width as f64).round() as usize);
        let value = amount(low, in_bytes);
        let _ = writeln!(out, "  {before:>10} before  {value:>10}  {bar}");
    }
    let all = span(decision.time_unix_s - first.time_unix_s);
    let _ = writeln!(out, "  {} values over {all}", series.points.len());
}
