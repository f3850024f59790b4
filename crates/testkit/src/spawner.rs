//! Starts children from one thread which never ends.
//!
//! A child's parent-death signal is sent when the *thread* that started it ends, and each test has a thread of its own.
//! Children started here die with the test process, however it ends, and not before.

use std::io;
use std::process::{Child, Command};
use std::sync::mpsc::{Sender, channel};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::thread;

type Job = (Command, Sender<io::Result<Child>>);

static SPAWNER: LazyLock<Mutex<Sender<Job>>> = LazyLock::new(|| {
    let (jobs, waiting) = channel::<Job>();
    thread::spawn(move || {
        for (mut command, answer) in waiting {
            // Nobody waits for the answer any more: the child, if there is one, goes with the caller.
            let _ = answer.send(command.spawn());
        }
    });
    Mutex::new(jobs)
});

/// `command.spawn()`, as a child of a thread that lives as long as this process.
pub(crate) fn spawn(command: Command) -> io::Result<Child> {
    let (answer, result) = channel();
    let jobs = SPAWNER
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone();
    jobs.send((command, answer))
        .map_err(|_| io::Error::other("the spawning thread is gone"))?;
    result
        .recv()
        .map_err(|_| io::Error::other("the spawning thread is gone"))?
}
