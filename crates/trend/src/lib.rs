//! From series about one process to a verdict: does its memory leak, how soon is it exhausted, how sure is that.
//!
//! Nothing here knows where series come from: values are fed one by one into a [`Process`], which keeps *floors* (what is
//! left after a collection, or the low end of short spans of time) and judges them when asked. A recorded history and a
//! live process take the same road. All that decides is in [`Config`], and every verdict carries the [`Test`]s it rests on.
//!
//! ```
//! use leakscope_trend::{Config, Process, Runtime, Scratch, Signal, Verdict, minutes};
//!
//! let config = Config::default();
//! let mut scratch = Scratch::default();
//! let mut process = Process::new(Runtime::Jvm, &[Signal::HeapFloor]);
//! process.set(0, Signal::HeapMax, 1e9, &config);
//! let mut last = Verdict::Unknown;
//! for minute in 0..12 * 60 {
//!     process.set(minutes(minute), Signal::HeapFloor, 2e8 + 1e6 * minute as f64, &config);
//!     for change in process.evaluate(minutes(minute), &config, &mut scratch) {
//!         last = change.verdict;
//!     }
//! }
//! assert_eq!(last, Verdict::Leak);
//! ```

mod capacity;
mod channel;
mod config;
mod evidence;
mod fleet;
mod floors;
mod judge;
mod memory;
mod process;
mod rate;
mod risk;
mod signature;
mod stats;
mod verdict;
mod window;

pub use channel::{Channel, Runtime, Signal};
pub use config::{
    Config, ConfigError, Fleet as FleetConfig, Sensitivity, Tests as TestConfig, bytes, duration,
};
pub use evidence::Evidence;
pub use fleet::{FleetReport, FleetVerdict, Replica, VersionShare, judge as judge_fleet};
pub use floors::{Floors, Fold, Taken};
pub use memory::WorkloadMemory;
pub use process::{End, Process, Rejected, Scratch};
pub use rate::Rate;
pub use risk::Risk;
pub use signature::{Condition, SIGNAL_FACTS, Shape, SignalFact, Signature, Source};
pub use stats::{mann_kendall, theil_sen};
pub use verdict::{Change, Judged, Test, TestName, Verdict};

/// Milliseconds since 1970, or a span of milliseconds. Whole numbers, so that a replay repeats to the bit.
pub type Millis = i64;

/// So many minutes as [`Millis`].
pub const fn minutes(n: i64) -> Millis {
    n * 60_000
}
