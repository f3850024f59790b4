//! Whether and why a process can be read: facts, without advice. Looks only; the one thing tried on the target is a
//! read of eight bytes of its memory, which it cannot notice.

use std::io::IoSliceMut;
use std::os::unix::fs::MetadataExt;

use caps::{CapSet, Capability};
use rustix::process::{Pid, geteuid, getgid, getuid, test_kill_process};

use crate::container::Container;
use crate::proc_text::{self, Stat};
use crate::{Addr, Error, vm};

/// Where this process holds one capability.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct CapabilityState {
    /// In use.
    pub effective: bool,
    /// May be put to use.
    pub permitted: bool,
    /// May be gained by running a program that has it. Without this, not even root gets it (a container's limit).
    pub bounding: bool,
}

impl CapabilityState {
    fn of(capability: Capability) -> Self {
        let has = |set| caps::has_cap(None, set, capability).unwrap_or(false);
        Self {
            effective: has(CapSet::Effective),
            permitted: has(CapSet::Permitted),
            bounding: has(CapSet::Bounding),
        }
    }
}

/// A seccomp filter on a process (`Seccomp` in `proc_pid_status(5)`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Seccomp {
    /// No restriction.
    Off,
    /// Only read, write and exit.
    Strict,
    /// A filter decides about each system call.
    Filter,
}

/// What the folder `/proc` shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ProcView {
    /// The processes of our PID namespace.
    Own {
        /// Whether those of other users are hidden from us (mount option `hidepid`), unless we may trace them.
        hides: bool,
    },
    /// Those of another PID namespace: numbers in it are not those of our system calls.
    Foreign {
        /// Our own process id, in that namespace; 0 where we are not in it.
        pid: i32,
    },
    /// Nothing: it is not mounted.
    Missing,
}

impl ProcView {
    fn look() -> Self {
        let Ok(link) = std::fs::read_link("/proc/self") else {
            // Of a namespace that we are not in, there is the rest all the same.
            let mounted = std::path::Path::new("/proc/version").exists();
            return if mounted {
                Self::Foreign { pid: 0 }
            } else {
                Self::Missing
            };
        };
        let pid = proc_text::parse(link.as_os_str().as_encoded_bytes()).unwrap_or(0);
        if u32::try_from(pid) != Ok(std::process::id()) {
            return Self::Foreign { pid };
        }
        let mounts = proc_text::read("/proc/self/mounts").unwrap_or_default();
        let hides = mounts.split(|b| *b == b'\n').any(|line| {
            let mut words = proc_text::words(line);
            let on_proc = words.nth(1) == Some(b"/proc") && words.next() == Some(b"proc");
            let options = words.next().unwrap_or_default();
            on_proc
                && options.split(|b| *b == b',').any(|option| {
                    option
                        .strip_prefix(b"hidepid=")
                        .is_some_and(|v| v != b"0" && v != b"off")
                })
        });
        Self::Own { hides }
    }
}

/// Facts about this process and this machine.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OwnAccess {
    /// Process id.
    pub pid: i32,
    /// Real user id.
    pub uid: u32,
    /// Effective user id.
    pub euid: u32,
    /// `CAP_SYS_PTRACE`.
    pub sys_ptrace: CapabilityState,
    /// `kernel.yama.ptrace_scope`: 0 same user, 1 parents only, 2 with `CAP_SYS_PTRACE` only, 3 nobody. `None` without Yama.
    pub yama_scope: Option<i32>,
    /// Inode of the user namespace.
    pub user_namespace: Option<u64>,
    /// Whether that is the first one of the machine: in others, capabilities count only for what is inside of them.
    pub first_user_namespace: Option<bool>,
    /// Inode of the PID namespace.
    pub pid_namespace: Option<u64>,
    /// What `/proc` shows.
    pub proc_view: ProcView,
    /// Whether files can be made in the present folder, or why not.
    pub folder_writable: Result<(), std::io::ErrorKind>,
    /// Seccomp mode, when the kernel says.
    pub seccomp: Option<Seccomp>,
    /// Whether the kernel is told never to give this process new rights (`NoNewPrivs`): then neither `sudo` nor file
    /// capabilities work.
    pub no_new_privileges: Option<bool>,
    /// The confinement of a security module (AppArmor profile, SELinux context): raw text, without a line break.
    pub security_label: Option<Vec<u8>>,
    /// Whether SELinux forbids tracing altogether (its boolean `deny_ptrace`); `None` without SELinux.
    pub selinux_denies_ptrace: Option<bool>,
    /// The container this process runs in, as far as its control group tells.
    pub container: Option<Container>,
    /// Kernel release, as `uname -r`: raw bytes of the kernel, ASCII in practice.
    pub kernel: Vec<u8>,
}

