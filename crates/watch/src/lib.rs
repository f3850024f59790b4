//! Keeps watch over Go programs and JVMs: discovers them, samples them without touching them, and says when one leaks.
//!
//! An [`Agent`] works in rounds. A round looks for new processes, reads what the runtimes count of themselves and what the
//! kernel tells, hands it to the trend engine, and stores floors and verdicts. Nothing stops, signals or changes a process.
//! [`explain`] shows a decision again from what was stored.

mod agent;
mod case;
mod config;
mod discover;
mod endpoint;
mod explain;
mod exposition;
mod fleet;
mod recorder;
mod replay;
mod series;
mod sources;
mod store;
mod verdict;
mod watched;

pub use agent::{Agent, RoundReport};
pub use case::{Case, Ruling, Window};
pub use config::{Config, MetricsConfig, WatchConfig};
pub use endpoint::Endpoint;
pub use explain::{ExplainError, Explanation, SeriesShown, Turning, WindowShown, explain};
pub use exposition::CONTENT_TYPE;
pub use fleet::FleetSeen;
pub use recorder::Row;
pub use series::{Kept, Series};
pub use sources::{hsperf, openmetrics};
pub use store::{Store, StoreError, StoredIdentity, StoredProcess};
pub use verdict::{RiskTerms, TestSeen, Verdict, Who};
