//! A process, or an image of one, as bytes: identity, permissions, stop and resume, reading memory.
//!
//! This crate is the only one that may touch another process, and it knows no language runtime. What to copy
//! while a process is stopped is decided by a [`CopyPlanner`], which the runtime crates implement.

mod addr;
mod error;
mod image;
mod memory;
mod planner;
mod region;
mod threads;

pub use addr::{Addr, AddrRange};
pub use error::{Error, Fault};
pub use image::{Image, ImageBuilder, Source};
pub use memory::{Memory, ReadRequest};
pub use planner::{CopyPlan, CopyPlanner, PlanError};
pub use region::Region;
pub use threads::{Mapping, Perms, Registers, Thread};
