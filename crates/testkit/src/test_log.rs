//! What a run of tests printed, summed up for `docs/support.md`: `scripts/test.sh` keeps the output of `cargo test`.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::cache::folder;

/// Name of the log in the cache folder.
const LOG: &str = "tests.log";
/// How `cargo test` announces a program of tests, and the tests in doc comments.
const PROGRAM: &str = "Running ";
const DOCS: &str = "Doc-tests ";
/// How a program of tests ends.
const RESULT: &str = "test result: ";
/// The line that `scripts/test.sh` adds.
const WALL: &str = "wall time: ";

/// A run of tests.
#[derive(Debug, Default, PartialEq)]
pub struct TestRun {
    /// Programs of tests, in the order run.
    pub programs: Vec<TestProgram>,
    /// How long all of it took, builds included, in seconds; `None` where it did not come to its end.
    pub seconds: Option<u64>,
}

/// One program of tests.
#[derive(Debug, Default, PartialEq)]
pub struct TestProgram {
    /// Its name: that of its file in `tests`, or the crate's whose own tests these are.
    pub name: String,
    /// Tests that passed.
    pub passed: u64,
    /// Tests that did not.
    pub failed: u64,
    /// How long they took, in seconds.
    pub seconds: f64,
}

/// What the last run of `scripts/test.sh` printed; `None` where there was none.
pub fn test_run() -> Result<Option<TestRun>> {
    let path: PathBuf = folder("")?.join(LOG);
    if !path.exists() {
        return Ok(None);
    }
    let text = std::fs::read_to_string(&path)?;
    parse(&text)
        .map(Some)
        .with_context(|| path.display().to_string())
}

fn parse(text: &str) -> Result<TestRun> {
    let mut run = TestRun::default();
    let mut name = String::new();
    for line in text.lines().map(str::trim) {
        if let Some(program) = line.strip_prefix(PROGRAM) {
            name = program_name(program).unwrap_or_default();
        } else if let Some(of) = line.strip_prefix(DOCS) {
            name = format!("examples of {of}");
        } else if let Some(result) = line.strip_prefix(RESULT) {
            let number = |before: &str| {
                let (head, _) = result.split_once(before)?;
                head.rsplit([' ', ';']).next()?.parse::<f64>().ok()
            };
            let count = |before| number(before).context("a result without its numbers");
            run.programs.push(TestProgram {
                name: std::mem::take(&mut name),
                passed: count(" passed")? as u64,
                failed: count(" failed")? as u64,
                seconds: result
                    .rsplit_once("finished in ")
                    .and_then(|(_, s)| s.strip_suffix('s')?.parse().ok())
                    .context("a result without its time")?,
            });
        } else if let Some(wall) = line.strip_prefix(WALL) {
            run.seconds = wall.strip_suffix(" s").and_then(|s| s.parse().ok());
        }
    }
    Ok(run)
}

/// The name in `tests/heap_exact.rs (target/debug/deps/heap_exact-0123)`, or in `unittests src/lib.rs (...)`.
fn program_name(program: &str) -> Option<String> {
    let (source, file) = program.split_once(" (")?;
    let file = Path::new(file.strip_suffix(')')?).file_name()?.to_str()?;
    let (name, _hash) = file.rsplit_once('-')?;
    let own = source.starts_with("unittests");
    Some(if own {
        format!("{} itself", name.replace('_', "-"))
    } else {
        name.to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_results_and_time_are_read() {
        let log = "   Compiling leakscope-go v0.1.0
     Running unittests src/lib.rs (/t/debug/deps/leakscope_go-11aa)
test result: ok. 27 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.08s
     Running tests/heap_exact.rs (/t/debug/deps/heap_exact-22bb)
test result: FAILED. 4 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 118.25s
   Doc-tests leakscope_go
test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.50s
wall time: 125 s
";
        let program = |name: &str, passed, failed, seconds| TestProgram {
            name: name.to_owned(),
            passed,
            failed,
            seconds,
        };
        let programs = vec![
            program("leakscope-go itself", 27, 0, 0.08),
            program("heap_exact", 4, 1, 118.25),
            program("examples of leakscope_go", 1, 0, 1.5),
        ];
        let seconds = Some(125);
        assert_eq!(parse(log).unwrap(), TestRun { programs, seconds });
    }
}
