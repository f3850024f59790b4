//! Files of a process, as it sees them: through its own root folder, and never out of it.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;

use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags};

/// Most names of a folder that are looked at: a folder for temporary files may hold any number.
const MAX_NAMES: usize = 100_000;

/// Whole content of the regular file at `path` as process `pid` sees it, at most `most` bytes.
///
/// Links lead nowhere outside of its root, the last part may be none, and nothing but a regular file is read: the process
/// chooses what stands there.
pub fn read_inside(pid: i32, path: &str, most: u64) -> io::Result<Vec<u8>> {
    let file = open(pid, path, OFlags::NOFOLLOW)?;
    let about = rustix::fs::fstat(&file)?;
    let size = u64::try_from(about.st_size).unwrap_or(u64::MAX);
    if FileType::from_raw_mode(about.st_mode) != FileType::RegularFile || size > most {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
    File::from(file).take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Names in the folder at `path` as process `pid` sees it, those that are UTF-8, in order.
pub fn list_inside(pid: i32, path: &str) -> io::Result<Vec<String>> {
    let folder = open(pid, path, OFlags::DIRECTORY)?;
    let mut names: Vec<String> = rustix::fs::Dir::read_from(&folder)?
        .take(MAX_NAMES)
        .filter_map(|entry| String::from_utf8(entry.ok()?.file_name().to_bytes().to_vec()).ok())
        .filter(|name| name != "." && name != "..")
        .collect();
    names.sort_unstable();
    Ok(names)
}

fn open(pid: i32, path: &str, more: OFlags) -> io::Result<OwnedFd> {
    let root = rustix::fs::openat(
        CWD,
        format!("/proc/{pid}/root"),
        OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    )?;
    // A pipe must not keep us waiting, a terminal not become ours.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC | more;
    let within = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    Ok(rustix::fs::openat2(
        root,
        path,
        flags,
        Mode::empty(),
        within,
    )?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_regular_files_of_a_bounded_size_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
        let me = std::process::id() as i32;
        std::fs::write(path("file"), b"content").unwrap();
        std::os::unix::fs::symlink(path("file"), path("link")).unwrap();
        let fifo = std::process::Command::new("mkfifo")
            .arg(path("pipe"))
            .status();
        assert!(fifo.unwrap().success());
        assert_eq!(read_inside(me, &path("file"), 7).unwrap(), b"content");
        for refused in ["link", "pipe", "", "none"] {
            assert!(read_inside(me, &path(refused), 100).is_err(), "{refused}");
        }
        assert!(read_inside(me, &path("file"), 6).is_err());
        let names = list_inside(me, dir.path().to_str().unwrap()).unwrap();
        assert_eq!(names, ["file", "link", "pipe"]);
        assert!(list_inside(i32::MAX, "/").is_err());
    }
}
