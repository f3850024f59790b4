//! Which processes there are, and which one a name means. Reads three small files of `/proc` for each process.

use std::os::unix::ffi::OsStringExt;
use std::path::Path;
use std::sync::Arc;

use memmap2::Mmap;

use crate::proc_text::{self, Stat};
use crate::{Error, map_file};

/// What the kernel appends to the path of an executable that was unlinked.
const DELETED: &[u8] = b" (deleted)";
/// How many bytes of a name the kernel keeps (`TASK_COMM_LEN` without the NUL).
const COMM_LEN: usize = 15;

/// One process, as it was when it was looked at.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProcessSummary {
    /// Process id in our PID namespace.
    pub pid: i32,
    /// Id of its parent; 0 for one outside of our PID namespace.
    pub ppid: i32,
    /// Its name, at most 15 raw bytes chosen by the process: hostile until escaped.
    pub comm: Vec<u8>,
    /// Path of its executable, raw bytes: hostile until escaped. `None` for kernel threads, zombies, and where we may not know.
    pub exe: Option<Vec<u8>>,
    /// Whether the executable was unlinked or replaced since the start; [`exe`](Self::exe) is without the kernel's mark then.
    pub exe_deleted: bool,
    /// Effective user id; `None` where the process vanished meanwhile.
    pub uid: Option<u32>,
    /// When it started, in clock ticks since boot. With the pid, this identifies a process.
    pub start_ticks: u64,
    /// State letter of `proc_pid_stat(5)`: `R`, `S`, `D`, `Z`, `T`, `t`, `I`...
    pub state: char,
    /// How many threads it has.
    pub threads: u64,
    /// Resident memory in bytes.
    pub rss: u64,
    /// Whether it is a thread of the kernel.
    pub kernel_thread: bool,
}

impl ProcessSummary {
    /// What the process `pid` is now.
    pub fn of(pid: i32) -> Result<Self, Error> {
        let stat = Stat::of(pid).ok_or(Error::NoSuchProcess { pid })?;
        let status = proc_text::read(format!("/proc/{pid}/status")).unwrap_or_default();
        let uid = proc_text::field(&status, "Uid")
            .and_then(|v| proc_text::parse(proc_text::words(v).nth(1)?));
        let exe = std::fs::read_link(format!("/proc/{pid}/exe"))
            .ok()
            .map(|path| path.into_os_string().into_vec());
        let alive = exe.as_ref().and_then(|path| path.strip_suffix(DELETED));
        Ok(Self {
            pid,
            ppid: stat.ppid,
            exe_deleted: alive.is_some(),
            exe: alive.map(<[u8]>::to_vec).or(exe),
            uid,
            start_ticks: stat.start_ticks,
            state: char::from(stat.state),
            threads: stat.threads,
            rss: stat
                .rss_pages
                .saturating_mul(rustix::param::page_size() as u64),
            kernel_thread: stat.is_kernel_thread(),
            comm: stat.comm,
        })
    }

    /// Last part of the path of its executable.
    pub fn exe_name(&self) -> Option<&[u8]> {
        self.exe
            .as_ref()
            .and_then(|path| path.rsplit(|b| *b == b'/').next())
    }

    /// Whether `name` is its name or the name of its executable. Where the executable is unknown, a longer name is
    /// compared with the bytes the kernel keeps.
    fn is_named(&self, name: &[u8]) -> bool {
        match self.exe_name() {
            Some(exe) if exe == name => true,
            None if name.len() > COMM_LEN => self.comm == name[..COMM_LEN],
            _ => self.comm == name,
        }
    }
}

/// All processes that can be seen, by process id, this one included. Those that end meanwhile are passed over.
pub fn processes() -> Result<Vec<ProcessSummary>, Error> {
    let cannot = |source| Error::Open {
        path: "/proc".into(),
        source,
    };
    let entries = std::fs::read_dir("/proc").map_err(cannot)?;
    let mut pids: Vec<i32> = entries
        .filter_map(|e| proc_text::parse(e.ok()?.file_name().as_encoded_bytes()))
        .collect();
    pids.sort_unstable();
    Ok(pids
        .into_iter()
        .filter_map(|pid| ProcessSummary::of(pid).ok())
        .collect())
}

