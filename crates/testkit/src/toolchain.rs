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

/// The Go versions tests run, as `scripts/go-versions.txt` or the environment variable `LEAKSCOPE_GO_VERSIONS` says.
pub fn versions() -> Result<Vec<String>> {
    let wanted = env::var(VERSIONS).unwrap_or_default();
    if !wanted.is_empty() && wanted != "all" {
        return Ok(wanted
            .split([' ', ','])
            .filter(|v| !v.is_empty())
            .map(str::to_owned)
            .collect());
    }
    let path = repository().join("scripts/go-versions.txt");
    let text =
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut versions = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let mut words = line.split_whitespace();
        if let (Some(version), Some(role)) = (words.next(), words.next())
            && (role == "test" || wanted == "all")
        {
            versions.push(version.to_owned());
        }
    }
    if versions.is_empty() {
        bail!("{} names no version to test", path.display());
    }
    Ok(versions)
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
