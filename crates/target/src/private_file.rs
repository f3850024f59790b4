//! Files that this process writes: readable by nobody else, and whole or not there at all.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, Gid, Mode, OFlags, RenameFlags, Uid};
use rustix::io::Errno;
use rustix::process::{getegid, geteuid};

use crate::SudoCaller;

/// How many temporary names are tried. Leftovers of other runs can hold some, not many.
const TRIES: u32 = 64;

/// A file being written, in the folder where it belongs. [`commit`](Self::commit) gives it its name; dropped without
/// that (an error, a full disk, a panic), it is gone. So it is after `kill -9`, where the file system knows files
/// without a name (`O_TMPFILE`); elsewhere a file `.NAME.PID-N.partial` stays behind then.
///
/// Mode 0600; owned by the caller of `sudo`, if there is one. What stands at the path already is never opened,
/// followed or cut: it is refused, or with `force` replaced by the whole new file at once.
pub struct PrivateFile {
    file: File,
    folder: OwnedFd,
    /// The name it has until it gets its own, if it has one.
    temporary: Option<OsString>,
    name: OsString,
    path: PathBuf,
    force: bool,
}

impl PrivateFile {
    /// Starts a file that is to stand at `path`. Without `force`, fails with [`io::ErrorKind::AlreadyExists`] when
    /// something is there; a folder is never replaced.
    pub fn create(path: &Path, force: bool) -> io::Result<Self> {
        Self::create_in(path, force, unnamed)
    }

    /// Takes over a file that somebody else has written, at `written` below the folder of `path`, which must be as good as
    /// new: nobody may have it open any more. Otherwise as [`create`](Self::create).
    pub(crate) fn adopt(path: &Path, force: bool, written: &Path) -> io::Result<Self> {
        let (folder, name) = place(path, force)?;
        let flags = OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&folder, written, flags, Mode::empty())?;
        let (uid, gid) = SudoCaller::detect().map_or_else(
            || (geteuid(), getegid()),
            |caller| (Uid::from_raw(caller.uid), Gid::from_raw(caller.gid)),
        );
        rustix::fs::fchown(&file, Some(uid), Some(gid))?;
        rustix::fs::fchmod(&file, Mode::RUSR | Mode::WUSR)?;
        Ok(Self {
            file: File::from(file),
            folder,
            temporary: Some(written.as_os_str().to_owned()),
            name,
            path: path.to_owned(),
            force,
        })
    }

    fn create_in(
        path: &Path,
        force: bool,
        unnamed: fn(&OwnedFd) -> Result<OwnedFd, Errno>,
    ) -> io::Result<Self> {
        let (folder, name) = place(path, force)?;
        let (file, temporary) = match unnamed(&folder) {
            Ok(file) => (file, None),
            Err(_) => {
                let flags = OFlags::WRONLY
                    | OFlags::CREATE
                    | OFlags::EXCL
                    | OFlags::NOFOLLOW
                    | OFlags::CLOEXEC;
                let create = |name: &OsStr| {
                    rustix::fs::openat(&folder, name, flags, Mode::RUSR | Mode::WUSR)
                };
                let (file, name) = with_temporary_name(&name, create)?;
                (file, Some(name))
            }
        };
        // From here on, dropping `this` removes the file.
        let path = path.to_owned();
        let this = Self {
            file: File::from(file),
            folder,
            temporary,
            name,
            path,
            force,
        };
        // The mode at creation was narrowed by the umask; make it exact.
        rustix::fs::fchmod(&this.file, Mode::RUSR | Mode::WUSR)?;
        if let Some(caller) = SudoCaller::detect() {
            rustix::fs::fchown(
                &this.file,
                Some(Uid::from_raw(caller.uid)),
                Some(Gid::from_raw(caller.gid)),
            )?;
        }
        Ok(this)
    }

    /// Where the file will stand.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes everything to the disk and gives the file its name. After an error nothing is left behind, and what
    /// stood at the path stands there still.
    pub fn commit(mut self) -> io::Result<()> {
        self.file.sync_all()?;
        self.give_name()?;
        // The name must be on the disk too. Some file systems cannot sync a folder; the file is complete all the same.
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        if let Ok(folder) = rustix::fs::openat(&self.folder, ".", flags, Mode::empty()) {
            let _ = rustix::fs::fsync(folder);
        }
        Ok(())
    }

    fn give_name(&mut self) -> Result<(), Errno> {
        if self.temporary.is_none() {
            let link = |name: &OsStr| {
                let unnamed = format!("/proc/self/fd/{}", self.file.as_raw_fd());
                rustix::fs::linkat(CWD, unnamed, &self.folder, name, AtFlags::SYMLINK_FOLLOW)
            };
            if !self.force {
                return link(&self.name);
            }
            self.temporary = Some(with_temporary_name(&self.name, link)?.1);
        }
        let Some(from) = &self.temporary else {
            return Ok(());
        };
        let (folder, to) = (&self.folder, &self.name);
        let renamed = if self.force {
            rustix::fs::renameat(folder, from, folder, to)
        } else {
            rustix::fs::renameat_with(folder, from, folder, to, RenameFlags::NOREPLACE)
        };
        match renamed {
            Ok(()) => {
                self.temporary = None;
                Ok(())
            }
            // A file system without RENAME_NOREPLACE: a hard link never replaces either. The old name goes on drop.
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) if !self.force => {
                rustix::fs::linkat(folder, from, folder, to, AtFlags::empty())
            }
            Err(e) => Err(e),
        }
    }
}