/// The one process with this name (of the process or of its executable, without a folder; compared exactly).
/// Zombies, kernel threads and this process are no candidates.
///
/// Fails with [`Error::NoSuchName`] or [`Error::AmbiguousName`].
pub fn find_by_name(name: &[u8]) -> Result<ProcessSummary, Error> {
    let own = std::process::id();
    let mut matches = processes()?;
    matches.retain(|p| {
        u32::try_from(p.pid) != Ok(own) && !p.kernel_thread && p.state != 'Z' && p.is_named(name)
    });
    match matches.len() {
        0 => Err(Error::NoSuchName {
            name: name.to_vec(),
        }),
        1 => Ok(matches.swap_remove(0)),
        _ => Err(Error::AmbiguousName {
            name: name.to_vec(),
            matches,
        }),
    }
}

/// Maps the executable that runs as process `pid`, whatever its path says by now.
pub fn map_exe(pid: i32) -> Result<Arc<Mmap>, Error> {
    map_file(Path::new(&format!("/proc/{pid}/exe")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    use std::process::{Child, Command, Stdio};

    /// A sleeping process whose executable has this name; ended when dropped.
    struct Sleeper(Child);

    impl Sleeper {
        fn start(dir: &Path, name: &[u8]) -> Self {
            let exe = dir.join(OsStr::from_bytes(name));
            if !exe.exists() {
                let sleep = ["/bin/sleep", "/usr/bin/sleep"]
                    .into_iter()
                    .find(|p| Path::new(p).exists())
                    .unwrap();
                std::fs::copy(sleep, &exe).unwrap();
            }
            // Single-purpose copies of sleep only: a multi-call binary would go by its name.
            let child = Command::new(&exe)
                .arg("600")
                .stdout(Stdio::null())
                .spawn()
                .unwrap();
            Self(child)
        }

        fn pid(&self) -> i32 {
            self.0.id() as i32
        }
    }

    impl Drop for Sleeper {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    #[test]
    fn this_process_is_listed_as_it_is() {
        let list = processes().unwrap();
        assert!(list.windows(2).all(|w| w[0].pid < w[1].pid));
        let own = list
            .iter()
            .find(|p| p.pid == std::process::id() as i32)
            .unwrap();
        let exe = std::env::current_exe().unwrap();
        assert_eq!(own.exe.as_deref(), Some(exe.as_os_str().as_bytes()));
        assert_eq!(own.uid, Some(rustix::process::geteuid().as_raw()));
        assert!(
            !own.kernel_thread
                && !own.exe_deleted
                && own.threads >= 1
                && own.rss > 0
                && own.start_ticks > 0
        );
        assert_eq!(map_exe(own.pid).unwrap()[..4], *b"\x7fELF");
    }

    #[test]
    fn a_name_finds_one_process_and_lists_several() {
        let dir = tempfile::tempdir().unwrap();
        let name = format!("leak-{}-with-a-long-name", std::process::id());
        assert!(matches!(
            find_by_name(name.as_bytes()),
            Err(Error::NoSuchName { .. })
        ));
        let one = Sleeper::start(dir.path(), name.as_bytes());
        assert_eq!(find_by_name(name.as_bytes()).unwrap().pid, one.pid());
        let two = Sleeper::start(dir.path(), name.as_bytes());
        let Err(Error::AmbiguousName { matches, .. }) = find_by_name(name.as_bytes()) else {
            panic!("two match")
        };
        let mut pids = [one.pid(), two.pid()];
        pids.sort_unstable();
        assert_eq!(matches.iter().map(|p| p.pid).collect::<Vec<_>>(), pids);
    }

    #[test]
    fn a_zombie_is_seen_but_never_meant_by_a_name() {
        let dir = tempfile::tempdir().unwrap();
        let name = format!("zombie-{}", std::process::id());
        let mut dead = Sleeper::start(dir.path(), name.as_bytes());
        dead.0.kill().unwrap();
        while ProcessSummary::of(dead.pid()).unwrap().state != 'Z' {
            std::thread::yield_now();
        }
        assert_eq!(ProcessSummary::of(dead.pid()).unwrap().exe, None);
        assert!(matches!(
            find_by_name(name.as_bytes()),
            Err(Error::NoSuchName { .. })
        ));
    }

    #[test]
    fn names_are_raw_bytes_and_a_deleted_executable_is_still_known() {
        let dir = tempfile::tempdir().unwrap();
        let name = b"\x1b[31m) R\n\xff\xfe";
        let sleeper = Sleeper::start(dir.path(), name);
        let seen = find_by_name(name).unwrap();
        assert_eq!((seen.pid, seen.comm.as_slice()), (sleeper.pid(), &name[..]));
        std::fs::remove_file(dir.path().join(OsStr::from_bytes(name))).unwrap();
        let seen = find_by_name(name).unwrap();
        assert!(seen.exe_deleted && seen.exe_name() == Some(&name[..]));
        assert!(map_exe(seen.pid).is_ok());
    }
}
