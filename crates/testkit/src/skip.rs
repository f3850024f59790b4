//! Tests that cannot run here say so, and are counted.

use std::fmt::Display;
use std::fs::OpenOptions;
use std::io::Write;

use crate::cache::folder;

/// Ends a test that cannot run on this machine. The first argument is the stable id of the reason, which
/// `docs/test-health.md` must accept (`scripts/check-skips.sh` looks); the rest says what was found.
///
/// ```
/// # fn example() {
/// leakscope_testkit::skip!("no-gcore", "gdb is not installed");
/// # }
/// ```
#[macro_export]
macro_rules! skip {
    ($id:literal, $($why:tt)+) => {{
        $crate::note_skip($id, concat!(file!(), ":", line!()), format_args!($($why)+));
        return $crate::Skipped::skipped();
    }};
}

/// What a skipped test returns.
pub trait Skipped {
    /// The value of a test that was skipped.
    fn skipped() -> Self;
}

impl Skipped for () {
    fn skipped() -> Self {}
}

impl<E> Skipped for Result<(), E> {
    fn skipped() -> Self {
        Ok(())
    }
}

/// Prints a skip where nobody can overlook it and adds it to `skips.log` of the cache.
pub fn note_skip(id: &str, place: &str, why: impl Display) {
    let line = format!("SKIP: {id}: {why} ({place})\n");
    // Straight to the descriptor: the test harness hides what goes through print macros. A closed stderr hides nothing
    // that the log does not hold.
    let _ = std::io::stderr().write_all(line.as_bytes());
    let logged = folder("").and_then(|folder| {
        let mut log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(folder.join("skips.log"))?;
        log.write_all(line.as_bytes())?;
        Ok(())
    });
    if let Err(error) = logged {
        let _ = writeln!(std::io::stderr(), "SKIP: could not be logged: {error:#}");
    }
}
