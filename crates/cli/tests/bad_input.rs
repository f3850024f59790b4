//! Everything that cannot be analysed: a message with cause and remedy, exit 2, and the target untouched.

mod support;

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use leakscope_testkit::{
    BuildFlags, CoreWriter, Field, Fixture, Running, SIGCONT, SIGSTOP, gcore, send_signal, versions,
};
use support::{copy_program, leakscope, run, status_field, untouched};

/// The commands that read a heap.
const HEAP: [&str; 3] = ["analyze", "histo", "maps"];

struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn newest(name: &str, flags: &BuildFlags) -> Result<Fixture> {
    Fixture::build(name, &versions()?.pop().context("no version")?, flags)
}

fn small_heap() -> Result<(Fixture, Running)> {
    let fixture = newest("big", &BuildFlags::default())?;
    let running = fixture.spawn(&["-scale", "0.001"])?;
    Ok((fixture, running))
}

fn wait_until(what: &str, mut so: impl FnMut() -> bool) -> Result<()> {
    let end = Instant::now() + Duration::from_secs(20);
    while !so() {
        ensure!(Instant::now() < end, "{what}: not within 20 s");
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

#[test]
fn what_is_no_process() -> Result<()> {
    for command in HEAP {
        leakscope([command, "2147483647"])?.failed_with("target.none");
        leakscope([command, "no-such-process-anywhere"])?.failed_with("target.unknown");
    }
    leakscope(["analyze", "\u{1b}[31mred"])?.failed_with("target.unknown");
    let itself = Command::new("sh")
        .arg("-c")
        .arg(format!(
            "exec {} analyze $$",
            env!("CARGO_BIN_EXE_leakscope")
        ))
        .output()?;
    ensure!(
        itself.status.code() == Some(2)
            && String::from_utf8_lossy(&itself.stderr).contains("error[target.itself]")
    );
    Ok(())
}

#[test]
fn a_zombie() -> Result<()> {
    let child = Command::new("true").spawn()?;
    let pid = i32::try_from(child.id())?;
    let _child = Ended(child);
    wait_until("a zombie", || {
        status_field(pid, "State").is_some_and(|s| s.starts_with('Z'))
    })?;
    leakscope(["analyze", &pid.to_string()])?.failed_with("target.zombie");
    Ok(())
}

#[test]
fn a_program_that_is_not_go() -> Result<()> {
    let child = Ended(Command::new("sleep").arg("600").spawn()?);
    let pid = i32::try_from(child.0.id())?;
    for command in HEAP {
        leakscope([command, &pid.to_string()])?.failed_with("go.not-go");
    }
    untouched(pid);
    Ok(())
}

#[test]
fn a_process_that_is_traced_already() -> Result<()> {
    let (_, running) = small_heap()?;
    let pid = running.pid();
    let debugger = Command::new("gdb")
        .args([
            "-nx",
            "-batch",
            "-ex",
            "shell sleep 600",
            "-p",
            &pid.to_string(),
        ])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn();
    let Ok(debugger) = debugger else {
        leakscope_testkit::skip!("no-gcore", "gdb is not installed");
    };
    let debugger = Ended(debugger);
    wait_until("a tracer", || {
        status_field(pid, "TracerPid").is_some_and(|t| t != "0")
    })?;
    let refused = leakscope(["analyze", &pid.to_string()])?;
    refused.failed_with("target.traced");
    ensure!(
        refused
            .err
            .contains(&format!("process {} (gdb)", debugger.0.id())),
        "{}",
        refused.err
    );
    let doctor = leakscope(["doctor", &pid.to_string()])?;
    ensure!(doctor.page()?.contains("(gdb) traces it"), "{}", doctor.out);
    ensure!(
        status_field(pid, "TracerPid") == Some(debugger.0.id().to_string()),
        "the tracer was disturbed"
    );
    Ok(())
}

#[test]
fn a_process_that_is_stopped_already_is_read_and_stays_stopped() -> Result<()> {
    let (_, running) = small_heap()?;
    let pid = running.pid();
    send_signal(pid, SIGSTOP)?;
    wait_until("a stop", || {
        status_field(pid, "State").is_some_and(|s| s.starts_with('T'))
    })?;
    let run = leakscope(["histo", &pid.to_string(), "--json"])?;
    run.document("histo")?;
    ensure!(
        status_field(pid, "State").is_some_and(|s| s.starts_with('T')),
        "it does not stay stopped"
    );
    send_signal(pid, SIGCONT)?;
    wait_until("it runs on", || {
        status_field(pid, "State").is_some_and(|s| !s.starts_with('T'))
    })?;
    Ok(())
}

#[test]
fn a_process_of_somebody_else() -> Result<()> {
    let (_, running) = small_heap()?;
    let folder = tempfile::tempdir()?;
    let binary = folder.path().join("leakscope");
    copy_program(Path::new(env!("CARGO_BIN_EXE_leakscope")), &binary)?;
    let mut open = folder.path().metadata()?.permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut open, 0o755);
    std::fs::set_permissions(folder.path(), open)?;
    let nobody = 65534;
    let mut command = Command::new(&binary);
    command
        .args(["analyze", &running.pid().to_string()])
        .stdin(Stdio::null());
    // Only root can become somebody else; others look at a process that is not theirs.
    match command.uid(nobody).gid(nobody).output() {
        Ok(output) => {
            let err = String::from_utf8_lossy(&output.stderr);
            ensure!(
                output.status.code() == Some(2) && err.contains("error[perm."),
                "{err}"
            );
            ensure!(
                err.contains("CAP_SYS_PTRACE no") && err.contains("fix: sudo leakscope analyze"),
                "{err}"
            );
        }
        Err(_) => {
            let refused = leakscope(["analyze", "1"])?;
            ensure!(
                refused.status == Some(2) && refused.err.contains("error[perm."),
                "{}",
                refused.err
            );
        }
    }
    untouched(running.pid());
    Ok(())
}

#[test]
fn a_stop_that_would_be_too_long_is_not_begun() -> Result<()> {
    let (_, running) = small_heap()?;
    let pid = running.pid().to_string();
    let refused = leakscope(["histo", &pid, "--max-stop", "1us"])?;
    refused.failed_with("stop.too-long");
    ensure!(
        refused.err.contains("nothing was stopped"),
        "{}",
        refused.err
    );
    untouched(running.pid());
    Ok(())
}

#[test]
fn a_program_without_debug_info() -> Result<()> {
    let stripped = BuildFlags {
        ldflags: "-s -w".into(),
        ..BuildFlags::default()
    };
    let fixture = newest("big", &stripped)?;
    let running = fixture.spawn(&["-scale", "0.001"])?;
    let pid = running.pid();
    let analysed = leakscope(["analyze", &pid.to_string()])?;
    ensure!(
        analysed.page()?.contains("without debug info"),
        "{}",
        analysed.out
    );
    let ps = leakscope(["ps", "--json"])?.document("ps")?;
    let row = ps["processes"]
        .as_array()
        .and_then(|rows| rows.iter().find(|row| row["pid"] == pid))
        .context("listed")?;
    ensure!(
        row["debug_info"] == false && row["readable"] == true,
        "{row}"
    );
    let doctor = leakscope(["doctor", &pid.to_string()])?;
    ensure!(
        doctor.page()?.contains("warn     debug info: missing"),
        "{}",
        doctor.out
    );
    untouched(pid);
    Ok(())
}

#[test]
fn a_process_that_dies_meanwhile() -> Result<()> {
    let fixture = newest("big", &BuildFlags::default())?;
    for wait in [0, 5, 20, 50, 100, 200] {
        let mut running = fixture.spawn(&["-scale", "0.01"])?;
        let mut command = support::command();
        let reading = command
            .args(["histo", &running.pid().to_string()])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        std::thread::sleep(Duration::from_millis(wait));
        running.kill();
        let output = reading.wait_with_output()?;
        let err = String::from_utf8_lossy(&output.stderr);
        match output.status.code() {
            Some(0) => {}
            Some(2) => ensure!(
                err.contains("error[target.") && err.contains("fix: "),
                "after {wait} ms: {err}"
            ),
            other => anyhow::bail!("exit {other:?} after {wait} ms: {err}"),
        }
    }
    Ok(())
}

#[test]
fn files_that_are_no_cores() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = |name: &str, bytes: &[u8]| -> Result<String> {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes)?;
        Ok(path.to_str().context("a path")?.to_owned())
    };
    leakscope(["analyze", &file("text", b"hello\x1b[2J")?])?.failed_with("core.not-elf");
    leakscope(["analyze", &file("empty", b"")?])?.failed_with("core.not-elf");
    leakscope([
        "analyze",
        &file("packed", &[0x28, 0xb5, 0x2f, 0xfd, 0, 0, 0, 0])?,
    ])?
    .failed_with("core.compressed");
    leakscope(["analyze", env!("CARGO_BIN_EXE_leakscope")])?.failed_with("core.not-a-core");
    leakscope(["analyze", "/dev/null"])?.failed_with("file.kind");
    leakscope(["analyze", folder.path().to_str().context("a path")?])?.failed_with("file.kind");
    leakscope(["analyze", "./no-such-file"])?.failed_with("file.open");
    let mut small = CoreWriter::new()
        .load(0x40_0000, 5, 4096, &[0; 4096])
        .write();
    small[4] = 1;
    leakscope(["analyze", &file("32-bit", &small)?])?.failed_with("core.machine");
    Ok(())
}

