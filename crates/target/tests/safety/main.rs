//! Whatever becomes of leakscope, the target runs on: on real processes that watch themselves.
#![expect(clippy::print_stderr, reason = "the figures of each run")]

mod freezes;
mod golang;
mod kills;
mod planners;
mod reading;
mod refusals;
mod silence;
mod support;
mod targets;
