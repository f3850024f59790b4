//! What a capture is asked for, what it says on its way, and what it yields.

use std::time::Duration;

use crate::{AddrRange, Freezer, ImageBuilder, Mapping, Thread};

/// How to capture.
#[derive(Clone, Debug)]
pub struct CaptureOptions {
    /// Longest stop. A stop predicted to be longer is not begun; one that is longer is ended, and the capture fails.
    pub max_stop: Duration,
    /// Read the running process instead. The image may be torn: its parts are of different moments.
    pub no_stop: bool,
    /// Threads that copy, at least 1.
    pub copy_threads: usize,
}

impl Default for CaptureOptions {
    /// A stop of one second at most, two threads that copy.
    fn default() -> Self {
        Self {
            max_stop: Duration::from_secs(1),
            no_stop: false,
            copy_threads: 2,
        }
    }
}

/// How far a capture has come. Told only while the target runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Phase {
    /// Looking at the running process, to learn how much there is to copy.
    Rehearsing {
        /// 1 at first; more if the target outgrew what was prepared.
        attempt: u32,
    },
    /// The stop is predicted and permitted; buffers are being prepared.
    Preparing {
        /// Predicted length of the stop; `None` without one.
        predicted: Option<Duration>,
        /// Bytes to copy.
        bytes: u64,
        /// Threads of the target.
        threads: usize,
    },
    /// About to stop the target. Nothing is told until it runs again.
    Stopping,
    /// Reading the running target.
    Reading,
    /// The target runs on.
    Resumed {
        /// How long it was stopped.
        stopped: Duration,
        /// Bytes copied.
        bytes: u64,
    },
}

/// How the bytes of a capture were obtained.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Method {
    /// All threads stopped, one moment.
    Stop,
    /// The process ran on meanwhile.
    NoStop,
}

/// Facts of a capture.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct StopReport {
    /// How the bytes were obtained.
    pub method: Method,
    /// How long the stop was expected to take; zero without one.
    pub predicted: Duration,
    /// How long the target was stopped: from before its first thread was touched until after the last one was let go.
    /// `None` without a stop.
    pub measured: Option<Duration>,
    /// Of that (or of the reading without a stop): until every thread stood still.
    pub stopping: Duration,
    /// Until the planner had planned.
    pub planning: Duration,
    /// Until everything was copied.
    pub copying: Duration,
    /// Bytes copied.
    pub copied_bytes: u64,
    /// Ranges copied.
    pub ranges: usize,
    /// Threads stopped.
    pub threads: usize,
    /// Stops that were needed; more than 1 if the target outgrew what was prepared.
    pub attempts: u32,
    /// Whether the bytes may be of different moments.
    pub torn: bool,
    /// Bytes that were asked for and could not be read: not mapped, or gone in a capture without a stop.
    pub skipped_bytes: u64,
    /// Pieces of that.
    pub skipped_ranges: usize,
    /// The first few of them.
    pub first_skipped: Vec<AddrRange>,
    /// Whether freezing leakscope's cgroup could have prolonged the stop up to the thaw.
    pub freezer: Freezer,
}

/// A captured process.
pub struct Capture {
    /// Holds the copied ranges; segments of files may be added before it is built.
    pub image: ImageBuilder,
    /// The threads with their registers, by id. Empty without a stop.
    pub threads: Vec<Thread>,
    /// What was mapped, by address; read within the stop.
    pub mappings: Vec<Mapping>,
    /// How it went.
    pub stop: StopReport,
}
