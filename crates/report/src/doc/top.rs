//! `leakscope top`: what the runtimes of processes count of themselves, read without stopping them.

use schemars::JsonSchema;
use serde::Serialize;

use crate::{Head, Text};

/// Counters of some processes, all read within a moment.
#[derive(Clone, PartialEq, Debug, Serialize, JsonSchema)]
pub struct TopDoc {
    /// The head of every document. Its gaps tell the processes that could not be read.
    #[serde(flatten)]
    pub head: Head,
    /// The processes, in the order asked for.
    pub processes: Vec<CounterRow>,
}

/// The counters of one process. `null` means not known or not applicable.
#[derive(Clone, PartialEq, Debug, Serialize, JsonSchema)]
pub struct CounterRow {
    /// Process id.
    pub pid: i32,
    /// The kernel's name of it.
    pub name: Text,
    /// The runtime's version as it names itself.
    pub runtime_version: Text,
    /// Bytes of objects that the last collection marked. Of a leak, this is what rises.
    pub heap_marked_bytes: Option<u64>,
    /// Bytes that the collector takes as live now: those marked, and all spans allocated from since.
    pub heap_live_bytes: Option<u64>,
    /// Size of the heap at which the collector wants to be done; `null` also where it is off.
    pub heap_goal_bytes: Option<u64>,
    /// Bytes of allocated objects, live or not yet swept, without what processors hold in their caches.
    pub heap_alloc_bytes: Option<u64>,
    /// Bytes ever allocated, without what processors hold in their caches.
    pub total_alloc_bytes: Option<u64>,
    /// Bytes of spans in use.
    pub heap_in_use_bytes: Option<u64>,
    /// Bytes of spans not in use.
    pub heap_idle_bytes: Option<u64>,
    /// Of these, bytes given back to the kernel.
    pub heap_released_bytes: Option<u64>,
    /// Bytes of stacks.
    pub stacks_in_use_bytes: Option<u64>,
    /// `GOGC` in percent; -1 when off.
    pub gc_percent: Option<i32>,
    /// `GOMEMLIMIT` in bytes; `null` also where there is none.
    pub memory_limit_bytes: Option<u64>,
    /// Collections completed.
    pub num_gc: Option<u32>,
    /// Of these, those that the program asked for.
    pub num_forced_gc: Option<u32>,
    /// Whether a collection is marking now.
    pub marking: Option<bool>,
    /// When the last collection ended, nanoseconds since 1970; `null` also before the first.
    pub last_gc_unix_ns: Option<u64>,
    /// How long the last collection stopped the program, nanoseconds; `null` also before the first.
    pub last_pause_ns: Option<u64>,
    /// How long all collections stopped the program, nanoseconds.
    pub pause_total_ns: Option<u64>,
    /// Share, 0 to 1, of the processor time since the start that collections took.
    pub gc_cpu_share: Option<f64>,
    /// Goroutines of the program.
    pub goroutines: Option<u64>,
    /// `GOMAXPROCS`.
    pub gomaxprocs: Option<u32>,
    /// Whether counters contradicted each other at every attempt: some may be from different moments.
    pub torn: bool,
}
