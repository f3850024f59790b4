//! Floors of a JVM's heap, by what each collector counts of itself.
//!
//! What is left after a collection is known only once a collection of the whole heap is done. Which counter says so, and
//! when the used bytes are those left over, differs by collector; the table says it for each.

use super::hsperf::Hsperf;

/// How completed collections of the whole heap are seen in a counter of pauses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Completion {
    /// One pause is one whole collection: what is used right after is what lives.
    Pause,
    /// A concurrent cycle has so many pauses; memory is given back step by step until the next one: what lives is the
    /// lowest use between two cycles.
    Cycle(u64),
}

/// A collector's counter of pauses, by its name in HotSpot.
struct Counter {
    /// `sun.gc.collector.N.name`.
    name: &'static str,
    collector: Collector,
    completion: Completion,
}

/// A garbage collector.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Collector {
    G1,
    Parallel,
    Serial,
    Cms,
    Z,
    Shenandoah,
}

impl Collector {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::G1 => "G1",
            Self::Parallel => "Parallel",
            Self::Serial => "Serial",
            Self::Cms => "CMS",
            Self::Z => "ZGC",
            Self::Shenandoah => "Shenandoah",
        }
    }

    /// Whether its heap is anonymous memory. That of ZGC is a shared memory file (`zPhysicalMemoryBacking_linux.cpp`).
    pub(crate) const fn is_anonymous(self) -> bool {
        !matches!(self, Self::Z)
    }
}

const fn counter(name: &'static str, collector: Collector, completion: Completion) -> Counter {
    Counter {
        name,
        collector,
        completion,
    }
}

/// Sources: `g1MonitoringSupport.cpp` (a cycle pauses for Remark and for Cleanup), `psParallelCompact.cpp`,
/// `genCollectedHeap.cpp` and `tenuredGeneration.cpp`, `concurrentMarkSweepGeneration.cpp` (initial mark, remark),
/// `zServiceability.cpp` (mark start, mark end, relocate start; the major collection of generations counts those of both),
/// `shenandoahMonitoringSupport.cpp` (init and final mark, init and final update of references). Names of releases 8 to 25.
const COUNTERS: &[Counter] = &[
    counter(
        "G1 concurrent cycle pauses",
        Collector::G1,
        Completion::Cycle(2),
    ),
    counter(
        "G1 stop-the-world phases",
        Collector::G1,
        Completion::Cycle(2),
    ),
    counter(
        "G1 full collection pauses",
        Collector::G1,
        Completion::Pause,
    ),
    counter(
        "G1 stop-the-world full collections",
        Collector::G1,
        Completion::Pause,
    ),
    counter(
        "Parallel full collection pauses",
        Collector::Parallel,
        Completion::Pause,
    ),
    counter("PSParallelCompact", Collector::Parallel, Completion::Pause),
    counter("PSMarkSweep", Collector::Parallel, Completion::Pause),
    counter(
        "Serial full collection pauses",
        Collector::Serial,
        Completion::Pause,
    ),
    counter("MSC", Collector::Serial, Completion::Pause),
    counter("CMS", Collector::Cms, Completion::Cycle(2)),
    counter(
        "Z concurrent cycle pauses",
        Collector::Z,
        Completion::Cycle(3),
    ),
    counter(
        "ZGC major collection pauses",
        Collector::Z,
        Completion::Cycle(5),
    ),
    counter(
        "Shenandoah full",
        Collector::Shenandoah,
        Completion::Cycle(4),
    ),
];

/// Numbers of collectors (`sun.gc.collector.N`) that exist.
const COLLECTORS: usize = 4;

/// Whether a counter's name is used here.
pub(crate) fn is_wanted(name: &str) -> bool {
    name.strip_prefix("sun.gc.").is_some_and(|rest| {
        let last = rest.rsplit('.').next().unwrap_or_default();
        (rest.starts_with("collector.") && matches!(last, "name" | "invocations"))
            || (rest.starts_with("generation.")
                && matches!(last, "used" | "capacity" | "maxCapacity"))
    })
}

