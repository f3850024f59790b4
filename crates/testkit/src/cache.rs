//! Where built things are kept between runs, and how two runs keep out of each other's way.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The root of the repository.
pub(crate) fn repository() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().and_then(Path::parent).unwrap_or(here)
}

/// The cache folder: `LEAKSCOPE_CACHE`, or `.cache` of the repository. Made if missing.
pub(crate) fn folder(name: &str) -> Result<PathBuf> {
    let root =
        env::var_os("LEAKSCOPE_CACHE").map_or_else(|| repository().join(".cache"), PathBuf::from);
    let folder = root.join(name);
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    Ok(folder)
}

/// Holds an exclusive lock, among all processes and threads, until dropped.
pub(crate) struct Lock {
    _file: File,
}

/// Waits for the lock of that name in a cache folder.
pub(crate) fn lock(folder: &Path, name: &str) -> Result<Lock> {
    let path = folder.join(format!("{name}.lock"));
    let file = File::create(&path).with_context(|| format!("cannot make {}", path.display()))?;
    file.lock()
        .with_context(|| format!("cannot lock {}", path.display()))?;
    Ok(Lock { _file: file })
}
