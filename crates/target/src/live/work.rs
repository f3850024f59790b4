//! The work of a capture between stop and release: prepared beforehand, it allocates nothing and writes to no descriptor.

use std::fs::File;
use std::io::Read;
use std::time::{Duration, Instant};

use super::LiveProcess;
use super::copy::Team;
use super::failure::Snag;
use crate::stop::{Holder, Stopped};
use crate::{CopyPlan, CopyPlanner, Error, Thread};

/// What is read between stop and release.
struct Inside {
    maps_len: usize,
    planned: Instant,
    copied: Instant,
}

/// When which part was done, and what else was learned.
pub(super) struct Timed {
    pub(super) maps_len: usize,
    pub(super) threads: Vec<Thread>,
    pub(super) measured: Option<Duration>,
    pub(super) stopping: Duration,
    pub(super) planning: Duration,
    pub(super) copying: Duration,
}

/// Everything that the work between stop and release needs, prepared beforehand.
pub(super) struct Work<'a, 'b> {
    pub(super) process: &'a LiveProcess,
    pub(super) planner: &'a mut dyn CopyPlanner,
    pub(super) plan: &'a mut CopyPlan,
    pub(super) team: &'a Team<'b>,
    /// Bytes that the region holds.
    pub(super) room: u64,
    pub(super) maps: &'a mut [u8],
    pub(super) maps_file: File,
}

impl Work<'_, '_> {
    /// Stops the process and does the work; the process runs on when this returns.
    pub(super) fn stopped(&mut self, holder: &Holder, budget: Duration) -> Result<Timed, Snag> {
        let stopped = holder.stop(budget).map_err(Snag::Stop)?;
        let still = Instant::now();
        let inside = self.inside(Some(&stopped));
        let released = stopped.release();
        let inside = match (inside, &released) {
            // What the planner met may have come of the stop's early end.
            (Err(Snag::Changed), _) => return Err(Snag::Changed),
            (_, Err(failure)) => return Err(Snag::Stop(*failure)),
            (inside, Ok(_)) => inside?,
        };
        let ended = released.map_err(Snag::Stop)?;
        Ok(Timed {
            maps_len: inside.maps_len,
            threads: ended.threads,
            measured: Some(ended.held),
            stopping: ended.stopping,
            planning: inside.planned - still,
            copying: inside.copied - inside.planned,
        })
    }

    /// Does the work on the running process.
    pub(super) fn running(&mut self) -> Result<Timed, Snag> {
        let begun = Instant::now();
        let inside = self.inside(None)?;
        self.process.verify().map_err(Snag::Failed)?;
        Ok(Timed {
            maps_len: inside.maps_len,
            threads: Vec::new(),
            measured: None,
            stopping: Duration::ZERO,
            planning: inside.planned - begun,
            copying: inside.copied - inside.planned,
        })
    }

    /// The work itself. Allocates nothing, writes to no descriptor.
    fn inside(&mut self, stopped: Option<&Stopped<'_>>) -> Result<Inside, Snag> {
        let holds = || stopped.is_none_or(Stopped::holds);
        if self.process.verify().is_err() {
            return Err(Snag::Changed);
        }
        let maps_len = self.read_maps()?;
        self.plan.clear();
        self.planner.plan(&self.process.memory(), self.plan)?;
        let planned = Instant::now();
        if !self.team.set(self.plan.ranges()) {
            return Err(Snag::Outgrown {
                what: "the list of ranges",
            });
        }
        if self.team.bytes() > self.room {
            return Err(Snag::Outgrown { what: "the copy" });
        }
        self.team.copy(holds);
        Ok(Inside {
            maps_len,
            planned,
            copied: Instant::now(),
        })
    }

    /// Reads `/proc/PID/maps` into the buffer.
    fn read_maps(&mut self) -> Result<usize, Snag> {
        let mut len = 0;
        loop {
            let Some(room) = self.maps.get_mut(len..).filter(|room| !room.is_empty()) else {
                return Err(Snag::Outgrown {
                    what: "the list of mappings",
                });
            };
            match self.maps_file.read(room) {
                Ok(0) => return Ok(len),
                Ok(n) => len += n,
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(source) => {
                    return Err(Snag::Failed(Error::Proc {
                        pid: self.process.pid(),
                        file: "maps",
                        source,
                    }));
                }
            }
        }
    }
}
