//! Asking a Java virtual machine, by the protocol that HotSpot serves to its own user (`jcmd`, `jmap` and `jstack` speak it).
//!
//! The JVM listens at `/tmp/.java_pidN` of its own mount namespace, N being its process id as it sees itself. Until somebody
//! asks, it does not: then a file `.attach_pidN` and SIGQUIT ask it to (HotSpot `attachListener_linux.cpp`, JDK 6 and later,
//! `attachListener_posix.cpp` since JDK 21). A process that does not catch SIGQUIT would end by it; a Go program catches it and
//! ends all the same. So it is sent to a process only that maps `libjvm.so` and catches it, by a descriptor of the process that
//! cannot mean another one.
//!
//! What stays in the JVM: a thread called `Attach Listener`, and the socket. Nothing here knows what is asked for.
#![expect(
    unsafe_code,
    reason = "changing the user of one thread, and the child that cleans up"
)]

mod dump;
mod error;
mod inside;
mod jvm;
mod perf_data;
mod sweeper;
mod user;
mod wire;

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{FileType, Mode, OFlags, fstat, openat};
use rustix::io::Errno;
use rustix::net::sockopt::socket_peercred;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open, pidfd_send_signal};

pub use self::dump::DumpPlace;
pub use self::error::AttachError;
pub use self::jvm::Jvm;

use self::inside::{open_inside, root_of};
use self::sweeper::{Remains, Sweeper};
use self::user::User;
use self::wire::Version;
use crate::proc_text::{self, Stat};
use crate::{Error, ProcessSummary};

/// Pauses between two looks whether it listens.
const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_millis(200);
/// How long a JVM that listens may take to accept and to name its protocol.
const GREETING_PATIENCE: Duration = Duration::from_secs(10);
/// Longest answer to a question about the protocol.
const GREETING_LIMIT: usize = 4096;

/// A JVM that listens to us.
pub struct Attach {
    jvm: Jvm,
    start_ticks: u64,
    root: OwnedFd,
    user: User,
    version: Version,
}

impl Attach {
    /// Has the JVM of process `pid` listen, if it does not yet, for at most `patience`.
    ///
    /// Fails without having sent anything where that could do harm or would be in vain: see [`AttachError`].
    pub fn open(pid: i32, patience: Duration) -> Result<Self, AttachError> {
        let summary = ProcessSummary::of(pid)?;
        match summary.state {
            'Z' | 'X' => return Err(Error::Zombie { pid }.into()),
            _ if u32::try_from(pid) == Ok(std::process::id()) => {
                return Err(Error::Itself { pid }.into());
            }
            _ if summary.kernel_thread => return Err(Error::KernelThread { pid }.into()),
            state @ ('T' | 't') => return Err(AttachError::Stopped { pid, state }),
            _ => {}
        }
        let handle = pidfd_open(pid_of(pid)?, PidfdFlags::empty()).ok();
        let status = status(pid)?;
        let user = effective(&status).ok_or(Error::Gone { pid })?;
        let own = User::own();
        let other_user = AttachError::OtherUser {
            pid,
            target_uid: user.uid,
            uid: own.uid,
        };
        let Some(jvm) = Jvm::look(pid) else {
            // Where we may not look, it may be one.
            let readable = std::fs::read(format!("/proc/{pid}/maps")).is_ok();
            return Err(if readable || own == user {
                AttachError::NotJvm { pid }
            } else {
                other_user
            });
        };
        let root = root_of(pid).map_err(AttachError::os("open its root folder"))?;
        let mut attach = Self {
            jvm,
            start_ticks: summary.start_ticks,
            root,
            user,
            version: Version::One,
        };
        // Becoming the user first tells early whether that is possible.
        let greeted = user.runs(|| attach.has_it_listen(handle.as_ref(), patience));
        match greeted {
            Ok(greeted) => greeted?,
            Err(e) if e.kind() == io::ErrorKind::PermissionDenied => return Err(other_user),
            Err(source) => {
                return Err(AttachError::Os {
                    what: "become its user",
                    source,
                });
            }
        }
        attach.version = attach.ask_version()?;
        Ok(attach)
    }

    /// What is known about it.
    pub fn jvm(&self) -> &Jvm {
        &self.jvm
    }

