//! `--max-memory`: the same answer from less memory, or a refusal with numbers.

mod support;

use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use leakscope_testkit::{JVM_LAYOUTS, JvmDump, skip};
use support::{command, leakscope, obeys, status_field};

/// Less than what the columns of the heap below come to.
const MOST: u64 = 100_000_000;

#[test]
fn a_heap_larger_than_the_bound_has_the_same_answer_within_it() -> Result<()> {
    let size = ["-sessions=40000", "-customers=13000"];
    let dump = JvmDump::take(&JVM_LAYOUTS[0], "Big", &size)?;
    let path = dump.path();
    let mut free = leakscope(["analyze".as_ref(), path.as_os_str(), "--json".as_ref()])?
        .document("analyze")?;

    // The folder of the dump is on a disk if the cache of the tests is.
    let folder = path.parent().context("a folder")?;
    let child = command()
        .args(["analyze", "--json", "--max-memory", "100M"])
        .arg(&path)
        .env("TMPDIR", folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let pid = i32::try_from(child.id())?;
    let watch = std::thread::spawn(move || {
        let mut most = 0;
        while let Some(peak) = status_field(pid, "VmHWM") {
            let kib = peak.split_whitespace().next().map(str::parse::<u64>);
            most = most.max(kib.and_then(Result::ok).unwrap_or(0) * 1024);
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        most
    });
    let output = child.wait_with_output()?;
    let most = watch.join().ok().context("the watcher failed")?;
    let errors = String::from_utf8_lossy(&output.stderr);
    if errors.contains("memory.in-memory") {
        skip!("no-disk", "the folder of the dumps is kept in memory");
    }
    ensure!(output.status.success(), "{errors}");
    let mut bound: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    obeys(&bound, "analyze")?;
    for document in [&mut free, &mut bound] {
        // What differs between any two runs.
        document
            .as_object_mut()
            .context("an object")?
            .remove("capture");
    }
    ensure!(free == bound, "{free:#}\n{bound:#}");
    // On a busy machine the watcher of the bound comes late: what is asserted is that the bound has an effect.
    ensure!(most > 0 && most <= MOST * 3 / 2, "{most} bytes resident");
    Ok(())
}

#[test]
fn what_cannot_be_had_is_refused_with_numbers() -> Result<()> {
    let dump = JvmDump::take(&JVM_LAYOUTS[0], "Layouts", &["-count=20"])?;
    let path = dump.path();
    let with = |most: &str, folder: &str| {
        let arguments = ["analyze", "--max-memory", most];
        support::run(command().args(arguments).arg(&path).env("TMPDIR", folder))
    };
    with("1M", "/proc")?.failed_with("memory.too-little");
    with("1G", "/proc")?.failed_with("memory.disk");
    with("1G", "/no/such/folder")?.failed_with("memory.file");
    let of_process = leakscope([
        "analyze",
        "--max-memory",
        "1G",
        &std::process::id().to_string(),
    ])?;
    of_process.failed_with("memory.of-dumps");
    Ok(())
}
