//! The readers of `leakscope replay`, and what must hold of what they say.

#[path = "../../src/commands/replay/csv.rs"]
mod csv;
#[path = "../../src/commands/replay/feed.rs"]
mod feed;
#[path = "../../src/commands/replay/history.rs"]
mod history;
#[path = "../../src/commands/replay/prometheus.rs"]
#[expect(dead_code, reason = "no server is asked here")]
mod prometheus;

use leakscope_report::{ReplayDoc, to_json_line};
use leakscope_trend::{Config, Runtime};

/// Reads a file as the command does, judges every process in it, and writes what was said; how many processes it has.
pub(crate) fn read(file: &[u8], runtime: Option<Runtime>, config: &Config) -> usize {
    let (mut histories, mut unread) = (Vec::new(), history::Unread::default());
    if file.trim_ascii_start().starts_with(b"{") {
        if prometheus::read(file, None, config, &mut histories, &mut unread).is_err() {
            return 0;
        }
    } else {
        let first = file.split(|b| *b == b'\n').next().unwrap_or_default();
        if first.trim_ascii() != csv::HEADER.as_bytes() {
            return 0;
        }
        let (history, lines) = csv::read(file, config);
        unread = lines;
        histories.push(history);
    }
    assert!(unread.remarks().len() <= history::MAX_NAMED + 1);
    let processes = histories.len();
    for mut history in histories {
        history.sort();
        let runtime = runtime.unwrap_or_else(|| feed::guess(&history));
        check(&feed::feed(&history, runtime, config));
    }
    processes
}

fn check(doc: &ReplayDoc) {
    for line in &doc.lines {
        assert!(line.risk <= 100, "a risk of {}", line.risk);
        to_json_line(line).expect("a line of JSON");
    }
    let times = || doc.lines.iter().map(|l| l.time_unix_s);
    assert!(times().zip(times().skip(1)).all(|(a, b)| a <= b), "order");
    let points = doc.series.iter().flat_map(|s| &s.points);
    assert!(points.flat_map(|(x, y)| [x, y]).all(|n| n.is_finite()));
}
