//! `leakscope threads`: what each thread of a JVM does and holds.

use schemars::JsonSchema;
use serde::Serialize;

use crate::{Address, Head, Text};

/// The threads of a JVM.
#[derive(Clone, PartialEq, Debug, Serialize, JsonSchema)]
pub struct ThreadsDoc {
    /// The head of every document.
    #[serde(flatten)]
    pub head: Head,
    /// Number of threads.
    pub count: u64,
    /// Of these, virtual ones.
    pub virtual_count: u64,
    /// Of the virtual ones, those that a platform thread runs at the moment.
    pub mounted_count: u64,
    /// Threads whose stack is not in the dump.
    pub without_stack: u64,
    /// Threads of one pool that do the same: those that hold most first.
    pub groups: Vec<ThreadGroup>,
    /// Each thread, in the dump's order.
    pub threads: Vec<ThreadRow>,
}

/// What runs a thread.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ThreadKind {
    /// The operating system.
    Platform,
    /// A platform thread, at the moment.
    Mounted,
    /// Nothing: a virtual thread that waits.
    Unmounted,
}

/// Threads of one pool that do the same: their names differ by numbers only, their states and stacks not at all.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, JsonSchema)]
pub struct ThreadGroup {
    /// What they are called, with `*` for what differs.
    pub name: Text,
    /// How many.
    pub count: u64,
    /// What runs them.
    pub kind: ThreadKind,
    /// What they do, in Java's words.
    pub state: Option<Text>,
    /// Bytes that only they hold, each by itself.
    pub retained_bytes: u64,
    /// The one that holds most, by its place in `threads`.
    pub example: u64,
}

/// One thread. `null` means that the dump does not tell.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, JsonSchema)]
pub struct ThreadRow {
    /// Its name.
    pub name: Option<Text>,
    /// Its number (`Thread.threadId()`).
    pub id: Option<u64>,
    /// What runs it.
    pub kind: ThreadKind,
    /// Address of its object.
    pub address: Option<Address>,
    /// Class of its object.
    #[serde(rename = "type")]
    pub type_: Option<Text>,
    /// The platform thread that runs it, of a virtual one that is mounted.
    pub carrier: Option<Text>,
    /// What it does, in Java's words: `RUNNABLE`, `WAITING`, ...
    pub state: Option<Text>,
    /// Type of what it is parked for.
    pub waits_for: Option<Text>,
    /// Bytes of the heap that only it holds: by its frames, its object and its thread locals, each by itself.
    pub retained_bytes: u64,
    /// Whether the dump has its stack; if not, `stack` is empty for that.
    pub stack_known: bool,
    /// Its frames, innermost first.
    pub stack: Vec<FrameRow>,
    /// Values that it keeps for itself, those that hold most first.
    pub thread_locals: Vec<ThreadLocalRow>,
}

/// A frame. A dump has no names of local variables.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, JsonSchema)]
pub struct FrameRow {
    /// Class and method.
    pub method: Text,
    /// The source file.
    pub file: Option<Text>,
    /// The line.
    pub line: Option<u32>,
    /// Whether it is native code.
    pub native: bool,
    /// Objects that its locals and JNI references lead to, those that hold most first.
    pub locals: Vec<LocalRow>,
}

/// An object that a frame leads to.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, JsonSchema)]
pub struct LocalRow {
    /// Its type.
    #[serde(rename = "type")]
    pub type_: Text,
    /// Its address.
    pub address: Address,
    /// Bytes that would be garbage without it.
    pub retained_bytes: u64,
    /// Whether nothing but this thread holds it.
    pub only_here: bool,
}

/// A value of a `ThreadLocal`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, JsonSchema)]
pub struct ThreadLocalRow {
    /// The static field that holds the `ThreadLocal`, or what else is known of it.
    pub name: Text,
    /// The value.
    pub value: LocalRow,
}
