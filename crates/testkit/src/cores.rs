//! Core files of fixtures: gdb's and the kernel's.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::cache::{folder, lock};
use crate::running::Running;

/// A core file, removed when dropped.
#[derive(Debug)]
pub struct CoreDump {
    folder: TempDir,
    path: PathBuf,
}

impl CoreDump {
    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The folder which holds it alone, for files that belong to it.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Gives the disk back what holds nothing but zeros: gdb writes all of Go's reserved memory. Does nothing where
    /// there is no `fallocate`.
    pub fn dig_holes(&self) -> Result<()> {
        let dug = Command::new("fallocate")
            .arg("--dig-holes")
            .arg(&self.path)
            .output();
        match dug {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            other => other.map(|_| ()).context("cannot run fallocate"),
        }
    }
}

/// Takes a core of a running process with gdb's `gcore`; the process runs on. `Ok(None)` if there is no `gcore` here.
pub fn gcore(pid: i32) -> Result<Option<CoreDump>> {
    let folder = TempDir::new_in(folder("cores")?)?;
    let prefix = folder.path().join("core");
    let started = Command::new("gcore")
        .arg("-o")
        .arg(&prefix)
        .arg(pid.to_string())
        .stdin(Stdio::null())
        .output();
    let output = match started {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        other => other.context("cannot run gcore")?,
    };
    let path = folder.path().join(format!("core.{pid}"));
    if !path.exists() {
        bail!(
            "gcore made no core of {pid}: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    // The header is written last: on a full disk it stays empty, and gcore ends as if all were well.
    let mut magic = [0; ELF_MAGIC.len()];
    fs::File::open(&path)?.read_exact(&mut magic)?;
    if magic != *ELF_MAGIC {
        bail!(
            "gcore did not finish the core of {pid}; is there room in {}? {}",
            path.display(),
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(Some(CoreDump { folder, path }))
}

/// How every ELF file starts.
const ELF_MAGIC: &[u8; 4] = b"\x7fELF";

/// Has the kernel write a core of a fixture, which dies of it. The fixture must have been started with
/// `GOTRACEBACK=crash`, or Go ends without a core. `Ok(None)` if this machine sends cores elsewhere than to plain files.
pub fn kernel_core(mut running: Running) -> Result<Option<CoreDump>> {
    let pattern = fs::read_to_string("/proc/sys/kernel/core_pattern")
        .context("cannot read the core pattern")?;
    let pattern = pattern.trim();
    // A plain name lands in the process's working folder: that is the only case where a test may look for it.
    if pattern.is_empty()
        || pattern.starts_with('|')
        || pattern.contains('/')
        || pattern.contains('%')
    {
        return Ok(None);
    }
    let pid = running.pid();
    let working = fs::read_link(format!("/proc/{pid}/cwd"))?;
    let raised = Command::new("prlimit")
        .args(["--core=unlimited", "--pid", &pid.to_string()])
        .output();
    match raised {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        other => {
            let output = other.context("cannot run prlimit")?;
            if !output.status.success() {
                bail!(
                    "cannot raise the core limit: {}",
                    String::from_utf8_lossy(&output.stderr).trim()
                );
            }
        }
    }
    // Where the kernel adds no pid, all cores of a folder have the same name.
    let _lock = lock(&working, "core")?;
    kill_process(Pid::from_raw(pid).context("no pid")?, Signal::ABORT)?;
    running.wait_for_end()?;
    let with_pid = working.join(format!("{pattern}.{pid}"));
    let plain = working.join(pattern);
    let found = if with_pid.exists() { with_pid } else { plain };
    if !found.exists() {
        bail!(
            "the kernel wrote no core {} (was GOTRACEBACK=crash set?)",
            found.display()
        );
    }
    let folder = TempDir::new_in(folder("cores")?)?;
    let path = folder.path().join(format!("core.{pid}"));
    if fs::rename(&found, &path).is_err() {
        fs::copy(&found, &path)?;
        fs::remove_file(&found)?;
    }
    Ok(Some(CoreDump { folder, path }))
}
