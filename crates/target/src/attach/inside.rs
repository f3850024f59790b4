//! Files as the target sees them: below its own root folder, in its own mount namespace.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat, openat2};
use rustix::io::Errno;

/// The root folder of process `pid`. Needs the rights of a reader of the process; what is opened below it later does not.
pub(super) fn root_of(pid: i32) -> io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(openat(
        CWD,
        format!("/proc/{pid}/root"),
        flags,
        Mode::empty(),
    )?)
}

/// Opens what is there at `path`, as the target would: its symbolic links cannot lead out of its root. Kernels before
/// 5.6 know no such way; there only relative links are followed right.
pub(super) fn open_inside(root: &OwnedFd, path: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    match openat2(root, path, flags, Mode::empty(), resolve) {
        Err(Errno::NOSYS) => openat(root, path, flags, Mode::empty()),
        opened => opened,
    }
}
