//! A target that watches itself, leakscope as a separate process, and what must hold of both.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// Tests that measure time take turns.
pub(crate) fn one_at_a_time() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the target may be late beyond a budget.
pub(crate) const TOLERANCE: Duration = Duration::from_millis(10);

/// How long what must happen is waited for: under load, a new process may get no processor for seconds.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Path of an example of this crate, built if need be.
pub(crate) fn example(name: &str) -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        let exe = std::env::current_exe().expect("the path of this test");
        let profile = exe
            .parent()
            .and_then(Path::parent)
            .expect("target/PROFILE/deps");
        let mut build = Command::new(env!("CARGO"));
        build.args([
            "build",
            "--quiet",
            "--offline",
            "--examples",
            "--package",
            env!("CARGO_PKG_NAME"),
        ]);
        if profile.ends_with("release") {
            build.arg("--release");
        }
        build
            .arg("--target-dir")
            .arg(profile.parent().expect("target"));
        assert!(
            build.status().expect("cargo").success(),
            "examples do not build"
        );
        profile.join("examples")
    });
    folder.join(name)
}

/// The self-watching target.
pub(crate) struct Heartbeat {
    child: Child,
    stdin: ChildStdin,
    lines: BufReader<ChildStdout>,
    ready: BTreeMap<String, u64>,
    sent: u64,
    payloads: u64,
}

fn numbers(line: &str) -> BTreeMap<String, u64> {
    let pairs = line.split_whitespace().filter_map(|w| w.split_once('='));
    pairs
        .filter_map(|(k, v)| Some((k.to_owned(), v.parse().ok()?)))
        .collect()
}

impl Heartbeat {
    pub(crate) fn start(args: &[&str]) -> Self {
        let mut child = Command::new(example("heartbeat"))
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the target starts");
        let stdin = child.stdin.take().expect("its stdin");
        let lines = BufReader::new(child.stdout.take().expect("its stdout"));
        let mut this = Self {
            child,
            stdin,
            lines,
            ready: BTreeMap::new(),
            sent: 0,
            payloads: 0,
        };
        this.ready = this.answer("READY");
        this
    }

    pub(crate) fn pid(&self) -> i32 {
        self.child.id() as i32
    }

    /// A number that the target stated when it was ready.
    pub(crate) fn stated(&self, name: &str) -> u64 {
        self.ready[name]
    }

    pub(crate) fn tell(&mut self, line: &str) {
        writeln!(self.stdin, "{line}").expect("the target listens");
    }

    /// Waits for a line that starts with `word`.
    pub(crate) fn answer(&mut self, word: &str) -> BTreeMap<String, u64> {
        let mut line = String::new();
        loop {
            line.clear();
            assert_ne!(
                self.lines.read_line(&mut line).expect("the target speaks"),
                0,
                "the target ended"
            );
            if line.starts_with(word) {
                return numbers(&line);
            }
        }
    }

    pub(crate) fn report(&mut self) -> BTreeMap<String, u64> {
        self.tell("report");
        self.answer("REPORT")
    }

    /// Forgets the longest gap so far.
    pub(crate) fn reset(&mut self) {
        self.tell("reset");
        self.answer("RESET");
    }

    /// Longest gap between two heartbeats since the last reset.
    pub(crate) fn longest_gap(&mut self) -> Duration {
        Duration::from_micros(self.report()["gap_us"])
    }

    /// Lets it run for `time` undisturbed: the longest gap is the noise of this machine.
    pub(crate) fn noise(&mut self, time: Duration) -> Duration {
        self.reset();
        std::thread::sleep(time);
        let noise = self.longest_gap();
        self.reset();
        noise
    }

    /// A second target that nobody touches: its longest gap is what this machine does by itself while a test runs.
    pub(crate) fn untouched() -> Self {
        let mut this = Self::start(&["threads=1"]);
        this.reset();
        this
    }

    /// Queues a real-time signal that it will count.
    #[expect(unsafe_code, reason = "sigqueue")]
    pub(crate) fn queue_signal(&mut self, payload: usize) {
        let value = libc::sigval {
            sival_ptr: std::ptr::without_provenance_mut(payload),
        };
        // SAFETY: no memory is passed; the value is a number.
        let rc = unsafe { libc::sigqueue(self.pid(), libc::SIGRTMIN() + 1, value) };
        assert_eq!(rc, 0, "sigqueue");
        self.sent += 1;
        self.payloads += payload as u64;
    }

    /// Tracer of its main thread, 0 for none.
    pub(crate) fn tracer(&self) -> i32 {
        status_number(&format!("/proc/{}/status", self.pid()), "TracerPid:").unwrap_or(0)
    }

    /// Waits until it is traced (or not any more); false after `patience`.
    pub(crate) fn wait_traced(&self, traced: bool, patience: Duration) -> bool {
        let until = Instant::now() + patience;
        while (self.tracer() != 0) != traced {
            if Instant::now() > until {
                return false;
            }
            std::thread::sleep(Duration::from_micros(50));
        }
        true
    }

