//! One process: its floors, its lives, and what is said about it.

mod judging;
mod patterns;

use patterns::Pattern;

use crate::capacity::Bounds;
use crate::config::Config;
use crate::floors::{Floors, Fold, Taken};
use crate::judge::Judge;
use crate::signature::ShapeWork;
use crate::verdict::{Change, Test, Verdict};
use crate::window::{Outcome, Work};
use crate::{Channel, Evidence, FleetVerdict, Millis, Runtime, Signal, WorkloadMemory};

/// Samples in a row from before the open bucket after which the clock is taken to have been set back.
const LATE_SAMPLES: u32 = 20;

/// Two start times that differ by less are of one process: clocks are read at different moments.
const SAME_START: Millis = 1_500;

/// Change of the limit, as a share, from which on it is another limit.
const SAME_LIMIT: f64 = 0.01;

/// A process whose memory was this full when it ended is taken to have ended for it, unless it had been level for long, as a
/// cache at its maximum: what leaks ends sooner once it is full.
const FULL: f64 = 0.95;

/// However level: a JVM gives up where collections find less than this free (`GCHeapFreeLimit`, 2 % in
/// `hotspot/share/gc/shared/gc_globals.hpp`, JDK 8 to 25), and may live on at its maximum.
const EXHAUSTED: f64 = 0.98;

/// Why a sample was not taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rejected {
    /// Not a finite number of zero or more.
    NotANumber,
    /// From before what is known already.
    Late,
    /// No signature names it.
    Unused,
}

/// How a life of a process ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// It was ended, or ended itself; memory was not the reason, as far as is known.
    Restart,
    /// It ran out of memory.
    OutOfMemory,
}

/// Working space of evaluations; one serves any number of processes.
#[derive(Clone, Debug, Default)]
pub struct Scratch {
    work: Work,
    shape: ShapeWork,
    outcomes: Vec<Outcome>,
}

/// A process that is fed with samples and judged now and then.
#[derive(Clone, Debug)]
pub struct Process {
    runtime: Runtime,
    supplied: [bool; Signal::ALL.len()],
    judges: [Option<Judge>; Channel::ALL.len()],
    load: Option<Floors>,
    /// Series that only signatures look at, by name.
    named: Vec<(String, Floors)>,
    patterns: Vec<Pattern>,
    bounds: Bounds,
    start_time: Option<Millis>,
    /// When the process started, or was first seen.
    born: Option<Millis>,
    /// Floors before this are of another life.
    life: Millis,
    last_rss: Option<f64>,
    late: u32,
    evaluated: Option<i64>,
    /// What comparing each channel with replicas said, and the share of them that grow.
    fleet: [Option<(FleetVerdict, f64)>; Channel::ALL.len()],
    memory: WorkloadMemory,
}

impl Process {
    /// A process of which nothing is known yet. `supplied` says which series its source can give at all: a heap whose
    /// floors could come but do not is unknown, and resident memory is judged only where they cannot come.
    pub fn new(runtime: Runtime, supplied: &[Signal]) -> Self {
        let mut process = Self {
            runtime,
            supplied: [false; Signal::ALL.len()],
            judges: [const { None }; Channel::ALL.len()],
            load: None,
            named: Vec::new(),
            patterns: Vec::new(),
            bounds: Bounds::default(),
            start_time: None,
            born: None,
            life: Millis::MIN,
            last_rss: None,
            late: 0,
            evaluated: None,
            fleet: [None; Channel::ALL.len()],
            memory: WorkloadMemory::default(),
        };
        for signal in supplied {
            process.supplied[*signal as usize] = true;
        }
        process
    }

    /// With what earlier processes of its workload reached.
    pub fn with_memory(mut self, memory: WorkloadMemory) -> Self {
        self.memory = memory;
        self
    }

    /// What this and earlier processes of the workload reached, for the next one.
    pub fn memory(&self) -> &WorkloadMemory {
        &self.memory
    }

    /// What is said about a channel now.
    pub fn verdict(&self, channel: Channel) -> Verdict {
        self.judges[channel as usize]
            .as_ref()
            .map_or(Verdict::Unknown, |j| j.verdict)
    }

    /// The floors of a channel.
    pub fn floors(&self, channel: Channel) -> Option<&Floors> {
        self.judges[channel as usize].as_ref().map(|j| &j.floors)
    }

    /// When this life started: of the process, or of its present limit.
    pub fn life_from(&self) -> Option<Millis> {
        Some(self.born?.max(self.life))
    }

