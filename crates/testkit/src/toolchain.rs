//! Which Go versions tests run, and where their toolchains are. The roads to a toolchain are in `scripts/go.sh` alone.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result, bail};

use crate::cache::repository;

/// Widens (or narrows) the versions tests run: `all`, or a list such as `1.23.9 1.27.3`.
const VERSIONS: &str = "LEAKSCOPE_GO_VERSIONS";

/// What a line of `scripts/go-versions.txt` is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Every test.
    Test,
    /// Tests of exactness too.
    Swing,
    /// Only when everything is tested.
    All,
}

/// What the environment wants tested.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Selection {
    /// What roles say.
    Test,
    /// Every version.
    All,
    /// These versions.
    Some(Vec<String>),
}

/// Reads the environment.
pub(crate) fn selection() -> Result<Selection> {
    match env::var(VERSIONS).unwrap_or_default().as_str() {
        "" => Ok(Selection::Test),
        "all" => Ok(Selection::All),
        list => Ok(Selection::Some(
            list.split([' ', ','])
                .filter(|v| !v.is_empty())
                .map(str::to_owned)
                .collect(),
        )),
    }
}

/// All versions of `scripts/go-versions.txt`, oldest first.
pub(crate) fn all_versions() -> Result<Vec<(String, Role)>> {
    let path = repository().join("scripts/go-versions.txt");
    let text =
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut versions = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let mut words = line.split_whitespace();
        if let (Some(version), Some(role)) = (words.next(), words.next()) {
            let role = match role {
                "test" => Role::Test,
                "swing" => Role::Swing,
                "all" => Role::All,
                other => bail!("{}: no role: {other}", path.display()),
            };
            versions.push((version.to_owned(), role));
        }
    }
    if versions.is_empty() {
        bail!("{} names no version to test", path.display());
    }
    Ok(versions)
}

/// The Go versions every test runs, as `scripts/go-versions.txt` or the environment variable `LEAKSCOPE_GO_VERSIONS` says.
pub fn versions() -> Result<Vec<String>> {
    let selection = selection()?;
    if let Selection::Some(versions) = selection {
        return Ok(versions);
    }
    let mut versions = all_versions()?;
    versions.retain(|(_, role)| selection == Selection::All || *role == Role::Test);
    Ok(versions.into_iter().map(|(version, _)| version).collect())
}

/// The path of the `go` command of exactly that version, for example `1.27.3`; fetched if it is not here yet.
pub fn go_command(version: &str) -> Result<PathBuf> {
    static KNOWN: Mutex<BTreeMap<String, PathBuf>> = Mutex::new(BTreeMap::new());
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(path) = known.get(version) {
        return Ok(path.clone());
    }
    let script = repository().join("scripts/go.sh");
    let output = Command::new(&script)
        .arg(version)
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot run {}", script.display()))?;
    if !output.status.success() {
        bail!(
            "no Go {version}: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    let path = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
    known.insert(version.to_owned(), path.clone());
    Ok(path)
}

/// The folder of the toolchain of exactly that version: the runtime's own source is in `src/runtime` below it.
pub fn goroot(version: &str) -> Result<PathBuf> {
    let go = go_command(version)?;
    let root = go
        .parent()
        .and_then(Path::parent)
        .context("the go command stands in no toolchain")?;
    Ok(root.to_owned())
}
