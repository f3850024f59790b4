//! What a target's name on the command line means: a process id, a file, or the name of a process, told apart by what
//! is there.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use leakscope_target::{Error, SnapshotFile, find_by_name};

use super::heap_dump;
use crate::failure::Failure;

/// Where to look.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum Place {
    /// A live process.
    Process(i32),
    /// A file: a snapshot, a heap dump, or supposed to be a core.
    File(PathBuf),
    /// A heap dump on standard input.
    Stdin,
}

/// What `given` means. A number is a process id; what has a slash is a path; a core or snapshot in the present folder goes before a
/// process of the same name, and that before any other file.
pub(super) fn locate(given: &OsStr) -> Result<Place, Failure> {
    if let Some(pid) = given.to_str().and_then(|text| text.parse().ok()) {
        return Ok(Place::Process(pid));
    }
    if given == "-" {
        return Ok(Place::Stdin);
    }
    let path = Path::new(given);
    let name = given.as_encoded_bytes();
    if name.contains(&b'/') || is_core(path) || is_snapshot(path) || heap_dump::is_one(path) {
        return Ok(Place::File(path.to_owned()));
    }
    match find_by_name(name) {
        Ok(process) => Ok(Place::Process(process.pid)),
        Err(Error::NoSuchName { .. }) if path.exists() => Ok(Place::File(path.to_owned())),
        Err(Error::NoSuchName { .. }) => Err(Failure::NotATarget {
            given: name.to_vec(),
        }),
        Err(other) => Err(other.into()),
    }
}

/// Whether the file starts as an ELF core does.
fn is_core(path: &Path) -> bool {
    /// `e_type` of a core, at offset 16 of the header.
    const ET_CORE: [u8; 2] = [4, 0];
    start(path).is_some_and(|start| start.starts_with(b"\x7fELF") && start[16..] == ET_CORE)
}

/// Whether the file starts as a snapshot does.
pub(super) fn is_snapshot(path: &Path) -> bool {
    start(path).is_some_and(|start| SnapshotFile::is_one(&start))
}

/// The first bytes of a regular file.
fn start(path: &Path) -> Option<[u8; 18]> {
    let mut start = [0; 18];
    if !path.metadata().ok()?.is_file() {
        return None;
    }
    File::open(path).ok()?.read_exact(&mut start).ok()?;
    Some(start)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(given: &str) -> Option<Place> {
        locate(OsStr::new(given)).ok()
    }

    #[test]
    fn numbers_are_processes_and_slashes_are_paths() {
        assert_eq!(place("4242"), Some(Place::Process(4242)));
        assert_eq!(place("./4242"), Some(Place::File("./4242".into())));
        assert_eq!(
            place("/no/such/core"),
            Some(Place::File("/no/such/core".into()))
        );
        assert_eq!(place("99999999999"), None);
    }

    #[test]
    fn a_name_that_nothing_has_is_no_target() {
        assert!(matches!(
            locate(OsStr::new("no-such-process-here")),
            Err(Failure::NotATarget { .. })
        ));
    }
}
