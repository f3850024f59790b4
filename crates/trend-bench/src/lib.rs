//! Made-up histories of leaking and of healthy processes, and the table of who finds the leaks.
//!
//! Whoever wrote the detector wrote these, so the figures are a regression test and no claim about production.
//! `cargo xtask trend-bench` prints the table; `docs/trend.md` holds it.

mod fleet;
mod history;
mod model;
mod rng;
mod run;
mod scenario;
mod table;
mod today;

pub use fleet::{FleetCase, FleetOutcome, run_fleet};
pub use history::{History, STEP, Sample, earlier, record};
pub use model::Sizing;
pub use run::{Errs, Help, Looks, Outcome, run};
pub use scenario::Scenario;
pub use table::{Bench, Score, TUNED_ON, is_right, print};
pub use today::Rule;
