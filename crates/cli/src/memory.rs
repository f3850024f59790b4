//! The bound on leakscope's own memory that `--max-memory` asks for.

use std::path::PathBuf;
use std::process;

use leakscope_target::limit_memory;

use crate::failure::Failure;
use crate::{FAILED, advice, progress};

/// Keeps this process below `most` bytes of resident memory from now on, if there is a bound. `needed` is what the
/// columns of the heap may come to. A heap that does not fit in spite of all ends the process.
pub(crate) fn limit(most: Option<u64>, needed: u64) -> Result<(), Failure> {
    let Some(most) = most else { return Ok(()) };
    #[expect(
        clippy::exit,
        reason = "told by the thread that watches: nobody else can end this in time"
    )]
    let exceeded = move |resident| {
        let failure = Failure::MemoryExceeded { most, resident };
        progress::line(advice::advice(&failure).message().trim_end());
        process::exit(FAILED.into());
    };
    limit_memory(most, needed, &folder(), exceeded).map_err(Failure::Memory)
}

/// Where large temporary files belong: `/tmp` is often kept in memory.
pub(crate) fn folder() -> PathBuf {
    std::env::var_os("TMPDIR").map_or_else(|| PathBuf::from("/var/tmp"), PathBuf::from)
}
