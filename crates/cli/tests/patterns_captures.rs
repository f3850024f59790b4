//! What the catalogue finds is the same in a process, in its core, in a snapshot of either, and in a stripped build.

mod support;

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, ensure};
use leakscope_testkit::{
    BuildFlags, Fixture, Running, SIGCONT, SIGSTOP, gcore, send_signal, versions,
};
use serde_json::Value;
use support::leakscope;

/// Maps of every odd kind, goroutines, and all that finalizers can do.
const PLANTED: [&str; 15] = [
    "cycles=has",
    "stalled=has",
    "drained=has",
    "texts=has",
    "hinted=has",
    "nan=has",
    "mutated=has",
    "raced=has",
    "skewed=has",
    "goroutines=has",
    "stranded=has",
    "zombies=has",
    "outside=has",
    "swarm=has",
    "boxed=has",
];

fn spawn(version: &str, ldflags: &str) -> Result<(Fixture, Running)> {
    let flags = BuildFlags {
        ldflags: ldflags.to_owned(),
        ..BuildFlags::default()
    };
    let fixture = Fixture::build("patterns", version, &flags)?;
    let running = fixture.spawn(&PLANTED)?;
    Ok((fixture, running))
}

fn analyze(target: &str, more: &[&str]) -> Result<Value> {
    let arguments = ["analyze", target, "--json", "--all", "--max-stop", "30s"];
    leakscope([&arguments, more].concat())?.document("analyze")
}

fn findings(document: &Value) -> Result<&Vec<Value>> {
    document["findings"].as_array().context("no findings")
}

#[test]
fn findings_of_a_process_its_core_and_its_snapshots_are_the_same() -> Result<()> {
    for version in versions()? {
        captures(&version).with_context(|| format!("go{version}"))?;
    }
    Ok(())
}

fn captures(version: &str) -> Result<()> {
    let (fixture, running) = spawn(version, "")?;
    let folder = tempfile::tempdir()?;
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (pid, snapshot, of_core) = (running.pid().to_string(), path("a.lks"), path("b.lks"));
    let exe = fixture.path().display().to_string();
    send_signal(running.pid(), SIGSTOP)?;
    let live = analyze(&pid, &[])?;
    leakscope(["snap", &pid, "-o", &snapshot, "--max-stop", "30s"])?.page()?;
    let core = gcore(running.pid())?;
    send_signal(running.pid(), SIGCONT)?;

    let live = findings(&live)?;
    let patterns: BTreeSet<&str> = live.iter().filter_map(|f| f["pattern"].as_str()).collect();
    ensure!(patterns.len() >= 9, "{patterns:?}");
    let same = |what: &str, other: &Value| -> Result<()> {
        ensure!(live == findings(other)?, "{what}: {live:#?}\n{other:#}");
        Ok(())
    };
    same("snapshot", &analyze(&snapshot, &[])?)?;
    let Some(core) = core else {
        leakscope_testkit::skip!("no-gcore", "gdb is not installed");
    };
    let core = core.path().display().to_string();
    same("core", &analyze(&core, &["--exe", &exe])?)?;
    leakscope(["snap", &core, "--exe", &exe, "-o", &of_core])?.page()?;
    same("snapshot of the core", &analyze(&of_core, &[])?)
}

/// Bytes by pattern and verdict: names are what a stripped build lacks.
type Sums = BTreeMap<(String, String), Vec<u64>>;

fn sums(document: &Value) -> Result<Sums> {
    let mut sums = Sums::new();
    for finding in findings(document)? {
        let text = |key: &str| finding[key].as_str().unwrap_or_default().to_owned();
        let bytes = finding["bytes"].as_u64().context("no bytes")?;
        let row = sums.entry((text("pattern"), text("verdict"))).or_default();
        row.push(bytes);
        row.sort_unstable();
    }
    Ok(sums)
}

#[test]
fn a_stripped_build_raises_the_same_findings() -> Result<()> {
    for version in versions()? {
        let (_, named) = spawn(&version, "")?;
        let (_, stripped) = spawn(&version, "-s -w")?;
        let named = analyze(&named.pid().to_string(), &[])?;
        let stripped = analyze(&stripped.pid().to_string(), &[])?;
        ensure!(
            alike(&sums(&named)?, &sums(&stripped)?),
            "go{version}: {:#?}\nstripped: {:#?}",
            findings(&named)?,
            findings(&stripped)?
        );
    }
    Ok(())
}

/// The same patterns and verdicts, and bytes that differ by no more than hashes of another seed make them.
fn alike(named: &Sums, stripped: &Sums) -> bool {
    let near = |(a, b): (&u64, &u64)| a.abs_diff(*b) <= (a / 100).max(64 << 10);
    let pairs = named.values().zip(stripped.values());
    named.keys().eq(stripped.keys())
        && pairs
            .into_iter()
            .all(|(a, b)| a.len() == b.len() && a.iter().zip(b).all(near))
}
