//! Where a JVM writes a dump, and how that becomes a file of ours.
//!
//! It writes as its own user, in its own view of the file system, and never over a file that is there. So it gets a new
//! folder that only it and we can enter: beside the file that is wanted, where it sees the same file system as we do and may
//! go there, and the dump is then renamed; else in a folder for temporary files of its own, and the dump is then copied.

use std::ffi::CString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, CWD, FileType, Gid, Mode, OFlags, Uid, chownat, fstat, fstatvfs, mkdirat, open,
    openat, statat, unlinkat,
};
use rustix::io::Errno;

use super::inside::open_inside;
use super::sweeper::{Remains, Sweeper};
use super::user::User;
use super::{Attach, AttachError};
use crate::PrivateFile;

/// Name of the dump in its folder.
const NAME: &str = "heap.hprof";
/// Folders that are tried in the target's view, relative to its root.
const FOLDERS: [&str; 3] = ["tmp", "var/tmp", "dev/shm"];
/// How many names of folders are tried: leftovers of other runs can hold some.
const TRIES: u32 = 64;
const CHUNK: usize = 1 << 20;

/// A folder made for one dump. Dropped, it and what is in it are taken away; so they are when this process dies.
pub struct DumpPlace {
    folder: OwnedFd,
    parent: OwnedFd,
    name: CString,
    /// Path of the dump as the JVM sees it.
    path: Vec<u8>,
    /// Who may have written it.
    user: User,
    /// Path of the dump by the folder of the file that is wanted, where it lies beside.
    beside: Option<PathBuf>,
    sweeper: Option<Sweeper>,
}

/// A folder that was made.
struct Made {
    parent: OwnedFd,
    name: String,
    folder: OwnedFd,
}

impl DumpPlace {
    /// Makes a folder for a dump of at most `room` bytes that is to stand at `wanted`.
    ///
    /// Fails with [`AttachError::NoSpace`] where it might not fit, and with [`AttachError::NoPlace`] where the JVM can write
    /// nowhere.
    pub fn prepare(attach: &Attach, wanted: &Path, room: u64) -> Result<Self, AttachError> {
        let os = AttachError::os("use the folder of the dump");
        let parent = wanted.parent().filter(|p| !p.as_os_str().is_empty());
        let parent = parent
            .unwrap_or(Path::new("."))
            .canonicalize()
            .map_err(&os)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let descriptor = open(&parent, flags, Mode::empty()).map_err(|e| os(e.into()))?;
        has_room(&descriptor, room, &parent)?;
        let mut tried = Vec::new();
        if shares_files(attach) {
            match beside(attach, &parent, &descriptor) {
                Ok(made) => {
                    let relative = Path::new(&made.name).join(NAME);
                    return Self::of(attach, made, &parent, Some(relative));
                }
                Err(e) => tried.push(format!("{}: {e}", parent.display())),
            }
        }
        for folder in FOLDERS {
            match inside(attach, folder, room) {
                Ok(made) => {
                    return Self::of(attach, made, &Path::new("/").join(folder), None);
                }
                Err(e) => tried.push(format!("/{folder}: {e}")),
            }
        }
        Err(AttachError::NoPlace {
            pid: attach.jvm.pid,
            tried,
        })
    }

    fn of(
        attach: &Attach,
        made: Made,
        parent: &Path,
        beside: Option<PathBuf>,
    ) -> Result<Self, AttachError> {
        let os = AttachError::os("copy a descriptor");
        let name = CString::new(made.name.as_str()).map_err(|e| os(e.into()))?;
        let file = CString::new(NAME).map_err(|e| os(e.into()))?;
        let remains = [
            Remains {
                folder: made.folder.try_clone().map_err(&os)?,
                name: file,
                is_folder: false,
            },
            Remains {
                folder: made.parent.try_clone().map_err(&os)?,
                name: name.clone(),
                is_folder: true,
            },
        ];
        let path = parent.join(&made.name).join(NAME);
        let mut place = Self {
            folder: made.folder,
            parent: made.parent,
            name,
            path: path.as_os_str().as_bytes().to_vec(),
            user: attach.user,
            beside,
            sweeper: None,
        };
        let sweeper =
            Sweeper::start(&remains).map_err(AttachError::os("start a process that cleans up"))?;
        place.sweeper = Some(sweeper);
        Ok(place)
    }

    /// What to tell the JVM: the dump's path in its view. No file is there yet.
    pub fn path(&self) -> &[u8] {
        &self.path
    }

    /// Whether the dump will have to be copied, so that for a while it is there twice.
    pub fn copies(&self) -> bool {
        self.beside.is_none()
    }

    /// Bytes of the dump so far.
    pub fn written(&self) -> u64 {
        statat(&self.folder, NAME, AtFlags::SYMLINK_NOFOLLOW)
            .map_or(0, |stat| u64::try_from(stat.st_size).unwrap_or(0))
    }

    /// Makes the dump, which is whole, the file at `wanted`: with mode 0600, of the user who runs this or called `sudo`.
    /// Without `force`, nothing that is there is replaced. Says its length.
    pub fn finish(self, wanted: &Path, force: bool) -> io::Result<u64> {
        let (dump, len) = self.whole()?;
        match &self.beside {
            Some(relative) => PrivateFile::adopt(wanted, force, relative)?.commit()?,
            None => {
                let mut file = PrivateFile::create(wanted, force)?;
                copy(dump, &mut file)?;
                file.commit()?;
            }
        }
        Ok(len)
    }

