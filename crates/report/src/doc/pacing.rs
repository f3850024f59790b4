//! How the collector is paced.

use schemars::JsonSchema;
use serde::Serialize;

/// What decides when the next collection comes. `null` means not known, or that there is no such bound.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, JsonSchema)]
pub struct PacingRow {
    /// `GOGC` in percent; -1 where it is off.
    pub gogc: Option<i32>,
    /// `GOMEMLIMIT` in bytes.
    pub memory_limit_bytes: Option<u64>,
    /// Live bytes as of the last collection.
    pub marked_bytes: Option<u64>,
    /// Bytes that the collector takes as live now.
    pub heap_bytes: Option<u64>,
    /// Size of the heap at which the next collection wants to be done.
    pub goal_bytes: Option<u64>,
    /// Which bound sets the goal.
    pub goal_by: Option<GoalBy>,
    /// Bytes to the goal; negative past it.
    pub to_goal_bytes: Option<i64>,
    /// Memory that the limit is held against: all that the runtime has mapped for use.
    pub counted_bytes: Option<u64>,
    /// Bytes to the limit; negative past it.
    pub to_limit_bytes: Option<i64>,
    /// Share, 0 to 1, of processor time that collections took.
    pub gc_cpu_share: Option<f64>,
    /// Collections completed.
    pub collections: Option<u32>,
}

/// What sets the collector's goal.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum GoalBy {
    /// `GOGC`: growth since the last collection.
    Gogc,
    /// `GOMEMLIMIT`: what the limit leaves for the heap.
    MemoryLimit,
    /// Neither: nothing is collected until asked for.
    Nothing,
}
