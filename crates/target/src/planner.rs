//! What to copy while the target is stopped: asked here, decided by the runtime crates.

use crate::{Addr, AddrRange, Fault, Memory};

/// Why a planner could not plan.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// A structure the plan rests on could not be read.
    #[error("cannot read {what}: {fault}")]
    Unreadable {
        /// The structure, in the runtime's own words.
        what: &'static str,
        /// What went wrong.
        #[source]
        fault: Fault,
    },
    /// The target grew past the buffers prepared before the stop; the stop is ended and tried again with larger ones.
    #[error("the target outgrew the buffers prepared for {what}")]
    Outgrown {
        /// Which buffer.
        what: &'static str,
    },
    /// A structure holds something impossible.
    #[error("{what} at {at} is not plausible")]
    Implausible {
        /// The structure, in the runtime's own words.
        what: &'static str,
        /// Where it lies.
        at: Addr,
    },
}

/// Ranges to copy, collected without allocating: the capacity is fixed when the plan is made.
pub struct CopyPlan {
    ranges: Vec<AddrRange>,
    bytes: u64,
}

impl CopyPlan {
    /// A plan with room for `ranges` ranges.
    pub fn with_capacity(ranges: usize) -> Self {
        Self {
            ranges: Vec::with_capacity(ranges),
            bytes: 0,
        }
    }

    /// Adds `range`, joined with the last one where the two touch. Empty ranges are passed over.
    /// Fails with [`PlanError::Outgrown`] instead of allocating.
    pub fn push(&mut self, range: AddrRange) -> Result<(), PlanError> {
        if range.is_empty() {
            return Ok(());
        }
        if let Some(last) = self.ranges.last_mut()
            && last.end == range.start
        {
            last.end = range.end;
            self.bytes += range.len();
            return Ok(());
        }
        if self.ranges.len() == self.ranges.capacity() {
            return Err(PlanError::Outgrown {
                what: "the list of ranges",
            });
        }
        self.ranges.push(range);
        self.bytes += range.len();
        Ok(())
    }

    /// Sorts the ranges and joins those that touch or overlap, in place.
    pub fn normalise(&mut self) {
        self.ranges.sort_unstable();
        let mut kept = 0;
        for i in 0..self.ranges.len() {
            let r = self.ranges[i];
            if kept > 0 && r.start <= self.ranges[kept - 1].end {
                if r.end > self.ranges[kept - 1].end {
                    self.ranges[kept - 1].end = r.end;
                }
            } else {
                self.ranges[kept] = r;
                kept += 1;
            }
        }
        self.ranges.truncate(kept);
        self.bytes = self.ranges.iter().map(AddrRange::len).sum();
    }

    /// Forgets every range, keeping the room.
    pub fn clear(&mut self) {
        self.ranges.clear();
        self.bytes = 0;
    }

    /// The ranges collected so far.
    pub fn ranges(&self) -> &[AddrRange] {
        &self.ranges
    }

    /// How many ranges there is room for.
    pub fn capacity(&self) -> usize {
        self.ranges.capacity()
    }

    /// Sum of the ranges' lengths in bytes.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

/// Decides what to copy while the target is stopped. Implemented by the runtime crates.
///
/// The same planner is used twice: once on the running target ([`rehearse`](Self::rehearse)), to size buffers and to
/// predict the stop, and once inside the stop ([`plan`](Self::plan)), where it must not allocate, log, or write to a descriptor.
pub trait CopyPlanner {
    /// Plans on the running target. May allocate; prepares every buffer that [`plan`](Self::plan) will need, with room to grow.
    /// What it reads may be torn, so it tolerates nonsense. Returns a plan with spare capacity.
    fn rehearse(&mut self, running: &dyn Memory) -> Result<CopyPlan, PlanError>;

    /// Plans inside the stop, into `plan` (cleared by the caller). Bounded work, no allocation.
    fn plan(&mut self, stopped: &dyn Memory, plan: &mut CopyPlan) -> Result<(), PlanError>;
}
