//! The watcher: round after round it discovers, samples, judges and stores.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use leakscope_trend::{Channel, End, Millis, Rate, Scratch};
use rustc_hash::FxHashMap;

use crate::case::Case;
use crate::config::Config;
use crate::discover::{Discovery, Found};
use crate::fleet::Fleets;
use crate::recorder::{Recorder, Row};
use crate::replay::replay;
use crate::series::Series;
use crate::sources::cgroup::Groups;
use crate::sources::openmetrics;
use crate::store::{Store, StoreError, StoredIdentity};
use crate::verdict::Verdict;
use crate::watched::{Ended, Round, Watched};

/// Most processes that are watched: floors of each take up to a quarter of a megabyte.
const MAX_PROCESSES: usize = 4096;

/// Time between two looks for what is too old to be kept.
const TIDY: Millis = 3_600_000;

/// Time after which an endpoint that gave garbage or nothing is asked again.
const METRICS_RETRY: Millis = 5 * 60_000;

/// Time of a round for endpoints in all, as a multiple of what one may take. Those that it does not suffice for are asked
/// first in the next round.
const METRICS_BUDGET: u32 = 2;

/// What happened in a round.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct RoundReport {
    /// Verdicts that changed, with their numbers in the store.
    pub verdicts: Vec<Verdict>,
    /// Processes that were sampled.
    pub processes: usize,
    /// Processes that were discovered.
    pub discovered: usize,
    /// Processes that ended.
    pub ended: usize,
    /// What could not be watched or stored, and how often.
    pub gaps: BTreeMap<String, u64>,
}

/// The watcher.
pub struct Agent {
    config: Config,
    store: Store,
    boot: String,
    machine: Option<f64>,
    discovery: Discovery,
    groups: Groups,
    fleets: Fleets,
    watched: Vec<Watched>,
    scratch: Scratch,
    tidied: Option<Millis>,
    /// When endpoints that failed are asked again, and why they failed.
    silent: BTreeMap<usize, (Millis, String)>,
    /// The endpoint that is asked first in the next round.
    first_endpoint: usize,
    /// Verdicts by word since the start, for the exposition.
    pub(crate) totals: BTreeMap<String, u64>,
    pub(crate) rounds: u64,
    pub(crate) gaps: BTreeMap<String, u64>,
}

