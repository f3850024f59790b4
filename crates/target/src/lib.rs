//! A process, or an image of one, as bytes: identity, permissions, stop and resume, reading memory.
//!
//! This crate is the only one that may touch another process, and it knows no language runtime. What to copy
//! while a process is stopped is decided by a [`CopyPlanner`], which the runtime crates implement.

mod addr;
mod core_file;
mod error;
mod image;
mod mapped;
mod memory;
mod overlap;
mod planner;
mod region;
mod threads;

pub use addr::{Addr, AddrRange};
pub use core_file::{BuildIds, CoreError, CoreFile, CoreProblem, ExecutableMatch, Problems, Truncation};
pub use error::{Error, Fault};
pub use image::{Image, ImageBuilder, Source};
pub use mapped::{map_file, map_open_file};
pub use memory::{Memory, ReadRequest};
pub use planner::{CopyPlan, CopyPlanner, PlanError};
pub use region::Region;
pub use threads::{Mapping, Perms, Registers, Thread};
