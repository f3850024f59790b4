//! Nothing is written while the target is stopped, panics wait, and nobody has to read what leakscope says.

use std::fs::File;
use std::io::{PipeReader, PipeWriter, Write};
use std::os::fd::AsFd;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::{Heartbeat, Leakscope, PATIENCE, TOLERANCE, example, one_at_a_time};

/// System calls that wrote so far, of a process.
fn writes(pid: i32) -> Option<u64> {
    let io = std::fs::read_to_string(format!("/proc/{pid}/io")).ok()?;
    io.lines()
        .find_map(|l| l.strip_prefix("syscw: "))?
        .parse()
        .ok()
}

#[test]
fn neither_leakscope_nor_its_holder_writes_to_anything_within_a_stop() {
    let _turn = one_at_a_time();
    let mut target = Heartbeat::start(&["heap_mb=64"]);
    for _ in 0..5 {
        let leakscope = Leakscope::start(target.pid(), &["plan_sleep_ms=200"]);
        assert!(
            target.wait_traced(true, PATIENCE),
            "the target was never held"
        );
        let holder = leakscope.holder().expect("a holder");
        let mut seen = Vec::new();
        while target.tracer() != 0 {
            let now = (writes(leakscope.pid()), writes(holder));
            // Only what was read while the stop still lasted counts.
            if target.tracer() != 0 {
                seen.push(now);
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        assert!(seen.len() > 10, "{} looks", seen.len());
        assert!(seen[0].0.is_some() && seen[0].1.is_some(), "{:?}", seen[0]);
        assert!(
            seen.windows(2).all(|w| w[0] == w[1]),
            "writes within the stop: {seen:?}"
        );
        assert_eq!(leakscope.finish(), Some(0));
    }
    target.assert_unharmed();
}

/// A pipe that is full and read by nobody, as one to a stopped target would be.
fn full_pipe() -> (PipeReader, PipeWriter) {
    let (reader, mut writer) = std::io::pipe().expect("a pipe");
    let room = rustix::pipe::fcntl_getpipe_size(&writer).expect("its size");
    writer.write_all(&vec![b'.'; room]).expect("room");
    (reader, writer)
}

fn is_writing_to_a_pipe(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/wchan")).is_ok_and(|w| w.contains("pipe_write"))
}

#[test]
fn a_panic_of_the_planner_lets_the_target_go_before_it_is_reported() {
    let _turn = one_at_a_time();
    let mut target = Heartbeat::start(&["heap_mb=16"]);
    let noise = target.noise(Duration::from_secs(2));
    let mut untouched = Heartbeat::untouched();
    for _ in 0..10 {
        let (reader, writer) = full_pipe();
        let mut command = Command::new(example("capture"));
        command
            .arg(target.pid().to_string())
            .args(["plan_panic=1", "max_stop_ms=30000"]);
        command
            .stdout(Stdio::null())
            .stderr(writer.as_fd().try_clone_to_owned().expect("a descriptor"));
        let begun = Instant::now();
        let mut leakscope = command.spawn().expect("leakscope starts");
        drop(command);
        drop(writer);
        // Its report of the panic hangs in the pipe.
        while target.tracer() != 0 || !is_writing_to_a_pipe(leakscope.id()) {
            assert!(
                begun.elapsed() < PATIENCE,
                "the target waits for the panic to be reported"
            );
            std::thread::sleep(Duration::from_millis(5));
        }
        assert!(leakscope.try_wait().expect("a child").is_none());
        drop(reader);
        let status = leakscope.wait().expect("a child");
        assert!(!status.success());
    }
    let gap = target.longest_gap();
    let noise = noise.max(untouched.longest_gap());
    eprintln!("panics: longest gap {gap:?}, without leakscope {noise:?}");
    assert!(gap < TOLERANCE + noise + Duration::from_millis(50));
    target.assert_unharmed();
}

#[test]
fn a_full_disk_hurts_leakscope_only() {
    let _turn = one_at_a_time();
    let mut target = Heartbeat::start(&["heap_mb=16"]);
    for args in [["loops=3", "quiet=0"], ["plan_panic=1", "quiet=0"]] {
        let full = || {
            File::options()
                .write(true)
                .open("/dev/full")
                .expect("/dev/full")
        };
        let mut command = Command::new(example("capture"));
        command
            .arg(target.pid().to_string())
            .args(args)
            .stdout(full())
            .stderr(full());
        command.status().expect("leakscope starts");
        assert_eq!(target.tracer(), 0);
    }
    target.assert_unharmed();
}
