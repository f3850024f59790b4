//! All that is judged of one process. Live samples and stored floors take the same road through here.

use leakscope_trend::{
    Change, Channel, Config, End, FleetVerdict, Floors, Judged, Millis, Process, Runtime, Scratch,
    Signal, Test, Verdict, WorkloadMemory,
};

use crate::fleet::FleetSeen;
use crate::series::Series;

/// One process before the judge.
#[derive(Clone, Debug)]
pub struct Case {
    runtime: Runtime,
    /// The heap, resident and native memory, the main count, and all patterns.
    main: Process,
    /// Each further count by itself.
    counts: Vec<(Series, Process)>,
    /// What comparing it with its replicas found.
    fleet: Vec<(Series, FleetSeen)>,
}

/// A change of mind about one series or pattern.
#[derive(Clone, PartialEq, Debug)]
pub struct Ruling {
    /// The series, or the name of the signature.
    pub about: String,
    /// What changed, and why.
    pub change: Change,
    /// What comparing it with its replicas found, where there are any.
    pub fleet: Option<FleetSeen>,
}

/// A window with its length (none: the whole life) and its tests.
pub type Window = (Option<Millis>, Vec<Test>);

impl Case {
    /// A process of this runtime, with what earlier ones of its workload reached. `has_floors` says whether its heap's
    /// floors can be had at all: only where they cannot is its resident memory judged.
    pub fn new(runtime: Runtime, has_floors: bool, memory: WorkloadMemory) -> Self {
        let mut supplied = vec![Signal::StartTime, Signal::Rss];
        if has_floors {
            supplied.push(Signal::HeapFloor);
        }
        Self {
            runtime,
            main: Process::new(runtime, &supplied).with_memory(memory),
            counts: Vec::new(),
            fleet: Vec::new(),
        }
    }

    /// Takes a sample. What cannot be used (not a number, too old) is dropped.
    pub fn feed(&mut self, at: Millis, series: &Series, value: f64, config: &Config) {
        match series {
            Series::Signal(signal) => {
                self.main.set(at, *signal, value, config);
                if matches!(signal, Signal::StartTime | Signal::Load) {
                    for (_, process) in &mut self.counts {
                        process.set(at, *signal, value, config);
                    }
                }
            }
            count if *count == Series::main_count(self.runtime) => {
                self.main.set(at, Signal::Count, value, config);
                self.main.set_named(at, series.name(), value, config);
            }
            count if count.is_judged_count() => {
                self.main.set_named(at, series.name(), value, config);
                self.count(at, series, value, config);
            }
            _ => {
                self.main.set_named(at, series.name(), value, config);
            }
        }
    }

    fn count(&mut self, at: Millis, series: &Series, value: f64, config: &Config) {
        let known = self.counts.iter().position(|(s, _)| s == series);
        let index = known.unwrap_or_else(|| {
            let supplied = [Signal::StartTime, Signal::Count];
            let mut process = Process::new(self.runtime, &supplied);
            if let Some(born) = self.main.born() {
                process.set(at, Signal::StartTime, born as f64 / 1e3, config);
            }
            let seen = self.fleet.iter().find(|(s, _)| s == series);
            let seen = seen.map(|(_, seen)| (seen.verdict(), seen.growing));
            process.set_fleet(Channel::Count, seen);
            self.counts.push((series.clone(), process));
            self.counts.len() - 1
        });
        if let Some((_, process)) = self.counts.get_mut(index) {
            process.set(at, Signal::Count, value, config);
        }
    }

