//! From the floors of a channel to what is said about it.

use super::{Process, Scratch};
use crate::config::Config;
use crate::judge::Judge;
use crate::stats::highest;
use crate::verdict::{Change, Judged, Test, TestName, Verdict};
use crate::window::{self, Outcome, Subject};
use crate::{Channel, Evidence, FleetVerdict, Millis, Risk, Signal};

impl Process {
    /// Whether a channel is judged: what it is judged by can come.
    pub(super) fn judged(&self, channel: Channel) -> bool {
        let heap = self.supplied[Signal::HeapFloor as usize];
        match channel {
            Channel::HeapFloor => heap,
            Channel::Rss => self.supplied[Signal::Rss as usize] && !heap,
            Channel::Native => self.supplied[Signal::Native as usize],
            Channel::Count => self.supplied[Signal::Count as usize],
        }
    }

    /// The first moment that counts: after the start of this life and after the warm-up.
    pub(super) fn from(&self, now: Millis, config: &Config) -> Millis {
        let born = self.born.unwrap_or(now);
        let share = (config.warm_up_share * (now - born).max(0) as f64) as Millis;
        (born + config.warm_up.max(share)).max(self.life)
    }

    /// Fills the outcomes of the windows of a channel, longest first.
    pub(super) fn outcomes(
        &self,
        judge: &Judge,
        now: Millis,
        config: &Config,
        scratch: &mut Scratch,
    ) {
        scratch.outcomes.clear();
        let bucket = judge.floors.bucket();
        let start = self.from(now, config);
        let from = start.div_euclid(bucket) + i64::from(start.rem_euclid(bucket) != 0);
        let to = now.div_euclid(bucket) - 1;
        let subject = Subject {
            channel: judge.channel,
            floors: &judge.floors,
            load: self.load.as_ref(),
            capacity: self.bounds.capacity(judge.channel, self.runtime),
            tests: &config.tests,
            pace: config.sensitivity.pace(),
        };
        let mut peak = self.memory.peak(judge.channel);
        let whole = window::test(&subject, from, to, peak, &mut scratch.work);
        scratch.outcomes.push(whole);
        let mut before = from;
        for length in &config.windows {
            let begin = to + 1 - length / bucket;
            if begin <= from {
                continue;
            }
            let (first, rows) = judge.floors.since(before);
            let count = usize::try_from(begin - first).unwrap_or(0).min(rows.len());
            if let Some(highest) = highest(&rows[..count]) {
                let highest = f64::from(highest);
                peak = Some(peak.map_or(highest, |p| p.max(highest)));
            }
            before = begin;
            let outcome = window::test(&subject, begin, to, peak, &mut scratch.work);
            scratch.outcomes.push(outcome);
        }
    }

    /// Judges a channel: its verdict, if that has changed.
    pub(super) fn judge(
        &mut self,
        channel: Channel,
        now: Millis,
        config: &Config,
        scratch: &mut Scratch,
    ) -> Option<Change> {
        if self.judges[channel as usize].is_none() {
            // Supplied, but nothing has come: it is said once that nothing is known.
            let mut judge = Judge::new(channel, config);
            judge.fresh = false;
            self.judges[channel as usize] = Some(judge);
            return Some(unknown(channel, now));
        }
        let judge = self.judges[channel as usize].as_ref()?;
        self.outcomes(judge, now, config, scratch);
        let outcomes = &scratch.outcomes;
        let best = outcomes
            .iter()
            .enumerate()
            .max_by_key(|(i, o)| {
                let rank = (o.leak, o.suspect, o.grows, o.tests().len());
                (rank, std::cmp::Reverse(*i))
            })
            .map(|(_, o)| o)?;
        let fresh_enough = judge.floors.newest().is_some_and(|(at, _)| {
            now - at <= config.stale && at + judge.floors.bucket() > self.life
        });
        let known = fresh_enough && outcomes.iter().any(|o| o.known);
        let (seen, silenced) = self.seen(judge, best, known, config);
        let known_windows = outcomes.iter().filter(|o| o.known).count().max(1);
        let agreeing = outcomes.iter().filter(|o| o.grows).count();
        let fleet = self.fleet[channel as usize];
        let agreement = fleet.map_or(agreeing as f64 / known_windows as f64, |(_, share)| share);
        let risk = risk(best, judge.evidence, agreement);
        let best = *best;
        let judge = self.judges[channel as usize].as_mut()?;
        let from = judge.verdict;
        let first = judge.fresh;
        let verdict = judge.settle(seen, config);
        if verdict == from && !first {
            return None;
        }
        let mut tests = best.tests().to_vec();
        if let Some(test) = silenced {
            tests.push(test);
        }
        let in_a_row = if seen == Verdict::Leak {
            judge.leaks
        } else {
            judge.growths
        };
        if seen >= Verdict::Suspect {
            let hits = f64::from(config.hits);
            tests.push(Test::at_least(TestName::InARow, f64::from(in_a_row), hits));
        }
        Some(Change {
            at: now,
            about: Judged::Channel(channel),
            from,
            verdict,
            risk,
            slope: best.grows.then_some(best.slope),
            time_to_exhaustion: best.left.filter(|_| best.grows).map(|left| left as Millis),
            window: best.known.then_some(best.span),
            tests,
        })
    }

    /// What this evaluation alone says, and the test that took back a leak.
    fn seen(
        &self,
        judge: &Judge,
        best: &Outcome,
        known: bool,
        config: &Config,
    ) -> (Verdict, Option<Test>) {
        let verdict = match (known, best.leak, best.suspect) {
            (false, ..) => Verdict::Unknown,
            (_, true, _) => Verdict::Leak,
            (_, _, true) => Verdict::Suspect,
            _ => Verdict::Quiet,
        };
        if verdict != Verdict::Leak {
            return (verdict, None);
        }
        let bounded = judge.evidence == Some(Evidence::Bounded);
        let fleet = self.fleet[judge.channel as usize];
        let clock = matches!(fleet, Some((FleetVerdict::Clock, _)));
        if bounded || clock {
            let capacity = self.bounds.capacity(judge.channel, self.runtime);
            let newest = judge.floors.newest().map_or(best.now, |(_, value)| value);
            let fill = capacity.map_or(0.0, |c| newest / c);
            let name = if bounded {
                TestName::Evidence
            } else {
                TestName::Replicas
            };
            let test = Test::at_least(name, fill, config.evidence_until);
            if !test.passed {
                return (Verdict::Suspect, Some(test));
            }
        }
        (verdict, None)
    }
}

fn unknown(channel: Channel, at: Millis) -> Change {
    Change {
        at,
        about: Judged::Channel(channel),
        from: Verdict::Unknown,
        verdict: Verdict::Unknown,
        risk: Risk::default(),
        slope: None,
        time_to_exhaustion: None,
        window: None,
        tests: vec![Test::at_least(TestName::Groups, 0.0, 1.0)],
    }
}

fn risk(best: &Outcome, evidence: Option<Evidence>, agreement: f64) -> Risk {
    if !best.grows {
        return Risk::default();
    }
    Risk {
        trend: Risk::of_z(best.z),
        ratchet: best.steps,
        load_independent: match best.load_independent {
            Some(true) => 1.0,
            Some(false) => 0.0,
            None => 0.5,
        },
        agreement,
        evidence: if evidence == Some(Evidence::Unbounded) {
            1.0
        } else {
            0.0
        },
        urgency: Risk::of_time_left(best.left),
    }
}
