//! Patterns of several series of one process, and plain thresholds.

use super::{Process, Scratch};
use crate::config::Config;
use crate::floors::Floors;
use crate::signature;
use crate::verdict::{Change, Judged, Test, TestName, Verdict};
use crate::{Channel, Millis, Risk, Signal};

/// What is known of a signature.
#[derive(Clone, Debug, Default)]
pub(super) struct Pattern {
    /// Since when all of its conditions hold.
    since: Option<Millis>,
    /// Whether that has been said.
    firing: bool,
}

impl Process {
    /// Looks for every signature; those that begin or cease to hold are added to `changes`.
    pub(super) fn match_signatures(
        &mut self,
        now: Millis,
        config: &Config,
        scratch: &mut Scratch,
        changes: &mut Vec<Change>,
    ) {
        self.patterns
            .resize_with(config.signatures.len(), Pattern::default);
        let from = self.from(now, config);
        for (at, signature) in config.signatures.iter().enumerate() {
            let mut tests = Vec::new();
            let holds = signature.conditions.iter().all(|condition| {
                let (series, newest) = self.series(&condition.signal, now, config);
                let from = series.map_or(0, |s| from.div_euclid(s.bucket()));
                let shape = condition.shape;
                let looked = signature::look(
                    shape,
                    series,
                    newest,
                    from,
                    &config.tests,
                    &mut scratch.shape,
                );
                let Some((value, passed)) = looked else {
                    return false;
                };
                let bound = match shape {
                    signature::Shape::Above(bound) | signature::Shape::Below(bound) => bound,
                    signature::Shape::Rising | signature::Shape::Flat => f64::NAN,
                };
                tests.push(Test {
                    name: TestName::Condition,
                    value,
                    bound,
                    passed,
                });
                passed
            });
            let pattern = &mut self.patterns[at];
            if holds {
                pattern.since.get_or_insert(now);
            } else {
                pattern.since = None;
            }
            let least = signature
                .holds_for
                .max(config.every * i64::from(config.hits.saturating_sub(1)));
            let firing = pattern.since.is_some_and(|since| now - since >= least);
            if firing == pattern.firing {
                continue;
            }
            pattern.firing = firing;
            let (from, verdict) = if firing {
                (Verdict::Quiet, signature.verdict)
            } else {
                (signature.verdict, Verdict::Quiet)
            };
            changes.push(Change {
                at: now,
                about: Judged::Signature(signature.name.clone()),
                from,
                verdict,
                risk: Risk::default(),
                slope: None,
                time_to_exhaustion: None,
                window: None,
                tests,
            });
        }
    }

    /// The series of that name, and its newest value if that is not too old.
    fn series(&self, name: &str, now: Millis, config: &Config) -> (Option<&Floors>, Option<f64>) {
        let share = match name {
            "heap_share" => Some(Channel::HeapFloor),
            "rss_share" => Some(Channel::Rss),
            "native_share" => Some(Channel::Native),
            _ => None,
        };
        let series = match (share, Signal::named(name)) {
            (Some(channel), _) => self.floors(channel),
            (None, Some(Signal::Load)) => self.load.as_ref(),
            (None, Some(signal)) => signal.channel().and_then(|c| self.floors(c)),
            (None, None) => self.named.iter().find(|(n, _)| n == name).map(|(_, f)| f),
        };
        let newest = series
            .and_then(Floors::newest)
            .filter(|(at, _)| now - at <= config.stale)
            .map(|(_, value)| value);
        match share {
            Some(channel) => {
                let capacity = self.capacity(channel);
                (None, newest.zip(capacity).map(|(n, c)| n / c))
            }
            None => (series, newest),
        }
    }
}