impl OwnAccess {
    /// Looks at this process.
    pub fn look() -> Self {
        let status = proc_text::read("/proc/self/status").unwrap_or_default();
        let cgroups = proc_text::read("/proc/self/cgroup").unwrap_or_default();
        let deny = proc_text::read("/sys/fs/selinux/booleans/deny_ptrace").ok();
        Self {
            pid: std::process::id() as i32,
            uid: getuid().as_raw(),
            euid: geteuid().as_raw(),
            sys_ptrace: CapabilityState::of(Capability::CAP_SYS_PTRACE),
            yama_scope: proc_text::number("/proc/sys/kernel/yama/ptrace_scope"),
            user_namespace: namespace("self", "user"),
            first_user_namespace: proc_text::read("/proc/self/uid_map")
                .ok()
                .map(|map| proc_text::words(&map).eq([&b"0"[..], b"0", b"4294967295"])),
            pid_namespace: namespace("self", "pid"),
            proc_view: ProcView::look(),
            folder_writable: rustix::fs::access(".", rustix::fs::Access::WRITE_OK)
                .map_err(|e| std::io::Error::from(e).kind()),
            seccomp: seccomp(&status),
            no_new_privileges: flag(&status, "NoNewPrivs"),
            security_label: security_label("self"),
            selinux_denies_ptrace: deny.map(|text| text.starts_with(b"1")),
            container: Container::of_cgroups(&cgroups),
            kernel: proc_text::read("/proc/sys/kernel/osrelease")
                .unwrap_or_default()
                .trim_ascii()
                .to_vec(),
        }
    }
}

/// The process that traces another.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tracer {
    /// Its process id; 0 when it lies outside of our PID namespace.
    pub pid: i32,
    /// Its name, raw: hostile until escaped. Empty when it vanished meanwhile.
    pub comm: Vec<u8>,
}

/// What came of reading eight bytes of the target's memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReadProbe {
    /// It can be read.
    Allowed,
    /// The kernel says no (`EPERM`).
    Denied,
    /// It has no memory: it ended, or is a thread of the kernel.
    NoMemory,
    /// The kernel does not offer the call (`ENOSYS`), or a seccomp filter answers so.
    NotOffered,
    /// Any other errno.
    Failed(i32),
}

/// Facts about a target.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TargetAccess {
    /// Process id, as asked for.
    pub pid: i32,
    /// Whether this is leakscope itself.
    pub is_self: bool,
    /// The process it belongs to, when the id is that of a thread.
    pub thread_of: Option<i32>,
    /// Its name, raw: hostile until escaped.
    pub comm: Vec<u8>,
    /// State letter of `proc_pid_stat(5)`: `R`, `S`, `D`, `Z`, `T`, `t`, `I`...
    pub state: char,
    /// Whether it is a thread of the kernel.
    pub kernel_thread: bool,
    /// Real, effective and saved user ids.
    pub uids: Option<[u32; 3]>,
    /// Real, effective and saved group ids.
    pub gids: Option<[u32; 3]>,
    /// Whether all of these are our real ids: what the kernel wants of a tracer without `CAP_SYS_PTRACE`.
    pub same_user: Option<bool>,
    /// Who traces it.
    pub tracer: Option<Tracer>,
    /// Whether it lives in our user namespace; `None` where we may not know.
    pub same_user_namespace: Option<bool>,
    /// Whether it lives in our PID namespace; `None` where we may not know.
    pub same_pid_namespace: Option<bool>,
    /// Its process id as it sees itself, when that differs: it lives in a nested PID namespace.
    pub pid_inside: Option<i32>,
    /// Whether it may be traced by its own user: false for programs with set-user-id or capabilities and for those
    /// that asked for it. `None` where that cannot be seen from outside (processes of root).
    pub dumpable: Option<bool>,
    /// Seccomp mode, when the kernel says.
    pub seccomp: Option<Seccomp>,
    /// The confinement of a security module: raw text, without a line break.
    pub security_label: Option<Vec<u8>>,
    /// The container it runs in, as far as its control group tells.
    pub container: Option<Container>,
    /// Whether its memory can be read.
    pub read: ReadProbe,
}

