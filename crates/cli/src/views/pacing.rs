//! How the collector is paced, from what the runtime counts of itself.

use leakscope_report::{GoalBy, PacingRow};

use crate::read::Subject;

/// What GOGC and GOMEMLIMIT mean for the target at the moment of capture; `None` for other runtimes than Go.
pub(super) fn of(subject: &Subject) -> Option<PacingRow> {
    let counters = &subject.heap.go()?.counters;
    let left = |bound: Option<u64>, used: Option<u64>| {
        let (bound, used) = bound.zip(used)?;
        i64::try_from(i128::from(bound) - i128::from(used)).ok()
    };
    Some(PacingRow {
        gogc: counters.gc_percent,
        memory_limit_bytes: counters.memory_limit,
        marked_bytes: counters.heap_marked,
        heap_bytes: counters.heap_live,
        goal_bytes: counters.heap_goal,
        goal_by: goal_by(
            counters.gc_percent,
            counters.memory_limit,
            counters.heap_goal,
            counters.gogc_goal,
        ),
        to_goal_bytes: left(counters.heap_goal, counters.heap_live),
        counted_bytes: counters.mapped_ready,
        to_limit_bytes: left(counters.memory_limit, counters.mapped_ready),
        gc_cpu_share: counters.gc_cpu_fraction,
        collections: counters.num_gc,
    })
}

/// Which bound is the lower one (mgcpacer.go, `heapGoalInternal`).
fn goal_by(
    percent: Option<i32>,
    limit: Option<u64>,
    goal: Option<u64>,
    by_percent: Option<u64>,
) -> Option<GoalBy> {
    match (percent?, limit, goal) {
        (..0, None, _) => Some(GoalBy::Nothing),
        (..0, Some(_), _) => Some(GoalBy::MemoryLimit),
        (_, None, _) => Some(GoalBy::Gogc),
        (_, Some(_), Some(goal)) if goal < by_percent? => Some(GoalBy::MemoryLimit),
        (_, Some(_), Some(_)) => Some(GoalBy::Gogc),
        (_, Some(_), None) => None,
    }
}