    /// Judges everything as of `now`, at most once in [`Config::every`].
    pub fn evaluate(&mut self, now: Millis, config: &Config, scratch: &mut Scratch) -> Vec<Ruling> {
        let runtime = self.runtime;
        let fleet = &self.fleet;
        let ruling = |change: Change, count: Option<&Series>| {
            let about = match (&change.about, count) {
                (_, Some(series)) => series.name().to_owned(),
                (Judged::Channel(channel), _) => {
                    Series::of_channel(*channel, runtime).name().to_owned()
                }
                (Judged::Signature(name), _) => name.clone(),
            };
            let seen = fleet.iter().find(|(series, _)| series.name() == about);
            Ruling {
                fleet: seen.map(|(_, seen)| seen.clone()),
                about,
                change,
            }
        };
        let changes = self.main.evaluate(now, config, scratch);
        let mut rulings: Vec<Ruling> = changes.into_iter().map(|c| ruling(c, None)).collect();
        for (series, process) in &mut self.counts {
            // Patterns look at the main process only.
            let changes = process.evaluate(now, config, scratch).into_iter();
            let own = changes.filter(|c| c.about == Judged::Channel(Channel::Count));
            rulings.extend(own.map(|c| ruling(c, Some(series))));
        }
        rulings
    }

    /// What is said about each series now.
    pub fn verdicts(&self) -> Vec<(Series, Verdict)> {
        let mut verdicts: Vec<(Series, Verdict)> = Channel::ALL
            .into_iter()
            .filter(|channel| self.main.floors(*channel).is_some())
            .map(|c| (Series::of_channel(c, self.runtime), self.main.verdict(c)))
            .collect();
        let counts = self.counts.iter();
        verdicts.extend(counts.map(|(s, p)| (s.clone(), p.verdict(Channel::Count))));
        verdicts
    }

    /// The series that are judged by themselves.
    pub(crate) fn judged(&self) -> impl Iterator<Item = Series> {
        self.verdicts().into_iter().map(|(series, _)| series)
    }

    /// The process that judges a series, and the channel that it is there.
    fn judge_of(&self, about: &str) -> Option<(&Process, Channel)> {
        if let Some((_, process)) = self.counts.iter().find(|(s, _)| s.name() == about) {
            return Some((process, Channel::Count));
        }
        let is_it = |c: &Channel| Series::of_channel(*c, self.runtime).name() == about;
        Some((&self.main, Channel::ALL.into_iter().find(is_it)?))
    }

    /// The floors of a series that is judged.
    pub(crate) fn floors(&self, series: &Series) -> Option<&Floors> {
        let (process, channel) = self.judge_of(series.name())?;
        process.floors(channel)
    }

    /// Whether a series grows by its own trend.
    pub(crate) fn grows(&self, series: &Series) -> bool {
        self.judge_of(series.name())
            .is_some_and(|(process, channel)| process.verdict(channel) >= Verdict::Suspect)
    }

    /// Says what comparing it with its replicas found: of each series, or of none.
    pub(crate) fn set_fleet(&mut self, seen: &[(Series, FleetSeen)]) {
        for (series, _) in std::mem::take(&mut self.fleet) {
            self.tell_fleet(&series, None);
        }
        for (series, seen) in seen {
            self.tell_fleet(series, Some((seen.verdict(), seen.growing)));
        }
        self.fleet = seen.to_vec();
    }

    fn tell_fleet(&mut self, series: &Series, seen: Option<(FleetVerdict, f64)>) {
        if let Some((_, process)) = self.counts.iter_mut().find(|(s, _)| s == series) {
            process.set_fleet(Channel::Count, seen);
            return;
        }
        let runtime = self.runtime;
        let is_it = |c: &Channel| Series::of_channel(*c, runtime) == *series;
        if let Some(channel) = Channel::ALL.into_iter().find(is_it) {
            self.main.set_fleet(channel, seen);
        }
    }

    /// Every window of the series of that name, longest first.
    pub fn windows(
        &self,
        about: &str,
        now: Millis,
        config: &Config,
        scratch: &mut Scratch,
    ) -> Vec<Window> {
        self.judge_of(about)
            .map_or_else(Vec::new, |(process, channel)| {
                process.windows(channel, now, config, scratch)
            })
    }

    /// The value at which the series of that name is full.
    pub fn capacity(&self, about: &str) -> Option<f64> {
        let (process, channel) = self.judge_of(about)?;
        process.capacity(channel)
    }

    /// The process has ended; what its workload has reached by now.
    pub fn end(&mut self, at: Millis, end: End) -> &WorkloadMemory {
        self.main.end(at, end);
        self.main.memory()
    }
}
