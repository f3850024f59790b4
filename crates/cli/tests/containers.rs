//! Processes in namespaces of their own, of another user, on file systems like those of containers: seen from the host
//! and from inside, with `CAP_SYS_PTRACE` and no other right.

mod support;

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use leakscope_testkit::{BuildFlags, Fixture, send_signal, skip, versions};
use serde_json::Value;
use support::{Run, copy_program, run, status_field, untouched};

/// Users that exist nowhere: the target's, and that of leakscope.
const TARGET_USER: &str = "43210";
const OUR_USER: &str = "54321";
/// Namespaces of a container without a user namespace; everything in them ends with the process that made them.
const UNSHARE: [&str; 5] = ["--pid", "--mount", "--fork", "--mount-proc", "--kill-child"];

/// Why this machine cannot make container-like places, if it cannot.
fn missing() -> Option<&'static str> {
    let status = status_field(std::process::id() as i32, "Uid").unwrap_or_default();
    if !status.starts_with("0\t") {
        return Some("not root");
    }
    let works = |program: &str, arguments: &[&str]| {
        Command::new(program)
            .args(arguments)
            .args(["true"])
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|s| s.success())
    };
    if !works("unshare", &UNSHARE) {
        return Some("unshare cannot make namespaces");
    }
    if !works("setpriv", &["--reuid", OUR_USER, "--clear-groups"]) {
        return Some("setpriv cannot change the user");
    }
    None
}

/// Ends a process whatever it does.
const SIGKILL: i32 = 9;

/// A fixture in a container-like place, ended when dropped.
struct Contained {
    outer: Child,
    /// Process id of the fixture here; inside it is 1.
    pid: i32,
    truth: Value,
    /// Where all may read: leakscope, and the fixture under the name of this process.
    folder: tempfile::TempDir,
}

