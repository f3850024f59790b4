//! The watcher's own metrics, as OpenMetrics text.

use std::fmt::Write;

use leakscope_trend::Signal;

use crate::agent::Agent;
use crate::series::Series;
use crate::watched::Watched;

/// Content type of the text.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Longest value of a label: names come from the processes.
const MAX_LABEL: usize = 128;

/// A gauge of each process.
struct Gauge {
    name: &'static str,
    unit: &'static str,
    help: &'static str,
    series: fn() -> Series,
}

const GAUGES: &[Gauge] = &[
    Gauge {
        name: "leakscope_heap_floor_bytes",
        unit: "bytes",
        help: "What lives in the heap after a collection.",
        series: || Series::Signal(Signal::HeapFloor),
    },
    Gauge {
        name: "leakscope_rss_anon_bytes",
        unit: "bytes",
        help: "Anonymous resident memory.",
        series: || Series::Signal(Signal::Rss),
    },
    Gauge {
        name: "leakscope_native_bytes",
        unit: "bytes",
        help: "Anonymous resident memory outside of the heap.",
        series: || Series::Signal(Signal::Native),
    },
    Gauge {
        name: "leakscope_limit_bytes",
        unit: "bytes",
        help: "Memory that the process may take.",
        series: || Series::Signal(Signal::Limit),
    },
    Gauge {
        name: "leakscope_goroutines",
        unit: "",
        help: "Goroutines of a Go program.",
        series: || Series::Goroutines,
    },
    Gauge {
        name: "leakscope_threads",
        unit: "",
        help: "Threads.",
        series: || Series::Threads,
    },
    Gauge {
        name: "leakscope_fds",
        unit: "",
        help: "Open descriptors.",
        series: || Series::Fds,
    },
    Gauge {
        name: "leakscope_cgroup_anon_bytes",
        unit: "bytes",
        help: "Anonymous memory of the whole control group.",
        series: || Series::GroupAnonymous,
    },
    Gauge {
        name: "leakscope_memory_pressure_percent",
        unit: "percent",
        help: "Share of the last 10 s in which the control group waited for memory.",
        series: || Series::Pressure,
    },
];

impl Agent {
    /// Metrics of the last round.
    pub fn exposition(&self) -> String {
        let mut text = String::new();
        let labels: Vec<String> = self.watched().iter().map(labels).collect();
        for gauge in GAUGES {
            let series = (gauge.series)();
            head(&mut text, gauge.name, "gauge", gauge.unit, gauge.help);
            for (watched, labels) in self.watched().iter().zip(&labels) {
                if let Some(value) = watched.newest.get(&series) {
                    let _ = writeln!(text, "{}{{{labels}}} {value}", gauge.name);
                }
            }
        }
        self.judgements(&mut text, &labels);
        head(
            &mut text,
            "leakscope_verdicts",
            "counter",
            "",
            "Verdicts that changed, by what they became.",
        );
        for (verdict, count) in &self.totals {
            let _ = writeln!(
                text,
                "leakscope_verdicts_total{{verdict=\"{verdict}\"}} {count}"
            );
        }
        head(
            &mut text,
            "leakscope_rounds",
            "counter",
            "",
            "Rounds of samples.",
        );
        let _ = writeln!(text, "leakscope_rounds_total {}", self.rounds);
        head(
            &mut text,
            "leakscope_processes",
            "gauge",
            "",
            "Processes that are watched.",
        );
        let _ = writeln!(text, "leakscope_processes {}", self.watched().len());
        head(
            &mut text,
            "leakscope_unwatched",
            "gauge",
            "",
            "Processes and sources that cannot be watched, by reason.",
        );
        for (reason, count) in &self.gaps {
            let _ = writeln!(
                text,
                "leakscope_unwatched{{reason=\"{}\"}} {count}",
                escaped(reason)
            );
        }
        head(&mut text, "leakscope_build", "info", "", "What watches.");
        let _ = writeln!(
            text,
            "leakscope_build_info{{version=\"{}\"}} 1",
            env!("CARGO_PKG_VERSION")
        );
        text.push_str("# EOF\n");
        text
    }

    /// Risk, growth and time left of each series that was ruled on.
    fn judgements(&self, text: &mut String, labels: &[String]) {
        type Value = fn(&crate::verdict::Verdict) -> Option<f64>;
        let kinds: [(&str, &str, &str, Value); 4] = [
            (
                "leakscope_risk_score",
                "",
                "Urgency, 0 to 100, as of the last change of the verdict.",
                |v| Some(f64::from(v.risk)),
            ),
            (
                "leakscope_leak",
                "",
                "1 where the verdict is a leak.",
                |v| Some(if v.verdict == "leak" { 1.0 } else { 0.0 }),
            ),
            (
                "leakscope_growth_per_second",
                "",
                "Growth as of the last change of the verdict, in bytes or as a count.",
                |v| v.slope,
            ),
            (
                "leakscope_time_to_exhaustion_seconds",
                "seconds",
                "Time left as of the last change of the verdict.",
                |v| v.time_to_exhaustion.map(|left| left as f64 / 1e3),
            ),
        ];
        for (name, unit, help, value) in kinds {
            head(text, name, "gauge", unit, help);
            for (watched, labels) in self.watched().iter().zip(labels) {
                let mut standing: Vec<_> = watched.standing.iter().collect();
                standing.sort_by_key(|(channel, _)| *channel);
                for (channel, verdict) in standing {
                    if let Some(value) = value(verdict) {
                        let channel = escaped(channel);
                        let _ = writeln!(text, "{name}{{{labels},channel=\"{channel}\"}} {value}");
                    }
                }
            }
        }
    }
}

fn head(text: &mut String, name: &str, kind: &str, unit: &str, help: &str) {
    let _ = writeln!(text, "# TYPE {name} {kind}");
    if !unit.is_empty() {
        let _ = writeln!(text, "# UNIT {name} {unit}");
    }
    let _ = writeln!(text, "# HELP {name} {help}");
}

fn labels(watched: &Watched) -> String {
    let who = &watched.who;
    let mut labels = format!(
        "pid=\"{}\",process=\"{}\",workload=\"{}\",runtime=\"{}\"",
        who.pid,
        escaped(&who.name),
        escaped(&who.workload),
        who.runtime
    );
    for (name, value) in [("container", &who.container), ("pod", &who.pod)] {
        if let Some(value) = value {
            let _ = write!(labels, ",{name}=\"{}\"", escaped(value));
        }
    }
    labels
}

/// A label's value: backslash, quote and line break escaped, other control characters replaced.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars().take(MAX_LABEL) {
        match c {
            '\\' => escaped.push_str("\\\\"),
            '"' => escaped.push_str("\\\""),
            '\n' => escaped.push_str("\\n"),
            c if c.is_control() => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_processes_cannot_break_out_of_their_labels() {
        assert_eq!(
            escaped("a\"} 1\n\\x\u{1b}[0m"),
            "a\\\"} 1\\n\\\\x\u{fffd}[0m"
        );
        assert_eq!(escaped(&"x".repeat(1000)).len(), MAX_LABEL);
    }
}
