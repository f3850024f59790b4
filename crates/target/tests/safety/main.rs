//! Whatever becomes of leakscope, the target runs on: on real processes that watch themselves.

mod freezes;
mod kills;
mod planners;
mod reading;
mod refusals;
mod silence;
mod support;
mod targets;
