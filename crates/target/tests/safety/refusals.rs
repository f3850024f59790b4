//! What cannot be a target is refused by its kind, and what would cost too much is refused with numbers.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use leakscope_target::{CaptureOptions, Error, LiveProcess};
use leakscope_testkit::skip;

use crate::planners::Fixed;
use crate::support::{Heartbeat, Leakscope, PATIENCE, example, one_at_a_time, threads};

fn refusal(pid: i32) -> Error {
    match LiveProcess::open(pid) {
        Err(e) => e,
        Ok(_) => panic!("{pid} was opened"),
    }
}

#[test]
fn a_thread_is_not_a_process_and_says_whose_it_is() {
    let target = Heartbeat::start(&[]);
    let pid = target.pid();
    let (tid, ..) = threads(pid)
        .into_iter()
        .find(|(tid, ..)| *tid != pid)
        .expect("a thread");
    assert!(
        matches!(refusal(tid), Error::NotAProcess { tid: t, process } if t == tid && process == pid)
    );
}

#[test]
fn our_own_threads_are_ourselves() {
    let us = std::process::id() as i32;
    for (tid, ..) in threads(us) {
        assert!(matches!(refusal(tid), Error::Itself { .. }));
    }
}

#[test]
fn a_zombie_is_named_as_one() {
    let mut child = Command::new("true").spawn().expect("a child");
    let pid = child.id() as i32;
    while threads(pid).iter().any(|(_, state, _)| *state != 'Z') {
        std::thread::sleep(Duration::from_millis(1));
    }
    assert!(matches!(refusal(pid), Error::Zombie { .. }));
    child.wait().expect("a child");
    assert!(matches!(refusal(pid), Error::NoSuchProcess { .. }));
}

#[test]
fn a_kernel_thread_is_named_as_one() {
    if fs::read_to_string("/proc/2/comm").ok().as_deref() != Some("kthreadd\n") {
        skip!("no-kernel-thread", "no kernel thread is visible here");
    }
    assert!(matches!(refusal(2), Error::KernelThread { .. }));
}

#[test]
fn a_traced_target_is_refused_and_its_tracer_is_named() {
    let _turn = one_at_a_time();
    let mut target = Heartbeat::start(&[]);
    let tracer = Leakscope::start(target.pid(), &["plan_sleep_ms=300"]);
    assert!(target.wait_traced(true, PATIENCE));
    let holder = target.tracer();
    match refusal(target.pid()) {
        Error::AlreadyTraced { tracer, comm, .. } => {
            assert_eq!((tracer, &comm[..]), (holder, &b"leakscope-hold"[..]));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(tracer.finish(), Some(0));
    target.assert_unharmed();
}

#[test]
fn a_target_traced_after_it_was_opened_is_left_to_its_tracer() {
    let _turn = one_at_a_time();
    let mut target = Heartbeat::start(&[]);
    let process = LiveProcess::open(target.pid()).expect("the target opens");
    let tracer = Leakscope::start(target.pid(), &["plan_sleep_ms=300"]);
    assert!(target.wait_traced(true, PATIENCE));
    let result = process.capture(
        &mut Fixed::cells(&target),
        &CaptureOptions::default(),
        &mut |_| {},
    );
    assert!(
        matches!(result, Err(Error::AlreadyTraced { .. })),
        "{:?}",
        result.err()
    );
    assert_eq!(tracer.finish(), Some(0));
    target.assert_unharmed();
}

#[test]
fn without_permission_the_facts_are_given() {
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::process::CommandExt;
    let target = Heartbeat::start(&[]);
    // The build folder may be closed to other users.
    let open = std::env::temp_dir().join(format!("leakscope-capture-{}", std::process::id()));
    // By a child: what this process holds open for writing, even in a fork of another thread, cannot be executed.
    let copied = (Command::new("cp").arg(example("capture")).arg(&open)).status();
    assert!(copied.expect("cp").success());
    fs::set_permissions(&open, fs::Permissions::from_mode(0o755)).expect("permissions");
    let mut command = Command::new(&open);
    command
        .arg(target.pid().to_string())
        .uid(65_534)
        .gid(65_534);
    let output = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .output();
    fs::remove_file(&open).expect("the copy");
    let Ok(output) = output else {
        skip!("not-root", "only root may start a process of another user");
    };
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("NotPermitted"), "{said}");
    assert!(
        said.contains("target_uid: 0") && said.contains("uid: 65534"),
        "{said}"
    );
    assert!(said.contains("cap_sys_ptrace: false"), "{said}");
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn a_stop_predicted_too_long_is_not_begun() {
    let _turn = one_at_a_time();
    let mut target = Heartbeat::start(&["heap_mb=64", "threads=8"]);
    let process = LiveProcess::open(target.pid()).expect("the target opens");
    let mut planner = Fixed::private_memory(&process)
        .expect("its mappings")
        .also(|| panic!("the target was stopped"));
    let max_stop = Duration::from_micros(500);
    let opts = CaptureOptions {
        max_stop,
        ..CaptureOptions::default()
    };
    match process.capture(&mut planner, &opts, &mut |_| {}) {
        Err(Error::StopTooLong {
            predicted,
            max_stop: m,
            bytes,
            threads,
        }) => {
            assert!(predicted > max_stop && m == max_stop);
            assert!(
                bytes > 64 << 20 && threads > 8,
                "{bytes} bytes, {threads} threads"
            );
        }
        other => panic!("{:?}", other.err()),
    }
    target.assert_unharmed();
}

/// A memory cgroup with a limit, removed at the end.
struct Limited(PathBuf);

impl Limited {
    fn to(bytes: u64) -> Option<Self> {
        let roots = [
            ("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
            ("/sys/fs/cgroup", "memory.max"),
        ];
        roots.iter().find_map(|(root, file)| {
            let this = Self(Path::new(root).join(format!("leakscope-test-{}", std::process::id())));
            fs::create_dir(&this.0).ok()?;
            fs::write(this.0.join(file), bytes.to_string()).ok()?;
            Some(this)
        })
    }
}

impl Drop for Limited {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
    }
}

#[test]
fn a_copy_that_does_not_fit_into_our_control_group_is_refused_with_numbers() {
    let _turn = one_at_a_time();
    let mut target = Heartbeat::start(&["heap_mb=128"]);
    let Some(group) = Limited::to(96 << 20) else {
        skip!(
            "no-memory-cgroup",
            "no memory cgroup that this user may use"
        );
    };
    let mut command = Command::new("sh");
    command.args(["-c", "echo $$ > \"$0\" && exec \"$@\""]);
    command
        .arg(group.0.join("cgroup.procs"))
        .arg(example("capture"))
        .arg(target.pid().to_string());
    let output = command.output().expect("leakscope starts");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        said.contains("NoMemory") && said.contains(&*group.0.to_string_lossy()),
        "{said}"
    );
    assert_eq!(output.status.code(), Some(1), "{said}");
    target.assert_unharmed();
}
