//! A small process of known content, and cores of it.

use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Length of the read-only pattern of the target.
pub(crate) const RODATA: usize = 16384;
/// Length of the heap pattern of the target.
pub(crate) const HEAP: usize = 300_000;

/// What the target says of itself.
#[derive(Debug, Clone)]
pub(crate) struct Truth {
    pub(crate) heap: u64,
    pub(crate) rodata: u64,
    pub(crate) bss: u64,
    pub(crate) main: u64,
    pub(crate) pid: i32,
    /// `pthread_self()` of the main thread: with glibc on x86-64, its fs_base.
    pub(crate) main_self: u64,
    pub(crate) second_tid: i32,
    pub(crate) second_self: u64,
}

impl Truth {
    fn parse(line: &str) -> Self {
        let word: Vec<&str> = line.split_whitespace().collect();
        let hex = |i: usize| u64::from_str_radix(word[i], 16).unwrap();
        Self {
            heap: hex(0),
            rodata: hex(1),
            bss: hex(2),
            main: hex(3),
            pid: word[4].parse().unwrap(),
            main_self: hex(5),
            second_tid: word[6].parse().unwrap(),
            second_self: hex(7),
        }
    }

    /// The bytes at `heap`.
    pub(crate) fn heap_bytes() -> Vec<u8> {
        (0..HEAP).map(|i| (i * 7 + 3) as u8).collect()
    }
}

/// Compiles the target into `dir` with these flags added.
pub(crate) fn build(dir: &Path, name: &str, flags: &[&str]) -> PathBuf {
    let exe = dir.join(name);
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cores/core_target.c");
    let done = Command::new("cc")
        .args(["-O1", "-pthread", "-o"])
        .arg(&exe)
        .arg(source)
        .args(flags)
        .status();
    assert!(
        done.expect("a C compiler, as linking Rust needs one")
            .success()
    );
    exe
}

/// A running target, killed and reaped when dropped.
pub(crate) struct Running {
    child: Child,
    pub(crate) truth: Truth,
}

impl Running {
    pub(crate) fn start(exe: &Path, cwd: &Path, arguments: &[&str]) -> Self {
        let mut command = Command::new(exe);
        command
            .args(arguments)
            .current_dir(cwd)
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        Self {
            child,
            truth: Truth::parse(&line),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Says, so that nobody takes it for a pass, that a test could not run. The first argument is the stable id of the reason.
pub(crate) fn skip(id: &str, test: &str, why: &str) {
    leakscope_testkit::note_skip(id, test, why);
}

/// A core by gdb's gcore of a running `exe`, or why there is none.
pub(crate) fn gcore(exe: &Path, dir: &Path) -> Result<(PathBuf, Truth), String> {
    let running = Running::start(exe, dir, &[]);
    let pid = running.truth.pid;
    let prefix = dir.join("gcore");
    let output = Command::new("gcore")
        .arg("-o")
        .arg(&prefix)
        .arg(pid.to_string())
        .output();
    match output {
        Err(e) => Err(format!("gcore (of gdb) cannot be run: {e}")),
        Ok(o) => {
            assert!(
                o.status.success(),
                "gcore failed: {}",
                String::from_utf8_lossy(&o.stderr)
            );
            Ok((dir.join(format!("gcore.{pid}")), running.truth.clone()))
        }
    }
}

/// A core by the kernel of an aborting `exe`, or why there is none.
pub(crate) fn kernel_core(exe: &Path, dir: &Path) -> Result<(PathBuf, Truth), String> {
    let pattern =
        std::fs::read_to_string("/proc/sys/kernel/core_pattern").map_err(|e| e.to_string())?;
    let pattern = pattern.trim();
    if pattern.is_empty() || pattern.starts_with('|') || pattern.contains('/') {
        return Err(format!(
            "kernel.core_pattern is `{pattern}`: cores do not land in the folder of the process"
        ));
    }
    let mut command = Command::new("sh");
    command
        .args(["-c", "ulimit -c unlimited && exec \"$0\" abort"])
        .arg(exe);
    let mut child = command
        .current_dir(dir)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let status = child.wait().unwrap();
    if !status.core_dumped() {
        return Err(format!(
            "the kernel wrote no core ({status}); is RLIMIT_CORE 0 and hard?"
        ));
    }
    let truth = Truth::parse(&line);
    let written = std::fs::read_dir(dir)
        .unwrap()
        .filter_map(Result::ok)
        .map(|e| e.path());
    let newest = written
        .filter(|p| {
            *p != exe
                && std::fs::read(p)
                    .is_ok_and(|b| b.starts_with(b"\x7fELF\x02\x01\x01") && b.get(16) == Some(&4))
        })
        .max_by_key(|p| p.metadata().and_then(|m| m.modified()).ok());
    newest
        .map(|path| (path, truth))
        .ok_or_else(|| "no core in the folder".to_owned())
}
