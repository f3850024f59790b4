//! What every document says about itself: which tool, which target, how it was captured, what the answer rests on.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Address, Text};

/// Version of the documents' shape. It rises when a field changes its meaning or goes away; new fields do not raise it.
pub const SCHEMA_VERSION: u32 = 1;

/// Which document this is: the command that makes it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Document {
    /// The overview of one heap.
    Analyze,
    /// Objects by type.
    Histo,
    /// Every map.
    Maps,
    /// A snapshot that was written.
    Snap,
    /// Growth between captures.
    Diff,
    /// Goroutines.
    Goroutines,
    /// Threads of a JVM.
    Threads,
    /// Ways from roots to objects.
    Why,
    /// Processes of this machine.
    Ps,
    /// Preconditions.
    Doctor,
    /// Counters of runtimes.
    Top,
    /// Allocation sites.
    Sites,
    /// Resident memory.
    Ledger,
    /// Simulated maps.
    Simulate,
    /// The catalogue of patterns, or a page of it.
    Rule,
    /// A decision of the agent.
    Explain,
}

/// The head of every document.
#[derive(Clone, PartialEq, Debug, Serialize, JsonSchema)]
pub struct Head {
    /// Version of the documents' shape.
    pub schema_version: u32,
    /// Which document this is.
    pub document: Document,
    /// Who made it.
    pub tool: Tool,
    /// What was looked at.
    pub target: Target,
    /// How and when. The only part in which two analyses of one core differ.
    pub capture: Capture,
    /// What the answer rests on.
    pub coverage: Coverage,
}

/// The program that made a document.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, JsonSchema)]
pub struct Tool {
    /// `leakscope`.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// Where the target's bytes came from.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TargetKind {
    /// A running process.
    Live,
    /// A core file.
    Core,
    /// A snapshot of a process or a core.
    Snapshot,
    /// A heap dump of a JVM.
    HeapDump,
    /// This machine as a whole.
    Host,
    /// A model: no program was looked at.
    Model,
}

/// What was looked at. `null` means not known or not applicable.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Target {
    /// Where the bytes came from.
    pub kind: TargetKind,
    /// Process id; of a core, the id the process had.
    pub pid: Option<i32>,
    /// The kernel's name of the process.
    pub name: Option<Text>,
    /// Path of the executable, as the target sees it.
    pub executable: Option<Text>,
    /// Path of the core file.
    pub core: Option<Text>,
    /// Path of the snapshot.
    pub snapshot: Option<Text>,
    /// Path of the heap dump; `-` for standard input.
    pub heap_dump: Option<Text>,
    /// The language runtime: `go` or `jvm`.
    pub runtime: Option<Text>,
    /// The runtime's version as it names itself, such as `go1.27.3`.
    pub runtime_version: Option<Text>,
    /// Whether the executable carries debug info.
    pub debug_info: Option<bool>,
}

impl Target {
    /// A target of which nothing is known but its kind.
    pub fn of(kind: TargetKind) -> Self {
        Self {
            kind,
            pid: None,
            name: None,
            executable: None,
            core: None,
            snapshot: None,
            heap_dump: None,
            runtime: None,
            runtime_version: None,
            debug_info: None,
        }
    }
}

/// How the target's memory was read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// Copied while every thread was stopped.
    Stop,
    /// Copied while it ran: parts may be from different moments.
    NoStop,
    /// Read from a core file.
    Core,
    /// Read from a heap dump that the runtime itself wrote.
    HeapDump,
    /// Told by the runtime itself, which stood still for it.
    Attach,
    /// Only what the kernel says about processes; no memory was read.
    Proc,
    /// Simulated.
    Model,
}

/// How and when the target was captured. `null` means not measured or not applicable.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Capture {
    /// How its memory was read.
    pub method: Method,
    /// When, in UTC, as RFC 3339. Of a core, when the file was last written.
    pub taken_at: Option<String>,
    /// How long the stop was expected to last, nanoseconds.
    pub stop_predicted_ns: Option<u64>,
    /// How long it lasted, from the first interrupt to the last release, nanoseconds.
    pub stop_measured_ns: Option<u64>,
    /// Bytes copied out of the target.
    pub copied_bytes: Option<u64>,
    /// Number of ranges those bytes lay in.
    pub ranges: Option<u64>,
    /// Threads the target had.
    pub threads: Option<u64>,
    /// Stops it took: more than one when the target outgrew what was prepared.
    pub attempts: Option<u32>,
    /// Whether parts may be from different moments.
    pub torn: bool,
}

impl Capture {
    /// A capture of which nothing is known but its method.
    pub fn of(method: Method) -> Self {
        Self {
            method,
            taken_at: None,
            stop_predicted_ns: None,
            stop_measured_ns: None,
            copied_bytes: None,
            ranges: None,
            threads: None,
            attempts: None,
            torn: method == Method::NoStop,
        }
    }
}

/// Objects and their bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, JsonSchema)]
pub struct Amount {
    /// Number of objects.
    pub objects: u64,
    /// Their bytes as the runtime accounts them: whole slots.
    pub bytes: u64,
}

/// What the answer rests on. `null` means not applicable: no heap was read.
#[derive(Clone, PartialEq, Debug, Default, Serialize, JsonSchema)]
pub struct Coverage {
    /// Share, 0 to 1, of the heap's bytes whose type is known.
    pub named_bytes_share: Option<f64>,
    /// Objects examined.
    pub objects: Option<u64>,
    /// Their bytes.
    pub bytes: Option<u64>,
    /// Objects of unknown type that hold pointers.
    pub untyped_with_pointers: Option<Amount>,
    /// Objects of unknown type that hold none.
    pub untyped_without_pointers: Option<Amount>,
    /// What could not be read or made sense of, by reason.
    pub gaps: Vec<Gap>,
}

/// Things of one kind that could not be read or made sense of.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Gap {
    /// What was being read and what was wrong with it.
    pub reason: Text,
    /// How often.
    pub count: u64,
    /// Addresses of the first few.
    pub examples: Vec<Address>,
}