impl Write for PrivateFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for PrivateFile {
    fn drop(&mut self) {
        if let Some(temporary) = &self.temporary {
            // Nothing can be done about an error here; the name says that the file is partial.
            let _ = rustix::fs::unlinkat(&self.folder, temporary, AtFlags::empty());
        }
    }
}

/// The folder and the name of a file that is to stand at `path`, unless something is there that must stay.
fn place(path: &Path, force: bool) -> io::Result<(OwnedFd, OsString)> {
    let name = path
        .file_name()
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "no file name"))?;
    let parent = path
        .parent()
        .filter(|p| !p.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let folder = rustix::fs::open(
        parent,
        OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    )?;
    match rustix::fs::statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(there) if FileType::from_raw_mode(there.st_mode).is_dir() => {
            return Err(io::Error::from(io::ErrorKind::IsADirectory));
        }
        Ok(_) if !force => return Err(io::Error::from(io::ErrorKind::AlreadyExists)),
        _ => {}
    }
    Ok((folder, name.to_owned()))
}

/// A file without a name in `folder`, or the error of a file system that has none.
fn unnamed(folder: &OwnedFd) -> Result<OwnedFd, Errno> {
    let flags = OFlags::WRONLY | OFlags::TMPFILE | OFlags::CLOEXEC;
    rustix::fs::openat(folder, ".", flags, Mode::RUSR | Mode::WUSR)
}

/// Calls `make` with temporary names for `name` until one is free.
fn with_temporary_name<T>(
    name: &OsStr,
    make: impl Fn(&OsStr) -> Result<T, Errno>,
) -> Result<(T, OsString), Errno> {
    // Shortened, so that the whole fits where `name` just does.
    let stem = String::from_utf8_lossy(&name.as_encoded_bytes()[..name.len().min(32)]).into_owned();
    for n in 0..TRIES {
        let temporary = OsString::from(format!(".{stem}.{}-{n}.partial", std::process::id()));
        match make(&temporary) {
            Err(Errno::EXIST) => {}
            made => return Ok((made?, temporary)),
        }
    }
    Err(Errno::EXIST)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{MetadataExt, symlink};

    fn no_unnamed(_: &OwnedFd) -> Result<OwnedFd, Errno> {
        Err(Errno::OPNOTSUPP)
    }

    /// Both ways of making a file, each in a folder of its own.
    fn both(check: impl Fn(&Path, &dyn Fn(&Path, bool) -> io::Result<PrivateFile>)) {
        for way in [unnamed, no_unnamed] {
            let dir = tempfile::tempdir().unwrap();
            check(dir.path(), &|path, force| {
                PrivateFile::create_in(path, force, way)
            });
        }
    }

    fn names(dir: &Path) -> Vec<OsString> {
        let mut names: Vec<OsString> = std::fs::read_dir(dir)
            .unwrap()
            .map(|e| e.unwrap().file_name())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_committed_file_is_whole_and_private() {
        both(|dir, create| {
            let path = dir.join("out");
            let mut file = create(&path, false).unwrap();
            file.write_all(b"all of it").unwrap();
            assert!(!path.exists());
            file.commit().unwrap();
            assert_eq!(std::fs::read(&path).unwrap(), b"all of it");
            assert_eq!(path.metadata().unwrap().mode() & 0o7777, 0o600);
            assert_eq!(names(dir), ["out"]);
        });
    }

    #[test]
    fn a_file_dropped_half_written_is_gone() {
        both(|dir, create| {
            let mut file = create(&dir.join("out"), false).unwrap();
            file.write_all(b"half").unwrap();
            drop(file);
            assert_eq!(names(dir), [""; 0]);
        });
    }

    #[test]
    fn what_exists_is_replaced_by_force_only_and_links_are_not_followed() {
        both(|dir, create| {
            let (path, elsewhere) = (dir.join("out"), dir.join("elsewhere"));
            std::fs::write(&elsewhere, "precious").unwrap();
            symlink(&elsewhere, &path).unwrap();
            assert_eq!(
                create(&path, false).err().unwrap().kind(),
                io::ErrorKind::AlreadyExists
            );
            let mut file = create(&path, true).unwrap();
            file.write_all(b"new").unwrap();
            file.commit().unwrap();
            assert_eq!(std::fs::read(&elsewhere).unwrap(), b"precious");
            assert_eq!(std::fs::read(&path).unwrap(), b"new");
            assert!(!path.is_symlink());
            assert_eq!(names(dir), ["elsewhere", "out"]);
            assert_eq!(
                create(dir, true).err().unwrap().kind(),
                io::ErrorKind::IsADirectory
            );
            assert_eq!(
                create(&dir.join("none/out"), true).err().unwrap().kind(),
                io::ErrorKind::NotFound
            );
        });
    }

    #[test]
    fn a_file_that_appears_meanwhile_is_not_replaced() {
        both(|dir, create| {
            let path = dir.join("out");
            let file = create(&path, false).unwrap();
            std::fs::write(&path, "another").unwrap();
            assert_eq!(
                file.commit().err().unwrap().kind(),
                io::ErrorKind::AlreadyExists
            );
            assert_eq!(std::fs::read(&path).unwrap(), b"another");
            assert_eq!(names(dir), ["out"]);
        });
    }

    #[test]
    fn leftovers_of_other_runs_do_not_hinder() {
        let dir = tempfile::tempdir().unwrap();
        let left = dir
            .path()
            .join(format!(".out.{}-0.partial", std::process::id()));
        std::fs::write(&left, "left").unwrap();
        let file = PrivateFile::create_in(&dir.path().join("out"), true, no_unnamed).unwrap();
        file.commit().unwrap();
        assert_eq!(std::fs::read(&left).unwrap(), b"left");
        assert_eq!(names(dir.path()).len(), 2);
    }
}
