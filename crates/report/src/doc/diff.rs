//! `leakscope diff`: what grew between captures.

use schemars::JsonSchema;
use serde::Serialize;

use crate::{Amount, Capture, FindingRow, Head, Target, Text};

/// What grew between captures of one program.
#[derive(Clone, PartialEq, Debug, Serialize, JsonSchema)]
pub struct DiffDoc {
    /// The head of every document; target, capture and coverage are those of the last capture.
    #[serde(flatten)]
    pub head: Head,
    /// The captures compared, in order.
    pub captures: Vec<CaptureRow>,
    /// Whether all are of the same build of the same program; if not, names may not mean the same.
    pub same_program: bool,
    /// What the captures say together, most bytes first: patterns that need time. Empty where they are not all of one process.
    pub findings: Vec<FindingRow>,
    /// By place where memory accumulates.
    pub holders: Vec<GrowthRow>,
    /// By type.
    pub types: Vec<GrowthRow>,
    /// By owner of a map.
    pub maps: Vec<GrowthRow>,
    /// By allocation site: sampled objects that roots reach, scaled.
    pub sites: Vec<GrowthRow>,
    /// By what resident memory belongs to; empty where a capture has no ledger.
    pub ledger: Vec<GrowthRow>,
    /// By the `go` statement of goroutines; bytes are what these alone hold.
    pub goroutines: Vec<GrowthRow>,
}

/// One capture of several.
#[derive(Clone, PartialEq, Debug, Serialize, JsonSchema)]
pub struct CaptureRow {
    /// What was captured.
    pub target: Target,
    /// How and when.
    pub capture: Capture,
    /// What roots reach.
    pub reachable: Amount,
    /// Allocated slots.
    pub allocated: Amount,
    /// Goroutines that are not dead.
    pub goroutines: u64,
}

/// One thing over all captures.
#[derive(Clone, PartialEq, Debug, Serialize, JsonSchema)]
pub struct GrowthRow {
    /// What it is called.
    pub name: Text,
    /// Its fingerprint, where it has one.
    pub fingerprint: Option<Text>,
    /// Objects and bytes in each capture.
    pub sums: Vec<Amount>,
    /// Bytes in the last capture less those in the first.
    pub bytes_grown: i64,
    /// Objects in the last capture less those in the first.
    pub objects_grown: i64,
    /// Whether bytes rose and never fell between captures.
    pub steady: bool,
    /// Bytes gained per second by least squares; `null` where the times of the captures are not known.
    pub bytes_per_second: Option<f64>,
}
