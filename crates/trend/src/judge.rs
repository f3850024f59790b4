//! What is said about one channel of a process: growth must be seen several times in a row, and so must its absence.

use crate::config::Config;
use crate::floors::Floors;
use crate::process::floors;
use crate::verdict::Verdict;
use crate::{Channel, Evidence};

/// How many times as long a life must have been level that was called a leak: a process that limps on at its maximum
/// is started again by somebody within half a day.
const ACCUSED: u32 = 6;

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
    /// Evaluations in a row that saw enough, and no growth.
    level: u32,
    /// Whether this life was called a leak at any time.
    accused: bool,
    /// Whether there has been no growth for so long that this is how it is by its nature.
    pub(crate) level_by_nature: bool,
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
            level: 0,
            accused: false,
            level_by_nature: false,
            evidence: None,
        }
    }

    /// Starts another life. The verdict stays until the next evaluation, which says that it is unknown.
    pub(crate) fn renew(&mut self) {
        self.peak = 0.0;
        self.leaks = 0;
        self.growths = 0;
        self.milder = u32::MAX;
        self.level = 0;
        self.accused = false;
        self.level_by_nature = false;
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
        self.level = if seen == Verdict::Quiet {
            self.level.saturating_add(1)
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
        self.accused |= self.verdict == Verdict::Leak;
        let doubt = if self.accused { ACCUSED } else { 1 };
        self.level_by_nature = self.level >= config.clear_after.saturating_mul(doubt);
        self.verdict
    }
}
