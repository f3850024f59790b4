//! A child that takes away what we leave if we die: a file that asks a JVM to listen, a dump that is half written.
//!
//! It waits for the end of a pipe, which comes with our death however we die. It is forked from a process with threads:
//! everything it does is async-signal-safe. It sits in a session of its own, so that signals to our terminal or process
//! group do not reach it.

use std::ffi::CString;
use std::io::{self, Write};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// How long it tries to take a folder away: the JVM makes files in it until its dump is whole.
const TRIES: u32 = 6000;
const BETWEEN_TRIES: Duration = Duration::from_millis(100);

/// A file or folder to take away, by the folder that it is in.
pub(super) struct Remains {
    pub(super) folder: OwnedFd,
    pub(super) name: CString,
    pub(super) is_folder: bool,
}

/// The child. Dropped, it takes everything away, as it does when we die; [`dismiss`](Self::dismiss) sends it home.
pub(super) struct Sweeper {
    link: Option<UnixStream>,
    pid: libc::pid_t,
}

impl Sweeper {
    /// Starts one for these, in this order.
    pub(super) fn start(remains: &[Remains]) -> io::Result<Self> {
        let (ours, theirs) = UnixStream::pair()?;
        let (keep, close) = (theirs.as_raw_fd(), ours.as_raw_fd());
        // SAFETY: the child calls async-signal-safe functions only and never returns.
        let pid = unsafe { libc::fork() };
        match pid {
            -1 => Err(io::Error::last_os_error()),
            0 => sweep(remains, keep, close),
            _ => Ok(Self {
                link: Some(ours),
                pid,
            }),
        }
    }

    /// Sends it home: there is nothing to take away any more.
    pub(super) fn dismiss(mut self) {
        if let Some(mut link) = self.link.take() {
            // If it is gone already, so much the better.
            let _ = link.write_all(b"x");
        }
        self.reap();
    }

    fn reap(&mut self) {
        let mut status = 0;
        // SAFETY: waits for our own child, with a place for its status.
        unsafe { libc::waitpid(self.pid, &raw mut status, 0) };
    }
}

impl Drop for Sweeper {
    fn drop(&mut self) {
        // Not waited for: it may have to wait for the JVM. After our end, its own is init's business.
        self.link = None;
    }
}

/// The life of the child.
fn sweep(remains: &[Remains], link: RawFd, close: RawFd) -> ! {
    // SAFETY: a session of its own; no arguments.
    unsafe { libc::setsid() };
    // SAFETY: closes the parent's end, whose last copy must be the parent's.
    unsafe { libc::close(close) };
    // Who reads our output must not wait for the child.
    for descriptor in 0..=2 {
        if descriptor != link {
            // SAFETY: closes a descriptor that nothing here uses.
            unsafe { libc::close(descriptor) };
        }
    }
    keep_signals_out();
    let mut byte = 0_u8;
    loop {
        // SAFETY: reads one byte into a variable of that size.
        match unsafe { libc::read(link, (&raw mut byte).cast(), 1) } {
            0 => break,
            1.. => end(),
            // A signal came in between.
            _ => {}
        }
    }
    for _ in 0..TRIES {
        // All are tried each time: a folder is not empty while the JVM still makes files in it.
        let left = remains.iter().filter(|one| !take(one)).count();
        if left == 0 {
            break;
        }
        let pause = libc::timespec {
            tv_sec: 0,
            tv_nsec: BETWEEN_TRIES.as_nanos() as libc::c_long,
        };
        // SAFETY: sleeps; the rest of the time is not asked for.
        unsafe { libc::nanosleep(&raw const pause, std::ptr::null_mut()) };
    }
    end()
}

/// Takes one away; true when it is not there any more.
fn take(one: &Remains) -> bool {
    let flags = if one.is_folder { libc::AT_REMOVEDIR } else { 0 };
    // SAFETY: an open folder and a string that ends in NUL.
    let rc = unsafe { libc::unlinkat(one.folder.as_raw_fd(), one.name.as_ptr(), flags) };
    rc == 0 || io::Error::last_os_error().raw_os_error() == Some(libc::ENOENT)
}

/// What ends us at a terminal must not end the child, which cleans up after us.
fn keep_signals_out() {
    for signal in [
        libc::SIGINT,
        libc::SIGTERM,
        libc::SIGHUP,
        libc::SIGQUIT,
        libc::SIGPIPE,
    ] {
        // SAFETY: ignores a signal; no handler is installed.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
}

fn end() -> ! {
    // SAFETY: ends this process without running what belongs to the parent.
    unsafe { libc::_exit(0) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    fn remains(folder: &tempfile::TempDir) -> Vec<Remains> {
        let open = |path: &std::path::Path| OwnedFd::from(std::fs::File::open(path).unwrap());
        let sub = folder.path().join("sub");
        std::fs::create_dir(&sub).unwrap();
        std::fs::write(sub.join("file"), "half").unwrap();
        vec![
            Remains {
                folder: open(&sub),
                name: c"file".to_owned(),
                is_folder: false,
            },
            Remains {
                folder: open(folder.path()),
                name: c"sub".to_owned(),
                is_folder: true,
            },
        ]
    }

    #[test]
    fn what_is_left_is_taken_away_and_what_is_finished_is_not() {
        let kept = tempfile::tempdir().unwrap();
        Sweeper::start(&remains(&kept)).unwrap().dismiss();
        assert!(kept.path().join("sub/file").exists());
        let left = tempfile::tempdir().unwrap();
        drop(Sweeper::start(&remains(&left)).unwrap());
        let begun = Instant::now();
        while left.path().join("sub").exists() {
            assert!(begun.elapsed() < Duration::from_secs(60));
            std::thread::yield_now();
        }
    }
}
