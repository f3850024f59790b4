//! Being the target's user for a moment, in one thread.
//!
//! A JVM answers its own effective user and group (and root, since JDK 9: `os::Posix::matches_effective_uid_and_gid_or_root`),
//! as its own user namespace knows them. What is made on its side of the file system should belong to it, too.

use std::io;
use std::panic::resume_unwind;
use std::thread;

use rustix::process::{DumpableBehavior, getegid, geteuid, set_dumpable_behavior};

/// A user with its group, effective ones.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct User {
    pub(super) uid: u32,
    pub(super) gid: u32,
}

impl User {
    /// Who we are.
    pub(super) fn own() -> Self {
        Self {
            uid: geteuid().as_raw(),
            gid: getegid().as_raw(),
        }
    }

    /// Does `work` as this user, with no right of our own: in a thread that ends after it. Fails with `EPERM` where we
    /// may not become that user.
    pub(super) fn runs<T: Send>(self, work: impl FnOnce() -> T + Send) -> io::Result<T> {
        if self == Self::own() {
            return Ok(work());
        }
        thread::scope(|scope| {
            let working = scope.spawn(|| {
                self.become_in_this_thread()?;
                Ok(work())
            });
            working.join().unwrap_or_else(|panic| resume_unwind(panic))
        })
    }

    /// For good: capabilities fall with the user. glibc's functions would change every thread; the system calls change
    /// the calling one.
    fn become_in_this_thread(self) -> io::Result<()> {
        let groups = [self.gid];
        // SAFETY: the array holds as many ids as are announced.
        check(unsafe { libc::syscall(libc::SYS_setgroups, groups.len(), groups.as_ptr()) })?;
        // SAFETY: takes plain numbers.
        check(unsafe { libc::syscall(libc::SYS_setresgid, self.gid, self.gid, self.gid) })?;
        // SAFETY: takes plain numbers.
        check(unsafe { libc::syscall(libc::SYS_setresuid, self.uid, self.uid, self.uid) })?;
        // Changing user resets this, for the whole process, to what fs.suid_dumpable says.
        set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
        if Self::own() != self {
            return Err(io::Error::other("the user did not change"));
        }
        Ok(())
    }
}

fn check(rc: libc::c_long) -> io::Result<()> {
    if rc == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_thread_changes_and_no_other() {
        let own = User::own();
        assert_eq!(own.runs(User::own).unwrap(), own);
        let other = User {
            uid: 43_210,
            gid: 54_321,
        };
        match other.runs(|| (User::own(), std::fs::read("/proc/1/environ").is_ok())) {
            Ok((seen, reads)) => {
                assert_eq!(seen, other);
                assert!(!reads, "a right of root was kept");
            }
            Err(e) => assert_eq!(e.kind(), io::ErrorKind::PermissionDenied),
        }
        assert_eq!(User::own(), own);
    }
}