impl TargetAccess {
    /// Looks at process `pid`. Fails with [`Error::NoSuchProcess`] when there is none, or with [`Error::Hidden`] when
    /// there is one that `/proc` does not show us.
    pub fn look(pid: i32) -> Result<Self, Error> {
        let dir = format!("/proc/{pid}");
        let (Some(stat), Ok(status)) = (Stat::of(pid), proc_text::read(format!("{dir}/status")))
        else {
            return Err(if exists(pid) {
                Error::Hidden { pid }
            } else {
                Error::NoSuchProcess { pid }
            });
        };
        let tgid: Option<i32> = proc_text::field(&status, "Tgid").and_then(proc_text::parse);
        let uids = ids(&status, "Uid");
        let gids = ids(&status, "Gid");
        let same_user = uids
            .zip(gids)
            .map(|(uids, gids)| uids == [getuid().as_raw(); 3] && gids == [getgid().as_raw(); 3]);
        let inside: Vec<i32> = proc_text::field(&status, "NSpid")
            .map(|v| proc_text::words(v).filter_map(proc_text::parse).collect())
            .unwrap_or_default();
        let own_depth = proc_text::read("/proc/self/status").ok();
        let own_depth = own_depth
            .as_deref()
            .and_then(|own| Some(proc_text::words(proc_text::field(own, "NSpid")?).count()));
        let nested = own_depth.is_some_and(|own| inside.len() > own);
        let same =
            |kind: &str| Some(namespace(&pid.to_string(), kind)? == namespace("self", kind)?);
        Ok(Self {
            pid,
            is_self: tgid.is_some_and(|tgid| u32::try_from(tgid) == Ok(std::process::id())),
            thread_of: tgid.filter(|tgid| *tgid != pid),
            state: char::from(stat.state),
            kernel_thread: stat.is_kernel_thread(),
            uids,
            gids,
            same_user,
            tracer: tracer(&status),
            same_user_namespace: same("user"),
            same_pid_namespace: same("pid").or(nested.then_some(false)),
            pid_inside: inside.last().copied().filter(|_| nested),
            dumpable: dumpable(&dir, uids),
            seccomp: seccomp(&status),
            security_label: security_label(&pid.to_string()),
            container: Container::of_cgroups(
                &proc_text::read(format!("{dir}/cgroup")).unwrap_or_default(),
            ),
            read: probe(pid, stat.start_stack),
            comm: stat.comm,
        })
    }
}

/// Whether there is such a process, also where `/proc` hides it (`hidepid`).
fn exists(pid: i32) -> bool {
    let pid = if pid > 0 { Pid::from_raw(pid) } else { None };
    pid.is_some_and(|pid| !matches!(test_kill_process(pid), Err(rustix::io::Errno::SRCH)))
}

fn namespace(pid: &str, kind: &str) -> Option<u64> {
    std::fs::metadata(format!("/proc/{pid}/ns/{kind}"))
        .ok()
        .map(|m| m.ino())
}

fn seccomp(status: &[u8]) -> Option<Seccomp> {
    match proc_text::field(status, "Seccomp")? {
        b"0" => Some(Seccomp::Off),
        b"1" => Some(Seccomp::Strict),
        b"2" => Some(Seccomp::Filter),
        _ => None,
    }
}

fn flag(status: &[u8], key: &str) -> Option<bool> {
    proc_text::field(status, key).map(|v| v == b"1")
}

fn ids(status: &[u8], key: &str) -> Option<[u32; 3]> {
    let mut words = proc_text::words(proc_text::field(status, key)?).map(proc_text::parse);
    Some([words.next()??, words.next()??, words.next()??])
}

fn tracer(status: &[u8]) -> Option<Tracer> {
    let pid: i32 = proc_text::field(status, "TracerPid").and_then(proc_text::parse)?;
    if pid == 0 {
        return None;
    }
    let mut comm = proc_text::read(format!("/proc/{pid}/comm")).unwrap_or_default();
    comm.pop_if(|b| *b == b'\n');
    Some(Tracer { pid, comm })
}

fn security_label(pid: &str) -> Option<Vec<u8>> {
    let label = proc_text::read(format!("/proc/{pid}/attr/current")).ok()?;
    let label = label.trim_ascii_end();
    let label = label.strip_suffix(b"\0").unwrap_or(label);
    (!label.is_empty()).then(|| label.to_vec())
}

/// The kernel gives most files of `/proc/PID` to root when the process is not dumpable, else to its effective user
/// (`task_dump_owner`, fs/proc/base.c).
fn dumpable(dir: &str, uids: Option<[u32; 3]>) -> Option<bool> {
    let effective = uids?[1];
    let owner = std::fs::metadata(format!("{dir}/mem")).ok()?.uid();
    (effective != 0).then_some(owner == effective)
}

