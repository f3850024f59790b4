//! The size of the heap at which the collector wants to be done.

/// What the goal is made of (mgcpacer.go, `gcControllerState`, the same from 1.21 to 1.27).
#[derive(Debug, Clone, Copy)]
pub(super) struct Pacer {
    pub(super) gc_percent_heap_goal: u64,
    pub(super) sweep_dist_min_trigger: u64,
    pub(super) triggered: u64,
    pub(super) memory_limit: u64,
    pub(super) heap_marked: u64,
    pub(super) heap_free: u64,
    pub(super) heap_alloc: u64,
    pub(super) mapped_ready: u64,
}

/// A memory limit that is none (`math.MaxInt64`).
pub(super) const NO_LIMIT: u64 = i64::MAX as u64;
/// A goal that is none, and a trigger that was not pulled (`^uint64(0)`).
const NONE: u64 = u64::MAX;
/// `minRunway` of `heapGoalInternal`.
const MIN_RUNWAY: u64 = 64 << 10;
/// `memoryLimitHeapGoalHeadroomPercent`.
const HEADROOM_PERCENT: u64 = 3;
/// `memoryLimitMinHeapGoalHeadroom`.
const MIN_HEADROOM: u64 = 1 << 20;

impl Pacer {
    /// `heapGoalInternal`; `None` where nothing sets a goal.
    pub(super) fn goal(&self) -> Option<u64> {
        if self.gc_percent_heap_goal == NONE && self.memory_limit == NO_LIMIT {
            return None;
        }
        let by_limit = self.goal_by_limit();
        if by_limit < self.gc_percent_heap_goal {
            return Some(by_limit);
        }
        let mut goal = self.gc_percent_heap_goal.max(self.sweep_dist_min_trigger);
        if self.triggered != NONE {
            goal = goal.max(self.triggered.saturating_add(MIN_RUNWAY));
        }
        Some(goal)
    }

    /// `memoryLimitHeapGoal`. Counters of different moments cannot make it wrap.
    fn goal_by_limit(&self) -> u64 {
        let not_heap = self
            .mapped_ready
            .saturating_sub(self.heap_free)
            .saturating_sub(self.heap_alloc);
        let overage = self.mapped_ready.saturating_sub(self.memory_limit);
        let taken = not_heap.saturating_add(overage);
        if taken >= self.memory_limit {
            return self.heap_marked;
        }
        let goal = self.memory_limit - taken;
        let headroom = (goal / 100 * HEADROOM_PERCENT).max(MIN_HEADROOM);
        let goal = if goal < headroom || goal - headroom < headroom {
            headroom
        } else {
            goal - headroom
        };
        goal.max(self.heap_marked)
    }

    /// Whether the parts can be of one moment: what is free or allocated is mapped.
    pub(super) fn is_plausible(&self) -> bool {
        self.heap_free
            .checked_add(self.heap_alloc)
            .is_some_and(|sum| sum <= self.mapped_ready)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn pacer() -> Pacer {
        Pacer {
            gc_percent_heap_goal: 100 * MIB,
            sweep_dist_min_trigger: 0,
            triggered: NONE,
            memory_limit: NO_LIMIT,
            heap_marked: 50 * MIB,
            heap_free: 10 * MIB,
            heap_alloc: 60 * MIB,
            mapped_ready: 90 * MIB,
        }
    }

    #[test]
    fn without_a_limit_the_percentage_rules_and_a_late_trigger_moves_it() {
        assert_eq!(pacer().goal(), Some(100 * MIB));
        let late = Pacer {
            triggered: 100 * MIB,
            ..pacer()
        };
        assert_eq!(late.goal(), Some(100 * MIB + MIN_RUNWAY));
        let off = Pacer {
            gc_percent_heap_goal: NONE,
            ..pacer()
        };
        assert_eq!(off.goal(), None);
    }

    #[test]
    fn a_limit_leaves_what_is_not_heap_and_a_headroom() {
        let limited = Pacer {
            memory_limit: 100 * MIB,
            ..pacer()
        };
        // 20 MiB of the mapped memory are no heap; the headroom is 3 % of the 80 MiB left.
        assert_eq!(limited.goal(), Some(80 * MIB - 80 * MIB / 100 * 3));
        let hopeless = Pacer {
            memory_limit: 10 * MIB,
            ..pacer()
        };
        assert_eq!(hopeless.goal(), Some(50 * MIB));
    }

    #[test]
    fn counters_of_different_moments_are_noticed_and_do_no_harm() {
        let torn = Pacer {
            mapped_ready: 1,
            heap_free: u64::MAX,
            memory_limit: 0,
            triggered: u64::MAX - 1,
            ..pacer()
        };
        assert!(!torn.is_plausible() && pacer().is_plausible());
        assert_eq!(torn.goal(), Some(50 * MIB));
    }
}
