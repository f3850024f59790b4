//! A history in memory: samples of named series of one process, in order of time.

use leakscope_trend::{Config, Millis, Signal, SignalFact};

/// Most samples of a history: a year of nine series every minute is 4.7 million.
pub(super) const MAX_SAMPLES: usize = 20_000_000;

/// Most lines or values that cannot be read which are named one by one.
pub(super) const MAX_NAMED: usize = 20;

/// One value of one series.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    pub(super) at: Millis,
    /// Which series, as an index into [`History::names`].
    pub(super) name: u16,
    pub(super) value: f64,
}

/// Everything that is recorded of one process.
#[derive(Debug, Default)]
pub(super) struct History {
    /// The process, by its labels; empty in a history of one.
    pub(super) labels: String,
    pub(super) names: Vec<String>,
    pub(super) samples: Vec<Sample>,
}

impl History {
    /// The index of a series, new or not.
    pub(super) fn series(&mut self, name: &str) -> u16 {
        let at = self.names.iter().position(|n| n == name);
        let at = at.unwrap_or_else(|| {
            self.names.push(name.to_owned());
            self.names.len() - 1
        });
        // Only names that a configuration knows come here, some hundreds at most.
        u16::try_from(at).unwrap_or(u16::MAX)
    }

    /// Puts samples in order of time; those of one moment stay in the order in which they came, with what describes the
    /// process before what it does.
    pub(super) fn sort(&mut self) {
        let describes: Vec<bool> = self
            .names
            .iter()
            .map(|name| {
                let signal = Signal::named(name);
                signal.is_some_and(|s| s.channel().is_none() && s != Signal::Load)
            })
            .collect();
        let rank = |s: &Sample| !describes.get(usize::from(s.name)).is_some_and(|d| *d);
        self.samples.sort_by_key(|s| (s.at, rank(s)));
    }
}

/// What could not be read, the first few by name and the rest by number.
#[derive(Debug, Default)]
pub(super) struct Unread {
    pub(super) named: Vec<String>,
    more: u64,
}

impl Unread {
    pub(super) fn add(&mut self, what: String) {
        if self.named.len() < MAX_NAMED {
            self.named.push(what);
        } else {
            self.more += 1;
        }
    }

    /// All of it, in words.
    pub(super) fn remarks(self) -> Vec<String> {
        let mut remarks = self.named;
        if self.more > 0 {
            remarks.push(format!("and {} more", self.more));
        }
        remarks
    }
}

/// Whether a series of this name is of use.
pub(super) fn is_used(name: &str, config: &Config) -> bool {
    let known = |fact: &SignalFact| fact.name == name;
    Signal::named(name).is_some()
        || leakscope_trend::SIGNAL_FACTS.iter().any(known)
        || config
            .signatures
            .iter()
            .flat_map(|s| &s.conditions)
            .any(|c| c.signal == name)
}

/// A time in seconds since 1970 as milliseconds; `None` where it is none of the years 1 to 9999.
pub(super) fn millis(seconds: f64) -> Option<Millis> {
    let sensible = -6.2e10..=2.54e11;
    sensible
        .contains(&seconds)
        .then(|| (seconds * 1e3).round() as Millis)
}
