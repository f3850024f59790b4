//! `leakscope agent` and `leakscope explain`: verdicts, and what they rest on.

use schemars::JsonSchema;
use serde::Serialize;

use super::{RiskTerms, TrendTest, TrendVerdict};
use crate::{Head, Text};

/// A verdict that changed: one line of the agent's output. `null` means not known or not applicable.
#[derive(Clone, PartialEq, Debug, Serialize, JsonSchema)]
pub struct VerdictLine {
    /// Version of the documents' shape.
    pub schema_version: u32,
    /// Its number, for `leakscope explain`.
    pub id: i64,
    /// When it was decided, seconds since 1970.
    pub time_unix_s: f64,
    /// What it is now.
    pub verdict: TrendVerdict,
    /// What it was.
    pub from: TrendVerdict,
    /// What it is about: `heap_floor`, `rss`, `native`, `goroutines`, `threads`, `fds`, `classes`, or the name of a signature.
    pub channel: Text,
    /// Urgency, 0 to 100.
    pub risk: u8,
    /// Its terms.
    pub risk_terms: RiskTerms,
    /// Growth a second: of bytes, or of what the channel counts.
    pub slope_bytes_per_s: Option<f64>,
    /// Seconds until it is full at that pace.
    pub time_to_exhaustion_s: Option<f64>,
    /// Length of the window that decided; `null`: the whole life of the process.
    pub window_s: Option<f64>,
    /// What was tested in it.
    pub tests: Vec<TrendTest>,
    /// What comparing the process with its replicas on this machine found; `null` where there are too few.
    pub fleet: Option<FleetRow>,
    /// Process id.
    pub pid: i32,
    /// Name of the process; of a JVM, its main class.
    pub name: Text,
    /// Path of its executable.
    pub executable: Text,
    /// `go` or `jvm`.
    pub runtime: Text,
    /// Version of the runtime.
    pub runtime_version: Option<Text>,
    /// Revision or build id of a Go program.
    pub version: Option<Text>,
    /// Garbage collector of a JVM.
    pub collector: Option<Text>,
    /// What processes of one kind have in common.
    pub workload: Text,
    /// Its container.
    pub container: Option<Text>,
    /// Its pod.
    pub pod: Option<Text>,
    /// When the process started, seconds since 1970.
    pub start_time_unix_s: f64,
}

/// A process among the replicas of its workload.
#[derive(Clone, PartialEq, Debug, Serialize, JsonSchema)]
pub struct FleetRow {
    /// What growth follows: `uptime` (a leak), `clock` (traffic), or `unknown`.
    pub follows: Text,
    /// Replicas, itself among them.
    pub replicas: u64,
    /// Share of them that grow by their own trend.
    pub growing: f64,
    /// Share of pairs, at all moments, in which the older one holds more.
    pub older_holds_more: f64,
    /// The first version of which at least half grow, after one of which fewer did.
    pub onset: Option<Text>,
}

/// A decision again.
#[derive(Clone, PartialEq, Debug, Serialize, JsonSchema)]
pub struct ExplainDoc {
    /// The head of every document.
    #[serde(flatten)]
    pub head: Head,
    /// As it was decided.
    pub decision: VerdictLine,
    /// Bytes or count at which the channel is full.
    pub capacity: Option<f64>,
    /// The channel and what it was weighed against, as floors were kept.
    pub series: Vec<SeriesRow>,
    /// Every window that was looked at, longest first.
    pub windows: Vec<WindowRow>,
    /// The verdict that the stored floors give again; `null` where they are gone.
    pub verdict_again: Option<TrendVerdict>,
    /// The slope that they give again.
    pub slope_again: Option<f64>,
    /// What would have been said under another sensitivity.
    pub sensitivities: Vec<SensitivityRow>,
    /// Tests whose other outcome would have changed the verdict, the closest first.
    pub turning: Vec<TurningRow>,
}

/// A stored series.
#[derive(Clone, PartialEq, Debug, Serialize, JsonSchema)]
pub struct SeriesRow {
    /// Its name.
    pub name: Text,
    /// Its values in order of time.
    pub points: Vec<PointRow>,
}

/// A value of a series.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, JsonSchema)]
pub struct PointRow {
    /// Start of its bucket, or when it changed; seconds since 1970.
    pub time_unix_s: f64,
    /// The value.
    pub value: f64,
}

/// A window that was looked at.
#[derive(Clone, PartialEq, Debug, Serialize, JsonSchema)]
pub struct WindowRow {
    /// Its length; `null`: the whole life of the process.
    pub length_s: Option<f64>,
    /// Its tests, in the order made, up to the first that failed.
    pub tests: Vec<TrendTest>,
}

/// A verdict under another sensitivity.
#[derive(Clone, PartialEq, Debug, Serialize, JsonSchema)]
pub struct SensitivityRow {
    /// `early`, `normal` or `quiet`.
    pub sensitivity: Text,
    /// The verdict.
    pub verdict: TrendVerdict,
}

/// A test that the verdict hung on.
#[derive(Clone, PartialEq, Debug, Serialize, JsonSchema)]
pub struct TurningRow {
    /// The test.
    pub test: TrendTest,
    /// By what share of its bound the value would have to differ.
    pub margin: f64,
}
