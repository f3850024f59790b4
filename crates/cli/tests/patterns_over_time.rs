//! Patterns that show only between captures.

mod support;

use anyhow::{Context, Result, ensure};
use leakscope_testkit::{BuildFlags, Fixture, Running, versions};
use serde_json::Value;
use support::{leakscope, untouched};
use tempfile::TempDir;

const ID: &str = "GO-MAP-GROWS-ONLY";
/// Bytes by which what a fix gives back may differ from what was said, beside a hundredth.
const ALLOWED: u64 = 64 << 10;

/// A program and snapshots of it.
struct Watched {
    running: Running,
    folder: TempDir,
    snapshots: Vec<String>,
}

impl Watched {
    fn new(version: &str, mode: &str) -> Result<Self> {
        let fixture = Fixture::build("patterns", version, &BuildFlags::default())?;
        Ok(Self {
            running: fixture.spawn(&[mode])?,
            folder: tempfile::tempdir()?,
            snapshots: Vec::new(),
        })
    }

    fn capture(&mut self) -> Result<()> {
        let path = self
            .folder
            .path()
            .join(format!("{}.lks", self.snapshots.len()));
        let path = path.to_str().context("a path of text")?.to_owned();
        leakscope(["snap", &self.running.pid().to_string(), "-o", &path])?.page()?;
        untouched(self.running.pid());
        self.snapshots.push(path);
        Ok(())
    }

    fn more(&mut self) -> Result<()> {
        self.running.ask("more")?;
        Ok(())
    }

    /// What these snapshots say together.
    fn findings(&self, which: impl IntoIterator<Item = usize>) -> Result<Vec<Value>> {
        let mut arguments = vec!["diff", "--json"];
        for i in which {
            arguments.push(self.snapshots.get(i).context("no such snapshot")?);
        }
        let document = leakscope(arguments)?.document("diff")?;
        let list = document["findings"].as_array().context("no findings")?;
        Ok(list.clone())
    }
}

#[test]
fn a_map_that_grows_from_capture_to_capture_is_found_with_what_it_gained() -> Result<()> {
    for version in versions()? {
        grows(&version).with_context(|| format!("go{version}"))?;
    }
    Ok(())
}

fn grows(version: &str) -> Result<()> {
    let mut watched = Watched::new(version, "kept=has")?;
    for _ in 0..3 {
        watched.capture()?;
        watched.more()?;
    }
    let pid = watched.running.pid().to_string();
    let single = leakscope(["analyze", &pid, "--json", "--all"])?.document("analyze")?;
    let single = single["findings"].as_array().context("no findings")?;
    ensure!(single.is_empty(), "told of one capture: {single:#?}");

    let found = watched.findings([0, 1, 2])?;
    let [finding] = found.as_slice() else {
        anyhow::bail!("not one finding: {found:#?}");
    };
    ensure!(
        finding["pattern"] == ID && finding["verdict"] == "suspect",
        "{finding:#}"
    );
    ensure!(finding["holder"] == "main.kept.all", "{finding:#}");
    ensure!(
        finding["evidence"][1]["value"] == "6000, 12000, 18000",
        "{finding:#}"
    );
    let print = &finding["fingerprint"];
    let two = watched.findings([0, 1])?;
    ensure!(
        two.len() == 1 && two[0]["fingerprint"] == *print,
        "{two:#?}"
    );
    // Nothing has more entries in the second than in the first.
    ensure!(watched.findings([2, 0])?.is_empty());
    ensure!(watched.findings([0, 2, 1])?.is_empty());

    watched.capture()?;
    let said = watched.findings([0, 1, 2, 3])?[0]["bytes"].as_u64();
    let said = said.context("no bytes")?;
    let released = watched.running.ask("fix kept")?["released"].as_u64();
    let released = released.context("nothing released")?;
    ensure!(
        said.abs_diff(released) <= (released / 100).max(ALLOWED),
        "{said} bytes said, {released} given back"
    );
    watched.capture()?;
    watched.more()?;
    watched.capture()?;
    ensure!(watched.findings([4, 5])?.is_empty());
    ensure!(watched.findings([0, 5])?.is_empty());
    Ok(())
}

#[test]
fn a_map_that_loses_what_it_gains_raises_nothing() -> Result<()> {
    for version in versions()? {
        let mut watched = Watched::new(&version, "kept=look-alike")?;
        watched.capture()?;
        watched.more()?;
        watched.capture()?;
        let found = watched.findings([0, 1])?;
        ensure!(found.is_empty(), "go{version}: {found:#?}");
    }
    Ok(())
}

#[test]
fn maps_of_two_processes_are_not_taken_for_one() -> Result<()> {
    for version in versions()? {
        let mut first = Watched::new(&version, "kept=has")?;
        first.capture()?;
        let mut second = Watched::new(&version, "kept=has")?;
        second.more()?;
        second.capture()?;
        first.snapshots.append(&mut second.snapshots);
        let found = first.findings([0, 1])?;
        ensure!(found.is_empty(), "go{version}: {found:#?}");
    }
    Ok(())
}
