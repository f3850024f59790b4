//! What this process does to itself, so that it can harm nobody: it leaves no core, dies first when memory runs out,
//! and gives up its rights once it has what it needs.
//!
//! The order matters: [`raise_oom_score_adj`] first (a process that is not dumpable may not write its own file without
//! being root), then [`no_core_dumps`], and after the capture [`drop_privileges`].
#![expect(
    unsafe_code,
    reason = "setgroups, setresgid and setresuid for all threads of the process"
)]

use std::io;

use caps::{CapSet, Capability};
use rustix::process::{
    DumpableBehavior, Resource, Rlimit, getegid, geteuid, set_dumpable_behavior, setrlimit,
};
use rustix::thread::set_no_new_privs;

/// Makes this process undumpable (also for debuggers of other users) and its core limit 0: its memory holds copies of
/// what the target remembers.
pub fn no_core_dumps() -> io::Result<()> {
    setrlimit(
        Resource::Core,
        Rlimit {
            current: Some(0),
            maximum: Some(0),
        },
    )?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    Ok(())
}

/// Has the kernel choose this process before all others when memory runs out. Inherited by children.
pub fn raise_oom_score_adj() -> io::Result<()> {
    std::fs::write("/proc/self/oom_score_adj", "1000")
}

/// The user who called `sudo`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SudoCaller {
    /// User id, never 0.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
}

impl SudoCaller {
    /// From `SUDO_UID` and `SUDO_GID`, when this process runs as root on behalf of another user. The variables decide
    /// only about giving rights away, so a false one does no harm.
    pub fn detect() -> Option<Self> {
        let number = |name: &str| std::env::var(name).ok()?.parse::<u32>().ok();
        let caller = Self {
            uid: number("SUDO_UID")?,
            gid: number("SUDO_GID")?,
        };
        // u32::MAX means `leave as it is` to the system calls.
        let sane = caller.uid != 0 && caller.uid != u32::MAX && caller.gid != u32::MAX;
        (sane && geteuid().is_root()).then_some(caller)
    }
}

/// What [`drop_privileges`] did.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Dropped {
    /// The user this process became, if it changed.
    pub became: Option<SudoCaller>,
    /// How many capabilities it gave up.
    pub capabilities: usize,
    /// How many capabilities it gave up ever getting again (its bounding set).
    pub bounding: usize,
    /// Why the bounding set could not be emptied, if so: that needs `CAP_SETPCAP`.
    pub bounding_kept: Option<String>,
    /// Whether it kept `CAP_DAC_OVERRIDE`: as root without a sudo caller it may have to write into other users' folders.
    pub kept_file_access: bool,
}

/// Gives up every right that reading a target took: becomes the sudo caller if there is one, drops all capabilities
/// and the bounding set, forbids itself to gain new ones, and stays undumpable. Doing it again changes nothing.
///
/// The user changes for the whole process. Capabilities belong to threads: those of a thread that runs already fall
/// only where the user changes, so this must be called before worker threads are started.
pub fn drop_privileges() -> io::Result<Dropped> {
    let mut dropped = Dropped::default();
    let caller = SudoCaller::detect();
    dropped.kept_file_access = caller.is_none() && geteuid().is_root();
    let kept = |cap: &Capability| dropped.kept_file_access && *cap == Capability::CAP_DAC_OVERRIDE;

    let bounding = caps::read(None, CapSet::Bounding).map_err(other)?;
    let (mut fallen, mut refused) = (0, None);
    for cap in sorted(bounding).into_iter().filter(|cap| !kept(cap)) {
        match caps::drop(None, CapSet::Bounding, cap) {
            Ok(()) => fallen += 1,
            Err(e) => refused = Some(e.to_string()),
        }
    }
    let had: Vec<Capability> = sorted(caps::read(None, CapSet::Permitted).map_err(other)?)
        .into_iter()
        .filter(|cap| !kept(cap))
        .collect();
    let stays = caps::read(None, CapSet::Permitted)
        .map_err(other)?
        .into_iter()
        .filter(kept)
        .collect();
    (
        dropped.bounding,
        dropped.bounding_kept,
        dropped.capabilities,
    ) = (fallen, refused, had.len());

    if let Some(caller) = caller {
        become_user(caller)?;
        dropped.became = Some(caller);
    }
    caps::clear(None, CapSet::Inheritable).map_err(other)?;
    caps::set(None, CapSet::Effective, &stays).map_err(other)?;
    caps::set(None, CapSet::Permitted, &stays).map_err(other)?;
    set_no_new_privs(true)?;
    // Changing user resets this to what fs.suid_dumpable says.
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    Ok(dropped)
}

/// Becomes `caller` for good: groups first, as only root may change them. Fails unless the change is complete.
fn become_user(caller: SudoCaller) -> io::Result<()> {
    let groups = [caller.gid];
    // SAFETY: `groups` holds as many ids as are announced. glibc and musl change every thread of the process.
    let rc = unsafe { libc::setgroups(groups.len(), groups.as_ptr()) };
    check(rc)?;
    // SAFETY: takes plain numbers.
    let rc = unsafe { libc::setresgid(caller.gid, caller.gid, caller.gid) };
    check(rc)?;
    // SAFETY: takes plain numbers.
    let rc = unsafe { libc::setresuid(caller.uid, caller.uid, caller.uid) };
    check(rc)?;
    if geteuid().as_raw() != caller.uid || getegid().as_raw() != caller.gid {
        return Err(io::Error::other("the user did not change"));
    }
    Ok(())
}

fn check(rc: libc::c_int) -> io::Result<()> {
    if rc == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

fn sorted(set: caps::CapsHashSet) -> Vec<Capability> {
    let mut list: Vec<Capability> = set.into_iter().collect();
    list.sort_unstable_by_key(|cap| *cap as u8);
    list
}

fn other(e: caps::errors::CapsError) -> io::Error {
    io::Error::other(e)
}

/// Gives memory that was freed back to the kernel: worth its time between two phases that both take much.
pub fn return_free_memory() {
    #[cfg(target_env = "gnu")]
    // SAFETY: takes no pointer, and only releases pages that no allocation uses.
    unsafe {
        libc::malloc_trim(0);
    }
}
