//! Snapshots as people use them: the same answers as from the process, values left out where asked, and nothing left
//! behind where they fail.

mod support;

use std::collections::HashSet;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use leakscope_target::{Memory, SnapshotFile};
use leakscope_testkit::{
    BuildFlags, Fixture, Running, SIGCONT, SIGSTOP, gcore, send_signal, skip, versions,
};
use serde_json::Value;
use support::{Run, leakscope, untouched};

/// A document without what may differ between two ways to the same bytes.
fn answer(run: &Run, name: &str) -> Result<Value> {
    let mut document = run.document(name)?;
    let fields = document.as_object_mut().context("an object")?;
    fields.remove("target");
    fields.remove("capture");
    Ok(document)
}

fn answers(target: &str, more: &[&str]) -> Result<Vec<Value>> {
    ["analyze", "histo", "maps", "goroutines"]
        .iter()
        .map(|command| {
            let mut arguments = vec![*command, target, "--json"];
            arguments.extend(more);
            answer(&leakscope(arguments)?, command).with_context(|| format!("{command} {target}"))
        })
        .collect()
}

/// What an answer says of the heap itself, not of the process around it.
fn heap_of(answer: &Value) -> Value {
    let mut heap = answer.clone();
    if let Some(process) = heap.get_mut("process").and_then(Value::as_object_mut) {
        process.remove("rss_bytes");
        process.remove("ledger");
    }
    heap
}

fn each(
    fixture: &str,
    arguments: &[&str],
    check: impl Fn(&Running, &Fixture) -> Result<()>,
) -> Result<()> {
    for version in versions()? {
        let fixture = Fixture::build(fixture, &version, &BuildFlags::default())?;
        let running = fixture.spawn(arguments)?;
        check(&running, &fixture).with_context(|| format!("go{version}"))?;
    }
    Ok(())
}

#[test]
fn process_core_and_snapshots_give_the_same_answers() -> Result<()> {
    each("typed", &[], |running, fixture| {
        let folder = tempfile::tempdir()?;
        let path = |name: &str| folder.path().join(name).display().to_string();
        let (pid, snapshot, of_core) = (running.pid().to_string(), path("a.lks"), path("b.lks"));
        send_signal(running.pid(), SIGSTOP)?;
        let live = answers(&pid, &[])?;
        let snapped = leakscope(["snap", &pid, "-o", &snapshot, "--json"])?.document("snap")?;
        let core = gcore(running.pid())?;
        send_signal(running.pid(), SIGCONT)?;
        ensure!(snapped["snapshot"] == snapshot.as_str(), "{snapped}");
        let written = snapped["written_bytes"].as_u64().context("written_bytes")?;
        ensure!(written == std::fs::metadata(&snapshot)?.len());
        let again = answers(&snapshot, &[])?;
        for (live, again) in live.iter().zip(&again) {
            // Looking at pages that were never touched makes them resident.
            ensure!(heap_of(live) == heap_of(again), "{live}\n{again}");
        }
        let Some(core) = core else { return Ok(()) };
        let core_path = core.path().display().to_string();
        let exe = fixture.path().display().to_string();
        ensure!(
            written * 3 <= std::fs::metadata(core.path())?.len(),
            "{written} bytes"
        );
        let from_core = answers(&core_path, &["--exe", &exe])?;
        leakscope(["snap", &core_path, "--exe", &exe, "-o", &of_core])?.page()?;
        let from_snapshot_of_core = answers(&of_core, &[])?;
        for ((live, core), snapshot) in live.iter().zip(&from_core).zip(&from_snapshot_of_core) {
            ensure!(heap_of(live) == heap_of(core), "{live}\n{core}");
            ensure!(core == snapshot, "{core}\n{snapshot}");
        }
        Ok(())
    })
}

/// Offsets at which 8 bytes are one of the words.
fn words_in(bytes: &[u8], wanted: &HashSet<u64>) -> Vec<u64> {
    let words = bytes.windows(8).enumerate();
    let is_wanted = |w: &[u8]| {
        w.first_chunk()
            .is_some_and(|w| wanted.contains(&u64::from_le_bytes(*w)))
    };
    words
        .filter(|(_, w)| is_wanted(w))
        .map(|(i, _)| i as u64)
        .collect()
}

/// Where a snapshot holds the words: addresses in memory, and offsets in what it says of the target; 0 for registers.
fn found_in(path: &Path, wanted: &HashSet<u64>) -> Result<Vec<u64>> {
    let snapshot = SnapshotFile::open(path)?;
    let image = snapshot.image()?.build();
    let mut found = words_in(snapshot.about(), wanted);
    for range in image.copied_ranges() {
        let mut bytes = vec![0; range.len() as usize];
        image.read(range.start, &mut bytes)?;
        let here = words_in(&bytes, wanted);
        found.extend(here.iter().map(|offset| range.start.0 + offset));
    }
    let registers = snapshot.threads().iter().flat_map(|t| t.registers.general);
    found.extend(registers.filter(|r| wanted.contains(r)).map(|_| 0));
    Ok(found)
}