    /// Sends one command and reads what is said to it, at most `limit` bytes, for at most `patience`. Fails with
    /// [`AttachError::Refused`] where its code is not 0.
    pub fn command(
        &self,
        command: &'static str,
        arguments: &[&[u8]],
        limit: usize,
        patience: Duration,
    ) -> Result<Vec<u8>, AttachError> {
        let end = Instant::now() + patience;
        let request = wire::request(self.version, command, arguments)?;
        let socket = self
            .user
            .runs(|| self.connect(end.min(Instant::now() + GREETING_PATIENCE)))
            .map_err(AttachError::os("become its user"))??;
        let failed = |e: io::Error| self.why(e, "finish what it was asked for", patience);
        let mut stream = UnixStream::from(socket);
        stream.set_nonblocking(false).map_err(failed)?;
        stream
            .set_write_timeout(Some(GREETING_PATIENCE))
            .map_err(failed)?;
        io::Write::write_all(&mut stream, &request).map_err(failed)?;
        wire::answer(&mut stream, command, limit, end).map_err(failed)?
    }

    /// The newest version of the protocol that it speaks. JVMs before 24 do not know the question.
    fn ask_version(&self) -> Result<Version, AttachError> {
        match self.command("getversion", &[], GREETING_LIMIT, GREETING_PATIENCE) {
            Ok(text) if proc_text::parse::<u32>(&text).is_some_and(|v| v >= 2) => Ok(Version::Two),
            Ok(_) | Err(AttachError::Refused { .. }) => Ok(Version::One),
            Err(e) => Err(e),
        }
    }

    /// Has it listen, as its user.
    fn has_it_listen(
        &self,
        handle: Option<&OwnedFd>,
        patience: Duration,
    ) -> Result<(), AttachError> {
        let begun = Instant::now();
        if self.connect(begun + GREETING_PATIENCE).is_ok() {
            return Ok(());
        }
        let pid = self.jvm.pid;
        if self.jvm.attach_disabled {
            return Err(AttachError::Disabled { pid });
        }
        self.refuse_unless_caught()?;
        let request = Request::place(self)?;
        let mut sent = 0;
        let mut pause = FIRST_PAUSE;
        loop {
            let waited = begun.elapsed();
            // A second time in the middle, as the JDK's own tools do.
            if sent == 0 || sent == 1 && waited > patience / 2 {
                self.refuse_unless_caught()?;
                self.send_quit(handle)?;
                sent += 1;
            }
            thread::sleep(pause);
            pause = (pause * 2).min(LONGEST_PAUSE);
            match self.connect(Instant::now() + GREETING_PATIENCE) {
                Ok(_) => break,
                Err(e @ AttachError::WrongPeer { .. }) => return Err(e),
                Err(_) if begun.elapsed() < patience => self.still_there()?,
                Err(_) => {
                    return Err(AttachError::NoAnswer {
                        pid,
                        what: "begin to listen",
                        waited: patience,
                    });
                }
            }
        }
        drop(request);
        Ok(())
    }

    /// Refuses where SIGQUIT would not be caught by this JVM, as of now.
    fn refuse_unless_caught(&self) -> Result<(), AttachError> {
        let pid = self.jvm.pid;
        self.still_there()?;
        let status = status(pid)?;
        if !jvm::mask_has_quit(&status, "SigCgt") {
            let ignored = jvm::mask_has_quit(&status, "SigIgn");
            return Err(AttachError::SignalNotCaught { pid, ignored });
        }
        if jvm::mapped_libjvm(pid).is_none() {
            return Err(AttachError::NotJvm { pid });
        }
        Ok(())
    }

    fn send_quit(&self, handle: Option<&OwnedFd>) -> Result<(), AttachError> {
        let sent = match handle {
            Some(handle) => pidfd_send_signal(handle, Signal::QUIT),
            None => kill_process(pid_of(self.jvm.pid)?, Signal::QUIT),
        };
        match sent {
            Err(Errno::SRCH) => Err(Error::Gone { pid: self.jvm.pid }.into()),
            other => other.map_err(AttachError::errno("send SIGQUIT to it")),
        }
    }

    /// Fails when the process has ended, or the id is that of another one.
    fn still_there(&self) -> Result<(), AttachError> {
        let pid = self.jvm.pid;
        match Stat::of(pid) {
            Some(stat) if stat.start_ticks == self.start_ticks && stat.state != b'Z' => Ok(()),
            _ => Err(Error::Gone { pid }.into()),
        }
    }

