//! The three views of a heap, live and of a core, under every Go version that is tested: complete, exact, within 80
//! columns, and as their schemas say.

mod support;

use std::io::BufRead;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use leakscope_testkit::{BuildFlags, Fixture, Running, gcore, send_signal, versions};
use serde_json::Value;
use support::{copy_program, leakscope, run, untouched};

const SIGINT: i32 = 2;

/// Runs `check` on a small heap of known content, with each version; the fixture states its own truth.
fn with_heap(check: impl Fn(&Running, &Fixture) -> Result<()>) -> Result<()> {
    for version in versions()? {
        let fixture = Fixture::build("big", &version, &BuildFlags::default())?;
        let running = fixture.spawn(&["-scale", "0.01"])?;
        check(&running, &fixture).with_context(|| format!("go{version}"))?;
    }
    Ok(())
}

/// The types the fixture says it holds are counted exactly.
fn types_are_exact(document: &Value, truth: &Value) -> Result<()> {
    let rows = document["types"].as_array().context("types")?;
    for (name, count) in truth["types"].as_object().context("the fixture's types")? {
        let row = rows
            .iter()
            .find(|row| row["type"] == name.as_str())
            .with_context(|| format!("no {name}"))?;
        ensure!(
            row["count"] == *count,
            "{name}: {row}, but there are {count}"
        );
    }
    Ok(())
}

/// The maps the fixture says it holds are there, by owner, with their type and length.
fn maps_are_exact(document: &Value, truth: &Value) -> Result<()> {
    let rows = document["maps"].as_array().context("maps")?;
    for map in truth["maps"].as_array().context("the fixture's maps")? {
        let owned = rows.iter().find(|row| row["owner"] == map["owner"]);
        let row = owned.with_context(|| format!("no map of {}", map["owner"]))?;
        ensure!(
            row["len"] == map["len"] && row["type"] == map["type"],
            "{row} is not {map}"
        );
        let address = row["address"].as_str().context("an address")?;
        ensure!(address.starts_with("0x"), "{address}");
        let sum = |field: &str| row[field].as_u64().context("a size");
        ensure!(
            sum("waste_bytes")? == sum("bytes")?.saturating_sub(sum("rebuilt_bytes")?),
            "{row}"
        );
    }
    Ok(())
}

fn capture_is_complete(document: &Value, method: &str) -> Result<()> {
    let capture = &document["capture"];
    ensure!(
        capture["method"] == method && capture["taken_at"].is_string(),
        "{capture}"
    );
    ensure!(capture["torn"] == (method == "no-stop"), "{capture}");
    let stopped = method == "stop";
    ensure!(capture["stop_measured_ns"].is_u64() == stopped, "{capture}");
    ensure!(
        capture["stop_predicted_ns"].is_u64() == stopped,
        "{capture}"
    );
    Ok(())
}

#[test]
fn a_live_heap_is_counted_exactly_and_left_running() -> Result<()> {
    with_heap(|running, _| {
        let pid = running.pid().to_string();
        let histo = leakscope(["histo", &pid, "--json"])?.document("histo")?;
        types_are_exact(&histo, running.truth())?;
        capture_is_complete(&histo, "stop")?;
        let maps = leakscope(["maps", &pid, "--json"])?.document("maps")?;
        maps_are_exact(&maps, running.truth())?;
        let analyze = leakscope(["analyze", &pid, "--json"])?.document("analyze")?;
        ensure!(analyze["target"]["pid"] == running.pid(), "{analyze}");
        ensure!(analyze["types"].as_array().is_some_and(|t| t.len() == 10));
        untouched(running.pid());
        Ok(())
    })
}

#[test]
fn a_process_is_read_without_being_stopped_and_the_answer_says_so() -> Result<()> {
    with_heap(|running, _| {
        let histo = leakscope(["histo", &running.pid().to_string(), "--json", "--no-stop"])?
            .document("histo")?;
        capture_is_complete(&histo, "no-stop")?;
        // This fixture stands still, so that even a torn reading is right.
        types_are_exact(&histo, running.truth())?;
        untouched(running.pid());
        Ok(())
    })
}

#[test]
fn a_core_is_counted_exactly_and_twice_the_same() -> Result<()> {
    with_heap(|running, fixture| {
        let Some(core) = gcore(running.pid())? else {
            leakscope_testkit::skip!("no-gcore", "gdb is not installed");
        };
        let path = core.path().to_str().context("a path")?;
        let exe = fixture.path().to_str().context("a path")?;
        for (command, exact) in [
            ("histo", types_are_exact as fn(&Value, &Value) -> Result<()>),
            ("maps", maps_are_exact),
            ("analyze", |_, _| Ok(())),
        ] {
            // With the executable named, and found by the path in the core.
            let named = leakscope([command, path, "--exe", exe, "--json"])?.document(command)?;
            exact(&named, running.truth())?;
            capture_is_complete(&named, "core")?;
            let mut again =
                leakscope([command, path, "--exe", exe, "--json"])?.document(command)?;
            again["capture"] = named["capture"].clone();
            ensure!(again == named, "two analyses of one core differ");
            let found = leakscope([command, path, "--json"])?.document(command)?;
            ensure!(
                found["target"]["executable"].is_string(),
                "{}",
                found["target"]
            );
        }
        Ok(())
    })
}

