//! Only for tests: builds the fixtures with real toolchains, runs them, takes cores of them, and counts what was skipped.
//!
//! ```no_run
//! # fn main() -> anyhow::Result<()> {
//! for version in leakscope_testkit::versions()? {
//!     let fixture = leakscope_testkit::Fixture::build("exact", &version, &Default::default())?;
//!     let running = fixture.spawn(&["-mode", "gc"])?;
//!     let objects = running.truth()["heap_objects"].as_u64();
//!     if let Some(core) = leakscope_testkit::gcore(running.pid())? {
//!         assert!(core.path().exists());
//!     }
//! }
//! # Ok(()) }
//! ```

mod builds;
mod cache;
mod core_writer;
mod cores;
mod cpu_time;
mod fixture;
mod hprof_damage;
mod hprof_emit;
mod hprof_random;
mod hprof_samples;
mod hprof_writer;
mod jdk;
mod jvm_fixture;
mod matrix;
mod random;
mod running;
mod signals;
mod skip;
mod spawner;
mod test_log;
mod toolchain;

pub use builds::{Build, all_builds, builds};
pub use core_writer::{CoreWriter, Field};
pub use cores::{CoreDump, gcore, kernel_core};
pub use cpu_time::CpuTime;
pub use fixture::{BuildFlags, Fixture};
pub use hprof_damage::damaged_hprof;
pub use hprof_random::{HprofObject, HprofShape, RandomHprof};
pub use hprof_samples::{malformed_hprofs, sample_hprof};
pub use hprof_writer::{HprofClass, HprofSegment, HprofType, HprofWriter};
pub use jdk::Jdk;
pub use jvm_fixture::{ClassSum, JVM_LAYOUTS, JvmDump, JvmFixtures, JvmLayout};
pub use matrix::{Finding, Medium, findings};
pub use random::Random;
pub use running::{Running, Usage};
pub use signals::{SIGCONT, SIGSTOP, alive, send_signal, send_signals};
pub use skip::{Skipped, note_skip};
pub use test_log::{TestProgram, TestRun, test_run};
pub use toolchain::{go_command, goroot, versions};
