//! Leakscope or its holder stopped, frozen, or held up in the middle of a stop.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use leakscope_testkit::skip;

use crate::support::{Heartbeat, Leakscope, PATIENCE, TOLERANCE, example, kill, one_at_a_time};

const BUDGET: Duration = Duration::from_millis(200);

/// Leakscope in a stop that lasts until the budget ends it or, undisturbed, 150 ms.
const ARGS: [&str; 3] = ["max_stop_ms=200", "plan_sleep_ms=150", "quiet=1"];

/// Starts leakscope by `command` and does `disturb` as soon as the target is held; the target must run on within the budget.
/// Then `undo`; answers with leakscope's exit code.
fn disturb_in_stop(
    what: &str,
    target: &mut Heartbeat,
    (command, args): (Command, &[&str]),
    disturb: impl FnOnce(&Leakscope),
    undo: impl FnOnce(&Leakscope),
) -> Option<i32> {
    let mut untouched = Heartbeat::untouched();
    let noise = target.noise(Duration::from_secs(1));
    let leakscope = Leakscope::start_by(command, target.pid(), args);
    assert!(
        target.wait_traced(true, PATIENCE),
        "{what}: the target was never held"
    );
    let begun = Instant::now();
    disturb(&leakscope);
    for i in 0..50 {
        target.queue_signal(i);
    }
    assert!(
        target.wait_traced(false, PATIENCE),
        "{what}: the target is not let go"
    );
    let held = begun.elapsed();
    // The beat after the stop ends the gap.
    std::thread::sleep(Duration::from_millis(30));
    let gap = target.longest_gap();
    let noise = noise.max(untouched.longest_gap());
    eprintln!("{what}: let go {held:?} after; longest gap {gap:?}, without leakscope {noise:?}");
    target.assert_unharmed();
    assert!(
        gap <= BUDGET + TOLERANCE + noise,
        "{what}: a gap of {gap:?}"
    );
    undo(&leakscope);
    let code = leakscope.finish();
    target.assert_unharmed();
    code
}

fn signalled(
    what: &str,
    send: fn(&Leakscope) -> Vec<(i32, i32)>,
    then: fn(&Leakscope) -> Vec<(i32, i32)>,
) -> Option<i32> {
    let _turn = one_at_a_time();
    let mut target = Heartbeat::start(&["heap_mb=16"]);
    let all = |signals: Vec<(i32, i32)>| {
        for (pid, signal) in signals {
            assert!(kill(pid, signal), "a signal to {pid}");
        }
    };
    disturb_in_stop(
        what,
        &mut target,
        (Command::new(example("capture")), &ARGS),
        |l| all(send(l)),
        |l| all(then(l)),
    )
}

#[test]
fn leakscope_stopped_in_a_stop_does_not_hold_the_target_longer() {
    let code = signalled(
        "SIGSTOP",
        |l| vec![(l.pid(), libc::SIGSTOP)],
        |l| vec![(l.pid(), libc::SIGCONT)],
    );
    assert_eq!(
        code,
        Some(1),
        "a copy that was cut off must not count as one"
    );
}

#[test]
fn ctrl_z_in_a_stop_does_not_hold_the_target_longer() {
    let code = signalled(
        "SIGTSTP to the process group",
        |l| vec![(-l.pid(), libc::SIGTSTP)],
        |l| vec![(-l.pid(), libc::SIGCONT)],
    );
    assert_eq!(code, Some(1));
}

#[test]
fn a_stopped_holder_does_not_hold_the_target_longer() {
    let holder = |l: &Leakscope| vec![(l.holder().expect("a holder"), libc::SIGSTOP)];
    let code = signalled("SIGSTOP of the holder", holder, |_| Vec::new());
    // Leakscope may have released in time before the signal: then the holder only had to be killed at the end.
    assert!(matches!(code, Some(0 | 1)), "{code:?}");
}

#[test]
fn a_planner_that_sleeps_past_the_budget_is_cut_off() {
    let _turn = one_at_a_time();
    let mut target = Heartbeat::start(&["heap_mb=16"]);
    let args = ["max_stop_ms=200", "plan_sleep_ms=3000", "quiet=1"];
    let command = Command::new(example("capture"));
    let code = disturb_in_stop(
        "planner asleep",
        &mut target,
        (command, &args),
        |_| {},
        |_| {},
    );
    assert_eq!(code, Some(1));
}

/// A cgroup that leakscope is born in, removed at the end.
struct Group {
    path: PathBuf,
    file: &'static str,
    thaw: &'static str,
}

impl Group {
    fn make(mount: &str, file: &'static str, thaw: &'static str) -> Option<Self> {
        let path = PathBuf::from(mount).join(format!("leakscope-test-{}", std::process::id()));
        fs::create_dir(&path).ok()?;
        let this = Self { path, file, thaw };
        this.path.join(file).exists().then_some(this)
    }

    fn write(&self, value: &str) {
        fs::write(self.path.join(self.file), value).expect("the freezer");
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = fs::write(self.path.join(self.file), self.thaw);
        let _ = fs::remove_dir(&self.path);
    }
}

fn frozen(what: &str, group: &Group, freeze: &str) {
    let _turn = one_at_a_time();
    let mut target = Heartbeat::start(&["heap_mb=16"]);
    let mut command = Command::new("sh");
    command.args(["-c", "echo $$ > \"$0\" && exec \"$@\""]);
    command
        .arg(group.path.join("cgroup.procs"))
        .arg(example("capture"));
    let code = disturb_in_stop(
        what,
        &mut target,
        (command, &ARGS),
        |_| group.write(freeze),
        |_| group.write(group.thaw),
    );
    assert_eq!(code, Some(1));
}

#[test]
fn a_frozen_cgroup_v1_of_leakscope_does_not_hold_the_target_longer() {
    let Some(group) = Group::make("/sys/fs/cgroup/freezer", "freezer.state", "THAWED") else {
        skip!(
            "no-freezer-v1",
            "no cgroup v1 freezer that this user may use"
        );
    };
    frozen("cgroup v1 frozen", &group, "FROZEN");
}

#[test]
fn a_frozen_cgroup_v2_of_leakscope_does_not_hold_the_target_longer() {
    let mounts = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"];
    let Some(group) = mounts
        .iter()
        .find_map(|m| Group::make(m, "cgroup.freeze", "0"))
    else {
        skip!(
            "no-freezer-v2",
            "no cgroup v2 hierarchy that this user may use"
        );
    };
    frozen("cgroup v2 frozen", &group, "1");
}