impl Agent {
    /// A watcher with this configuration, whose text is kept beside its verdicts.
    ///
    /// # Errors
    ///
    /// The store cannot be opened.
    pub fn new(config: Config, text: &str, now: Millis) -> Result<Self, StoreError> {
        let mut store = Store::open(config.watch.store.as_deref())?;
        store.begin_run(now, text)?;
        let boot = read_line("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        Ok(Self {
            store,
            boot,
            machine: machine_memory(),
            discovery: Discovery::default(),
            groups: Groups::new(),
            fleets: Fleets::default(),
            watched: Vec::new(),
            scratch: Scratch::default(),
            tidied: None,
            silent: BTreeMap::new(),
            first_endpoint: 0,
            totals: BTreeMap::new(),
            rounds: 0,
            gaps: BTreeMap::new(),
            config,
        })
    }

    /// What it was configured with.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The processes that are watched.
    pub(crate) fn watched(&self) -> &[Watched] {
        &self.watched
    }

    /// One round: discovers, samples, judges, stores. What fails is a gap, and the rest goes on.
    pub fn round(&mut self, now: Millis) -> RoundReport {
        let mut report = RoundReport::default();
        self.discover(now, &mut report);
        self.fleets
            .compare(&mut self.watched, now, &self.config.trend);
        self.groups.begin_round();
        let mut rows = Vec::new();
        let mut gone = Vec::new();
        self.sample(now, &mut rows, &mut gone, &mut report.verdicts);
        self.fetch_metrics(now, &mut rows);
        report.processes = self.watched.len();
        report.ended = gone.len();
        let mut stored = self.store.write(&rows, &mut report.verdicts);
        for (index, ended) in gone.into_iter().rev() {
            stored = stored.and(self.end(index, ended, now));
        }
        stored = stored.and(self.tidy(now));
        self.note(&report.verdicts);
        for (reason, count) in self.discovery.gaps() {
            report.gaps.insert(reason.to_owned(), count);
        }
        for (_, reason) in self.silent.values() {
            *report.gaps.entry(reason.clone()).or_insert(0) += 1;
        }
        // A full disk is no reason to stop watching: verdicts are told all the same, with the number 0.
        if let Err(error) = stored {
            report.gaps.insert(error.to_string(), 1);
        }
        self.gaps.clone_from(&report.gaps);
        self.rounds += 1;
        report
    }

    /// Stores what is not stored yet. To be called at the end.
    ///
    /// # Errors
    ///
    /// The store failed.
    pub fn finish(&mut self) -> Result<(), StoreError> {
        let mut rows = Vec::new();
        let mut complete = Vec::new();
        for watched in &self.watched {
            watched.recorder.flush(&mut rows);
            complete.extend(rows.drain(..).map(|row| (watched.id, row)));
        }
        self.store.write(&complete, &mut [])
    }

    fn discover(&mut self, now: Millis, report: &mut RoundReport) {
        let known: FxHashMap<i32, u64> = self
            .watched
            .iter()
            .map(|w| (w.identity.pid, w.identity.start_ticks))
            .collect();
        let is_watched = |pid: i32, start: u64| known.get(&pid) == Some(&start);
        // That the list of processes cannot be read at all shows in the number of processes.
        let found = self
            .discovery
            .look(now, is_watched, &self.config.watch.only)
            .unwrap_or_default();
        let room = MAX_PROCESSES.saturating_sub(self.watched.len());
        if found.len() > room {
            let many = "more processes than can be watched".to_owned();
            report.gaps.insert(many, (found.len() - room) as u64);
        }
        report.discovered = found.len().min(room);
        for process in found.into_iter().take(room) {
            // One that the store has no room for is found again in the next round.
            match self.admit(process, now) {
                Ok(watched) => self.watched.push(watched),
                Err(error) => {
                    report.gaps.insert(error.to_string(), 1);
                }
            }
        }
    }

    /// Starts to watch a process, or goes on where an earlier run of the watcher stopped.
    fn admit(&mut self, found: Found, now: Millis) -> Result<Watched, StoreError> {
        let Found {
            identity,
            source,
            who,
        } = found;
        let trend = &self.config.trend;
        let has_floors = source.has_floors();
        let stored = StoredIdentity {
            boot: self.boot.clone(),
            identity,
        };
        let memory = self.store.workload(&who.workload)?;
        let mut case = Case::new(source.runtime(), has_floors, memory);
        let mut recorder = Recorder::new(trend.bucket);
        let id = match self.store.find(&stored)? {
            Some(known) => {
                let rows = self.store.rows(known.id, now)?;
                replay(&mut case, &rows, now, trend, &mut self.scratch, |_| {});
                known.id
            }
            None => self.store.add(&stored, has_floors, &who)?,
        };
        let start = Series::Signal(leakscope_trend::Signal::StartTime);
        let seconds = who.started as f64 / 1e3;
        case.feed(now, &start, seconds, trend);
        let mut rows = Vec::new();
        recorder.push(now, &start, seconds, &mut rows);
        let rows: Vec<(i64, Row)> = rows.into_iter().map(|row| (id, row)).collect();
        self.store.write(&rows, &mut [])?;
        Ok(Watched {
            group: self.groups.of(identity.pid),
            identity,
            id,
            who,
            source,
            oom_kills: None,
            case,
            recorder,
            load: Rate::default(),
            newest: FxHashMap::default(),
            standing: FxHashMap::default(),
        })
    }

    /// Judges what is complete, then samples. The other way round, a decision would depend on what came after it.
    fn sample(
        &mut self,
        now: Millis,
        rows: &mut Vec<(i64, Row)>,
        gone: &mut Vec<(usize, Ended)>,
        verdicts: &mut Vec<Verdict>,
    ) {
        let trend = &self.config.trend;
        let turn = now.div_euclid(trend.every.max(1)) * trend.every.max(1);
        let mut round = Round {
            now,
            groups: &mut self.groups,
            limit: self.config.watch.limit.or(self.machine),
        };
        let (mut values, mut complete) = (Vec::new(), Vec::new());
        for (index, watched) in self.watched.iter_mut().enumerate() {
            for ruling in watched.case.evaluate(turn, trend, &mut self.scratch) {
                // That nothing is known of a heap is worth a line; of a count that has just been seen it is not.
                let is_heap = ruling.about == Channel::HeapFloor.name();
                if ruling.change.from == ruling.change.verdict && !is_heap {
                    continue;
                }
                verdicts.push(Verdict::new(watched.id, watched.who.clone(), ruling));
            }
            match watched.sample(&mut round, &mut values) {
                Ok(()) => {
                    for (series, value) in values.drain(..) {
                        watched.take(now, series, value, trend, &mut complete);
                    }
                    rows.extend(complete.drain(..).map(|row| (watched.id, row)));
                }
                Err(ended) => gone.push((index, ended)),
            }
        }
    }

    /// Asks programs for metrics of their own. One that fails is left alone for a while.
    fn fetch_metrics(&mut self, now: Millis, rows: &mut Vec<(i64, Row)>) {
        let patience = Duration::from_millis(self.config.watch.metrics_timeout.unsigned_abs());
        let end = Instant::now() + patience * METRICS_BUDGET;
        let endpoints = &self.config.watch.metrics;
        let first = std::mem::take(&mut self.first_endpoint);
        let order = (0..endpoints.len()).map(|i| (first + i) % endpoints.len());
        for (index, endpoint) in order.map(|index| (index, &endpoints[index])) {
            if Instant::now() >= end {
                self.first_endpoint = index;
                break;
            }
            if self
                .silent
                .get(&index)
                .is_some_and(|(again, _)| now < *again)
            {
                continue;
            }
            let mut of_it = self
                .watched
                .iter_mut()
                .filter(|w| w.is_named(&endpoint.process));
            let (Some(watched), None) = (of_it.next(), of_it.next()) else {
                // Not running now, or several: whose metrics these are cannot be told.
                continue;
            };
            let wanted = |name: &str| endpoint.series.get(name).map(AsRef::as_ref);
            let sums =
                openmetrics::fetch(endpoint.address, &endpoint.path, patience).and_then(|text| {
                    Ok(openmetrics::sums(&text, wanted)?
                        .into_iter()
                        .map(|(n, v)| (Series::Metric(n.into()), v))
                        .collect::<Vec<_>>())
                });
            match sums {
                Ok(values) => {
                    self.silent.remove(&index);
                    let mut complete = Vec::new();
                    for (series, value) in values {
                        watched.take(now, series, value, &self.config.trend, &mut complete);
                    }
                    rows.extend(complete.into_iter().map(|row| (watched.id, row)));
                }
                Err(error) => {
                    let reason = format!("{}: {error}", endpoint.process);
                    self.silent.insert(index, (now + METRICS_RETRY, reason));
                }
            }
        }
    }

    fn end(&mut self, index: usize, ended: Ended, now: Millis) -> Result<(), StoreError> {
        let mut watched = self.watched.remove(index);
        let kills = watched
            .group
            .as_deref()
            .and_then(|g| self.groups.sample(g).oom_kills);
        let killed = watched
            .oom_kills
            .zip(kills)
            .is_some_and(|(before, after)| after > before);
        let end = if killed && ended == Ended::Gone {
            End::OutOfMemory
        } else {
            End::Restart
        };
        let memory = watched.case.end(now, end).clone();
        self.store.remember(&watched.who.workload, &memory)?;
        self.store.end(watched.id, now)?;
        self.discovery.forget(watched.identity.pid);
        Ok(())
    }

    /// Keeps what the exposition shows.
    fn note(&mut self, verdicts: &[Verdict]) {
        for verdict in verdicts {
            *self.totals.entry(verdict.verdict.clone()).or_insert(0) += 1;
            if let Some(watched) = self.watched.iter_mut().find(|w| w.id == verdict.process) {
                watched
                    .standing
                    .insert(verdict.channel.clone(), verdict.clone());
            }
        }
    }

    fn tidy(&mut self, now: Millis) -> Result<(), StoreError> {
        if self.tidied.is_some_and(|last| now - last < TIDY) {
            return Ok(());
        }
        self.tidied = Some(now);
        self.store
            .forget(now - self.config.trend.keep, now - self.config.watch.keep)
    }
}

impl Watched {
    /// Takes one value: to the judge, to the recorder, to the exposition.
    fn take(
        &mut self,
        now: Millis,
        series: Series,
        value: f64,
        trend: &leakscope_trend::Config,
        rows: &mut Vec<Row>,
    ) {
        self.case.feed(now, &series, value, trend);
        self.recorder.push(now, &series, value, rows);
        self.newest.insert(series, value);
    }

    fn is_named(&self, name: &str) -> bool {
        let exe = self.who.executable.rsplit('/').next().unwrap_or_default();
        self.who.name == name || exe == name
    }
}

/// Memory of this machine in bytes.
fn machine_memory() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|l| l.strip_prefix("MemTotal:"))?;
    let kib: f64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib * 1024.0)
}

fn read_line(path: impl AsRef<Path>) -> Option<String> {
    Some(std::fs::read_to_string(path).ok()?.trim().to_owned())
}
