//! A history through the engine: what it says, when, and whether that is right.

use leakscope_trend::{
    Channel, Config, Evidence, Judged, Millis, Process, Runtime, Scratch, Signal, Verdict,
    WorkloadMemory,
};

use crate::history::{History, STEP};
use crate::rng::Rng;
use crate::scenario::Scenario;

/// What is known beside the history.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Help {
    /// Nothing.
    None,
    /// Only resident memory, as where no runtime is read.
    RssOnly,
    /// What earlier lives of the workload reached, and a look into the heap at the first suspicion.
    MemoryAndEvidence(Looks),
    /// Only that look.
    Evidence(Looks),
    /// Only what earlier lives reached.
    Memory,
}

/// How often a look into the heap errs, as probabilities.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Errs {
    /// Of a leak it says that it is bounded: what silences an alarm wrongly.
    pub hides: f64,
    /// Of what is bounded by its own rule it does not say so: what leaves a false alarm.
    pub misses: f64,
}

/// The same for each runtime.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Looks {
    /// Of Go programs.
    pub go: Errs,
    /// Of JVMs.
    pub jvm: Errs,
}

impl Looks {
    /// Without error.
    pub const PERFECT: Self = Self {
        go: Errs {
            hides: 0.0,
            misses: 0.0,
        },
        jvm: Errs {
            hides: 0.0,
            misses: 0.0,
        },
    };

    /// As counted on real processes by `bench/evidence.sh` (its table is in `docs/trend.md`): 0 of 9 and 9 of 9 kinds of
    /// Go, 2 of 18 and 6 of 12 kinds of Java.
    pub const MEASURED: Self = Self {
        go: Errs {
            hides: 0.0,
            misses: 1.0,
        },
        jvm: Errs {
            hides: 2.0 / 18.0,
            misses: 6.0 / 12.0,
        },
    };

    /// The upper ends of the 95 % intervals of [`Looks::MEASURED`]: three in N where no error was counted, else Wilson's.
    pub const WORST: Self = Self {
        go: Errs {
            hides: 3.0 / 9.0,
            misses: 1.0,
        },
        jvm: Errs {
            hides: 0.328,
            misses: 0.746,
        },
    };
}

/// What was said about a history.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What happened in it.
    pub scenario: Scenario,
    /// When a leak was first said, before memory ended the process.
    pub fired: Option<Millis>,
    /// Channels of which one was said.
    pub channels: Vec<Channel>,
    /// When the last one was taken back.
    pub cleared: Option<Millis>,
    /// How long before memory ended the process, or would have.
    pub lead: Option<Millis>,
    /// Share of the room that was gone then.
    pub consumed: Option<f64>,
    /// Times that a verdict of a channel changed.
    pub changes: usize,
    /// Whether anything else than unknown was ever said of the heap.
    pub heap_known: bool,
}

impl Outcome {
    fn of(history: &History) -> Self {
        Self {
            scenario: history.scenario,
            fired: None,
            channels: Vec::new(),
            cleared: None,
            lead: None,
            consumed: None,
            changes: 0,
            heap_known: false,
        }
    }

    /// That a rule fired at that time.
    pub(crate) fn fired_at(history: &History, at: Option<Millis>) -> Self {
        let mut outcome = Self::of(history);
        if let Some(at) = at {
            outcome.fire(history, at);
        }
        outcome
    }

    fn fire(&mut self, history: &History, at: Millis) {
        if self.fired.is_some() {
            return;
        }
        self.fired = Some(at);
        self.lead = history.exhausted.map(|end| end - at);
        let step = usize::try_from(at / STEP).unwrap_or(0);
        self.consumed = history
            .consumed
            .get(step.min(history.consumed.len().saturating_sub(1)))
            .copied();
    }
}

/// Feeds a history, after an earlier life where there is one, and collects what is said.
pub fn run(
    history: &History,
    before: Option<&History>,
    help: Help,
    seed: u64,
    config: &Config,
    scratch: &mut Scratch,
) -> Outcome {
    let memory = before.map_or_else(WorkloadMemory::default, |earlier| {
        let mut process = Process::new(earlier.runtime, &supplied(help));
        feed(&mut process, earlier, help, config, scratch, |_, _| {});
        process.end(earlier.end, leakscope_trend::End::Restart);
        process.memory().clone()
    });
    let mut process = Process::new(history.runtime, &supplied(help)).with_memory(memory);
    let mut rng = Rng::fork(seed ^ 0x10_0000, history.scenario.name());
    let look = match help {
        Help::MemoryAndEvidence(looks) | Help::Evidence(looks) => {
            let errs = match history.runtime {
                Runtime::Go => looks.go,
                Runtime::Jvm => looks.jvm,
            };
            Some(look(history.scenario, errs, &mut rng))
        }
        _ => None,
    };
    let mut outcome = Outcome::of(history);
    feed(
        &mut process,
        history,
        help,
        config,
        scratch,
        |process, change| {
            let Judged::Channel(channel) = change.about else {
                return;
            };
            outcome.changes += 1;
            if channel == Channel::HeapFloor && change.verdict != Verdict::Unknown {
                outcome.heap_known = true;
            }
            // A look into the heap says nothing of memory beside it, nor of goroutines.
            let of_heap = matches!(channel, Channel::HeapFloor | Channel::Rss);
            if change.verdict >= Verdict::Suspect && of_heap {
                process.set_evidence(channel, look);
            }
            if change.verdict == Verdict::Leak {
                outcome.fire(history, change.at);
                if !outcome.channels.contains(&channel) {
                    outcome.channels.push(channel);
                }
            } else if change.cleared() {
                outcome.cleared = Some(change.at);
            }
        },
    );
    outcome
}

/// What a look into the heap says.
fn look(scenario: Scenario, errs: Errs, rng: &mut Rng) -> Evidence {
    let rate = if scenario.is_leak() {
        errs.hides
    } else {
        errs.misses
    };
    let wrong = rng.chance(rate);
    if scenario.is_leak() {
        if wrong {
            Evidence::Bounded
        } else {
            Evidence::Unbounded
        }
    } else if scenario.is_bounded_cache() && !wrong {
        Evidence::Bounded
    } else {
        Evidence::Unclear
    }
}

fn supplied(help: Help) -> Vec<Signal> {
    if help == Help::RssOnly {
        vec![Signal::Rss, Signal::StartTime]
    } else {
        Signal::ALL.to_vec()
    }
}

fn feed(
    process: &mut Process,
    history: &History,
    help: Help,
    config: &Config,
    scratch: &mut Scratch,
    mut said: impl FnMut(&mut Process, &leakscope_trend::Change),
) {
    let mut next = process.next_evaluation(0, config);
    for sample in &history.samples {
        while sample.at >= next {
            let changes = process.evaluate(next, config, scratch);
            for change in &changes {
                said(process, change);
            }
            next = process.next_evaluation(next, config);
        }
        let of_runtime = matches!(
            sample.signal,
            Signal::HeapFloor | Signal::Native | Signal::Count
        );
        if help == Help::RssOnly && of_runtime {
            continue;
        }
        process.set(sample.at, sample.signal, sample.value, config);
    }
}
