//! Everything that can keep a command from doing what it was asked.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// Why a command failed. What to say about it is in [`crate::advice`].
#[derive(Debug)]
pub(crate) enum Failure {
    /// The target, or the core of one.
    Target(leakscope_target::Error),
    /// The Go program in it.
    Go(leakscope_go::error::Error),
    /// A structure of the runtime that the debug info does not describe.
    Layout(leakscope_go::layouts::MissingLayout),
    /// The heap cannot be rebuilt at all.
    Build(leakscope_go::heap::BuildError),
    /// The result could not be written.
    Output {
        /// Where to.
        path: PathBuf,
        /// The kernel's word.
        source: io::Error,
    },
    /// A target that is neither a process id nor a file nor the name of a process.
    NotATarget {
        /// As given, raw.
        given: Vec<u8>,
    },
    /// A configuration with errors.
    Config {
        /// The file.
        path: PathBuf,
        /// All of them, with their lines.
        errors: Vec<String>,
    },
    /// A history that cannot be read.
    History {
        /// The file or the server.
        source: String,
        /// What is wrong with it.
        why: String,
    },
    /// A profile was asked for from a command that makes none.
    NoProfile {
        /// The file that was to be one.
        path: PathBuf,
    },
    /// A heap dump that cannot be read.
    HeapDump {
        /// Its path, raw.
        dump: Vec<u8>,
        /// Why not.
        source: leakscope_jvm::Error,
    },
    /// Memory cannot be limited as asked.
    Memory(leakscope_target::SpillError),
    /// A heap does not fit into the memory that it may take.
    MemoryExceeded {
        /// Bytes that may be taken.
        most: u64,
        /// Bytes that are.
        resident: u64,
    },
    /// Memory can be limited for heap dumps only.
    MemoryOfDumps,
    /// What was asked takes a process or a core or snapshot of one.
    NotOfDumps {
        /// The dump, raw.
        dump: Vec<u8>,
    },
    /// What was asked is of JVMs only.
    NotOfJvm,
    /// A JVM that cannot be asked, or refuses.
    Attach(leakscope_target::AttachError),
    /// A JVM would stand still for longer than allowed; it was not asked.
    JvmPause {
        /// What would make it.
        what: &'static str,
        /// How long it would stand still.
        predicted: Duration,
        /// How long it may.
        max_stop: Duration,
        /// Bytes of its heap.
        heap: u64,
    },
    /// A JVM answers by standing still, which was ruled out.
    JvmStops {
        /// What would make it.
        what: &'static str,
    },
    /// A JVM's dump without values was asked for.
    JvmValues,
    /// A JVM's dump was asked for on standard output.
    JvmToStdout,
    /// A heap with more in it than can be told apart.
    TooLarge(leakscope_graph::TooLarge),
    /// What was asked takes values, and the snapshot was written without.
    NeedsValues {
        /// The snapshot, raw, or another target without values.
        target: Vec<u8>,
    },
    /// No object, type or map in the heap is meant by this.
    NoSuchObject {
        /// As asked for.
        asked: String,
    },
    /// A core whose executable was not given and is not where it was.
    NoExecutable {
        /// The core.
        core: PathBuf,
        /// Where it was, raw, if the core says.
        hint: Option<Vec<u8>>,
        /// Why it cannot be used.
        why: String,
    },
    /// What cannot be simulated.
    Simulate(crate::commands::simulate::Refused),
    /// An earlier document that cannot be compared with.
    Baseline {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A list of fingerprints that cannot be read.
    Suppressions {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// No pattern has this id.
    NoRule {
        /// As given.
        id: String,
    },
    /// The store of the agent, or a decision in it.
    Watch(leakscope_watch::ExplainError),
    /// A verdict was to be explained, and no store is named.
    NoStore,
    /// Signals cannot be handled, or this process cannot protect itself.
    Setup {
        /// What failed.
        what: &'static str,
        /// The kernel's word.
        source: io::Error,
    },
}

impl From<leakscope_target::AttachError> for Failure {
    fn from(error: leakscope_target::AttachError) -> Self {
        match error {
            leakscope_target::AttachError::Target(error) => Self::Target(error),
            other => Self::Attach(other),
        }
    }
}

impl From<leakscope_target::Error> for Failure {
    fn from(error: leakscope_target::Error) -> Self {
        Self::Target(error)
    }
}

impl From<leakscope_go::error::Error> for Failure {
    fn from(error: leakscope_go::error::Error) -> Self {
        Self::Go(error)
    }
}

impl From<leakscope_go::layouts::MissingLayout> for Failure {
    fn from(error: leakscope_go::layouts::MissingLayout) -> Self {
        Self::Layout(error)
    }
}

impl From<leakscope_go::heap::BuildError> for Failure {
    fn from(error: leakscope_go::heap::BuildError) -> Self {
        Self::Build(error)
    }
}

impl From<leakscope_graph::TooLarge> for Failure {
    fn from(error: leakscope_graph::TooLarge) -> Self {
        Self::TooLarge(error)
    }
}

impl From<leakscope_watch::StoreError> for Failure {
    fn from(error: leakscope_watch::StoreError) -> Self {
        Self::Watch(error.into())
    }
}

impl From<leakscope_watch::ExplainError> for Failure {
    fn from(error: leakscope_watch::ExplainError) -> Self {
        Self::Watch(error)
    }
}
