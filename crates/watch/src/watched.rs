//! A process that is watched: one sample of everything, and what has been seen so far.

use std::path::PathBuf;

use leakscope_target::{Identity, Vitals, clock_ticks};
use leakscope_trend::{Millis, Rate, Signal};
use rustc_hash::FxHashMap;

use crate::case::Case;
use crate::discover::Source;
use crate::recorder::Recorder;
use crate::series::Series;
use crate::sources::cgroup::Groups;
use crate::sources::go::{GoCounters, GoSample};
use crate::sources::jvm::{JvmCounters, JvmSample};
use crate::verdict::Who;

/// Most descriptors that are counted one by one, on kernels that do not tell their number.
const MAX_FDS: usize = 100_000;

/// A process that is watched.
pub(crate) struct Watched {
    pub(crate) identity: Identity,
    /// Its number in the store.
    pub(crate) id: i64,
    pub(crate) who: Who,
    pub(crate) source: Source,
    pub(crate) group: Option<PathBuf>,
    /// Processes of its group that the kernel has ended for lack of memory.
    pub(crate) oom_kills: Option<u64>,
    pub(crate) case: Case,
    pub(crate) recorder: Recorder,
    pub(crate) load: Rate,
    /// The newest value of each series.
    pub(crate) newest: FxHashMap<Series, f64>,
    /// The newest verdict of each series or signature that is no longer unknown or quiet: name, verdict, risk, number.
    pub(crate) standing: FxHashMap<String, crate::verdict::Verdict>,
}

/// Why a process is watched no longer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Ended {
    /// It is gone.
    Gone,
    /// It runs another program now, or the same one from the start.
    Replaced,
}

/// What holds for all processes of a round.
pub(crate) struct Round<'a> {
    pub(crate) now: Millis,
    pub(crate) groups: &'a mut Groups,
    /// Bytes that a process may take that no group limits.
    pub(crate) limit: Option<f64>,
}

impl Watched {
    /// One sample of everything. Series that are not known now are left out.
    pub(crate) fn sample(
        &mut self,
        round: &mut Round<'_>,
        values: &mut Vec<(Series, f64)>,
    ) -> Result<(), Ended> {
        values.clear();
        let mut mapped = None;
        let mut restarted = false;
        match &mut self.source {
            Source::Go(counters) => {
                if let Ok(Some(sample)) = read_go(counters, &self.identity) {
                    restarted = sample.restarted;
                    mapped = go_values(&sample, values);
                }
            }
            Source::Jvm(source) => match source.as_mut().map(JvmCounters::sample) {
                Some(Ok(sample)) => {
                    restarted = sample.heap.restarted;
                    mapped = jvm_values(&sample, values);
                    let collector = sample.heap.collector.map(|c| c.name());
                    if self.who.collector.as_deref() != collector {
                        self.who.collector = collector.map(str::to_owned);
                    }
                }
                // Garbage is not looked at again; neither is a file that is gone with its process.
                Some(Err(_)) => *source = None,
                None => {}
            },
        }
        // Last, so that all of the above was of this process.
        let vitals = Vitals::of(self.identity.pid)
            .filter(|v| !v.without_memory && v.start_ticks == self.identity.start_ticks)
            .ok_or(Ended::Gone)?;
        match Identity::of(self.identity.pid, vitals.start_ticks) {
            Some(identity) if identity == self.identity && !restarted => {}
            Some(_) => return Err(Ended::Replaced),
            None => return Err(Ended::Gone),
        }
        self.kernel_values(&vitals, mapped, round, values);
        Ok(())
    }

    fn kernel_values(
        &mut self,
        vitals: &Vitals,
        mapped: Option<u64>,
        round: &mut Round<'_>,
        values: &mut Vec<(Series, f64)>,
    ) {
        let mut put = |series: Series, value: f64| values.push((series, value));
        let group = self.group.as_deref().map(|g| round.groups.sample(g));
        let limit = group.and_then(|g| g.limit).map(|l| l as f64);
        // The least of what applies: a group's limit can be above the machine's memory.
        if let Some(limit) = [limit, round.limit].into_iter().flatten().reduce(f64::min) {
            put(Series::Signal(Signal::Limit), limit);
        }
        put(Series::Signal(Signal::Rss), vitals.anonymous as f64);
        if let Some(mapped) = mapped {
            let native = vitals.anonymous.saturating_sub(mapped);
            put(Series::Signal(Signal::Native), native as f64);
        }
        if let Some(rate) = self.load.sample(round.now, vitals.cpu_ticks) {
            put(Series::Signal(Signal::Load), rate / clock_ticks() as f64);
        }
        put(Series::Threads, vitals.threads as f64);
        if let Some(fds) = descriptors(self.identity.pid) {
            put(Series::Fds, fds as f64);
        }
        if let Some(group) = group {
            self.oom_kills = self.oom_kills.or(group.oom_kills);
            if let Some(anonymous) = group.anonymous {
                put(Series::GroupAnonymous, anonymous as f64);
            }
            if let Some(pressure) = group.pressure {
                put(Series::Pressure, pressure);
            }
        }
    }
}

fn read_go(counters: &mut GoCounters, identity: &Identity) -> Result<Option<GoSample>, ()> {
    counters.sample(identity).map_err(|_| ())
}

/// Adds what a Go runtime says; bytes that it has mapped.
fn go_values(sample: &GoSample, values: &mut Vec<(Series, f64)>) -> Option<u64> {
    let counters = &sample.counters;
    let mut put = |series: Series, value: Option<f64>| {
        values.extend(value.map(|value| (series, value)));
    };
    put(
        Series::Signal(Signal::HeapFloor),
        sample.floor.map(|f| f as f64),
    );
    put(
        Series::Signal(Signal::HeapMax),
        counters.memory_limit.map(|l| l as f64),
    );
    put(
        Series::Signal(Signal::Gogc),
        counters.gc_percent.map(f64::from),
    );
    put(Series::Goroutines, counters.goroutines.map(|g| g as f64));
    put(Series::Stacks, counters.stacks_in_use.map(|s| s as f64));
    counters.mapped_ready
}

/// Adds what a JVM says; bytes of anonymous memory that its heap takes.
fn jvm_values(sample: &JvmSample, values: &mut Vec<(Series, f64)>) -> Option<u64> {
    let heap = &sample.heap;
    let mut put = |series: Series, value: Option<u64>| {
        values.extend(value.map(|value| (series, value as f64)));
    };
    put(Series::Signal(Signal::HeapFloor), heap.floor);
    put(Series::Signal(Signal::HeapMax), heap.max);
    put(Series::Classes, sample.classes);
    heap.anonymous
}

/// How many descriptors a process has open: the folder's size says so from Linux 6.2 on (`proc_fd_getattr`).
fn descriptors(pid: i32) -> Option<u64> {
    let folder = format!("/proc/{pid}/fd");
    match std::fs::metadata(&folder).ok()?.len() {
        0 => {
            let entries = std::fs::read_dir(&folder).ok()?;
            Some(entries.take(MAX_FDS).count() as u64)
        }
        open => Some(open),
    }
}