    /// Connects, as its user.
    fn connect(&self, end: Instant) -> Result<OwnedFd, AttachError> {
        let name = format!("tmp/.java_pid{}", self.jvm.pid_inside);
        let path = Path::new(&name);
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let os = AttachError::errno("open its socket");
        let file = open_inside(&self.root, path, flags).map_err(&os)?;
        if !FileType::from_raw_mode(fstat(&file).map_err(&os)?.st_mode).is_socket() {
            return Err(os(Errno::NOTSOCK));
        }
        // By its descriptor: its path is one of another mount namespace, and may be too long.
        let address = SocketAddrUnix::new(format!("/proc/self/fd/{}", file.as_raw_fd()).as_str())
            .map_err(&os)?;
        let socket = socket_with(
            AddressFamily::UNIX,
            SocketType::STREAM,
            SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
            None,
        )
        .map_err(&os)?;
        loop {
            match connect(&socket, &address) {
                Ok(()) => break,
                // Others wait to be accepted.
                Err(Errno::AGAIN) if Instant::now() < end => thread::sleep(LONGEST_PAUSE),
                Err(Errno::INTR) => {}
                Err(e) => return Err(AttachError::errno("connect to its socket")(e)),
            }
        }
        // Whoever listens there now, it must be this process.
        let peer = socket_peercred(&socket)
            .map_err(&os)?
            .pid
            .as_raw_nonzero()
            .get();
        if peer != self.jvm.pid {
            return Err(AttachError::WrongPeer {
                pid: self.jvm.pid,
                peer,
                socket: Path::new("/").join(path),
            });
        }
        Ok(socket)
    }

    /// What an error of the connection means.
    fn why(&self, error: io::Error, what: &'static str, waited: Duration) -> AttachError {
        match error.kind() {
            io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => AttachError::NoAnswer {
                pid: self.jvm.pid,
                what,
                waited,
            },
            _ => match self.still_there() {
                Err(gone) => gone,
                Ok(()) => AttachError::Os {
                    what: "speak with it",
                    source: error,
                },
            },
        }
    }
}

/// The file that says that SIGQUIT means us; without it, a JVM prints its stacks. Taken away whatever happens.
struct Request {
    folder: OwnedFd,
    name: CString,
    sweeper: Option<Sweeper>,
}

impl Request {
    fn place(attach: &Attach) -> Result<Self, AttachError> {
        let os = AttachError::errno("make a file in its /tmp");
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = open_inside(&attach.root, Path::new("tmp"), flags).map_err(&os)?;
        let name = CString::new(format!(".attach_pid{}", attach.jvm.pid_inside))
            .map_err(|_| os(Errno::INVAL))?;
        let copy = folder
            .try_clone()
            .map_err(AttachError::os("copy a descriptor"))?;
        let sweeper = Sweeper::start(&[Remains {
            folder: copy,
            name: name.clone(),
            is_folder: false,
        }])
        .map_err(AttachError::os("start a process that cleans up"))?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        openat(&folder, &name, flags, Mode::RUSR | Mode::WUSR).map_err(&os)?;
        Ok(Self {
            folder,
            name,
            sweeper: Some(sweeper),
        })
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        // The JVM takes no notice of it any more; that somebody took it away first is fine.
        let _ = rustix::fs::unlinkat(&self.folder, &self.name, rustix::fs::AtFlags::empty());
        if let Some(sweeper) = self.sweeper.take() {
            sweeper.dismiss();
        }
    }
}

fn pid_of(pid: i32) -> Result<Pid, AttachError> {
    Ok(Some(pid)
        .filter(|pid| *pid > 0)
        .and_then(Pid::from_raw)
        .ok_or(Error::NoSuchProcess { pid })?)
}

fn status(pid: i32) -> Result<Vec<u8>, AttachError> {
    Ok(proc_text::read(format!("/proc/{pid}/status")).map_err(|_| Error::Gone { pid })?)
}

/// Effective user and group of a process.
fn effective(status: &[u8]) -> Option<User> {
    let second = |field| {
        proc_text::words(proc_text::field(status, field)?)
            .nth(1)
            .and_then(proc_text::parse)
    };
    Some(User {
        uid: second("Uid")?,
        gid: second("Gid")?,
    })
}
