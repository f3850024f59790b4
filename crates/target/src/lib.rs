//! A process, or an image of one, as bytes: identity, permissions, stop and resume, reading memory.
//!
//! This crate is the only one that may touch another process, and it knows no language runtime. What to copy
//! while a process is stopped is decided by a [`CopyPlanner`], which the runtime crates implement.

mod access;
mod addr;
mod attach;
mod container;
mod core_file;
mod discover;
mod error;
mod hygiene;
mod image;
mod inside;
mod live;
mod mapped;
mod memory;
mod overlap;
mod planner;
mod private_file;
mod proc_text;
mod region;
mod snapshot;
mod spill;
mod stop;
mod threads;
mod vitals;
mod vm;

pub use access::{CapabilityState, OwnAccess, ProcView, ReadProbe, Seccomp, TargetAccess, Tracer};
pub use addr::{Addr, AddrRange};
pub use attach::{Attach, AttachError, DumpPlace, Jvm};
pub use container::Container;
pub use core_file::{
    BuildIds, CoreError, CoreFile, CoreProblem, ExecutableMatch, Problems, Truncation,
};
pub use discover::{ProcessSummary, find_by_name, map_exe, processes};
pub use error::{Error, Fault};
pub use hygiene::{
    Dropped, SudoCaller, drop_privileges, no_core_dumps, raise_oom_score_adj, return_free_memory,
};
pub use image::{Image, ImageBuilder, Source};
pub use inside::{list_inside, read_inside};
pub use live::{
    Capture, CaptureOptions, Identity, LiveProcess, MappingUsage, Method, Phase, Residency,
    StopReport, memory_headroom,
};
pub use mapped::{forget_pages, map_file, map_open_file};
pub use memory::{Memory, ReadRequest};
pub use planner::{CopyPlan, CopyPlanner, PlanError};
pub use private_file::PrivateFile;
pub use region::Region;
pub use snapshot::{SnapshotContent, SnapshotError, SnapshotFile, SnapshotSize, write_snapshot};
pub use spill::{LEAST_BOUND, SpillAlloc, SpillError, limit_memory};
pub use stop::{Freezer, release_on_panic};
pub use threads::{Mapping, Perms, Registers, Thread};
pub use vitals::{Vitals, boot_time, clock_ticks, process_ids};
pub use vm::LiveMemory;
