//! Which findings `analyze` tells, which are new, and when its exit status is 1.

mod support;

use std::ffi::OsString;
use std::fs;

use anyhow::{Context, Result, ensure};
use leakscope_testkit::{BuildFlags, Fixture, Running, versions};
use serde_json::Value;
use support::{Run, leakscope, obeys};

const FULL: &str = "main.state.drained";
const LEAKED: &str = "goroutines of main.ask.func1";

fn spawn(planted: &[&str]) -> Result<Running> {
    let newest = versions()?.pop().context("no version")?;
    Fixture::build("patterns", &newest, &BuildFlags::default())?.spawn(planted)
}

fn analyze(running: &Running, options: &[&str]) -> Result<Run> {
    let mut arguments: Vec<OsString> = vec!["analyze".into(), running.pid().to_string().into()];
    // However busy the machine is.
    arguments.extend(["--max-stop", "30s"].map(OsString::from));
    arguments.extend(options.iter().map(OsString::from));
    leakscope(arguments)
}

/// The document of a run that ended with this status.
fn document(run: &Run, status: i32) -> Result<Value> {
    ensure!(run.status == Some(status), "{:?}: {}", run.status, run.err);
    let document = serde_json::from_str(&run.out)?;
    obeys(&document, "analyze")?;
    Ok(document)
}

fn holders(document: &Value) -> Vec<&str> {
    let findings = document["findings"].as_array().into_iter().flatten();
    findings.filter_map(|f| f["holder"].as_str()).collect()
}

#[test]
fn conditions_by_verdict_and_pattern_decide_the_status() -> Result<()> {
    let running = spawn(&["drained=has", "goroutines=has"])?;
    let all = ["--json", "--all"];
    let run =
        |options: &[&str], status| document(&analyze(&running, &[&all, options].concat())?, status);
    for (condition, status) in [
        ("leak", 1),
        ("waste", 1),
        ("needs-second-capture", 0),
        ("GO-MAP-STRANDED-GROWTH", 0),
        ("GO-MAP-STRANDED-GROWTH,go-goroutine-leak", 1),
    ] {
        let document = run(&["--fail-on", condition], status)?;
        ensure!(holders(&document).len() == 2, "{document:#}");
    }
    let said = analyze(&running, &["--fail-on", "leak"])?;
    ensure!(
        said.status == Some(1) && said.out.contains("GO-GOROUTINE-LEAK"),
        "{}",
        said.err
    );
    ensure!(said.err.contains("--fail-on"), "{}", said.err);
    let without = run(&["--ignore", "go-goroutine-leak", "--fail-on", "leak"], 0)?;
    ensure!(holders(&without) == [FULL], "{without:#}");
    let only = run(&["--only", "GO-GOROUTINE-LEAK", "--fail-on", "waste"], 0)?;
    ensure!(holders(&only) == [LEAKED], "{only:#}");
    Ok(())
}

#[test]
fn only_what_an_earlier_document_has_not_is_new_and_what_is_suppressed_is_left_out() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = |name: &str| folder.path().join(name).display().to_string();
    let (before, cut, known) = (file("before.json"), file("cut.json"), file("known.txt"));
    let first = spawn(&["drained=has", "goroutines=has"])?;
    for (path, rows) in [(&before, ["--all"].as_slice()), (&cut, &["--limit", "1"])] {
        let run = analyze(&first, &[rows, &["-o", path]].concat())?;
        ensure!(run.status == Some(0), "{}", run.err);
    }
    let second = spawn(&["drained=has", "goroutines=has", "hinted=has"])?;
    let all = ["--json", "--all", "--baseline", &before];
    let run = |running: &Running, options: &[&str], status| {
        document(&analyze(running, &[&all, options].concat())?, status)
    };
    let same = run(&first, &["--fail-on", "leak,waste,suspect"], 0)?;
    let more = run(&second, &["--fail-on", "waste"], 1)?;
    for (document, fresh) in [(&same, 0), (&more, 1)] {
        let findings = document["findings"].as_array().context("no findings")?;
        let new = findings.iter().filter(|f| f["new"] == true).count();
        let old = findings.iter().filter(|f| f["new"] == false).count();
        ensure!((new, old) == (fresh, 2), "{document:#}");
    }
    run(&second, &["--fail-on", "leak"], 0)?;

    let print = |holder: &str| -> Result<String> {
        let findings = more["findings"].as_array().context("no findings")?;
        let found = findings.iter().find(|f| f["holder"] == holder);
        let print = found.and_then(|f| f["fingerprint"].as_str());
        Ok(print.context("no fingerprint")?.to_owned())
    };
    let text = format!(
        "# known\n\n{} # kept on purpose\n  {}\n",
        print(FULL)?,
        print(LEAKED)?
    );
    fs::write(&known, text)?;
    let left = run(&second, &["--suppress", &known, "--fail-on", "leak"], 0)?;
    ensure!(holders(&left) == ["main.state.hinted"], "{left:#}");
    ensure!(left["suppressed"].as_u64() >= Some(2), "{left:#}");

    analyze(&first, &["--baseline", &cut])?.failed_with("baseline.unreadable");
    analyze(&first, &["--baseline", &known])?.failed_with("baseline.unreadable");
    analyze(&first, &["--suppress", &before])?.failed_with("suppressions.unreadable");
    analyze(&first, &["--suppress", &file("none")])?.failed_with("suppressions.unreadable");
    analyze(&first, &["--fail-on", "everything"])?.failed_with("rule.unknown");
    Ok(())
}
