//! Counters that a Go runtime keeps of itself, read from the running process without stopping it.
//!
//! A [`CounterMap`] says where an executable keeps them; it is made once per executable. A [`CounterReader`] is one
//! process of that executable: a sample costs one batched read of a few hundred bytes. The process runs on meanwhile,
//! so that counters may be from different moments: what can be checked is checked, the read is repeated where a check
//! fails, and a sample that never fits is marked [`torn`](Counters::torn).
//!
//! Every counter is optional: one that cannot be located is not known, and the others are no worse for it.

mod goal;
mod map;
mod reader;

pub use map::CounterMap;
pub use reader::CounterReader;

/// What the runtime counts, at one moment. `None`: not known, or not applicable.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Counters {
    /// `GOGC`: growth in percent at which a collection starts; -1 when that is off.
    pub gc_percent: Option<i32>,
    /// `GOMEMLIMIT` in bytes; `None` also where there is no limit.
    pub memory_limit: Option<u64>,
    /// Bytes of objects that the last collection marked: the live heap as of then (`/gc/heap/live:bytes`).
    pub heap_marked: Option<u64>,
    /// Bytes that the collector takes as live now: those marked and whatever was allocated since. Counts the whole
    /// spans that processors allocate from, and so somewhat more than the objects (mgcpacer.go, `heapLive`).
    pub heap_live: Option<u64>,
    /// Size of the heap at which the collector wants to be done (`MemStats.NextGC`); `None` also where neither `GOGC`
    /// nor `GOMEMLIMIT` sets one.
    pub heap_goal: Option<u64>,
    /// The goal as `GOGC` alone sets it (mgcpacer.go, `gcPercentHeapGoal`).
    pub gogc_goal: Option<u64>,
    /// Bytes of allocated objects, live or not yet swept, as of the last flush of each processor's cache
    /// (`MemStats.HeapAlloc`, which flushes first).
    pub heap_alloc: Option<u64>,
    /// Bytes ever allocated, as of the last flush of each processor's cache (`MemStats.TotalAlloc`).
    pub total_alloc: Option<u64>,
    /// Bytes of spans in use (`MemStats.HeapInuse`).
    pub heap_in_use: Option<u64>,
    /// Bytes of spans not in use, given back to the kernel or not (`MemStats.HeapIdle`).
    pub heap_idle: Option<u64>,
    /// Of these, bytes given back to the kernel (`MemStats.HeapReleased`).
    pub heap_released: Option<u64>,
    /// Bytes that the runtime has mapped for use, heap or not (mgcpacer.go, `mappedReady`).
    pub mapped_ready: Option<u64>,
    /// Bytes of stacks (`MemStats.StackInuse`).
    pub stacks_in_use: Option<u64>,
    /// Collections completed (`MemStats.NumGC`).
    pub num_gc: Option<u32>,
    /// Of these, collections that the program asked for (`MemStats.NumForcedGC`).
    pub num_forced_gc: Option<u32>,
    /// Whether a collection is marking now.
    pub marking: Option<bool>,
    /// When the last collection ended, nanoseconds since 1970; `None` also before the first.
    pub last_gc_unix_ns: Option<u64>,
    /// How long the last collection stopped the program, nanoseconds; `None` also before the first.
    pub last_pause_ns: Option<u64>,
    /// How long all collections stopped the program, nanoseconds (`MemStats.PauseTotalNs`).
    pub pause_total_ns: Option<u64>,
    /// Share, 0 to 1, of the processor time since the start that collections took (`MemStats.GCCPUFraction`).
    pub gc_cpu_fraction: Option<f64>,
    /// Goroutines of the program (`runtime.NumGoroutine`).
    pub goroutines: Option<u64>,
    /// `GOMAXPROCS`.
    pub gomaxprocs: Option<u32>,
    /// Whether the counters contradicted each other at every attempt: some may be from different moments.
    pub torn: bool,
}
