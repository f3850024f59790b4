//! `leakscope replay`: what would have been said about a history, when, and why.

use schemars::JsonSchema;
use serde::Serialize;

use crate::Text;

/// What a series looks like.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TrendVerdict {
    /// Growth that fills the room that is left as fast as it has been watched growing.
    Leak,
    /// Growth that would take longer to fill it.
    Suspect,
    /// No growth that matters.
    Quiet,
    /// Too little is known.
    Unknown,
}

/// A verdict that changed: one line of JSON. `null` means not known or not applicable.
#[derive(Clone, PartialEq, Debug, Serialize, JsonSchema)]
pub struct ReplayLine {
    /// When it changed, seconds since 1970 in the history's time.
    pub time_unix_s: f64,
    /// What it is now.
    pub verdict: TrendVerdict,
    /// What it was.
    pub from: TrendVerdict,
    /// The channel, or the name of the signature or threshold.
    pub channel: Text,
    /// The process, by its labels; `null` in a history of one.
    pub process: Option<Text>,
    /// Urgency, 0 to 100.
    pub risk: u8,
    /// What the urgency is made of.
    pub risk_terms: RiskTerms,
    /// Growth per second: of bytes, or of what the channel counts.
    pub slope_bytes_per_s: Option<f64>,
    /// Seconds until memory is exhausted at that growth.
    pub time_to_exhaustion_s: Option<f64>,
    /// Length of the window that decided, seconds.
    pub window_s: Option<f64>,
    /// What was tested, in order.
    pub tests: Vec<TrendTest>,
}

/// The terms of the urgency, each 0 to 1: 100 x (0.25 trend + 0.20 ratchet + 0.15 load_independent + 0.15 agreement +
/// 0.25 evidence) x (0.35 + 0.65 urgency).
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, JsonSchema)]
pub struct RiskTerms {
    /// How clear the trend is.
    pub trend: f64,
    /// Share of steps that rise.
    pub ratchet: f64,
    /// Whether growth does not follow the load.
    pub load_independent: f64,
    /// Share of windows, or of replicas, that agree.
    pub agreement: f64,
    /// Whether a look into the heap found what grows.
    pub evidence: f64,
    /// How soon memory is exhausted.
    pub urgency: f64,
}

/// One test: what was seen against what was wanted.
#[derive(Clone, PartialEq, Debug, Serialize, JsonSchema)]
pub struct TrendTest {
    /// Its name.
    pub name: Text,
    /// What was seen.
    pub value: Option<f64>,
    /// What it is compared with.
    pub bound: Option<f64>,
    /// Whether it passed.
    pub passed: bool,
}

/// The floors of a channel, for the plot.
#[derive(Clone, PartialEq, Debug)]
pub struct ReplaySeries {
    /// The channel.
    pub channel: String,
    /// Whether it counts bytes.
    pub bytes: bool,
    /// Seconds since 1970 and value, in order of time.
    pub points: Vec<(f64, f64)>,
    /// The newest value at which it is full.
    pub capacity: Option<f64>,
    /// Changes of its verdict: seconds since 1970 and what it became.
    pub marks: Vec<(f64, TrendVerdict)>,
}

/// A replay as a page. In JSON it is its lines.
#[derive(Clone, PartialEq, Debug)]
pub struct ReplayDoc {
    /// Where the history is from.
    pub source: Text,
    /// The process, by its labels; `None` in a history of one.
    pub process: Option<Text>,
    /// `go` or `jvm`, and whether that was guessed.
    pub runtime: String,
    /// Samples taken.
    pub samples: u64,
    /// First and last sample, seconds since 1970.
    pub span: Option<(f64, f64)>,
    /// The channels that were judged.
    pub series: Vec<ReplaySeries>,
    /// Every change of a verdict.
    pub lines: Vec<ReplayLine>,
    /// What could not be read, in words.
    pub remarks: Vec<Text>,
}
