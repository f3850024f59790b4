//! A verdict as it is logged and stored: about whom, what, and why.

use leakscope_trend::{Change, Millis};
use serde::{Deserialize, Serialize};

use crate::case::Ruling;
use crate::fleet::FleetSeen;

/// The process that a verdict is about. Texts are from the process: hostile until escaped.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Who {
    /// Process id.
    pub pid: i32,
    /// Its name.
    pub name: String,
    /// Path of its executable.
    pub executable: String,
    /// `go` or `jvm`.
    pub runtime: String,
    /// Version of the runtime.
    pub runtime_version: Option<String>,
    /// Revision or build id of a Go program.
    pub version: Option<String>,
    /// Garbage collector of a JVM.
    pub collector: Option<String>,
    /// What processes of one kind have in common: executable, and main package or class.
    pub workload: String,
    /// Its container.
    pub container: Option<String>,
    /// Its pod.
    pub pod: Option<String>,
    /// When it started, milliseconds since 1970.
    pub started: Millis,
}

/// One test of a verdict.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct TestSeen {
    /// Which.
    pub name: String,
    /// What was seen; `None` where it is no finite number.
    pub value: Option<f64>,
    /// What it was compared with; `None` where a shape was looked for, not a number.
    pub bound: Option<f64>,
    /// Whether it passed.
    pub passed: bool,
}

/// Terms of a risk score, each 0 to 1: see [`leakscope_trend::Risk`].
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct RiskTerms {
    /// How clear the trend is.
    pub trend: f64,
    /// Share of the ratchet's steps that rise.
    pub ratchet: f64,
    /// Whether growth is apart from the load.
    pub load_independent: f64,
    /// Share of windows or replicas that agree.
    pub agreement: f64,
    /// What a look into the heap said.
    pub evidence: f64,
    /// How soon it is full.
    pub urgency: f64,
}

/// A verdict that changed.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Verdict {
    /// Its number in the store; 0 where there is none.
    #[serde(skip)]
    pub id: i64,
    /// Number of its process in the store.
    #[serde(skip)]
    pub process: i64,
    /// When it was decided, milliseconds since 1970.
    pub at: Millis,
    /// The process.
    pub who: Who,
    /// The series or signature.
    pub channel: String,
    /// What was said before.
    pub from: String,
    /// `leak`, `suspect`, `quiet` or `unknown`.
    pub verdict: String,
    /// Urgency, 0 to 100.
    pub risk: u8,
    /// Its terms.
    pub risk_terms: RiskTerms,
    /// Growth a second, in bytes or as a count.
    pub slope: Option<f64>,
    /// Milliseconds until it is full.
    pub time_to_exhaustion: Option<Millis>,
    /// Length of the window that decided; none: the whole life.
    pub window: Option<Millis>,
    /// What was tested in it.
    pub tests: Vec<TestSeen>,
    /// What comparing it with its replicas found, where there are any.
    pub fleet: Option<FleetSeen>,
}

impl Verdict {
    pub(crate) fn new(process: i64, who: Who, ruling: Ruling) -> Self {
        let Change {
            at,
            from,
            verdict,
            risk,
            slope,
            time_to_exhaustion,
            window,
            tests,
            ..
        } = ruling.change;
        Self {
            id: 0,
            process,
            at,
            who,
            channel: ruling.about,
            from: from.name().to_owned(),
            verdict: verdict.name().to_owned(),
            risk: risk.score(),
            risk_terms: RiskTerms {
                trend: risk.trend,
                ratchet: risk.ratchet,
                load_independent: risk.load_independent,
                agreement: risk.agreement,
                evidence: risk.evidence,
                urgency: risk.urgency,
            },
            slope,
            time_to_exhaustion,
            window,
            tests: tests.iter().map(TestSeen::of).collect(),
            fleet: ruling.fleet,
        }
    }
}

impl TestSeen {
    pub(crate) fn of(test: &leakscope_trend::Test) -> Self {
        let finite = |value: f64| Some(value).filter(|v| v.is_finite());
        Self {
            name: test.name.name().to_owned(),
            value: finite(test.value),
            bound: finite(test.bound),
            passed: test.passed,
        }
    }
}