#[test]
fn cores_that_are_damaged() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("core");
    let file = path.to_str().context("a path")?;
    let whole = CoreWriter::new()
        .load(0x40_0000, 5, 4096, &[7; 4096])
        .write();
    std::fs::write(&path, &whole[..40])?;
    leakscope(["analyze", file])?.failed_with("core.truncated");
    let mut corrupt = whole;
    Field::PhEntSize.set(&mut corrupt, 7);
    std::fs::write(&path, &corrupt)?;
    leakscope(["analyze", file])?.failed_with("core.corrupt");
    let java: &[u8] = b"/usr/lib/jvm/java-21/lib/server/libjvm.so";
    let jvm = CoreWriter::new()
        .load(0x7f00_0000_0000, 5, 4096, &[0; 4096])
        .files(&[(0x7f00_0000_0000, 0x7f00_0000_1000, 0, java)]);
    std::fs::write(&path, jvm.write())?;
    leakscope(["analyze", file])?.failed_with("core.jvm");
    Ok(())
}

#[test]
fn a_core_without_its_executable_or_with_another_or_cut_short() -> Result<()> {
    let (fixture, running) = small_heap()?;
    let Some(core) = gcore(running.pid())? else {
        leakscope_testkit::skip!("no-gcore", "gdb is not installed");
    };
    let path = core.path().to_str().context("a path")?;
    let exe = fixture.path().to_str().context("a path")?;
    leakscope(["analyze", path, "--exe", env!("CARGO_BIN_EXE_leakscope")])?
        .failed_with("core.mismatch");
    leakscope(["analyze", path, "--exe", "/no/such/executable"])?.failed_with("file.open");
    leakscope(["analyze", path, "--exe", path])?.failed_with("core.executable");
    let bytes = std::fs::read(path)?;
    let cut = core.folder().join("cut");
    let cut_path = cut.to_str().context("a path")?;
    for share in [2, 3, 5, 20, 100] {
        std::fs::write(&cut, &bytes[..bytes.len() - bytes.len() / share])?;
        let partial = leakscope(["histo", cut_path, "--exe", exe, "--json"])?;
        match partial.status {
            Some(0) => {
                let gaps = partial.document("histo")?["coverage"]["gaps"].to_string();
                ensure!(gaps.contains("truncated"), "{gaps}");
                ensure!(partial.err.contains("truncated"), "{}", partial.err);
            }
            _ => ensure!(
                partial.status == Some(2) && partial.err.contains("fix: "),
                "{}",
                partial.err
            ),
        }
    }
    Ok(())
}

#[test]
fn wrong_usage() -> Result<()> {
    for arguments in [
        vec!["analyze"],
        vec!["nonsense"],
        vec!["analyze", "1", "--max-stop", "5"],
        vec!["analyze", "1", "--max-stop", "0s"],
        vec!["histo", "1", "--limit", "0"],
        vec!["histo", "1", "--limit", "3", "--all"],
        vec!["doctor", "not-a-number"],
    ] {
        let refused = leakscope(&arguments)?;
        ensure!(
            refused.status == Some(2) && refused.out.is_empty(),
            "{arguments:?}: {}",
            refused.err
        );
        ensure!(refused.err.starts_with("error: "), "{}", refused.err);
    }
    let from_environment = run(support::command()
        .args(["analyze", "1"])
        .env("LEAKSCOPE_MAX_STOP", "soon"))?;
    ensure!(
        from_environment.status == Some(2),
        "{}",
        from_environment.err
    );
    Ok(())
}