    /// When its process started, or was first seen.
    pub fn born(&self) -> Option<Millis> {
        self.born
    }

    /// Value at which a channel is full, as far as is known.
    pub fn capacity(&self, channel: Channel) -> Option<f64> {
        self.bounds.capacity(channel, self.runtime)
    }

    /// Takes a sample of a signal. A signal that comes is one that is supplied, whether it was announced or not.
    pub fn set(
        &mut self,
        at: Millis,
        signal: Signal,
        value: f64,
        config: &Config,
    ) -> Option<Rejected> {
        let sign = signal == Signal::Gogc;
        if !value.is_finite() || (value < 0.0 && !sign) {
            return Some(Rejected::NotANumber);
        }
        self.supplied[signal as usize] = true;
        if signal != Signal::StartTime {
            self.born.get_or_insert(at);
        }
        match signal {
            Signal::StartTime => self.started(at, value),
            Signal::Limit => self.limited(at, value),
            Signal::HeapMax => self.bounds.heap_max = Some(value),
            Signal::Gogc => self.bounds.gogc = Some(value),
            Signal::Load => {
                let load = self.load.get_or_insert_with(|| floors(Fold::Mean, config));
                let taken = load.push(at, value);
                return self.counted(at, taken);
            }
            Signal::HeapFloor | Signal::Rss | Signal::Native | Signal::Count => {
                return self.sampled(at, signal, value, config);
            }
        }
        None
    }

    /// Takes a sample of a signal that only signatures look at.
    pub fn set_named(
        &mut self,
        at: Millis,
        name: &str,
        value: f64,
        config: &Config,
    ) -> Option<Rejected> {
        if let Some(signal) = Signal::named(name) {
            return self.set(at, signal, value, config);
        }
        if !value.is_finite() || value < 0.0 {
            return Some(Rejected::NotANumber);
        }
        if !self.named.iter().any(|(n, _)| n == name) {
            let used = |s: &crate::Signature| s.conditions.iter().any(|c| c.signal == name);
            if !config.signatures.iter().any(used) {
                return Some(Rejected::Unused);
            }
            self.named
                .push((name.to_owned(), floors(Fold::Low, config)));
        }
        let (_, series) = self.named.iter_mut().find(|(n, _)| n == name)?;
        let taken = series.push(at, value);
        self.counted(at, taken)
    }

    fn sampled(
        &mut self,
        at: Millis,
        signal: Signal,
        value: f64,
        config: &Config,
    ) -> Option<Rejected> {
        let channel = signal.channel()?;
        match channel {
            Channel::Rss => {
                let before = self.last_rss.replace(value);
                let fell = before.is_some_and(|b| value < (1.0 - config.restart_drop) * b);
                if fell && !self.supplied[Signal::StartTime as usize] {
                    self.end_life(at, End::Restart, true);
                }
                self.bounds.rss = Some(value);
            }
            Channel::Native => self.bounds.native = Some(value),
            Channel::HeapFloor => self.bounds.heap_floor = Some(value),
            Channel::Count => {}
        }
        let judge =
            self.judges[channel as usize].get_or_insert_with(|| Judge::new(channel, config));
        let taken = judge.floors.push(at, value);
        if taken == Taken::Yes {
            judge.peak = judge.peak.max(value);
        }
        self.counted(at, taken)
    }

    /// After many late samples in a row the clock has been set back: what is known is of a time that has not come yet.
    fn counted(&mut self, at: Millis, taken: Taken) -> Option<Rejected> {
        if taken == Taken::Yes {
            self.late = 0;
            return None;
        }
        self.late += 1;
        if self.late > LATE_SAMPLES {
            self.late = 0;
            self.evaluated = None;
            self.end_life(at, End::Restart, true);
            self.clear();
        }
        Some(Rejected::Late)
    }

    fn clear(&mut self) {
        for judge in self.judges.iter_mut().flatten() {
            judge.floors.clear();
        }
        if let Some(load) = &mut self.load {
            load.clear();
        }
        for (_, series) in &mut self.named {
            series.clear();
        }
    }

    fn started(&mut self, at: Millis, seconds: f64) {
        let start = ((seconds * 1e3) as Millis).min(at);
        match self.start_time {
            Some(known) if (known - start).abs() < SAME_START => return,
            Some(_) => self.end_life(at, End::Restart, true),
            None => {}
        }
        self.start_time = Some(start);
        self.born = Some(start);
    }