#[test]
fn pages_fit_80_columns() -> Result<()> {
    with_heap(|running, _| {
        let pid = running.pid().to_string();
        for (arguments, wanted) in [
            (vec!["analyze", &pid], "main.state.sessions"),
            (vec!["analyze", &pid, "--all", "-v"], "main.state.sessions"),
            (vec!["histo", &pid], "main.session"),
            (vec!["histo", &pid, "--limit", "2"], "more types"),
            (vec!["maps", &pid, "--all"], "main.state.drained"),
            (vec!["ps"], &pid),
            (vec!["doctor", &pid], "debug info: there"),
        ] {
            let run = leakscope(&arguments)?;
            let page = run.page()?;
            ensure!(
                page.contains(wanted),
                "{arguments:?} does not show {wanted}:\n{page}"
            );
            ensure!(
                run.err.contains("ms  in all") == arguments.contains(&"-v"),
                "{}",
                run.err
            );
        }
        Ok(())
    })
}

#[test]
fn ps_and_doctor_know_the_process() -> Result<()> {
    with_heap(|running, fixture| {
        let pid = running.pid();
        let ps = leakscope(["ps", "--json"])?.document("ps")?;
        let row = ps["processes"]
            .as_array()
            .and_then(|rows| rows.iter().find(|row| row["pid"] == pid));
        let row = row.context("not listed")?;
        let version = format!("go{}", fixture.version());
        ensure!(
            row["runtime_version"] == version.as_str() && row["readable"] == true,
            "{row}"
        );
        ensure!(row["debug_info"] == true && row["name"] == "big", "{row}");
        let doctor = leakscope(["doctor", &pid.to_string(), "--json"])?.document("doctor")?;
        let failed: Vec<&Value> = doctor["checks"]
            .as_array()
            .context("checks")?
            .iter()
            .filter(|c| c["status"] == "fail")
            .collect();
        ensure!(failed.is_empty(), "{failed:?}");
        ensure!(
            doctor["target"]["runtime_version"] == version.as_str(),
            "{}",
            doctor["target"]
        );
        untouched(pid);
        Ok(())
    })
}

/// A small heap in a process of this name: a copy of a fixture, as other tests run the same one.
struct Named {
    child: std::process::Child,
    _folder: tempfile::TempDir,
}

