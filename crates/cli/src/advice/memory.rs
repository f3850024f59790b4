//! What to say about memory that cannot be limited as asked.

use leakscope_report::bytes;
use leakscope_target::{LEAST_BOUND, SpillError};

use super::Advice;

pub(super) fn advice(error: &SpillError) -> Advice {
    match error {
        SpillError::TooLittle { limit } => Advice::new(
            "memory.too-little",
            format!(
                "--max-memory of {} is less than the program takes whatever the heap",
                bytes(*limit)
            ),
        )
        .fix(format!("allow {} or more", bytes(LEAST_BOUND))),
        SpillError::InMemory { folder } => Advice::new(
            "memory.in-memory",
            format!(
                "--max-memory takes a temporary file on a disk, and {} is kept in memory",
                folder.display()
            ),
        )
        .fix("name a folder on a disk: TMPDIR=/var/tmp"),
        SpillError::Disk {
            folder,
            needed,
            free,
        } => Advice::new(
            "memory.disk",
            format!(
                "--max-memory may take a temporary file of {} in {}, and {} are to be had there",
                bytes(*needed),
                folder.display(),
                bytes(*free)
            ),
        )
        .fix("name a folder with more room: TMPDIR=/path")
        .fix("without --max-memory, if there is memory enough"),
        SpillError::File { .. } => {
            Advice::of("memory.file", error).fix("name a folder on a local disk: TMPDIR=/var/tmp")
        }
    }
}

pub(super) fn exceeded(most: u64, resident: u64) -> Advice {
    Advice::new(
        "memory.exceeded",
        format!(
            "the heap does not fit into --max-memory: {} are resident, {} may be",
            bytes(resident),
            bytes(most)
        ),
    )
    .seen("all that can be put aside was: names, threads and the like stay in memory, as does what finds no room on the disk")
    .fix("allow more")
}

pub(super) fn of_dumps() -> Advice {
    Advice::new(
        "memory.of-dumps",
        "--max-memory is for heap dumps of JVMs; of other targets only what fits into memory can be read",
    )
    .fix("without --max-memory")
}