    /// Everything that must be true of a target after whatever was done to its observer.
    #[track_caller]
    pub(crate) fn assert_unharmed(&mut self) {
        for (tid, state, tracer) in threads(self.pid()) {
            assert_eq!(tracer, 0, "thread {tid} is still traced");
            assert!(!"Tt".contains(state), "thread {tid} is in state {state}");
        }
        // Signals and expirations under way get time to arrive.
        let until = Instant::now() + PATIENCE;
        let sent = self.sent;
        let settled = |r: &BTreeMap<String, u64>| {
            r["signals"] >= sent && r["ticks"].abs_diff(r["ticks_expected"]) <= 3
        };
        let mut r = self.report();
        while !settled(&r) && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(5));
            r = self.report();
        }
        assert_eq!(
            (r["signals"], r["payloads"]),
            (self.sent, self.payloads),
            "signals that arrived and were sent"
        );
        assert_eq!(r["failures"], 0, "failed calls of the target");
        assert_eq!(
            r["nudges_lost"], 0,
            "signals between threads that were lost"
        );
        assert!(
            r["ticks"].abs_diff(r["ticks_expected"]) <= 3,
            "{} ticks of {}",
            r["ticks"],
            r["ticks_expected"]
        );
        let later = loop {
            std::thread::sleep(Duration::from_millis(20));
            let later = self.report();
            if (later["nudges"] > r["nudges"] && later["rounds"] > r["rounds"])
                || Instant::now() > until
            {
                break later;
            }
        };
        for counter in ["beats", "nudges", "rounds"] {
            assert!(later[counter] > r[counter], "{counter} stand still");
        }
    }
}

impl Drop for Heartbeat {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Id, state and tracer of every thread.
pub(crate) fn threads(pid: i32) -> Vec<(i32, char, i32)> {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).expect("its threads");
    let ids = tasks.filter_map(|t| t.ok()?.file_name().to_str()?.parse::<i32>().ok());
    ids.filter_map(|tid| {
        let status = std::fs::read_to_string(format!("/proc/{pid}/task/{tid}/status")).ok()?;
        let field = |name: &str| {
            status
                .lines()
                .find_map(|l| l.strip_prefix(name))
                .map(str::trim)
        };
        Some((
            tid,
            field("State:")?.chars().next()?,
            field("TracerPid:")?.parse().ok()?,
        ))
    })
    .collect()
}

fn status_number(path: &str, field: &str) -> Option<i32> {
    let status = std::fs::read_to_string(path).ok()?;
    status
        .lines()
        .find_map(|l| l.strip_prefix(field))?
        .trim()
        .parse()
        .ok()
}

/// The example `capture` as a process of its own.
pub(crate) struct Leakscope {
    child: Child,
    tag: String,
}

/// Ties a leakscope process and its holder together where nothing else does.
const TAG: &str = "LEAKSCOPE_TEST_TAG";

impl Leakscope {
    /// `capture PID args...`, in a process group of its own, silent.
    pub(crate) fn start(pid: i32, args: &[&str]) -> Self {
        Self::start_by(Command::new(example("capture")), pid, args)
    }

    /// The same by another command, which gets the arguments.
    pub(crate) fn start_by(mut command: Command, pid: i32, args: &[&str]) -> Self {
        use std::os::unix::process::CommandExt;
        use std::sync::atomic::{AtomicU32, Ordering};
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let tag = format!(
            "{}.{}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        );
        command
            .arg(pid.to_string())
            .args(args)
            .env(TAG, &tag)
            .process_group(0);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        Self {
            child: command.spawn().expect("leakscope starts"),
            tag,
        }
    }

    pub(crate) fn pid(&self) -> i32 {
        self.child.id() as i32
    }

    /// Its holder, if there is one.
    pub(crate) fn holder(&self) -> Option<i32> {
        self.processes().into_iter().find(|pid| *pid != self.pid())
    }

    /// Every process that descends from it, whoever its parent is now.
    fn processes(&self) -> Vec<i32> {
        let wanted = format!("{TAG}={}", self.tag);
        let all = std::fs::read_dir("/proc").expect("/proc");
        let pids = all.filter_map(|e| e.ok()?.file_name().to_str()?.parse::<i32>().ok());
        pids.filter(|pid| {
            let env = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            env.split(|b| *b == 0).any(|v| v == wanted.as_bytes())
        })
        .collect()
    }

    /// Waits for its end and for that of everything it started; answers with its exit code, if it has one.
    #[track_caller]
    pub(crate) fn finish(mut self) -> Option<i32> {
        let until = Instant::now() + PATIENCE;
        let code = loop {
            match self.child.try_wait().expect("a child") {
                Some(status) => break status.code(),
                None => assert!(Instant::now() < until, "leakscope does not end"),
            }
            std::thread::sleep(Duration::from_millis(1));
        };
        while !self.processes().is_empty() {
            assert!(
                Instant::now() < until,
                "left behind: {:?}",
                self.processes()
            );
            std::thread::sleep(Duration::from_millis(1));
        }
        code
    }
}

impl Drop for Leakscope {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a signal to a process, or to the group of the negated id; whether that worked.
#[expect(unsafe_code, reason = "kill")]
pub(crate) fn kill(pid: i32, signal: i32) -> bool {
    // SAFETY: no memory is passed.
    unsafe { libc::kill(pid, signal) == 0 }
}

/// Prints how `values` are distributed.
pub(crate) fn distribution(what: &str, values: &mut [Duration]) {
    values.sort_unstable();
    let at = |share: f64| {
        values
            .get(((values.len() - 1) as f64 * share) as usize)
            .copied()
            .unwrap_or_default()
    };
    if !values.is_empty() {
        eprintln!(
            "{what}: n={} median={:?} p90={:?} p99={:?} max={:?}",
            values.len(),
            at(0.5),
            at(0.9),
            at(0.99),
            at(1.0)
        );
    }
}
