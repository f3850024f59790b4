//! Telling a JVM from outside: what it maps and what it writes about itself. Nothing is asked of it.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{Dir, FileType, OFlags, fstat};

use super::inside::{open_inside, root_of};
use super::perf_data::{self, PerfData};
use crate::proc_text;

/// The most of `/proc/PID/maps` that is looked at: programs have at most 65,530 mappings (`vm.max_map_count`), each a line
/// of about 100 bytes.
const MAX_MAPS: u64 = 64 << 20;
/// The most folders of `/tmp` that are looked at for `hsperfdata`.
const MAX_FOLDERS: usize = 4096;
/// The most of a `release` file; those of JDKs have about 2 KB.
const MAX_RELEASE: u64 = 64 << 10;
/// Flag of a JVM that nobody may attach to.
const DISABLED: &[u8] = b"-XX:+DisableAttachMechanism";

/// A process that is a Java virtual machine.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Jvm {
    /// Process id.
    pub pid: i32,
    /// Its process id as it sees itself.
    pub pid_inside: i32,
    /// Path of its `libjvm.so`, as it sees it, raw: hostile until escaped.
    pub library: Vec<u8>,
    /// Java version as it names itself, such as `17.0.15`: raw, hostile until escaped. Said by its own counters, or by the
    /// file `release` of its installation.
    pub version: Option<Vec<u8>>,
    /// Bytes that its heap held after the latest collections, where its counters say.
    pub heap_used: Option<u64>,
    /// Bytes that its heap may grow to, where its counters say.
    pub heap_max: Option<u64>,
    /// Main class, or jar without folders: raw, hostile until escaped. Where its counters say.
    pub main: Option<Vec<u8>>,
    /// Its collector, where its counters say: `G1`, `Parallel`, `Serial`, `Shenandoah`, `ZGC`.
    pub collector: Option<&'static str>,
    /// Whether it lets nobody attach.
    pub attach_disabled: bool,
    /// Whether it catches SIGQUIT now, so that it can be asked to listen.
    pub catches_quit: bool,
}

impl Jvm {
    /// Looks whether process `pid` is one; `None` if not, or where we may not know.
    pub fn look(pid: i32) -> Option<Self> {
        let library = mapped_libjvm(pid)?;
        let status = proc_text::read(format!("/proc/{pid}/status")).ok()?;
        let pid_inside = pid_inside(&status).unwrap_or(pid);
        let root = root_of(pid).ok();
        let perf = root.as_ref().and_then(|root| perf_data(root, pid_inside));
        let disabled = perf
            .as_ref()
            .and_then(|perf| perf.attachable)
            .map_or_else(|| flag_disables(pid), |attachable| !attachable);
        let counted = perf
            .as_ref()
            .map(|perf| perf.heap_used)
            .filter(|used| *used > 0);
        let heap_max = perf
            .as_ref()
            .map(|perf| perf.heap_max)
            .filter(|max| *max > 0);
        let main = perf.as_ref().and_then(|perf| perf.main.clone());
        let collector = perf.as_ref().and_then(|perf| perf.collector);
        let version = perf
            .and_then(|perf| perf.java_version)
            .or_else(|| released(root.as_ref()?, &library));
        Some(Self {
            pid,
            pid_inside,
            library,
            version,
            heap_used: counted,
            heap_max,
            main,
            collector,
            attach_disabled: disabled,
            catches_quit: mask_has_quit(&status, "SigCgt"),
        })
    }
}

/// Its process id as it sees itself.
pub(super) fn pid_inside(status: &[u8]) -> Option<i32> {
    proc_text::words(proc_text::field(status, "NStgid")?)
        .last()
        .and_then(proc_text::parse)
}

/// Whether a signal mask of `status` holds SIGQUIT.
pub(super) fn mask_has_quit(status: &[u8], field: &str) -> bool {
    proc_text::field(status, field)
        .and_then(|mask| std::str::from_utf8(mask).ok())
        .and_then(|mask| u64::from_str_radix(mask, 16).ok())
        .is_some_and(|mask| mask & (1 << (libc::SIGQUIT - 1)) != 0)
}

