//! Why a capture failed, with the facts that help.

use std::io::Read;
use std::time::Duration;

use super::capture::MAX_ATTEMPTS;
use super::{CaptureOptions, LiveProcess, open};
use crate::stop::{Failure, MAX_THREADS};
use crate::{Error, Fault, PlanError};

/// Why an attempt yielded nothing.
pub(super) enum Snag {
    /// The target outgrew what was prepared: worth another attempt.
    Outgrown {
        what: &'static str,
    },
    /// The stop did not come about, or ended before its time.
    Stop(Failure),
    /// It is not the process, or not the program, that was opened.
    Changed,
    Plan(PlanError),
    Read(Fault),
    Failed(Error),
}

impl From<PlanError> for Snag {
    fn from(e: PlanError) -> Self {
        match e {
            PlanError::Outgrown { what } => Self::Outgrown { what },
            other => Self::Plan(other),
        }
    }
}

impl LiveProcess {
    /// What went wrong, with facts gathered now that the process runs.
    pub(super) fn error(&self, snag: Snag, opts: &CaptureOptions) -> Error {
        let pid = self.pid();
        if let Err(changed) = self.verify() {
            return changed;
        }
        match snag {
            Snag::Failed(error) => error,
            Snag::Plan(error) => Error::Plan(error),
            Snag::Read(Fault::Gone) | Snag::Changed | Snag::Stop(Failure::NoThread) => {
                Error::Gone { pid }
            }
            Snag::Read(fault) => Error::Read(fault),
            Snag::Outgrown { what } => Error::Outgrown {
                what,
                attempts: MAX_ATTEMPTS,
            },
            Snag::Stop(failure) => match failure {
                Failure::NotStopped { tid } => self.stuck(tid, opts.max_stop),
                Failure::NotTraced { errno, .. } | Failure::NotListed { errno } => {
                    open::why_not_traced(&self.proc, pid, errno)
                }
                Failure::TooManyThreads => Error::TooManyThreads {
                    pid,
                    cap: MAX_THREADS,
                },
                Failure::Deadline => Error::StopEnded {
                    max_stop: opts.max_stop,
                    copied: 0,
                    bytes: 0,
                },
                Failure::NoThread => Error::Gone { pid },
                Failure::HolderDied => Error::HolderDied { pid },
            },
        }
    }

    fn stuck(&self, tid: i32, waited: Duration) -> Error {
        let task = self.proc.task_from_tid(tid).ok();
        let state = task.and_then(|t| t.stat().ok()).map_or('?', |s| s.state);
        let mut wchan = Vec::new();
        if let Ok(mut file) = open::open_below(&self.proc, &format!("task/{tid}/wchan")) {
            // Without permission it reads as "0".
            let _ = file.read_to_end(&mut wchan);
        }
        if wchan == b"0" {
            wchan.clear();
        }
        Error::ThreadStuck {
            pid: self.pid(),
            tid,
            state,
            wchan,
            waited,
        }
    }
}