impl Contained {
    /// Runs the newest fixture `big` as another user, after `setup` in a shell of its namespaces; `exe` is what the shell
    /// calls it. `$FOLDER` is the folder, `$EXE` the fixture in it.
    fn start(unshare: &[&str], setup: &str, exe: &str) -> Result<Self> {
        let version = versions()?.pop().context("no version")?;
        let fixture = Fixture::build("big", &version, &BuildFlags::default())?;
        let folder = tempfile::tempdir()?;
        std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755))?;
        for (from, name) in [
            (Path::new(env!("CARGO_BIN_EXE_leakscope")), "leakscope"),
            (fixture.path(), "service"),
        ] {
            let to = folder.path().join(name);
            copy_program(from, &to)?;
            std::fs::set_permissions(&to, PermissionsExt::from_mode(0o755))?;
        }
        let as_user = format!("setpriv --reuid {TARGET_USER} --regid {TARGET_USER} --clear-groups");
        let as_user = if unshare.contains(&"--user") {
            ""
        } else {
            &as_user
        };
        let script = format!("set -e; cd /; {setup}\nexec {as_user} {exe} -scale 0.001 </dev/null");
        let mut outer = Command::new("unshare")
            .args(unshare)
            .args(["sh", "-c", &script])
            .env("FOLDER", folder.path())
            .env("EXE", folder.path().join("service"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        BufReader::new(outer.stdout.take().context("its output")?).read_line(&mut line)?;
        let Ok(truth) = serde_json::from_str(&line) else {
            let _ = outer.kill();
            let output = outer.wait_with_output()?;
            bail!("{line:?}, {}", String::from_utf8_lossy(&output.stderr));
        };
        let parent = outer.id().to_string();
        let pid = std::fs::read_dir("/proc")?
            .filter_map(|e| e.ok()?.file_name().to_str()?.parse().ok())
            .find(|pid| status_field(*pid, "PPid").as_deref() == Some(&parent));
        Ok(Self {
            pid: pid.context("the process in the container")?,
            outer,
            truth,
            folder,
        })
    }

    fn leakscope(&self) -> PathBuf {
        self.folder.path().join("leakscope")
    }

    /// Runs leakscope inside, as another user with this capability alone.
    fn inside(&self, capability: Option<&str>, arguments: &[&str]) -> Result<Run> {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.pid.to_string(), "--pid", "--mount", "--"]);
        self.unprivileged(&mut command, capability);
        run(command.args(arguments))
    }

    /// Runs leakscope here, as another user with this capability alone.
    fn on_host(&self, capability: Option<&str>, arguments: &[&str]) -> Result<Run> {
        let mut command = Command::new("env");
        self.unprivileged(&mut command, capability);
        run(command.args(arguments))
    }

    fn unprivileged(&self, command: &mut Command, capability: Option<&str>) {
        let caps = capability.map_or("-all".to_owned(), |c| format!("-all,+{c}"));
        command
            .args([
                "setpriv",
                "--reuid",
                OUR_USER,
                "--regid",
                OUR_USER,
                "--clear-groups",
            ])
            .args([
                "--inh-caps",
                &caps,
                "--ambient-caps",
                &caps,
                "--bounding-set",
                &caps,
            ])
            .arg(self.leakscope())
            .stdin(Stdio::null());
    }

    /// `ps`, `doctor`, `analyze` and the others, run by `leakscope`, know the process as `pid`.
    fn works(&self, pid: i32, leakscope: impl Fn(&[&str]) -> Result<Run>) -> Result<()> {
        let number = pid.to_string();
        let ps = leakscope(&["ps", "--json"])?.document("ps")?;
        let rows = ps["processes"].as_array().context("processes")?;
        let row = rows.iter().find(|row| row["pid"] == pid);
        let row = row.with_context(|| format!("{pid} is not listed: {ps}"))?;
        ensure!(row["readable"] == true, "{row}");
        let nested = if pid == 1 { Value::Null } else { 1.into() };
        ensure!(row["ns_pid"] == nested, "{row}");
        let doctor = leakscope(&["doctor", &number, "--json"])?.document("doctor")?;
        let checks = doctor["checks"].as_array().context("checks")?;
        let failed: Vec<&Value> = checks.iter().filter(|c| c["status"] == "fail").collect();
        ensure!(failed.is_empty(), "{failed:?}");
        leakscope(&["analyze", &number, "--json"])?.document("analyze")?;
        leakscope(&["top", &number, "--once", "--json"])?.document("top")?;
        let histo = leakscope(&["histo", &number, "--json"])?.document("histo")?;
        let rows = histo["types"].as_array().context("types")?;
        for (name, count) in self.truth["types"]
            .as_object()
            .context("the fixture's types")?
        {
            let row = rows.iter().find(|row| row["type"] == name.as_str());
            ensure!(
                row.is_some_and(|row| row["count"] == *count),
                "{name}: {row:?}"
            );
        }
        untouched(self.pid);
        Ok(())
    }
}

impl Drop for Contained {
    fn drop(&mut self) {
        // The first process of the namespace ends all of it. That it dies with its parent was forgotten by the kernel
        // when it became another user.
        let _ = send_signal(self.pid, SIGKILL);
        let _ = self.outer.kill();
        let _ = self.outer.wait();
    }
}

#[test]
fn a_container_with_a_read_only_root_is_read_from_the_host_and_from_inside() -> Result<()> {
    if let Some(why) = missing() {
        skip!("no-containers", "{why}");
    }
    let container = Contained::start(&UNSHARE, "mount -o remount,bind,ro /", "$EXE")?;
    let ptrace = Some("sys_ptrace");
    container
        .works(container.pid, |a| container.on_host(ptrace, a))
        .context("from the host")?;
    container
        .works(1, |a| container.inside(ptrace, a))
        .context("from inside")?;
    Ok(())
}

