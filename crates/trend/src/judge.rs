//! What is said about one channel of a process: growth must be seen several times in a row, and so must its absence.

use crate::config::Config;
use crate::floors::Floors;
use crate::process::floors;
use crate::verdict::Verdict;
use crate::{Channel, Evidence};

/// One channel: its floors, and the verdict so far.
#[derive(Clone, Debug)]
pub(crate) struct Judge {
    pub(crate) channel: Channel,
    pub(crate) floors: Floors,
    pub(crate) peak: f64,
    pub(crate) verdict: Verdict,
    /// Whether nothing has been said about this life yet.
    pub(crate) fresh: bool,
    /// Evaluations in a row that saw a leak.
    pub(crate) leaks: u32,
    /// Evaluations in a row that saw growth of either pace.
    pub(crate) growths: u32,
    /// Evaluations in a row that saw less than the verdict says.
    pub(crate) milder: u32,
    pub(crate) evidence: Option<Evidence>,
}

impl Judge {
    pub(crate) fn new(channel: Channel, config: &Config) -> Self {
        Self {
            channel,
            floors: floors(channel.fold(), config),
            peak: 0.0,
            verdict: Verdict::Unknown,
            fresh: true,
            leaks: 0,
            growths: 0,
            milder: 0,
            evidence: None,
        }
    }

    /// Starts another life. The verdict stays until the next evaluation, which says that it is unknown.
    pub(crate) fn renew(&mut self) {
        self.peak = 0.0;
        self.leaks = 0;
        self.growths = 0;
        self.milder = u32::MAX;
        self.evidence = None;
    }

    /// The verdict after an evaluation that saw `seen`: growth must be seen several times in a row, and its absence too.
    pub(crate) fn settle(&mut self, seen: Verdict, config: &Config) -> Verdict {
        self.fresh = false;
        self.leaks = if seen == Verdict::Leak {
            self.leaks + 1
        } else {
            0
        };
        self.growths = if seen >= Verdict::Suspect {
            self.growths + 1
        } else {
            0
        };
        self.milder = if seen >= self.verdict {
            0
        } else {
            self.milder.saturating_add(1)
        };
        let next = if self.leaks >= config.hits {
            Verdict::Leak
        } else if self.growths >= config.hits {
            Verdict::Suspect
        } else if seen >= Verdict::Suspect {
            // Not yet often enough to be said.
            self.verdict
        } else {
            seen
        };
        let worse = next > self.verdict;
        if worse || self.verdict <= Verdict::Quiet || self.milder >= config.clear_after {
            self.verdict = next;
            self.milder = 0;
        }
        self.verdict
    }
}