    fn limited(&mut self, at: Millis, limit: f64) {
        let before = self.bounds.limit.replace(limit);
        if before.is_some_and(|b| (b - limit).abs() > SAME_LIMIT * b) {
            // The process is the same, and warm.
            self.end_life(at, End::Restart, false);
        }
    }

    /// Ends a life. What it reached is remembered unless memory was what ended it, or it was a leak.
    pub fn end(&mut self, at: Millis, end: End) {
        self.end_life(at, end, true);
    }

    fn end_life(&mut self, at: Millis, end: End, process_ended: bool) {
        let bounds = self.bounds;
        for judge in self.judges.iter_mut().flatten() {
            let most = if judge.level_by_nature {
                EXHAUSTED
            } else {
                FULL
            };
            let full = bounds
                .capacity(judge.channel, self.runtime)
                .zip(judge.floors.newest())
                .is_some_and(|(capacity, (_, newest))| newest >= most * capacity);
            let by_memory = process_ended && (end == End::OutOfMemory || full);
            if !by_memory && judge.verdict != Verdict::Leak && judge.peak > 0.0 {
                self.memory.remember(judge.channel, judge.peak);
            }
            judge.renew();
        }
        // The open bucket holds samples of both lives: it counts for neither.
        let bucket = self
            .judges
            .iter()
            .flatten()
            .map(|j| j.floors.bucket())
            .next();
        self.life = bucket.map_or(at, |b| (at.div_euclid(b) + 1) * b);
        if process_ended {
            self.born = Some(at);
            self.last_rss = None;
            self.fleet = [None; Channel::ALL.len()];
        }
    }

    /// Says what a look into the heap found about what grows in a channel.
    pub fn set_evidence(&mut self, channel: Channel, evidence: Option<Evidence>) {
        if let Some(judge) = &mut self.judges[channel as usize] {
            judge.evidence = evidence;
        }
    }

    /// Says what comparing a channel with the same of its replicas found, and the share of them that grow.
    /// `None`: that there is nothing to compare it with.
    pub fn set_fleet(&mut self, channel: Channel, seen: Option<(FleetVerdict, f64)>) {
        self.fleet[channel as usize] = seen;
    }

    /// The first time after `after` at which [`Process::evaluate`] does something.
    pub fn next_evaluation(&self, after: Millis, config: &Config) -> Millis {
        let every = config.every.max(1);
        let turn = after.div_euclid(every);
        let next = self.evaluated.map_or(turn, |last| turn.max(last));
        (next + 1).saturating_mul(every)
    }

    /// Judges every channel and signature, at most once in [`Config::every`]; what changed, if anything. Costs some
    /// tens of microseconds, and allocates only for changes.
    pub fn evaluate(&mut self, now: Millis, config: &Config, scratch: &mut Scratch) -> Vec<Change> {
        let turn = now.div_euclid(config.every.max(1));
        let mut changes = Vec::new();
        if self.evaluated.is_some_and(|last| turn <= last) {
            return changes;
        }
        self.evaluated = Some(turn);
        self.close(now);
        for channel in Channel::ALL {
            if self.judged(channel) {
                changes.extend(self.judge(channel, now, config, scratch));
            }
        }
        self.match_signatures(now, config, scratch, &mut changes);
        changes
    }

    /// Every window of a channel, longest first: its length (`None`: the whole life) and its tests.
    pub fn windows(
        &self,
        channel: Channel,
        now: Millis,
        config: &Config,
        scratch: &mut Scratch,
    ) -> Vec<(Option<Millis>, Vec<Test>)> {
        let Some(judge) = &self.judges[channel as usize] else {
            return Vec::new();
        };
        self.outcomes(judge, now, config, scratch);
        let lengths = std::iter::once(None).chain(config.windows.iter().copied().map(Some));
        let tests = scratch.outcomes.iter().map(|o| o.tests().to_vec());
        lengths.zip(tests).collect()
    }

    fn close(&mut self, now: Millis) {
        for judge in self.judges.iter_mut().flatten() {
            judge.floors.close(now);
        }
        if let Some(load) = &mut self.load {
            load.close(now);
        }
        for (_, series) in &mut self.named {
            series.close(now);
        }
    }
}

pub(crate) fn floors(fold: Fold, config: &Config) -> Floors {
    Floors::new(fold, config.bucket, config.kept_buckets())
}
