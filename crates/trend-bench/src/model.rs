//! The parameters of one process, drawn from a seed, and what its memory holds at a time.

use leakscope_trend::Runtime;

use crate::rng::Rng;
use crate::scenario::Scenario;

const GIB: f64 = (1_u64 << 30) as f64;
const DAY_HOURS: f64 = 24.0;

/// How large benign cases get.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sizing {
    /// Benign peaks take 15 to 65 % of the headroom.
    Base,
    /// Benign peaks take 80 to 95 % of it, as in pods that are packed well.
    Tight,
}

/// What a process is, drawn once. Time is in hours since its start.
#[derive(Clone, Debug)]
pub(crate) struct Model {
    pub(crate) scenario: Scenario,
    pub(crate) runtime: Runtime,
    /// Bytes at which the kernel ends it.
    pub(crate) limit: f64,
    /// A JVM's largest heap; a Go program's `GOMEMLIMIT`, if it has one.
    pub(crate) heap_max: Option<f64>,
    /// `GOGC` in percent, below 0 for off.
    pub(crate) gogc: f64,
    /// Whether all of the heap is resident from the start.
    pub(crate) touched: bool,
    /// Live bytes at rest.
    base: f64,
    /// Native bytes at rest.
    pub(crate) native: f64,
    /// Goroutines, threads or descriptors at rest.
    count: f64,
    /// Bytes that the heap can grow by, and the memory beside it.
    heap_room: f64,
    native_room: f64,
    /// Share of the room that a benign case takes at its peak.
    peak: f64,
    /// Hours in which a leak fills the room.
    fill: f64,
    /// When what is special begins, hours.
    onset: f64,
    /// Length of one cycle of what repeats, hours.
    period: f64,
    /// A duration of what happens, hours.
    lasts: f64,
    /// Where in the day it starts, hours.
    phase: f64,
    /// How deep the night is, as a share of the mean.
    night: f64,
    /// Whether a cache fills as fast as ever until it is full, or slower and slower.
    straight: bool,
    /// Resident bytes of one goroutine or thread.
    stack: f64,
    /// Relative noise of what is measured.
    pub(crate) noise: f64,
    /// Garbage made per hour, as multiples of the live heap.
    pub(crate) garbage: f64,
}

impl Model {
    pub(crate) fn draw(scenario: Scenario, sizing: Sizing, seed: u64) -> Self {
        let mut rng = Rng::fork(seed, scenario.name());
        let runtime = match scenario {
            Scenario::MetaspaceSteps | Scenario::ThreadLeak => Runtime::Jvm,
            _ if rng.chance(0.5) => Runtime::Jvm,
            _ => Runtime::Go,
        };
        let limit = rng.between(1.0, 6.0).round() * GIB;
        let touched = matches!(
            scenario,
            Scenario::PretouchedLeak | Scenario::MemoryLimitFill | Scenario::MemoryLimitPressure
        );
        let native = limit * rng.between(0.04, 0.08);
        let lazy = scenario == Scenario::GcSawtooth;
        let (heap_max, gogc, capacity) = match runtime {
            Runtime::Jvm => {
                let max = (0.7 * limit).floor();
                (Some(max), 0.0, max)
            }
            Runtime::Go if touched => {
                let max = (0.9 * limit).floor();
                (Some(max), -1.0, max - native)
            }
            Runtime::Go => {
                let gogc = if lazy { 300.0 } else { 100.0 };
                (None, gogc, (limit - native) / (1.0 + gogc / 100.0))
            }
        };
        let base = capacity * rng.between(0.12, 0.3);
        let heap_room = capacity - base;
        let resident = match runtime {
            Runtime::Jvm => capacity,
            Runtime::Go => base * 2.2,
        };
        let peak = match sizing {
            Sizing::Base => rng.between(0.15, 0.65),
            Sizing::Tight => rng.between(0.8, 0.95),
        };
        let fill = match scenario {
            Scenario::SlowLeak => rng.between(38.0, 46.0),
            Scenario::WeeklyLeak => rng.between(250.0, 340.0),
            Scenario::LateLeak => rng.between(10.0, 26.0),
            Scenario::RestartedLeak => rng.between(12.0, 22.0),
            _ => rng.between(14.0, 44.0),
        };
        Self {
            scenario,
            runtime,
            limit,
            heap_max,
            gogc,
            touched,
            base,
            native,
            count: rng.between(60.0, 300.0),
            heap_room,
            native_room: (limit - native - resident).max(0.1 * limit),
            peak,
            fill,
            onset: rng.between(4.0, 16.0),
            period: match scenario {
                Scenario::BurstyLeak => rng.between(0.7, 2.0),
                Scenario::MetaspaceSteps => rng.between(1.5, 3.0),
                Scenario::Rollouts => rng.between(6.0, 14.0),
                Scenario::TtlSawtooth => rng.between(8.0, 22.0),
                _ => rng.between(3.0, 9.0),
            },
            lasts: match scenario {
                Scenario::CacheToCap => rng.between(6.0, 40.0),
                Scenario::BatchSpikes => rng.between(0.3, 1.2),
                _ => rng.between(0.3, 1.5),
            },
            phase: rng.between(0.0, DAY_HOURS),
            night: rng.between(0.35, 0.6),
            straight: rng.chance(0.5),
            stack: match runtime {
                Runtime::Go => 8192.0,
                Runtime::Jvm => 96.0 * 1024.0,
            },
            noise: rng.between(0.005, 0.015),
            garbage: rng.between(4.0, 20.0),
        }
    }

    /// The same process without what leaks.
    pub(crate) fn healthy(&self) -> Self {
        Self {
            fill: f64::INFINITY,
            ..self.clone()
        }
    }

