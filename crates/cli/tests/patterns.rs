//! The catalogue of patterns, on a program that has each of them, look-alikes, or what the catalogue advises instead.

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use leakscope_testkit::{BuildFlags, Fixture, Running, versions};
use serde_json::Value;
use support::{leakscope, untouched};

/// What the fixture plants.
struct Plant {
    name: &'static str,
    pattern: &'static str,
    verdict: &'static str,
    holder: &'static str,
    /// Only maps of buckets have it.
    buckets_only: bool,
}

const fn plant(
    name: &'static str,
    pattern: &'static str,
    verdict: &'static str,
    holder: &'static str,
) -> Plant {
    Plant {
        name,
        pattern,
        verdict,
        holder,
        buckets_only: false,
    }
}

const PLANTS: [Plant; 5] = [
    plant(
        "drained",
        "GO-MAP-NEVER-SHRINKS",
        "waste",
        "main.state.drained",
    ),
    plant("texts", "GO-MAP-NEVER-SHRINKS", "waste", "main.state.texts"),
    plant(
        "hinted",
        "GO-MAP-NEVER-SHRINKS",
        "waste",
        "main.state.hinted",
    ),
    plant(
        "goroutines",
        "GO-GOROUTINE-LEAK",
        "leak",
        "goroutines of main.ask.func1",
    ),
    Plant {
        buckets_only: true,
        ..plant(
            "stranded",
            "GO-MAP-STRANDED-GROWTH",
            "needs-second-capture",
            "main.state.stranded",
        )
    },
];

/// Bytes by which what a fix gives back may differ from what was said, beside a hundredth.
const ALLOWED: u64 = 64 << 10;

fn spawn(version: &str, mode: impl Fn(&Plant) -> &'static str) -> Result<Running> {
    let fixture = Fixture::build("patterns", version, &BuildFlags::default())?;
    let arguments = PLANTS.map(|p| format!("{}={}", p.name, mode(&p)));
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    fixture.spawn(&arguments)
}

/// Findings by holder, and the whole document.
fn findings(running: &Running) -> Result<(BTreeMap<String, Value>, Value)> {
    let pid = running.pid().to_string();
    let document = leakscope(["analyze", &pid, "--json", "--all"])?.document("analyze")?;
    untouched(running.pid());
    let list = document["findings"].as_array().context("no findings")?;
    ensure!(document["finding_count"] == list.len());
    let by_holder: BTreeMap<String, Value> = list
        .iter()
        .map(|f| {
            (
                f["holder"].as_str().unwrap_or_default().to_owned(),
                f.clone(),
            )
        })
        .collect();
    ensure!(by_holder.len() == list.len(), "{list:#?}");
    Ok((by_holder, document))
}

fn bytes(finding: &Value) -> Result<u64> {
    finding["bytes"].as_u64().context("no bytes")
}

#[test]
fn each_pattern_is_found_with_its_bytes_and_gone_when_its_advice_is_followed() -> Result<()> {
    for version in versions()? {
        let check = || -> Result<()> {
            let all = spawn(&version, |_| "has")?;
            let buckets = all.truth()["buckets"] == true;
            let (found, document) = findings(&all)?;
            let planted = PLANTS.iter().filter(|p| buckets || !p.buckets_only);
            for plant in planted.clone() {
                let finding = found
                    .get(plant.holder)
                    .with_context(|| format!("{} is not among {found:#?}", plant.holder))?;
                ensure!(
                    finding["pattern"] == plant.pattern && finding["verdict"] == plant.verdict,
                    "{finding:#}"
                );
                let same_place = |s: &&Value| s["holder"] == plant.holder;
                let suspects = document["suspects"].as_array().context("no suspects")?;
                ensure!(
                    suspects.iter().find(same_place).is_none(),
                    "told twice: {finding:#}"
                );
                gone_when_fixed(&version, plant, finding, all.fact("heap")?)
                    .with_context(|| plant.name)?;
            }
            ensure!(
                found.len() == planted.count(),
                "more than was planted: {found:#?}"
            );
            proofs(&found, buckets)?;
            let page = leakscope(["analyze", &all.pid().to_string()])?;
            let page = page.page()?;
            ensure!(
                page.contains("GO-MAP-NEVER-SHRINKS") && page.contains("fix: "),
                "{page}"
            );
            Ok(())
        };
        check().with_context(|| format!("go{version}"))?;
    }
    Ok(())
}

fn gone_when_fixed(version: &str, plant: &Plant, finding: &Value, heap: u64) -> Result<()> {
    let fixed = spawn(
        version,
        |p| if p.name == plant.name { "fixed" } else { "has" },
    )?;
    let (left, _) = findings(&fixed)?;
    ensure!(!left.contains_key(plant.holder), "still there: {left:#?}");
    let released = heap.saturating_sub(fixed.fact("heap")?);
    let said = bytes(finding)?;
    ensure!(
        said.abs_diff(released) <= (released / 100).max(ALLOWED),
        "{said} bytes said, {released} given back"
    );
    Ok(())
}

/// What tells a map that was full from one that was made too large.
fn proofs(found: &BTreeMap<String, Value>, buckets: bool) -> Result<()> {
    let text = |holder: &str| found.get(holder).map(|f| f["reasons"].to_string());
    let was_full = |holder| text(holder).is_some_and(|t| t.contains("it was fuller"));
    ensure!(was_full("main.state.drained"), "{found:#?}");
    ensure!(!was_full("main.state.hinted"), "{found:#?}");
    // Keys with pointers are cleared; of groups that were full, marks are left.
    ensure!(was_full("main.state.texts") != buckets, "{found:#?}");
    Ok(())
}

#[test]
fn look_alikes_of_every_pattern_raise_nothing() -> Result<()> {
    for version in versions()? {
        let running = spawn(&version, |_| "look-alike")?;
        let (found, _) = findings(&running)?;
        ensure!(found.is_empty(), "go{version}: {found:#?}");
        let growing = running.truth()["buckets"] == running.truth()["growing"];
        ensure!(growing, "the look-alike of a stranded growth does not grow");
    }
    Ok(())
}

fn pages() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/patterns")
}

#[test]
fn rule_prints_the_page_that_stands_in_the_docs() -> Result<()> {
    let list = leakscope(["rule", "--json"])?.document("rule")?;
    let mut in_docs = 0;
    for entry in fs::read_dir(pages())? {
        let path = entry?.path();
        let Some(id) = path
            .file_stem()
            .and_then(|s| s.to_str())
            .filter(|s| *s != "README")
        else {
            continue;
        };
        let rule = leakscope(["rule", id, "--json"])?.document("rule")?;
        ensure!(
            rule["rules"][0]["page"] == fs::read_to_string(&path)?,
            "{id}"
        );
        let page = leakscope(["rule", &id.to_lowercase()])?;
        ensure!(page.page()?.contains("## False positives"), "{}", page.out);
        in_docs += 1;
    }
    let listed = list["rules"].as_array().context("no rules")?.len();
    ensure!(listed == in_docs, "{listed} listed, {in_docs} in the docs");
    leakscope(["rule", "GO-NOTHING"])?.failed_with("rule.unknown");
    Ok(())
}

#[test]
fn the_table_of_claims_names_patterns_that_there_are() -> Result<()> {
    let table = fs::read_to_string(pages().join("README.md"))?;
    let mut named = 0;
    for link in table.split("](").skip(1) {
        let target = link.split(')').next().unwrap_or_default();
        if target.starts_with("GO-") {
            ensure!(pages().join(target).exists(), "no page {target}");
            named += 1;
        }
    }
    ensure!(named >= 3, "{named} patterns are named");
    Ok(())
}
