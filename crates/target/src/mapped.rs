//! Mapping of whole files for reading: cores, executables.
//!
//! A mapped file must not shrink while it is mapped: reading past its new end raises SIGBUS in this process (never in
//! the target). The files mapped here are either immutable while in use (a running executable is `ETXTBSY` for
//! writers) or named by the user as finished (a core).
#![expect(unsafe_code, reason = "mmap of a file and advice on the mapping")]

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use memmap2::{Mmap, UncheckedAdvice};

use crate::Error;

/// Maps the regular file at `path` for reading. A symbolic link is followed; a pipe, device, socket or folder is
/// refused without blocking on it.
pub fn map_file(path: &Path) -> Result<Arc<Mmap>, Error> {
    let cannot = |source| Error::Open {
        path: path.to_owned(),
        source,
    };
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY | libc::O_CLOEXEC)
        .open(path)
        .map_err(cannot)?;
    if !file.metadata().map_err(cannot)?.is_file() {
        return Err(Error::NotAFile {
            path: path.to_owned(),
        });
    }
    map_open_file(&file).map_err(cannot)
}

/// Maps a regular file that is open already.
pub fn map_open_file(file: &File) -> std::io::Result<Arc<Mmap>> {
    // SAFETY: a private read-only mapping; see the module comment for the file shrinking meanwhile.
    let map = unsafe { Mmap::map(file) }?;
    Ok(Arc::new(map))
}

/// Lets the kernel drop the whole pages of `[from, to)` from this process; a later read brings them back from the file.
pub fn forget_pages(file: &Mmap, from: usize, to: usize) {
    let from = from.next_multiple_of(4096);
    let to = to.min(file.len()) & !4095;
    if from < to {
        // SAFETY: on a private mapping of a file that was never written, dropped pages are read again from the file,
        // so no byte that a borrowed slice shows changes. That it fails costs memory only.
        let _ = unsafe { file.unchecked_advise_range(UncheckedAdvice::DontNeed, from, to - from) };
    }
}