#[test]
fn without_the_capability_it_is_named() -> Result<()> {
    if let Some(why) = missing() {
        skip!("no-containers", "{why}");
    }
    let container = Contained::start(&UNSHARE, "true", "$EXE")?;
    let refused = |pid: i32, leakscope: &dyn Fn(&[&str]) -> Result<Run>| -> Result<()> {
        let pid = pid.to_string();
        leakscope(&["analyze", &pid])?.failed_with("perm.other-user");
        let doctor = leakscope(&["doctor", &pid, "--json"])?.document("doctor")?;
        let checks = doctor["checks"].as_array().context("checks")?;
        let check = |code: &str| checks.iter().find(|c| c["code"] == code);
        let capability = check("perm.cap-sys-ptrace").context("the capability")?;
        ensure!(capability["status"] == "warn", "{capability}");
        let fixes = capability["fix"].to_string();
        ensure!(fixes.contains("SYS_PTRACE"), "{capability}");
        let read = check("perm.read").context("the reading")?;
        ensure!(read["status"] == "fail", "{read}");
        Ok(())
    };
    refused(container.pid, &|a| container.on_host(None, a)).context("from the host")?;
    refused(1, &|a| container.inside(None, a)).context("from inside")?;
    untouched(container.pid);
    Ok(())
}

#[test]
fn an_executable_on_an_overlay_is_read_also_when_deleted() -> Result<()> {
    if let Some(why) = missing() {
        skip!("no-containers", "{why}");
    }
    let overlay =
        "cd $FOLDER; mkdir o; mount -t tmpfs none o; mkdir o/lower o/upper o/work o/merged
        cp service o/lower
        mount -t overlay none -o lowerdir=o/lower,upperdir=o/upper,workdir=o/work o/merged";
    let probe = Contained::start(&UNSHARE, overlay, "$EXE");
    if let Err(why) = probe {
        skip!("no-overlay", "{why:#}");
    }
    drop(probe);
    let container = Contained::start(&UNSHARE, overlay, "$FOLDER/o/merged/service")?;
    let ptrace = Some("sys_ptrace");
    container.works(container.pid, |a| container.on_host(ptrace, a))?;
    container.works(1, |a| container.inside(ptrace, a))?;
    let removed = Command::new("nsenter")
        .args([
            "--target",
            &container.pid.to_string(),
            "--mount",
            "--",
            "rm",
        ])
        .arg(container.folder.path().join("o/merged/service"))
        .status()?;
    ensure!(removed.success());
    container.works(container.pid, |a| container.on_host(ptrace, a))?;
    container.works(1, |a| container.inside(ptrace, a))
}

#[test]
fn a_container_with_a_user_namespace_is_read_from_the_host() -> Result<()> {
    if let Some(why) = missing() {
        skip!("no-containers", "{why}");
    }
    let unshare = ["--user", "--map-root-user"].into_iter().chain(UNSHARE);
    let container = match Contained::start(&unshare.collect::<Vec<_>>(), "true", "$EXE") {
        Ok(container) => container,
        Err(why) => skip!("no-user-namespace", "{why:#}"),
    };
    container.works(container.pid, |a| container.on_host(Some("sys_ptrace"), a))?;
    // Its own root has the capability for what is inside, and doctor says where it ends.
    let within = |arguments: &[&str]| {
        let mut command = Command::new("nsenter");
        command
            .args([
                "--target",
                &container.pid.to_string(),
                "--user",
                "--pid",
                "--mount",
                "--",
            ])
            .arg(container.leakscope())
            .args(arguments)
            .stdin(Stdio::null());
        run(&mut command)
    };
    container.works(1, within)?;
    let doctor = within(&["doctor", "--json"])?.document("doctor")?;
    let checks = doctor["checks"].as_array().context("checks")?;
    let check = checks.iter().find(|c| c["code"] == "host.user-namespace");
    ensure!(check.is_some_and(|c| c["status"] == "warn"), "{check:?}");
    Ok(())
}

#[test]
fn a_proc_of_another_namespace_is_noticed() -> Result<()> {
    if let Some(why) = missing() {
        skip!("no-containers", "{why}");
    }
    // As in a container with the host's /proc but without its PID namespace.
    let doctor = run(Command::new("unshare")
        .args(["--pid", "--fork", "--kill-child"])
        .arg(env!("CARGO_BIN_EXE_leakscope"))
        .args(["doctor", "--json"]))?
    .document("doctor")?;
    let checks = doctor["checks"].as_array().context("checks")?;
    let check = checks.iter().find(|c| c["code"] == "host.proc");
    ensure!(check.is_some_and(|c| c["status"] == "fail"), "{check:?}");
    Ok(())
}
