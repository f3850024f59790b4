//! A process simulated in steps of half a minute: collections, floors, resident memory, restarts, its end.

use leakscope_trend::{Millis, Runtime, Signal};

use crate::model::{Model, Sizing};
use crate::rng::Rng;
use crate::scenario::Scenario;

/// Time between two samples.
pub const STEP: Millis = 30_000;

/// Hours of a step.
const STEP_HOURS: f64 = STEP as f64 / 3.6e6;

/// Go collects at least this often (`runtime/proc.go`, `forcegcperiod`).
const GO_FORCED_HOURS: f64 = 2.0 / 60.0;

/// Share of the heap's peak that the Go runtime gives back to the kernel in a step.
const SCAVENGED: f64 = 0.02;

/// Share of the heap at which G1 starts to mark (`InitiatingHeapOccupancyPercent`).
const MARKING_STARTS: f64 = 0.45;

/// Share of the heap that is allocated in the old generation between two cycles at least.
const MARKING_GAP: f64 = 0.05;

/// Share of the garbage of a JVM that has reached the old generation when it dies.
const PROMOTED: f64 = 0.15;

/// How much longer than its history a process is followed to know when it would have ended.
const FOLLOWED: f64 = 6.0;

/// One sample.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// When, milliseconds since the history's start.
    pub at: Millis,
    /// What.
    pub signal: Signal,
    /// How much.
    pub value: f64,
}

/// What is recorded of a process, and what is true of it.
#[derive(Clone, Debug)]
pub struct History {
    /// What happens in it.
    pub scenario: Scenario,
    /// Its runtime.
    pub runtime: Runtime,
    /// The samples, in order of time.
    pub samples: Vec<Sample>,
    /// The cgroup's working set at every step: what today's rules look at. No channel of ours.
    pub working_set: Vec<f64>,
    /// Resident anonymous memory at every step.
    pub rss: Vec<f64>,
    /// Share of the room that is gone, at every step.
    pub consumed: Vec<f64>,
    /// The limit of its cgroup.
    pub limit: f64,
    /// When memory ended it, or would have after the history's end.
    pub exhausted: Option<Millis>,
    /// When recording ends.
    pub end: Millis,
}

/// A process of this scenario. The same seed draws the same process; `life` draws the noise of one life of it.
pub fn record(scenario: Scenario, sizing: Sizing, seed: u64) -> History {
    let model = Model::draw(scenario, sizing, seed);
    simulate(&model, seed, 0, scenario.hours())
}

/// An earlier life of the process that [`record`] gives for this seed: of a leak, either before the leak was written, or
/// cut short by a deployment.
pub fn earlier(scenario: Scenario, sizing: Sizing, seed: u64) -> History {
    let model = Model::draw(scenario, sizing, seed);
    let mut rng = Rng::fork(seed, "earlier");
    if !scenario.is_leak() {
        return simulate(&model, seed, 1, scenario.hours());
    }
    if rng.chance(0.5) {
        simulate(&model.healthy(), seed, 1, 24.0)
    } else {
        let cut = rng.between(4.0, 16.0);
        simulate(&model, seed, 1, cut)
    }
}

/// The state of one life.
struct Life {
    born: f64,
    served: f64,
    garbage: f64,
    /// Live bytes that the last collection found.
    floor: f64,
    collected: f64,
    heap_resident: f64,
}

impl Life {
    fn new(model: &Model, hour: f64) -> Self {
        let floor = model.live(0.0, 0.0);
        Self {
            born: hour,
            served: 0.0,
            garbage: 0.0,
            floor,
            collected: hour,
            heap_resident: floor,
        }
    }
}

