//! JVMs of another user, and in namespaces of their own.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};
use leakscope_target::{Attach, Jvm};
use leakscope_testkit::{Jdk, JvmFixtures, send_signal, skip};
use tempfile::TempDir;

use crate::{LIMIT, PATIENCE, dump, names};

/// A user that exists nowhere.
const USER: &str = "43210";
const SIGKILL: i32 = 9;

/// A JVM behind a program that changes user or namespaces; ended when dropped.
struct Contained {
    outer: Child,
    pid: i32,
    _classes: TempDir,
}

impl Contained {
    /// Runs `Layouts` as another user after `setup` in a shell, itself behind `before`.
    fn start(jdk: u32, before: &[&str], setup: &str) -> Result<Self> {
        // Where the other user may read.
        let classes = tempfile::tempdir()?;
        let built = JvmFixtures::build()?;
        let copied = Command::new("cp")
            .arg("-r")
            .arg(built.classes().join("com"))
            .arg(classes.path())
            .status()?;
        ensure!(copied.success());
        let opened = Command::new("chmod")
            .args(["-R", "a+rX"])
            .arg(classes.path())
            .status()?;
        ensure!(opened.success());
        let script = format!(
            "set -e; {setup}\nexec setpriv --reuid {USER} --regid {USER} --clear-groups \"$JAVA\" -Xmx256m -cp \"$CLASSES\" com.acme.Layouts -count=1"
        );
        let mut words: Vec<&str> = before.to_vec();
        words.extend(["sh", "-c", &script]);
        let mut outer = Command::new(words[0])
            .args(&words[1..])
            .env("JAVA", Jdk::find(jdk)?.tool("java"))
            .env("CLASSES", classes.path())
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        let output = outer.stdout.take().context("its output")?;
        BufReader::new(output).read_line(&mut line)?;
        ensure!(line.contains("\"ready\":true"), "it says {line:?}");
        let outside = outer.id() as i32;
        let inner = std::fs::read_dir("/proc")?
            .filter_map(|e| e.ok()?.file_name().to_str()?.parse().ok())
            .find(|pid| parent(*pid) == Some(outside));
        Ok(Self {
            outer,
            pid: inner.unwrap_or(outside),
            _classes: classes,
        })
    }
}

impl Drop for Contained {
    fn drop(&mut self) {
        let _ = send_signal(self.pid, SIGKILL);
        let _ = self.outer.kill();
        let _ = self.outer.wait();
    }
}

fn parent(pid: i32) -> Option<i32> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("PPid:"))?;
    line.trim().parse().ok()
}

fn possible(words: &[&str]) -> bool {
    rustix::process::geteuid().is_root()
        && Command::new(words[0])
            .args(&words[1..])
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
}

#[test]
fn a_jvm_of_another_user_answers_root() -> Result<()> {
    if !possible(&["setpriv", "--reuid", USER, "--clear-groups", "true"]) {
        skip!(
            "no-containers",
            "not root, or setpriv cannot change the user"
        );
    }
    for jdk in [17, 25] {
        let jvm = Contained::start(jdk, &["env"], "true")?;
        let attach = Attach::open(jvm.pid, PATIENCE)?;
        attach.command("properties", &[], LIMIT, PATIENCE)?;
        // Into a folder that it may not enter: by way of its own.
        let closed = tempfile::tempdir()?;
        std::fs::set_permissions(closed.path(), PermissionsExt::from_mode(0o700))?;
        ensure!(
            dump(&attach, &closed.path().join("heap.hprof"))?,
            "not copied"
        );
        // Into one that it may pass through: beside.
        let open = tempfile::tempdir()?;
        std::fs::set_permissions(open.path(), PermissionsExt::from_mode(0o711))?;
        ensure!(!dump(&attach, &open.path().join("heap.hprof"))?, "copied");
        for folder in [&closed, &open] {
            assert_eq!(names(folder.path())?, ["heap.hprof"]);
        }
        assert_eq!(crate::left_behind(jvm.pid)?, [""; 0]);
    }
    Ok(())
}

#[test]
fn a_jvm_in_a_container_answers_and_dumps_through_its_own_file_system() -> Result<()> {
    let unshare = [
        "unshare",
        "--pid",
        "--mount",
        "--fork",
        "--mount-proc",
        "--kill-child",
    ];
    let mut words = unshare.to_vec();
    words.push("true");
    if !possible(&words) {
        skip!(
            "no-containers",
            "not root, or unshare cannot make namespaces"
        );
    }
    for jdk in [17, 25] {
        // Its own /tmp, with the class files still in reach.
        let setup = "mkdir -p /run/leakscope-test; mount -t tmpfs -o mode=1777 none /run/leakscope-test; \
             cp -r \"$CLASSES\" /run/leakscope-test/classes; mount --move /run/leakscope-test /tmp; CLASSES=/tmp/classes";
        let jvm = Contained::start(jdk, &unshare, setup)?;
        let seen = Jvm::look(jvm.pid).context("a JVM")?;
        assert_eq!(seen.pid_inside, 1);
        assert!(seen.version.is_some());
        let attach = Attach::open(jvm.pid, PATIENCE)?;
        attach.command("properties", &[], LIMIT, PATIENCE)?;
        let folder = tempfile::tempdir()?;
        ensure!(
            dump(&attach, &folder.path().join("heap.hprof"))?,
            "not copied"
        );
        assert_eq!(names(folder.path())?, ["heap.hprof"]);
        let inside = format!("/proc/{}/root/tmp", jvm.pid);
        let left = names(Path::new(&inside))?;
        ensure!(
            !left
                .iter()
                .any(|n| n.starts_with(".leakscope") || n.starts_with(".attach")),
            "{left:?}"
        );
    }
    // A folder that was needed for a moment, in a mount namespace that shares our disk.
    let _ = std::fs::remove_dir("/run/leakscope-test");
    Ok(())
}