impl Named {
    fn start(name: &[u8]) -> Result<Self> {
        let version = versions()?.pop().context("no version")?;
        let fixture = Fixture::build("big", &version, &BuildFlags::default())?;
        let folder = tempfile::tempdir()?;
        let path = folder.path().join(std::ffi::OsStr::from_bytes(name));
        copy_program(fixture.path(), &path)?;
        let mut child = Command::new(&path)
            .args(["-scale", "0.001"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let stdout = child.stdout.take().context("its output")?;
        std::io::BufReader::new(stdout).read_line(&mut String::new())?;
        Ok(Self {
            child,
            _folder: folder,
        })
    }

    fn pid(&self) -> String {
        self.child.id().to_string()
    }
}

impl Drop for Named {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_name_is_as_good_as_a_process_id() -> Result<()> {
    let name = format!("lk{}", std::process::id());
    let named = Named::start(name.as_bytes())?;
    let found = leakscope(["analyze", &name, "--json"])?.document("analyze")?;
    ensure!(
        found["target"]["name"] == name.as_str(),
        "{}",
        found["target"]
    );
    let other = Named::start(name.as_bytes())?;
    let both = leakscope(["analyze", &name])?;
    both.failed_with("target.ambiguous-name");
    ensure!(
        both.err.contains(&named.pid()) && both.err.contains(&other.pid()),
        "{}",
        both.err
    );
    Ok(())
}

#[test]
fn a_hostile_name_never_reaches_a_terminal_raw() -> Result<()> {
    let named = Named::start("e\x1b[2J\x07\u{202e}\nx".as_bytes())?;
    let invalid = Named::start(b"\xff\xfe\x9b0m")?;
    for process in [&named, &invalid] {
        let pid = process.pid();
        for arguments in [
            vec!["ps"],
            vec!["analyze", &pid],
            vec!["doctor", &pid],
            vec!["maps", &pid, "--color=always"],
        ] {
            for json in [false, true] {
                let run = leakscope(arguments.iter().copied().chain(json.then_some("--json")))?;
                ensure!(run.status == Some(0), "{arguments:?}: {}", run.err);
                let shown = anstream::adapter::strip_str(&run.out).to_string() + &run.err;
                let raw = |c: char| c != '\n' && c.is_control() || c == '\u{202e}';
                ensure!(!shown.contains(raw), "{arguments:?}: {shown:?}");
                ensure!(!run.out.contains("\x1b[2J"), "{arguments:?}");
                if json {
                    support::obeys(&serde_json::from_str(&run.out)?, arguments[0])?;
                }
            }
        }
    }
    Ok(())
}

#[test]
fn plain_progress_tells_every_phase_in_order() -> Result<()> {
    with_heap(|running, _| {
        let run = leakscope(["histo", &running.pid().to_string(), "--progress", "plain"])?;
        let phases = [
            "opening the process",
            "debug info",
            "running heap",
            "preparing to copy",
            "stopped: copying",
            "runs on",
            "rebuilding",
        ];
        let mut rest = run.err.as_str();
        for phase in phases {
            let at = rest
                .find(phase)
                .with_context(|| format!("no {phase:?} in order in\n{}", run.err))?;
            rest = &rest[at..];
        }
        Ok(())
    })
}

#[test]
fn files_are_private_whole_and_never_overwritten_unasked() -> Result<()> {
    with_heap(|running, _| {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("histo.json");
        let file = path.to_str().context("a path")?;
        let pid = running.pid().to_string();
        let arguments = ["histo", &pid, "--json", "-o", file];
        let first = leakscope(arguments)?;
        ensure!(
            first.status == Some(0) && first.out.is_empty(),
            "{}",
            first.err
        );
        ensure!(path.metadata()?.permissions().mode() & 0o777 == 0o600);
        support::obeys(&serde_json::from_slice(&std::fs::read(&path)?)?, "histo")?;
        leakscope(arguments)?.failed_with("output.exists");
        ensure!(leakscope(arguments.into_iter().chain(["--force"]))?.status == Some(0));
        leakscope(["histo", &pid, "-o", "/no/such/folder/x"])?.failed_with("output.failed");
        let text = folder.path().join("page.txt");
        ensure!(
            leakscope(["maps", &pid, "-o", text.to_str().context("a path")?])?.status == Some(0)
        );
        ensure!(
            !std::fs::read_to_string(&text)?.contains('\x1b'),
            "styles in a file"
        );
        let left: Vec<_> = std::fs::read_dir(folder.path())?
            .filter_map(|e| Some(e.ok()?.file_name()))
            .collect();
        ensure!(left.len() == 2, "left behind: {left:?}");
        if std::path::Path::new("/dev/full").exists() {
            let full = std::fs::OpenOptions::new().write(true).open("/dev/full")?;
            let mut command = support::command();
            run(command.args(["histo", &pid, "--json"]).stdout(full))?.failed_with("output.full");
        }
        untouched(running.pid());
        Ok(())
    })
}

#[test]
fn a_reader_that_goes_away_is_no_failure() -> Result<()> {
    with_heap(|running, _| {
        let mut child = support::command()
            .args(["histo", &running.pid().to_string(), "--json"])
            .stdout(Stdio::piped())
            .spawn()?;
        drop(child.stdout.take());
        ensure!(child.wait()?.code() == Some(0));
        Ok(())
    })
}

#[test]
fn an_interrupt_ends_it_with_130_and_leaves_the_process_running() -> Result<()> {
    let version = versions()?.pop().context("no version")?;
    let fixture = Fixture::build("big", &version, &BuildFlags::default())?;
    let running = fixture.spawn(&["-scale", "0.1"])?;
    let mut interrupted = 0;
    for wait in [20, 60, 120, 200, 300, 500] {
        let mut child = support::command()
            .args(["histo", &running.pid().to_string(), "--quiet"])
            .stdout(Stdio::null())
            .spawn()?;
        std::thread::sleep(Duration::from_millis(wait));
        let _ = send_signal(i32::try_from(child.id())?, SIGINT);
        match child.wait()?.code() {
            Some(130) => interrupted += 1,
            Some(0) => {}
            other => anyhow::bail!("exit {other:?} after {wait} ms"),
        }
        let end = Instant::now() + Duration::from_secs(2);
        while support::status_field(running.pid(), "TracerPid").as_deref() != Some("0")
            && Instant::now() < end
        {
            std::thread::sleep(Duration::from_millis(1));
        }
        untouched(running.pid());
    }
    ensure!(interrupted > 0, "none of the runs was interrupted");
    Ok(())
}
