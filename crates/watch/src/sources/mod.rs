//! Where samples come from. None of these stops, signals or changes the process.

pub(crate) mod cgroup;
pub(crate) mod collectors;
pub(crate) mod go;
pub mod hsperf;
pub(crate) mod jvm;
pub mod openmetrics;
