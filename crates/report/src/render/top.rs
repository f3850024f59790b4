//! Counters of processes as text: all of them for one process, a table for several.

use std::fmt::Write as _;

use super::head::{fact, gap_lines};
use super::table::{Column, Table};
use super::{CAUTION, HEADER, Page, Render, UNKNOWN, shown};
use crate::{CounterRow, TopDoc, bytes, count, nanoseconds, percent, things};

/// From this width on, the table has the less important columns too.
const WIDE: usize = 110;

impl Render for TopDoc {
    fn render(&self, page: &Page) -> String {
        let mut out = String::new();
        match self.processes.as_slice() {
            [one] => self.one(&mut out, page, one),
            _ => self.table(&mut out, page),
        }
        let torn: Vec<String> = self
            .processes
            .iter()
            .filter(|p| p.torn)
            .map(|p| p.pid.to_string())
            .collect();
        if !torn.is_empty() {
            let text = format!(
                "possibly torn (counters contradict each other): {}",
                torn.join(", ")
            );
            let _ = writeln!(
                out,
                "{CAUTION}{}{CAUTION:#}",
                super::wrap(&text, page.columns, 4)
            );
        }
        if !self.head.coverage.gaps.is_empty() {
            let _ = writeln!(out, "not read:");
            gap_lines(&mut out, page, &self.head.coverage);
        }
        out
    }
}

impl TopDoc {
    fn one(&self, out: &mut String, page: &Page, row: &CounterRow) {
        let at = self.head.capture.taken_at.as_deref().unwrap_or(UNKNOWN);
        let mut line = |label: &str, text: String| fact(out, page, label, &text);
        line(
            "target",
            format!(
                "{} (pid {}, {}), {at}",
                row.name, row.pid, row.runtime_version
            ),
        );
        let gogc = match row.gc_percent {
            Some(-1) => "GOGC off".to_owned(),
            Some(percent) => format!("GOGC {percent}"),
            None => "GOGC unknown".to_owned(),
        };
        let limit = row.memory_limit_bytes.map_or(String::new(), |limit| {
            format!(", GOMEMLIMIT {}", bytes(limit))
        });
        line(
            "heap",
            format!(
                "{} live, {} marked by the last collection, goal {} ({gogc}{limit})",
                size(row.heap_live_bytes),
                size(row.heap_marked_bytes),
                goal(row),
            ),
        );
        line(
            "spans",
            format!(
                "{} in use, {} idle, of which {} released",
                size(row.heap_in_use_bytes),
                size(row.heap_idle_bytes),
                size(row.heap_released_bytes),
            ),
        );
        line(
            "stacks",
            format!(
                "{}, {}, GOMAXPROCS {}",
                size(row.stacks_in_use_bytes),
                row.goroutines
                    .map_or("goroutines unknown".to_owned(), |n| things(n, "goroutine")),
                number(row.gomaxprocs.map(u64::from)),
            ),
        );
        let marking = if row.marking == Some(true) {
            ", marking now"
        } else {
            ""
        };
        line(
            "collections",
            format!(
                "{} ({} forced), last pause {}, pauses in all {}, {} of processor time{marking}",
                number(row.num_gc.map(u64::from)),
                number(row.num_forced_gc.map(u64::from)),
                pause(row),
                row.pause_total_ns.map_or(UNKNOWN.to_owned(), nanoseconds),
                row.gc_cpu_share.map_or(UNKNOWN.to_owned(), percent),
            ),
        );
    }

    fn table(&self, out: &mut String, page: &Page) {
        let wide = page.columns >= WIDE;
        let mut columns = vec![
            (Column::Number, "PID"),
            (Column::Number, "MARKED"),
            (Column::Number, "LIVE"),
            (Column::Number, "GOAL"),
        ];
        if wide {
            columns.extend([(Column::Number, "STACKS"), (Column::Number, "RELEASED")]);
        }
        columns.extend([
            (Column::Number, "GCS"),
            (Column::Number, "PAUSE"),
            (Column::Number, "GOROUT."),
            (Column::Flexible, "NAME"),
        ]);
        let mut table = Table::new(&columns);
        for row in shown(&self.processes, page) {
            let mut cells = vec![
                row.pid.to_string(),
                size(row.heap_marked_bytes),
                size(row.heap_live_bytes),
                goal(row),
            ];
            if wide {
                cells.extend([size(row.stacks_in_use_bytes), size(row.heap_released_bytes)]);
            }
            cells.extend([
                number(row.num_gc.map(u64::from)),
                pause(row),
                number(row.goroutines),
                row.name.to_string(),
            ]);
            table.row(cells);
        }
        table.write(out, page.columns, HEADER);
        let hidden = self.processes.len() - shown(&self.processes, page).len();
        if hidden > 0 {
            let _ = writeln!(out, "… and {} more processes", count(hidden as u64));
        }
    }
}

fn size(value: Option<u64>) -> String {
    value.map_or(UNKNOWN.to_owned(), bytes)
}

fn number(value: Option<u64>) -> String {
    value.map_or(UNKNOWN.to_owned(), count)
}

/// A collector that is off and has no limit has no goal.
fn goal(row: &CounterRow) -> String {
    match (row.heap_goal_bytes, row.gc_percent) {
        (None, Some(-1)) => "none".to_owned(),
        (goal, _) => size(goal),
    }
}

/// Before the first collection there was no pause.
fn pause(row: &CounterRow) -> String {
    match (row.last_pause_ns, row.num_gc) {
        (None, Some(0)) => "none".to_owned(),
        (pause, _) => pause.map_or(UNKNOWN.to_owned(), nanoseconds),
    }
}
