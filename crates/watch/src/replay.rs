//! Stored rows through the judge again, in the order of time and with the same turns.

use leakscope_trend::{Config, Millis, Scratch};

use crate::case::{Case, Ruling};
use crate::recorder::Row;

/// Most turns without any row that are judged one by one: the state of a case settles within far fewer.
const MAX_IDLE_TURNS: Millis = 200;

/// Feeds `rows`, which are in order of time, and judges at each turn up to `until`.
pub(crate) fn replay(
    case: &mut Case,
    rows: &[Row],
    until: Millis,
    config: &Config,
    scratch: &mut Scratch,
    mut ruled: impl FnMut(Ruling),
) {
    let every = config.every.max(1);
    let Some(first) = rows.first() else {
        return;
    };
    let mut turn = first.at.div_euclid(every);
    let last = until.div_euclid(every);
    let mut rows = rows.iter().peekable();
    while turn <= last {
        let now = turn * every;
        while let Some(row) = rows.next_if(|row| row.at < now) {
            case.feed(row.at, &row.series, row.value, config);
        }
        for ruling in case.evaluate(now, config, scratch) {
            ruled(ruling);
        }
        turn += 1;
        // A long time without rows, as between two runs of the watcher.
        let next = rows.peek().map_or(last, |row| row.at.div_euclid(every));
        if next - turn > MAX_IDLE_TURNS {
            turn = next - MAX_IDLE_TURNS;
        }
    }
}
