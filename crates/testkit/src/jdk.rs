//! Which Java runtimes tests run, and where they are. The roads to one are in `scripts/jdk.sh` alone.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result, bail};

use crate::cache::repository;

/// The version whose compiler and tools tests use, for JVMs of other versions too: attaching works across versions.
const TOOLS: u32 = 17;

/// A Java runtime.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Jdk {
    major: u32,
    home: PathBuf,
}

impl Jdk {
    /// The runtime of that major version; fetched if it is not here yet.
    pub fn find(major: u32) -> Result<Jdk> {
        static KNOWN: Mutex<BTreeMap<u32, PathBuf>> = Mutex::new(BTreeMap::new());
        let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(home) = known.get(&major) {
            let home = home.clone();
            return Ok(Jdk { major, home });
        }
        let script = repository().join("scripts/jdk.sh");
        let output = Command::new(&script)
            .arg(major.to_string())
            .stdin(Stdio::null())
            .output()
            .with_context(|| format!("cannot run {}", script.display()))?;
        if !output.status.success() {
            let why = String::from_utf8_lossy(&output.stderr);
            bail!("no Java {major}: {}", why.trim());
        }
        let home = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
        known.insert(major, home.clone());
        Ok(Jdk { major, home })
    }

    /// The JDK whose tools work on every JVM.
    pub(crate) fn with_tools() -> Result<Jdk> {
        Jdk::find(TOOLS)
    }

    /// Major version, for example 17.
    pub fn major(&self) -> u32 {
        self.major
    }

    /// Its home folder.
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// A program of its `bin` folder, for example `java`. Only JDK 17 has all of them.
    pub fn tool(&self, name: &str) -> PathBuf {
        self.home.join("bin").join(name)
    }
}
