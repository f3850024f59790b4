//! What tests found out about versions and builds, kept for `docs/support.md`.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::builds::Build;
use crate::cache::folder;

/// Name of the log in the cache folder.
const LOG: &str = "matrix.log";

/// Where a check read a program from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Medium {
    /// The running process, stopped for a moment.
    Live,
    /// A core of it.
    Core,
}

/// One line of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The version of Go.
    pub version: String,
    /// What the way of building is called.
    pub label: String,
    /// Where the program was read from.
    pub medium: Medium,
    /// What was checked.
    pub check: String,
    /// Whether it was right.
    pub passed: bool,
}

impl Build {
    /// Writes down how a check of this build ended, and hands the result on.
    pub fn record<T>(&self, medium: Medium, check: &str, result: Result<T>) -> Result<T> {
        let word = match medium {
            Medium::Live => "live",
            Medium::Core => "core",
        };
        let end = if result.is_ok() { "pass" } else { "fail" };
        let line = format!("{}\t{}\t{word}\t{check}\t{end}\n", self.version, self.label);
        let mut log = OpenOptions::new().create(true).append(true).open(path()?)?;
        log.write_all(line.as_bytes())
            .context("cannot write the log of what was tested")?;
        result.with_context(|| format!("{self}, {word}: {check}"))
    }
}

/// Everything in the log, in the order written; nothing where no test has run.
pub fn findings() -> Result<Vec<Finding>> {
    let path = path()?;
    if !path.exists() {
        return Ok(Vec::new());
    }
    let text = std::fs::read_to_string(&path)?;
    text.lines()
        .map(|line| finding(line).with_context(|| format!("{}: {line}", path.display())))
        .collect()
}

fn finding(line: &str) -> Option<Finding> {
    let mut words = line.split('\t').map(str::to_owned);
    Some(Finding {
        version: words.next()?,
        label: words.next()?,
        medium: match words.next()?.as_str() {
            "live" => Medium::Live,
            "core" => Medium::Core,
            _ => return None,
        },
        check: words.next()?,
        passed: words.next()? == "pass",
    })
}

fn path() -> Result<PathBuf> {
    Ok(folder("")?.join(LOG))
}
