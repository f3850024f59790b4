//! `leakscope top`: counters of running processes, once and again, for programs and for people.

mod support;

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use leakscope_testkit::{BuildFlags, Fixture, versions};
use serde_json::Value;
use support::{command, leakscope, untouched};

#[test]
fn counters_of_processes_of_all_versions_in_one_document() -> Result<()> {
    let mut running = Vec::new();
    for version in versions()? {
        let fixture = Fixture::build("counters", &version, &BuildFlags::default())?;
        // Two of each: the second is read by what is known of the first.
        running.extend([fixture.spawn(&[])?, fixture.spawn(&[])?]);
    }
    let pids: Vec<String> = running.iter().map(|r| r.pid().to_string()).collect();
    let arguments = || {
        ["top", "--once"]
            .into_iter()
            .chain(pids.iter().map(String::as_str))
    };
    let document = leakscope(arguments().chain(["--json"]))?.document("top")?;
    let rows = document["processes"].as_array().context("processes")?;
    ensure!(rows.len() == running.len(), "{document}");
    for (row, process) in rows.iter().zip(&running) {
        ensure!(row["pid"] == process.pid(), "{row}");
        ensure!(row["runtime_version"] == process.truth()["go"], "{row}");
        for (field, fact) in [
            ("heap_marked_bytes", "heap_marked"),
            ("stacks_in_use_bytes", "stacks_in_use"),
            ("num_gc", "num_gc"),
            ("goroutines", "goroutines"),
        ] {
            ensure!(row[field] == process.truth()[fact], "{field}: {row}");
        }
        untouched(process.pid());
    }
    let page = leakscope(arguments())?;
    let page = page.page()?;
    ensure!(pids.iter().all(|pid| page.contains(pid)), "{page}");
    let one = leakscope(["top", &pids[0], "--once"])?;
    ensure!(
        one.page()?.contains("1 goroutine, GOMAXPROCS"),
        "{}",
        one.out
    );
    Ok(())
}

#[test]
fn what_cannot_be_read_is_a_gap_beside_the_others_and_alone_a_failure() -> Result<()> {
    let version = versions()?.pop().context("no version")?;
    let running = Fixture::build("counters", &version, &BuildFlags::default())?.spawn(&[])?;
    let pid = running.pid().to_string();
    let none = i32::MAX.to_string();
    let document = leakscope(["top", &none, &pid, "--once", "--json"])?.document("top")?;
    ensure!(
        document["processes"].as_array().map(Vec::len) == Some(1),
        "{document}"
    );
    let gaps = document["coverage"]["gaps"].as_array().context("gaps")?;
    ensure!(gaps.len() == 1 && gaps[0]["count"] == 1, "{gaps:?}");
    leakscope(["top", &none, "--once"])?.failed_with("target.none");
    Ok(())
}

#[test]
fn samples_follow_each_other_until_the_process_ends() -> Result<()> {
    let version = versions()?.pop().context("no version")?;
    let mut running = Fixture::build("counters", &version, &BuildFlags::default())?.spawn(&[])?;
    let mut top = command()
        .args(["top", &running.pid().to_string(), "--interval", "10ms"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let lines = BufReader::new(top.stdout.take().context("its output")?).lines();
    let heaps = lines
        .map_while(Result::ok)
        .filter(|l| l.starts_with("heap "));
    ensure!(heaps.take(5).count() == 5);
    running.kill();
    let mut errors = String::new();
    std::io::Read::read_to_string(&mut top.stderr.take().context("its errors")?, &mut errors)?;
    ensure!(top.wait()?.code().is_some(), "{errors}");
    Ok(())
}

#[test]
fn a_file_gets_one_sample() -> Result<()> {
    let version = versions()?.pop().context("no version")?;
    let running = Fixture::build("counters", &version, &BuildFlags::default())?.spawn(&[])?;
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("top.json");
    let file = path.to_str().context("a path")?;
    let run = leakscope(["top", &running.pid().to_string(), "--json", "-o", file])?;
    ensure!(run.status == Some(0) && run.out.is_empty(), "{}", run.err);
    let document: Value = serde_json::from_slice(&std::fs::read(&path)?)?;
    support::obeys(&document, "top")
}
