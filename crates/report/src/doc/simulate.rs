//! `leakscope simulate`: what maps of some Go releases would do.

use schemars::JsonSchema;
use serde::Serialize;

use crate::{Head, Text};

/// A simulation of Go's maps: no program is looked at.
#[derive(Clone, PartialEq, Debug, Serialize, JsonSchema)]
pub struct SimulateDoc {
    /// The head of every document.
    #[serde(flatten)]
    pub head: Head,
    /// The scenario that was run; `null` for a trace, and where scenarios are listed.
    pub scenario: Option<ScenarioRow>,
    /// The trace that was run; `null` for a scenario.
    pub trace: Option<TraceRow>,
    /// Claims of a scenario with their numbers.
    pub claims: Vec<ClaimRow>,
    /// What to conclude from a scenario.
    pub conclusion: Option<String>,
    /// Memory over the steps of a trace, by release.
    pub curves: Vec<CurveRow>,
    /// All scenarios, where none was asked for.
    pub scenarios: Vec<ScenarioRow>,
}

/// A scenario.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, JsonSchema)]
pub struct ScenarioRow {
    /// What it is asked for by.
    pub name: String,
    /// The section of the article that it is about.
    pub section: String,
    /// What it is about.
    pub title: String,
}

/// A trace: what is done to one map.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, JsonSchema)]
pub struct TraceRow {
    /// The file it was read from; `-` for standard input.
    pub file: Text,
    /// The map's type.
    pub map_type: Text,
    /// The hint that it is made with.
    pub hint: u64,
    /// Steps in all.
    pub steps: u64,
}

/// What becomes of a claim.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Finding {
    /// It holds.
    True,
    /// Part of it holds.
    Partly,
    /// It does not hold.
    False,
    /// There is nothing that it could be about.
    NotApplicable,
}

/// What a number counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Measure {
    /// Bytes.
    Bytes,
    /// Things.
    Count,
    /// One number by another, or a mean.
    Ratio,
    /// 1 for yes, 0 for no.
    Answer,
}

/// A claim of the article, or a measure that belongs to one.
#[derive(Clone, PartialEq, Debug, Serialize, JsonSchema)]
pub struct ClaimRow {
    /// What is claimed, or measured.
    pub claim: String,
    /// What its numbers count.
    pub measure: Measure,
    /// The article's number; `null` where it names none.
    pub article: Option<f64>,
    /// What the models come to.
    pub values: Vec<ValueRow>,
}

/// What the model of one release comes to.
#[derive(Clone, PartialEq, Debug, Serialize, JsonSchema)]
pub struct ValueRow {
    /// The release, such as `1.27`.
    pub release: String,
    /// The number; `null` where the release has nothing to measure.
    pub number: Option<f64>,
    /// The claim, for this release.
    pub verdict: Finding,
}

/// Memory of a map over the steps of a trace.
#[derive(Clone, PartialEq, Debug, Serialize, JsonSchema)]
pub struct CurveRow {
    /// The release, such as `1.27`.
    pub release: String,
    /// Memory after some steps, in order.
    pub points: Vec<StepRow>,
    /// The most that the map took.
    pub peak_bytes: u64,
    /// After which step.
    pub peak_step: u64,
    /// What it took at the end.
    pub final_bytes: u64,
    /// What a map takes that is made for as many entries as it had at the end.
    pub needed_bytes: u64,
    /// The most bytes that one step allocated.
    pub largest_allocation_bytes: u64,
    /// Which step.
    pub largest_allocation_step: u64,
    /// Bytes allocated in all, freed or not.
    pub allocated_bytes: u64,
}

/// A map after some step.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, JsonSchema)]
pub struct StepRow {
    /// Steps done.
    pub step: u64,
    /// Entries.
    pub entries: u64,
    /// Bytes that the map takes.
    pub bytes: u64,
    /// Of these, bytes of the old array of a growth in progress and of what only it leads to.
    pub old_bytes: u64,
}
