//! Replicas of one workload that come and go, judged together.

use leakscope_trend::{
    Channel, Config, FleetVerdict, Judged, Millis, Process, Replica, Runtime, Scratch, Signal,
    Verdict, judge_fleet, minutes,
};

use crate::history::STEP;
use crate::rng::Rng;

/// What happens to replicas.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FleetCase {
    /// Benign: traffic per replica grows, and nothing tells the detector how much of it there is.
    Traffic,
    /// Leak: under the same traffic.
    Leak,
}

/// What was said about replicas.
#[derive(Clone, Debug)]
pub struct FleetOutcome {
    /// Replicas that were called leaking.
    pub leaks: usize,
    /// The last verdict of the comparison.
    pub verdict: FleetVerdict,
    /// Whether that is right.
    pub right: bool,
}

impl FleetCase {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Traffic, Self::Leak];

    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Traffic => "replicas, growing traffic",
            Self::Leak => "replicas, leak",
        }
    }

    pub(crate) fn expected(self) -> &'static str {
        match self {
            Self::Traffic => "no leak",
            Self::Leak => "leak",
        }
    }
}

struct One {
    process: Process,
    born: Millis,
    leaked: bool,
}

/// Six replicas of different ages under one traffic, for 48 hours.
pub fn run_fleet(case: FleetCase, seed: u64, config: &Config) -> FleetOutcome {
    let mut rng = Rng::fork(seed, case.name());
    let capacity = 2e9;
    let base = capacity * rng.between(0.15, 0.25);
    let wave = rng.between(0.3, 0.6);
    let fill = rng.between(20.0, 40.0);
    let mut scratch = Scratch::default();
    let mut replicas: Vec<One> = (0..6).map(|i| start(i * minutes(180), config)).collect();
    let mut verdict = FleetVerdict::Unknown;
    let mut leaks = 0;
    for step in 0..48 * 120 {
        let at = step * STEP;
        let hour = at as f64 / 3.6e6;
        let traffic =
            0.3 + hour / 40.0 + wave * (hour / 24.0 * std::f64::consts::TAU).sin().abs() * 0.3;
        for one in &mut replicas {
            if at < one.born {
                continue;
            }
            let age = (at - one.born) as f64 / 3.6e6;
            let grown = if case == FleetCase::Leak {
                age / fill
            } else {
                0.0
            };
            let live =
                base + (capacity - base) * (grown + 0.35 * traffic) * (1.0 + 0.01 * rng.normal());
            if live >= 0.98 * capacity {
                // It ends for lack of memory, and another takes its place.
                *one = start(at, config);
                continue;
            }
            if step % 4 == 0 {
                one.process.set(at, Signal::HeapFloor, live, config);
            }
            for change in one.process.evaluate(at, config, &mut scratch) {
                let heap = change.about == Judged::Channel(Channel::HeapFloor);
                if heap && change.verdict == Verdict::Leak && !one.leaked {
                    one.leaked = true;
                    leaks += 1;
                }
            }
        }
        if at % config.fleet.every == 0 {
            verdict = compare(&mut replicas, at, config);
        }
    }
    let right = match case {
        FleetCase::Leak => leaks > 0 && verdict == FleetVerdict::Uptime,
        FleetCase::Traffic => leaks == 0 && verdict == FleetVerdict::Clock,
    };
    FleetOutcome {
        leaks,
        verdict,
        right,
    }
}

fn start(born: Millis, config: &Config) -> One {
    let mut process = Process::new(Runtime::Jvm, &[Signal::HeapFloor]);
    process.set(born, Signal::StartTime, born as f64 / 1e3, config);
    process.set(born, Signal::HeapMax, 2e9, config);
    One {
        process,
        born,
        leaked: false,
    }
}

/// Compares all replicas and tells each what that says.
fn compare(replicas: &mut [One], at: Millis, config: &Config) -> FleetVerdict {
    let views: Vec<Replica<'_>> = replicas
        .iter()
        .filter_map(|one| {
            Some(Replica {
                version: "v1",
                born: one.born,
                floors: one.process.floors(Channel::HeapFloor)?,
                grows: one.process.verdict(Channel::HeapFloor) >= Verdict::Suspect,
            })
        })
        .collect();
    let report = judge_fleet(&views, at, config);
    for one in replicas {
        one.process.set_fleet(
            Channel::HeapFloor,
            Some((report.verdict, report.growing_share)),
        );
    }
    report.verdict
}