    /// The dump, which is whole, without its name: it is gone once nobody has it open or mapped any more.
    pub fn nameless(self) -> io::Result<File> {
        Ok(self.whole()?.0)
    }

    /// The dump, opened to be read, and its length.
    fn whole(&self) -> io::Result<(File, u64)> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let dump = File::from(openat(&self.folder, NAME, flags, Mode::empty())?);
        let stat = fstat(&dump)?;
        let own = User::own().uid;
        let sound = FileType::from_raw_mode(stat.st_mode).is_file()
            && stat.st_nlink == 1
            && (stat.st_uid == self.user.uid || stat.st_uid == own);
        if !sound {
            return Err(io::Error::other("the dump is not a file of the JVM"));
        }
        Ok((dump, u64::try_from(stat.st_size).unwrap_or(0)))
    }
}

impl Drop for DumpPlace {
    fn drop(&mut self) {
        let file = unlinkat(&self.folder, NAME, AtFlags::empty());
        let folder = unlinkat(&self.parent, &self.name, AtFlags::REMOVEDIR);
        // Else the JVM is still at it: the child takes it away when that is done.
        if matches!(file, Ok(()) | Err(Errno::NOENT))
            && matches!(folder, Ok(()) | Err(Errno::NOENT))
            && let Some(sweeper) = self.sweeper.take()
        {
            sweeper.dismiss();
        }
    }
}

/// Whether the target's paths are ours: the same mount namespace and root.
fn shares_files(attach: &Attach) -> bool {
    let namespace = |pid: &str| Some(std::fs::metadata(format!("/proc/{pid}/ns/mnt")).ok()?.ino());
    let root = |stat: Result<rustix::fs::Stat, Errno>| stat.ok().map(|s| (s.st_dev, s.st_ino));
    let own = namespace("self");
    own.is_some()
        && own == namespace(&attach.jvm.pid.to_string())
        && root(fstat(&attach.root)) == root(statat(CWD, "/", AtFlags::empty()))
}

/// Makes a folder of the target's user beside the file that is wanted.
fn beside(attach: &Attach, parent: &Path, descriptor: &OwnedFd) -> io::Result<Made> {
    let (name, folder) = make_folder(descriptor)?;
    let made = Made {
        parent: descriptor.try_clone()?,
        name,
        folder,
    };
    let user = attach.user;
    let path = parent.join(&made.name);
    let reach = || -> io::Result<()> {
        if user != User::own() {
            let (uid, gid) = (Uid::from_raw(user.uid), Gid::from_raw(user.gid));
            chownat(
                &made.parent,
                &made.name,
                Some(uid),
                Some(gid),
                AtFlags::SYMLINK_NOFOLLOW,
            )?;
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        user.runs(|| open(&path, flags, Mode::empty()))??;
        Ok(())
    };
    match reach() {
        Ok(()) => Ok(made),
        Err(e) => {
            // An empty folder that we have just made.
            let _ = unlinkat(&made.parent, &made.name, AtFlags::REMOVEDIR);
            Err(e)
        }
    }
}

/// Makes a folder below one of the target's, as its user.
fn inside(attach: &Attach, folder: &str, room: u64) -> Result<Made, AttachError> {
    let os = AttachError::errno("use the folder");
    let made = attach.user.runs(|| {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let parent = open_inside(&attach.root, Path::new(folder), flags).map_err(&os)?;
        has_room(&parent, room, &Path::new("/").join(folder))?;
        let (name, folder) =
            make_folder(&parent).map_err(AttachError::os("make a folder in it"))?;
        Ok(Made {
            parent,
            name,
            folder,
        })
    });
    made.map_err(AttachError::os("become its user"))?
}

/// Makes a folder for its owner alone, under a name that is free.
fn make_folder(parent: &OwnedFd) -> io::Result<(String, OwnedFd)> {
    for n in 0..TRIES {
        let name = format!(".leakscope.{}-{n}.partial", std::process::id());
        match mkdirat(parent, &name, Mode::RWXU) {
            Err(Errno::EXIST) => {}
            other => {
                other?;
                let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let folder = openat(parent, &name, flags, Mode::empty())?;
                return Ok((name, folder));
            }
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// Fails where fewer than `room` bytes are free for ordinary users.
fn has_room(folder: &OwnedFd, room: u64, place: &Path) -> Result<(), AttachError> {
    let stat = fstatvfs(folder).map_err(AttachError::errno("see how much room is left"))?;
    let available = stat.f_bavail.saturating_mul(stat.f_frsize);
    if available < room {
        return Err(AttachError::NoSpace {
            needed: room,
            available,
            place: place.to_owned(),
        });
    }
    Ok(())
}

fn copy(mut from: File, to: &mut PrivateFile) -> io::Result<()> {
    let mut chunk = vec![0; CHUNK];
    loop {
        match from.read(&mut chunk) {
            Ok(0) => return Ok(()),
            Ok(n) => to.write_all(&chunk[..n])?,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}
