//! Programs beyond what leakscope has been tested with: read as far as possible, and said so.

mod support;

use anyhow::{Context, Result, ensure};
use leakscope_testkit::{BuildFlags, Fixture, versions};
use serde_json::Value;
use support::leakscope;

fn gap<'a>(document: &'a Value, starts: &str) -> Option<&'a Value> {
    let gaps = document["coverage"]["gaps"].as_array()?;
    gaps.iter()
        .find(|g| g["reason"].as_str().is_some_and(|r| r.starts_with(starts)))
}

#[test]
fn a_release_newer_than_all_known_is_read_by_its_debug_info_with_a_warning() -> Result<()> {
    let version = versions()?.pop().context("no version")?;
    let fixture = Fixture::build("exact", &version, &BuildFlags::default())?;
    let old = fixture.spawn(&["-mode", "gc"])?;
    let pid = old.pid().to_string();
    let known = leakscope(["analyze", &pid, "--json"])?.document("analyze")?;
    ensure!(gap(&known, "Go release newer").is_none(), "{known}");

    let (from, to) = (
        format!("go{version}"),
        format!("go{version}").replace("go1.2", "go1.9"),
    );
    let new = fixture.patched(&from, &to)?.spawn(&["-mode", "gc"])?;
    let pid = new.pid().to_string();
    let run = leakscope(["analyze", &pid, "--json"])?;
    let document = run.document("analyze")?;
    ensure!(run.err.contains("is newer than go1."), "{}", run.err);
    ensure!(
        document["target"]["runtime_version"] == to.as_str(),
        "{document}"
    );
    let gap = gap(&document, "Go release newer").context("no gap")?;
    ensure!(gap["count"] == 1, "{gap}");
    let objects = &document["heap"]["allocated"]["objects"];
    ensure!(
        objects.as_u64() == Some(new.fact("heap_objects")?),
        "{objects}"
    );
    leakscope(["analyze", &pid])?.page()?;
    Ok(())
}
