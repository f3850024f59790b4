//! The pace of the collector in words.

use super::head::fact;
use super::ledger::signed;
use super::{Page, UNKNOWN};
use crate::{GoalBy, PacingRow, bytes, count, percent};

/// Appends what GOGC and GOMEMLIMIT mean for the process now.
pub(super) fn pacing(out: &mut String, page: &Page, row: &PacingRow) {
    let size = |n: Option<u64>| n.map_or(UNKNOWN.to_owned(), bytes);
    let heap = format!(
        "{} now, {} live as of the last collection, {} collections so far{}",
        size(row.heap_bytes),
        size(row.marked_bytes),
        row.collections
            .map_or(UNKNOWN.to_owned(), |n| count(n.into())),
        row.gc_cpu_share.map_or(String::new(), |s| format!(
            ", {} of the processor time",
            percent(s)
        ))
    );
    fact(out, page, "heap", &heap);
    fact(out, page, "goal", &goal(row));
    fact(out, page, "GOGC", &gogc(row));
    fact(out, page, "GOMEMLIMIT", &limit(row));
}

fn goal(row: &PacingRow) -> String {
    let Some(goal) = row.goal_bytes else {
        return match row.goal_by {
            Some(GoalBy::Nothing) => "none: nothing is collected until the program asks".to_owned(),
            _ => UNKNOWN.to_owned(),
        };
    };
    let by = match row.goal_by {
        Some(GoalBy::MemoryLimit) => "set by GOMEMLIMIT",
        Some(GoalBy::Gogc) => "set by GOGC",
        _ => "set by what is not known",
    };
    match row.to_goal_bytes {
        Some(left) if left >= 0 => format!("{}, {by}: {} to go", bytes(goal), signed(left)),
        Some(past) => format!(
            "{}, {by}: past it by {}, a collection is due",
            bytes(goal),
            bytes(past.unsigned_abs())
        ),
        None => format!("{}, {by}", bytes(goal)),
    }
}

fn gogc(row: &PacingRow) -> String {
    match row.gogc {
        Some(percent) if percent < 0 => "off: only GOMEMLIMIT starts collections".to_owned(),
        Some(percent) => format!(
            "{percent}: the heap may grow by {percent} % of what was live, its stacks and variables; \
             up to that much of the heap is garbage"
        ),
        None => UNKNOWN.to_owned(),
    }
}

fn limit(row: &PacingRow) -> String {
    let Some(limit) = row.memory_limit_bytes else {
        return "not set: the heap may grow past what the machine or container has".to_owned();
    };
    let counted = row.counted_bytes.map_or(UNKNOWN.to_owned(), bytes);
    match row.to_limit_bytes {
        Some(left) if left >= 0 => format!(
            "{}: {counted} of it in use as the runtime counts it, {} to go; C and mmap do not count",
            bytes(limit),
            bytes(left.unsigned_abs())
        ),
        Some(past) => format!(
            "{}: exceeded by {}, the collector runs as often as it may",
            bytes(limit),
            bytes(past.unsigned_abs())
        ),
        None => bytes(limit),
    }
}

/// The goal and the limit in one line.
pub(super) fn in_short(row: &PacingRow) -> String {
    let limit = match (row.memory_limit_bytes, row.to_limit_bytes) {
        (None, _) => "no GOMEMLIMIT".to_owned(),
        (Some(limit), Some(left)) => {
            format!("GOMEMLIMIT {}, {} to go", bytes(limit), signed(left))
        }
        (Some(limit), None) => format!("GOMEMLIMIT {}", bytes(limit)),
    };
    format!("goal {}; {limit}", goal(row))
}