fn simulate(model: &Model, seed: u64, life: u64, hours: f64) -> History {
    let mut rng = Rng::fork(seed ^ (life << 32), "noise");
    let mut history = History {
        scenario: model.scenario,
        runtime: model.runtime,
        samples: Vec::new(),
        working_set: Vec::new(),
        rss: Vec::new(),
        consumed: Vec::new(),
        limit: model.limit,
        exhausted: None,
        end: (hours * 3.6e6) as Millis,
    };
    constants(model, &mut history);
    let mut state = Life::new(model, 0.0);
    let mut wander = 0.0;
    let steps = (hours / STEP_HOURS) as i64;
    for step in 0.. {
        let hour = step as f64 * STEP_HOURS;
        let at = step * STEP;
        let age = hour - state.born;
        let recorded = step < steps;
        if !recorded && (!model.scenario.is_leak() || hour > hours * FOLLOWED) {
            break;
        }
        if model.restarts().is_some_and(|after| age >= after) && recorded {
            state = Life::new(model, hour);
            started(&mut history, at);
            continue;
        }
        let load = model.load(hour) * (1.0 + 0.05 * rng.normal());
        state.served += load * STEP_HOURS;
        // Slow noise that forgets in an hour.
        wander += -wander * STEP_HOURS + 0.1 * rng.normal();
        let live = model.live(age, state.served) * (1.0 + 0.01 * wander);
        let native = model.native(age) * (1.0 + 0.3 * model.noise * rng.normal());
        if !model.fits(live, native) {
            history.exhausted.get_or_insert(at);
            if model.scenario == Scenario::RestartedLeak && recorded {
                state = Life::new(model, hour);
                started(&mut history, at);
                continue;
            }
            history.end = history.end.min(at);
            break;
        }
        if !recorded {
            continue;
        }
        let mut put = |signal, value| history.samples.push(Sample { at, signal, value });
        state.garbage += model.garbage * state.floor * load * STEP_HOURS;
        if model.collects() && due(model, &state, live, native, hour) {
            let floating = 1.0 + (model.noise * rng.normal()).abs();
            state.floor = live * floating;
            state.garbage = 0.0;
            state.collected = hour;
            put(Signal::HeapFloor, state.floor);
        }
        let heap = live + state.garbage.min(model.limit);
        state.heap_resident = resident(model, &state, heap, native);
        let rss = state.heap_resident + native;
        put(Signal::Native, native);
        put(Signal::Rss, rss);
        put(
            Signal::Count,
            (model.count(age) * (1.0 + 0.03 * rng.normal())).max(1.0),
        );
        put(Signal::Load, load);
        history.rss.push(rss);
        let cache = model.page_cache(age);
        history
            .working_set
            .push((rss + cache).min(0.99 * model.limit));
        history.consumed.push(model.consumed(live, native));
    }
    history
}

fn constants(model: &Model, history: &mut History) {
    let mut put = |signal, value| {
        history.samples.push(Sample {
            at: 0,
            signal,
            value,
        });
    };
    put(Signal::Limit, model.limit);
    if let Some(max) = model.heap_max {
        put(Signal::HeapMax, max);
    }
    if model.runtime == Runtime::Go {
        put(Signal::Gogc, model.gogc);
    }
    put(Signal::StartTime, 0.0);
}

fn started(history: &mut History, at: Millis) {
    history.samples.push(Sample {
        at,
        signal: Signal::StartTime,
        value: at as f64 / 1e3,
    });
    history.working_set.push(0.0);
    history.rss.push(0.0);
    history.consumed.push(0.0);
}

/// Whether a collection ends now.
fn due(model: &Model, state: &Life, live: f64, native: f64, hour: f64) -> bool {
    let since = hour - state.collected;
    match (model.runtime, model.heap_max) {
        (Runtime::Go, Some(max)) => {
            live + state.garbage >= max - native || since >= GO_FORCED_HOURS
        }
        (Runtime::Go, None) => {
            state.garbage >= state.floor * model.gogc / 100.0 || since >= GO_FORCED_HOURS
        }
        // Marking starts when the old generation holds so much of the heap, and again after it has gathered some more.
        (Runtime::Jvm, max) => {
            let max = max.unwrap_or(model.limit);
            let starts = if model.lazy() { 0.9 } else { MARKING_STARTS };
            live + PROMOTED * state.garbage >= (starts * max).max(live + MARKING_GAP * max)
        }
    }
}

/// Resident bytes of the heap.
fn resident(model: &Model, state: &Life, heap: f64, native: f64) -> f64 {
    let room = model.limit - native;
    match (model.runtime, model.heap_max) {
        (_, Some(max)) if model.touched => max.min(room),
        // Never given back.
        (Runtime::Jvm, Some(max)) => state.heap_resident.max(heap).min(max).min(room),
        _ => heap.max(state.heap_resident * (1.0 - SCAVENGED)).min(room),
    }
}