/// Tries to read eight bytes of the memory of `pid` at the bottom of its stack; 0 where that is not known.
pub(crate) fn probe(pid: i32, start_stack: u64) -> ReadProbe {
    let mut buffer = [0; 8];
    // Where we may not know the stack, the kernel says so before it looks at the address.
    let at = vm::RemoteSlice::new(Addr(start_stack & !7), buffer.len());
    match vm::readv(pid, &mut [IoSliceMut::new(&mut buffer)], &[at]) {
        Ok(_) | Err(libc::EFAULT) => ReadProbe::Allowed,
        Err(libc::EPERM | libc::EACCES) => ReadProbe::Denied,
        Err(libc::ESRCH) => ReadProbe::NoMemory,
        Err(libc::ENOSYS) => ReadProbe::NotOffered,
        Err(errno) => ReadProbe::Failed(errno),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;
    use std::process::{Child, Command};

    fn with_sleeper(exe: &str, check: impl FnOnce(i32)) {
        let mut child: Child = Command::new(exe).arg("600").spawn().unwrap();
        let seen =
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| check(child.id() as i32)));
        child.kill().unwrap();
        child.wait().unwrap();
        seen.unwrap();
    }

    #[test]
    fn this_process_and_this_machine_are_described() {
        let own = OwnAccess::look();
        assert_eq!(own.pid, std::process::id() as i32);
        assert!(own.user_namespace.is_some() && own.pid_namespace.is_some());
        assert_eq!(
            own.yama_scope.is_some(),
            std::path::Path::new("/proc/sys/kernel/yama").exists()
        );
        assert!(own.sys_ptrace.permitted || !own.sys_ptrace.effective);
        assert!(own.kernel.first().is_some_and(u8::is_ascii_digit));
    }

    #[test]
    fn a_child_of_ours_is_readable_and_in_our_namespaces() {
        with_sleeper("sleep", |pid| {
            let target = TargetAccess::look(pid).unwrap();
            assert_eq!(
                (target.pid, target.is_self, target.thread_of, &target.tracer),
                (pid, false, None, &None)
            );
            assert_eq!(
                (
                    target.same_user,
                    target.same_user_namespace,
                    target.same_pid_namespace
                ),
                (Some(true), Some(true), Some(true))
            );
            assert_eq!((target.pid_inside, target.kernel_thread), (None, false));
            let own = OwnAccess::look();
            if own.yama_scope.unwrap_or(0) < 2 || own.sys_ptrace.effective {
                assert_eq!(target.read, ReadProbe::Allowed);
            }
        });
        let own = TargetAccess::look(std::process::id() as i32).unwrap();
        assert!(own.is_self && own.read == ReadProbe::Allowed);
    }

    #[test]
    fn an_executable_that_its_user_may_not_read_makes_an_undumpable_process() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o755)).unwrap();
        let exe = dir.path().join("secret");
        let sleep = ["/bin/sleep", "/usr/bin/sleep"]
            .into_iter()
            .find(|p| std::fs::copy(p, &exe).is_ok());
        assert!(sleep.is_some());
        for (mode, expected) in [(0o755, true), (0o111, false)] {
            std::fs::set_permissions(&exe, PermissionsExt::from_mode(mode)).unwrap();
            let mut command = Command::new(&exe);
            if geteuid().is_root() {
                use std::os::unix::process::CommandExt;
                command.uid(65534).gid(65534);
            }
            let mut child = command.arg("600").spawn().unwrap();
            let target = TargetAccess::look(child.id() as i32).unwrap();
            child.kill().unwrap();
            child.wait().unwrap();
            assert_eq!(target.dumpable, Some(expected));
            assert_eq!(target.same_user, Some(!geteuid().is_root()));
        }
    }

    #[test]
    fn processes_that_are_not_there_and_zombies_have_no_memory() {
        assert!(matches!(
            TargetAccess::look(i32::MAX),
            Err(Error::NoSuchProcess { .. })
        ));
        assert!(matches!(
            TargetAccess::look(0),
            Err(Error::NoSuchProcess { .. })
        ));
        assert!(matches!(
            TargetAccess::look(-1),
            Err(Error::NoSuchProcess { .. })
        ));
        let mut child = Command::new("true").spawn().unwrap();
        let pid = child.id() as i32;
        while Stat::of(pid).is_some_and(|s| s.state != b'Z') {
            std::thread::yield_now();
        }
        let target = TargetAccess::look(pid).unwrap();
        child.wait().unwrap();
        assert_eq!((target.state, target.read), ('Z', ReadProbe::NoMemory));
    }

    #[test]
    fn a_tracer_is_named() {
        assert_eq!(tracer(b"TracerPid:\t0\n"), None);
        let own = std::process::id() as i32;
        let seen = tracer(format!("TracerPid:\t{own}\n").as_bytes()).unwrap();
        assert!(seen.pid == own && !seen.comm.is_empty());
    }
}