/// The bytes of a heap, as counted after its last pause.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Use {
    /// Used bytes of the part that whole collections are about: the old generation, or the whole heap of a collector
    /// without one that it collects apart.
    pub(crate) tenured: u64,
    /// Most bytes that this part can have.
    pub(crate) tenured_max: u64,
    /// Bytes that the heap has committed.
    pub(crate) committed: u64,
    /// Bytes that have been in use, at most: what of the old generation is used, and the whole young one.
    pub(crate) in_use: u64,
}

/// The floors of one JVM.
#[derive(Clone, Debug, Default)]
pub(crate) struct HeapFloors {
    /// Collections of each counter at the last sample, in whole cycles.
    counts: [Option<u64>; COLLECTORS],
    /// The lowest use since the last cycle ended, once one has.
    lowest: Option<u64>,
    /// Most bytes of the heap that have ever been in use: at least so much of it has been touched.
    touched: u64,
}

/// What a sample says.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct HeapSample {
    /// What lives, if a collection of the whole heap has just shown it.
    pub(crate) floor: Option<u64>,
    /// Most bytes that the floor can reach.
    pub(crate) max: Option<u64>,
    /// Bytes of anonymous memory that the heap takes.
    pub(crate) anonymous: Option<u64>,
    /// The collector, if it is known.
    pub(crate) collector: Option<Collector>,
    /// Whether a counter fell: this is another JVM.
    pub(crate) restarted: bool,
}

impl HeapFloors {
    /// Takes the counters of a moment.
    pub(crate) fn sample(&mut self, counters: &Hsperf) -> HeapSample {
        let mut sample = HeapSample::default();
        let mut paused = false;
        let mut cycled = false;
        for number in 0..COLLECTORS {
            let Some((known, invocations)) = collector(counters, number) else {
                continue;
            };
            sample.collector = Some(known.collector);
            let (count, by_cycle) = match known.completion {
                Completion::Pause => (invocations, false),
                Completion::Cycle(pauses) => (invocations / pauses, true),
            };
            let before = self.counts[number].replace(count).unwrap_or(count);
            sample.restarted |= count < before;
            paused |= count > before && !by_cycle;
            cycled |= count > before && by_cycle;
        }
        let Some(collector) = sample.collector else {
            return sample;
        };
        let Some(usage) = usage(counters, collector) else {
            return sample;
        };
        if paused {
            sample.floor = Some(usage.tenured);
            self.lowest = Some(usage.tenured);
        } else if cycled {
            // Before the first cycle that was seen, the lowest use is of a heap that was still filling up.
            sample.floor = self.lowest;
            self.lowest = Some(usage.tenured);
        } else if let Some(lowest) = &mut self.lowest {
            *lowest = usage.tenured.min(*lowest);
        }
        self.touched = self.touched.max(usage.in_use).min(usage.committed);
        sample.anonymous = Some(if collector.is_anonymous() {
            self.touched
        } else {
            0
        });
        sample.max = Some(usage.tenured_max).filter(|max| *max > 0);
        sample
    }
}

/// The table's line for a collector, and its pauses.
fn collector(counters: &Hsperf, number: usize) -> Option<(&'static Counter, u64)> {
    let name = counters.text(&format!("sun.gc.collector.{number}.name"))?;
    let known = COUNTERS.iter().find(|c| c.name == name)?;
    let invocations = counters.number(&format!("sun.gc.collector.{number}.invocations"))?;
    Some((known, invocations))
}

/// Generation 1 is the old one, or the only one (`generationCounters.cpp`). ZGC collects both in its major collections.
fn usage(counters: &Hsperf, collector: Collector) -> Option<Use> {
    let number = |what: &str| counters.number(&format!("sun.gc.generation.{what}"));
    let old = number("1.space.0.used")?;
    let old_capacity = number("1.capacity").unwrap_or(0);
    let young_capacity = number("0.capacity").unwrap_or(0);
    let old_max = number("1.maxCapacity").unwrap_or(0);
    let (tenured, tenured_max) = if collector == Collector::Z {
        let young = number("0.space.0.used").unwrap_or(0);
        let young_max = number("0.maxCapacity").unwrap_or(0);
        (old.saturating_add(young), old_max.max(young_max))
    } else {
        (old, old_max)
    };
    Some(Use {
        tenured,
        tenured_max,
        committed: old_capacity.saturating_add(young_capacity),
        in_use: old.saturating_add(young_capacity),
    })
}