    /// What is asked of the process, 1 on average.
    pub(crate) fn load(&self, hour: f64) -> f64 {
        let day = (self.phase + hour) / DAY_HOURS;
        let wave = |depth: f64| 1.0 - depth * (std::f64::consts::TAU * day).cos();
        match self.scenario {
            Scenario::TrafficGrowth => wave(0.15) * (0.7 + 1.1 * hour / self.scenario.hours()),
            Scenario::WeeklyLeak | Scenario::WeeklySeason => {
                let weekend = ((self.phase + hour) / DAY_HOURS).rem_euclid(7.0) >= 5.0;
                wave(self.night) * if weekend { 0.55 } else { 1.0 }
            }
            Scenario::TrafficLeak
            | Scenario::Diurnal
            | Scenario::DiurnalLeak
            | Scenario::CacheToCap
            | Scenario::TtlSawtooth => wave(self.night),
            _ => wave(0.1),
        }
    }

    /// Whether the heap follows the load.
    fn follows_load(&self) -> f64 {
        match self.scenario {
            Scenario::Diurnal => self.peak / (1.0 + self.night),
            Scenario::WeeklySeason => self.peak / (1.0 + self.night),
            Scenario::TrafficGrowth => self.peak / 2.07,
            Scenario::DiurnalLeak | Scenario::WeeklyLeak => 0.15,
            _ => 0.02,
        }
    }

    /// Live bytes of the heap. `served` is the load summed over the hours of this life.
    pub(crate) fn live(&self, hour: f64, served: f64) -> f64 {
        let grown = hour / self.fill;
        let share = match self.scenario {
            Scenario::LinearLeak
            | Scenario::SlowLeak
            | Scenario::PretouchedLeak
            | Scenario::DiurnalLeak
            | Scenario::WeeklyLeak
            | Scenario::MemoryLimitPressure
            | Scenario::RestartedLeak => grown,
            Scenario::TwoLeaks => 0.8 * grown,
            Scenario::TrafficLeak => served / self.fill,
            Scenario::AcceleratingLeak => grown * grown,
            Scenario::LateLeak => ((hour - self.onset) / self.fill).max(0.0),
            Scenario::BurstyLeak => (hour / self.period).floor() * self.period / self.fill,
            Scenario::LeakThatStops => hour.min(0.6 * self.fill) / self.fill,
            Scenario::WarmUp | Scenario::Rollouts => self.peak * (1.0 - (-hour / self.lasts).exp()),
            Scenario::CacheToCap if self.straight => self.peak * (served / self.lasts).min(1.0),
            Scenario::CacheToCap => self.peak * (1.0 - (-2.5 * served / self.lasts).exp()),
            Scenario::OneStep => self.peak * f64::from(u8::from(hour >= self.onset)),
            Scenario::TtlSawtooth => self.peak * (hour / self.period).fract(),
            Scenario::BatchSpikes => {
                let running = hour.rem_euclid(self.period) < self.lasts && hour > self.period;
                self.peak * f64::from(u8::from(running))
            }
            _ => 0.0,
        };
        self.base + self.heap_room * (share + self.follows_load() * self.load(hour))
    }

    /// Native bytes.
    pub(crate) fn native(&self, hour: f64) -> f64 {
        let grown = hour / self.fill;
        let share = match self.scenario {
            Scenario::NativeLeak => grown,
            Scenario::TwoLeaks => 0.7 * grown,
            Scenario::MetaspaceSteps => (hour / self.period).floor() * self.period / self.fill,
            Scenario::CountLeak | Scenario::ThreadLeak => {
                (self.count(hour) - self.count) * self.stack / self.native_room
            }
            Scenario::NativeCreep => {
                let scale = (1.0 + self.scenario.hours() / self.lasts).ln();
                self.peak * (1.0 + hour / self.lasts).ln() / scale
            }
            _ => 0.0,
        };
        self.native + self.native_room * share
    }

    /// Goroutines, threads or descriptors.
    pub(crate) fn count(&self, hour: f64) -> f64 {
        let grown = hour / self.fill;
        match self.scenario {
            Scenario::CountLeak | Scenario::ThreadLeak => {
                self.count + grown * self.native_room / self.stack
            }
            Scenario::DescriptorLeak => self.count + 40_000.0 * grown,
            _ => self.count * (0.8 + 0.2 * self.load(hour)),
        }
    }

    /// Page cache of its cgroup.
    pub(crate) fn page_cache(&self, hour: f64) -> f64 {
        match self.scenario {
            Scenario::PageCache => 0.5 * self.limit * (hour / 20.0).min(1.0),
            _ => 0.03 * self.limit,
        }
    }

    /// Hours after which the same process is started again.
    pub(crate) fn restarts(&self) -> Option<f64> {
        (self.scenario == Scenario::Rollouts).then_some(self.period)
    }

    /// Whether the collector waits until the heap is nearly full.
    pub(crate) fn lazy(&self) -> bool {
        self.scenario == Scenario::GcSawtooth
    }

    /// Whether the collector works at all.
    pub(crate) fn collects(&self) -> bool {
        self.scenario != Scenario::MissingFloors
    }

    /// Share of the room that is gone: of the heap's or of the native memory's, the larger.
    pub(crate) fn consumed(&self, live: f64, native: f64) -> f64 {
        let heap = (live - self.base) / self.heap_room;
        heap.max((native - self.native) / self.native_room)
    }

    /// Whether a process that holds this much can still go on.
    pub(crate) fn fits(&self, live: f64, native: f64) -> bool {
        self.consumed(live, native) < 0.98
    }
}
