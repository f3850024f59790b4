//! Planners for the tests: fixed ranges, and something on the side.

use leakscope_target::{
    Addr, AddrRange, Capture, CopyPlan, CopyPlanner, Error, LiveProcess, Memory, PlanError,
};

use crate::support::Heartbeat;

/// Asks for the same ranges every time, and does something within the stop.
pub(crate) struct Fixed {
    ranges: Vec<AddrRange>,
    aside: Box<dyn FnMut()>,
}

impl Fixed {
    pub(crate) fn ranges(ranges: Vec<AddrRange>) -> Self {
        Self {
            ranges,
            aside: Box::new(|| {}),
        }
    }

    /// The cells that the target writes one after the other, without end.
    pub(crate) fn cells(target: &Heartbeat) -> Self {
        let len = target.stated("count") * target.stated("stride");
        Self::ranges(vec![
            AddrRange::new(Addr(target.stated("cells")), len).expect("a range"),
        ])
    }

    /// The main thread's stack.
    pub(crate) fn stack_of(process: &LiveProcess) -> Result<Self, Error> {
        let mappings = process.mappings()?;
        Ok(Self::ranges(
            mappings
                .iter()
                .filter(|m| m.path == b"[stack]")
                .map(|m| m.range)
                .collect(),
        ))
    }

    /// All private writable memory.
    pub(crate) fn private_memory(process: &LiveProcess) -> Result<Self, Error> {
        let mappings = process.mappings()?;
        let private = mappings
            .iter()
            .filter(|m| m.perms.read && m.perms.write && !m.perms.shared);
        Ok(Self::ranges(
            private
                .filter(|m| !m.path.starts_with(b"[v"))
                .map(|m| m.range)
                .collect(),
        ))
    }

    /// Does `aside` within each stop, before planning.
    pub(crate) fn also(mut self, aside: impl FnMut() + 'static) -> Self {
        self.aside = Box::new(aside);
        self
    }

    /// The target writes round after round into its cells in order: one moment shows N+1 up to a point and N from there.
    #[track_caller]
    pub(crate) fn assert_one_moment(target: &Heartbeat, capture: Capture) {
        assert!(!capture.stop.torn);
        let image = capture.image.build();
        let cell = |i| {
            image
                .u64(Addr(target.stated("cells") + i * target.stated("stride")))
                .expect("a cell")
        };
        let cells: Vec<u64> = (0..target.stated("count")).map(cell).collect();
        let (first, last) = (cells[0], cells[cells.len() - 1]);
        assert!(first == last || first == last + 1, "from {first} to {last}");
        assert!(
            cells.windows(2).all(|w| w[0] >= w[1]),
            "a cell is newer than the one before it"
        );
    }
}

impl CopyPlanner for Fixed {
    fn rehearse(&mut self, _running: &dyn Memory) -> Result<CopyPlan, PlanError> {
        let mut plan = CopyPlan::with_capacity(self.ranges.len());
        self.ranges.iter().try_for_each(|r| plan.push(*r))?;
        Ok(plan)
    }

    fn plan(&mut self, _stopped: &dyn Memory, plan: &mut CopyPlan) -> Result<(), PlanError> {
        (self.aside)();
        self.ranges.iter().try_for_each(|r| plan.push(*r))
    }
}
