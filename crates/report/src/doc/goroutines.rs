//! `leakscope goroutines`: what each goroutine does, holds, and whether it is leaked.

use schemars::JsonSchema;
use serde::Serialize;

use crate::{Head, Text};

/// The goroutines of a process.
#[derive(Clone, PartialEq, Debug, Serialize, JsonSchema)]
pub struct GoroutinesDoc {
    /// The head of every document.
    #[serde(flatten)]
    pub head: Head,
    /// Number of goroutines that are not dead.
    pub count: u64,
    /// Of these, blocked for good.
    pub leaked_count: u64,
    /// Of these, blocked for good but for a doubt.
    pub suspect_count: u64,
    /// Goroutines that do the same: same stack, same `go` statement, same verdict.
    pub groups: Vec<GoroutineGroup>,
    /// Each goroutine, in the runtime's order.
    pub goroutines: Vec<GoroutineRow>,
}

/// Whether a goroutine is blocked for good, by the rule of Go 1.27's own profile.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Leak {
    /// Blocked for good: nothing that can still run leads to what it waits for.
    Leaked,
    /// So it seems, but part of what could lead there was not certain or not readable.
    Suspect,
    /// What it waits for could not be found out.
    Unknown,
    /// It can run, or may be woken.
    No,
}

/// Why a goroutine that looks leaked is not called so.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Doubt {
    /// Only words that may be no pointers lead to what it waits for: registers, frames that were stopped anywhere.
    MaybePointer,
    /// Part of the memory could not be read, and may lead there.
    Unread,
}

/// A place in the program's source.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, JsonSchema)]
pub struct Place {
    /// The function's full name.
    pub function: Text,
    /// The source file; `null` where unknown.
    pub file: Option<Text>,
    /// The line; `null` where unknown.
    pub line: Option<u32>,
}

/// One goroutine.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, JsonSchema)]
pub struct GoroutineRow {
    /// Its number.
    pub id: u64,
    /// What it does: `running`, `runnable`, `syscall`, `waiting`, ...
    pub status: Text,
    /// Why it waits, as the runtime spells it; `null` where it does not wait.
    pub wait_reason: Option<Text>,
    /// How long it has waited at least, nanoseconds; `null` until a collection has seen it wait.
    pub wait_ns: Option<u64>,
    /// Whether it is blocked for good, without doubt.
    pub leaked: bool,
    /// The verdict with its shades.
    pub verdict: Leak,
    /// Of a suspect, why it is not called leaked.
    pub doubt: Option<Doubt>,
    /// Bytes of the heap that only it holds.
    pub retained_bytes: u64,
    /// Its frames, innermost first, inlined functions included.
    pub stack: Vec<Place>,
    /// The `go` statement that started it; `null` for the main goroutine and the runtime's first ones.
    pub created_by: Option<Place>,
}

/// Goroutines that do the same.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, JsonSchema)]
pub struct GoroutineGroup {
    /// How many.
    pub count: u64,
    /// Their verdict.
    pub verdict: Leak,
    /// Of suspects, why they are not called leaked.
    pub doubt: Option<Doubt>,
    /// What they do.
    pub status: Text,
    /// Why they wait.
    pub wait_reason: Option<Text>,
    /// The longest wait that is known, nanoseconds.
    pub longest_wait_ns: Option<u64>,
    /// Bytes of the heap that only they hold, each by itself.
    pub retained_bytes: u64,
    /// The first of them.
    pub example: u64,
    /// Their frames, innermost first.
    pub stack: Vec<Place>,
    /// The `go` statement that started them.
    pub created_by: Option<Place>,
}