/// Waits until a thread is in a read of standard input: what the fixture told is out of its hands by then. A slice that is
/// still on a stack has no length in a snapshot without values.
fn until_it_reads(pid: i32) -> Result<()> {
    let reads = || -> Result<bool> {
        for task in std::fs::read_dir(format!("/proc/{pid}/task"))? {
            let call = std::fs::read_to_string(task?.path().join("syscall"))?;
            if call.starts_with("0 0x0 ") {
                return Ok(true);
            }
        }
        Ok(false)
    };
    let patience = Instant::now() + Duration::from_secs(30);
    while !reads()? {
        ensure!(Instant::now() < patience, "{pid} reads no input");
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

#[test]
fn without_values_no_word_of_the_program_is_left_and_the_heap_is_the_same() -> Result<()> {
    each("secrets", &[], |running, fixture| {
        let folder = tempfile::tempdir()?;
        let path = |name: &str| folder.path().join(name).display().to_string();
        let (pid, with, without) = (
            running.pid().to_string(),
            path("with.lks"),
            path("without.lks"),
        );
        let told = running.truth()["complemented"]
            .as_array()
            .context("words")?;
        let words = told.iter().map(|word| {
            let word = u64::from_str_radix(word.as_str().context("a word")?, 16)?;
            Ok(!word)
        });
        let words: HashSet<u64> = words.collect::<Result<_>>()?;
        until_it_reads(running.pid())?;
        send_signal(running.pid(), SIGSTOP)?;
        leakscope(["snap", &pid, "-o", &with])?.page()?;
        let said = leakscope(["snap", &pid, "-o", &without, "--no-values", "--json"])?;
        let core = gcore(running.pid())?;
        send_signal(running.pid(), SIGCONT)?;
        ensure!(said.document("snap")?["values"] == false);
        let (held, left) = (
            found_in(Path::new(&with), &words)?,
            found_in(Path::new(&without), &words)?,
        );
        ensure!(
            held.len() > words.len() / 2,
            "only {} of {} words",
            held.len(),
            words.len()
        );
        ensure!(left.is_empty(), "words are left at {left:x?}");
        let (whole, bare) = (answers(&with, &[])?, answers(&without, &[])?);
        for (whole, bare) in whole.iter().zip(&bare) {
            ensure!(whole == bare, "{whole}\n{bare}");
        }
        if let Some(core) = core {
            let (core, exe) = (
                core.path().display().to_string(),
                fixture.path().display().to_string(),
            );
            let of_core = path("core.lks");
            leakscope(["snap", &core, "--exe", &exe, "-o", &of_core, "--no-values"])?.page()?;
            let left = found_in(Path::new(&of_core), &words)?;
            ensure!(left.is_empty(), "words of the core are left at {left:x?}");
        }
        Ok(())
    })
}

#[test]
fn what_cannot_be_written_or_read_is_said_and_leaves_nothing() -> Result<()> {
    let version = versions()?.pop().context("a version")?;
    let fixture = Fixture::build("typed", &version, &BuildFlags::default())?;
    let running = fixture.spawn(&[])?;
    let pid = running.pid().to_string();
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("x.lks").display().to_string();
    leakscope(["snap", &pid, "-o", &path])?.page()?;
    leakscope(["snap", &pid, "-o", &path])?.failed_with("output.exists");
    leakscope(["snap", &pid, "-o", &path, "--force"])?.page()?;
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&path)?.permissions());
    ensure!(mode & 0o777 == 0o600, "mode {mode:o}");
    let nowhere = folder.path().join("no/such/x.lks").display().to_string();
    leakscope(["snap", &pid, "-o", &nowhere])?.failed_with("output.failed");
    let whole = std::fs::read(&path)?;
    let damage = |what: &dyn Fn(&mut Vec<u8>)| -> Result<Run> {
        let mut bytes = whole.clone();
        what(&mut bytes);
        std::fs::write(&path, bytes)?;
        leakscope(["histo", &path])
    };
    damage(&|b| b.truncate(b.len() / 2))?.failed_with("snapshot.truncated");
    damage(&|b| b[8] = 200)?.failed_with("snapshot.newer");
    damage(&|b| {
        let middle = b.len() / 2;
        b[middle] ^= 1;
    })?
    .failed_with("snapshot.damaged");
    untouched(running.pid());
    Ok(())
}

#[test]
fn a_full_disk_leaves_the_target_running_and_no_file() -> Result<()> {
    let version = versions()?.pop().context("a version")?;
    let fixture = Fixture::build("typed", &version, &BuildFlags::default())?;
    let running = fixture.spawn(&[])?;
    let folder = tempfile::tempdir()?;
    let shell = r#"mount -t tmpfs -o size=64k none "$0" && "$1" snap "$2" -o "$0/x.lks"; status=$?; ls -A "$0"; exit $status"#;
    let run = support::run(
        std::process::Command::new("unshare")
            .args(["-m", "sh", "-c", shell])
            .arg(folder.path())
            .args([env!("CARGO_BIN_EXE_leakscope"), &running.pid().to_string()]),
    )?;
    if run.err.contains("unshare failed") || run.err.contains("mount:") {
        skip!("no-mount-namespace", "{}", run.err.trim());
    }
    run.failed_with("output.full");
    untouched(running.pid());
    Ok(())
}