/// Path of the first mapping of a file called `libjvm.so`.
pub(super) fn mapped_libjvm(pid: i32) -> Option<Vec<u8>> {
    let maps = File::open(format!("/proc/{pid}/maps")).ok()?;
    let mut lines = BufReader::new(maps.take(MAX_MAPS));
    let mut line = Vec::new();
    while lines.read_until(b'\n', &mut line).ok()? > 0 {
        if let Some(slash) = line.iter().position(|b| *b == b'/') {
            let path = line[slash..].trim_ascii_end();
            let path = path.strip_suffix(b" (deleted)").unwrap_or(path);
            if path.ends_with(b"/libjvm.so") {
                return Some(path.to_vec());
            }
        }
        line.clear();
    }
    None
}

/// What the JVM that calls itself `pid` has written below `/tmp/hsperfdata_USER`.
fn perf_data(root: &OwnedFd, pid: i32) -> Option<PerfData> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let tmp = open_inside(root, Path::new("tmp"), flags).ok()?;
    for entry in Dir::read_from(&tmp).ok()?.take(MAX_FOLDERS) {
        let entry = entry.ok()?;
        let name = entry.file_name().to_bytes();
        if !name.starts_with(b"hsperfdata_") {
            continue;
        }
        let name = Path::new(std::ffi::OsStr::from_bytes(name));
        let path = Path::new("tmp").join(name).join(pid.to_string());
        if let Some(file) = regular(root, &path, perf_data::MAX_FILE) {
            return perf_data::parse(&file);
        }
    }
    None
}

/// The version that `release` in the folder above the JVM's `lib` states.
fn released(root: &OwnedFd, library: &[u8]) -> Option<Vec<u8>> {
    let library = Path::new(std::ffi::OsStr::from_bytes(library));
    for home in library.ancestors().skip(1).take(5) {
        let path = home.join("release");
        let Some(text) = regular(root, path.strip_prefix("/").unwrap_or(&path), MAX_RELEASE) else {
            continue;
        };
        let version = text.split(|b| *b == b'\n').find_map(|line| {
            let value = line.strip_prefix(b"JAVA_VERSION=")?.trim_ascii();
            Some(value.strip_prefix(b"\"")?.strip_suffix(b"\"")?.to_vec())
        });
        if version.is_some() {
            return version;
        }
    }
    None
}

/// The content of a regular file below `root`, if it has at most `limit` bytes.
fn regular(root: &OwnedFd, path: &Path, limit: u64) -> Option<Vec<u8>> {
    // Not blocking: it may be a pipe by now.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = open_inside(root, path, flags).ok()?;
    if !FileType::from_raw_mode(fstat(&file).ok()?.st_mode).is_file() {
        return None;
    }
    let mut bytes = Vec::new();
    File::from(file)
        .take(limit + 1)
        .read_to_end(&mut bytes)
        .ok()?;
    (bytes.len() as u64 <= limit).then_some(bytes)
}

/// Whether its command line says that nobody may attach; later flags win.
fn flag_disables(pid: i32) -> bool {
    let line = proc_text::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    line.split(|b| *b == 0)
        .rfind(|word| word.ends_with(b"DisableAttachMechanism"))
        .is_some_and(|word| word == DISABLED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_are_read_bit_by_bit() {
        let status = b"SigIgn:\t0000000000000004\nSigCgt:\t2000000181005ccf\n";
        assert!(mask_has_quit(status, "SigCgt") && mask_has_quit(status, "SigIgn"));
        assert!(!mask_has_quit(b"SigCgt:\t0000000000000002\n", "SigCgt"));
        assert!(!mask_has_quit(b"SigCgt:\tzz\n", "SigCgt"));
        assert_eq!(pid_inside(b"NStgid:\t4242\t7\t1\n"), Some(1));
    }

    #[test]
    fn this_process_is_no_jvm() {
        assert_eq!(Jvm::look(std::process::id() as i32), None);
    }
}
