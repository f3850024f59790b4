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
    /// Only maps of groups have it.
    groups_only: bool,
    /// Only releases with `runtime.AddCleanup` have it.
    cleanups_only: bool,
    /// It cannot be mended in place: another process does what is advised from its start.
    twin: bool,
    /// It changes what the whole program does, and is tried by itself.
    alone: bool,
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
        groups_only: false,
        cleanups_only: false,
        twin: false,
        alone: false,
    }
}

const PLANTS: [Plant; 31] = [
    // First mended: no other finalizer runs until then.
    plant(
        "stalled",
        "GO-FINALIZER-STALLED",
        "suspect",
        "what waits behind main.slow",
    ),
    plant(
        "cycles",
        "GO-FINALIZER-CYCLE",
        "leak",
        "main.node with the finalizer main.closeNode",
    ),
    plant(
        "chain",
        "GO-FINALIZER-CHAIN",
        "waste",
        "main.node with the finalizer main.closeLink",
    ),
    Plant {
        cleanups_only: true,
        ..plant(
            "cleanups",
            "GO-CLEANUP-SELF",
            "leak",
            "main.watched with a cleanup",
        )
    },
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
    Plant {
        twin: true,
        ..plant(
            "goroutines",
            "GO-GOROUTINE-LEAK",
            "leak",
            "goroutines of main.ask.func1",
        )
    },
    Plant {
        buckets_only: true,
        ..plant(
            "stranded",
            "GO-MAP-STRANDED-GROWTH",
            "needs-second-capture",
            "main.state.stranded",
        )
    },
    Plant {
        groups_only: true,
        ..plant(
            "deleted",
            "GO-MAP-TOMBSTONES",
            "waste",
            "main.churned.deleted",
        )
    },
    Plant {
        buckets_only: true,
        ..plant(
            "chained",
            "GO-MAP-OVERFLOW-CHAINS",
            "waste",
            "main.churned.chained",
        )
    },
    plant(
        "outside",
        "GO-MAP-INDIRECT-SLOTS",
        "waste",
        "main.large.outside",
    ),
    plant(
        "inside",
        "GO-MAP-INDIRECT-SLOTS",
        "waste",
        "main.large.inside",
    ),
    plant("swarm", "GO-MAP-TINY-SWARM", "waste", "main.few.maps"),
    Plant {
        buckets_only: true,
        ..plant(
            "zombies",
            "GO-MAP-ZOMBIE-VALUES",
            "needs-second-capture",
            "main.growth.zombies",
        )
    },
    plant(
        "nan",
        "GO-MAP-UNREACHABLE-ENTRIES",
        "leak",
        "main.keyed.nan",
    ),
    plant(
        "mutated",
        "GO-MAP-UNREACHABLE-ENTRIES",
        "leak",
        "main.keyed.mutated",
    ),
    plant("raced", "GO-MAP-RACED", "leak", "main.keyed.raced"),
    plant("skewed", "GO-MAP-HASH-SKEW", "waste", "main.keyed.skewed"),
    Plant {
        buckets_only: true,
        alone: true,
        ..plant(
            "spiking",
            "GO-MAP-GROWTH-SPIKE",
            "suspect",
            "main.growth.spiking",
        )
    },
    Plant {
        groups_only: true,
        ..plant(
            "padded",
            "GO-MAP-SLOT-PADDING",
            "waste",
            "main.padding.padded",
        )
    },
    Plant {
        buckets_only: true,
        alone: true,
        ..plant(
            "ahead",
            "GO-MAP-PREALLOCATED-OVERFLOW",
            "waste",
            "main.made.ahead",
        )
    },
    plant("boxed", "GO-MAP-BOXED-VALUES", "waste", "main.boxing.boxed"),
    Plant {
        alone: true,
        ..plant("mixed", "GO-MAP-BOXED-VALUES", "waste", "main.boxing.mixed")
    },
    plant("cut", "GO-PINNED-BACKING", "waste", "main.pinning.cut"),
    plant(
        "spare",
        "GO-PINNED-BACKING",
        "needs-second-capture",
        "main.pinning.spare",
    ),
    plant(
        "queued",
        "GO-PINNED-BACKING",
        "waste",
        "main.pinning.queued",
    ),
    plant(
        "popped",
        "GO-PINNED-BACKING",
        "needs-second-capture",
        "main.pinning.popped",
    ),
    plant(
        "iterated",
        "GO-ITER-PINS-STORAGE",
        "needs-second-capture",
        "main.iterating.iterators[...]",
    ),
    plant(
        "ranging",
        "GO-ITER-PINS-STORAGE",
        "needs-second-capture",
        "goroutines of main.pause",
    ),
    Plant {
        alone: true,
        ..plant(
            "spinning",
            "GO-CONSERVATIVE-ROOT",
            "needs-second-capture",
            "a goroutine of main.spinAfterUse",
        )
    },
];

/// Bytes by which what a fix gives back may differ from what was said, beside a hundredth.
const ALLOWED: u64 = 64 << 10;

fn spawn(version: &str, planted: &[(&str, &str)]) -> Result<Running> {
    let fixture = Fixture::build("patterns", version, &BuildFlags::default())?;
    let arguments: Vec<String> = planted
        .iter()
        .map(|(name, mode)| format!("{name}={mode}"))
        .collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    fixture.spawn(&arguments)
}

fn spawn_all(version: &str, mode: &str) -> Result<Running> {
    let together = PLANTS.iter().filter(|p| !p.alone);
    let planted: Vec<(&str, &str)> = together.map(|p| (p.name, mode)).collect();
    spawn(version, &planted)
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
        all_at_once(&version).with_context(|| format!("go{version}"))?;
    }
    Ok(())
}

fn all_at_once(version: &str) -> Result<()> {
    let mut all = spawn_all(version, "has")?;
    let planted = planted_in(&all, false);
    let (found, document) = findings(&all)?;
    same(&found, &planted)?;
    proofs(&found, all.truth()["buckets"] == true)?;
    for plant in &planted {
        expected(plant, &found, &document)?;
    }
    let page = leakscope(["analyze", &all.pid().to_string()])?;
    let page = page.page()?;
    ensure!(
        page.contains("GO-MAP-NEVER-SHRINKS") && page.contains("fix: "),
        "{page}"
    );
    for plant in planted_in(&all, true) {
        let mut running = spawn(version, &[(plant.name, "has")])?;
        let (found, document) = findings(&running)?;
        expected(plant, &found, &document)?;
        mended_one_by_one(&mut running, found, vec![plant])?;
    }
    for plant in mended_one_by_one(&mut all, found, planted)? {
        fixed_twin(version, plant)?;
    }
    Ok(())
}

/// What this program can have, together with the rest or `alone`.
fn planted_in(running: &Running, alone: bool) -> Vec<&'static Plant> {
    let buckets = running.truth()["buckets"] == true;
    let cleanups = running.truth()["cleanups"] == true;
    (PLANTS.iter())
        .filter(|p| p.alone == alone)
        .filter(|p| !(p.buckets_only && !buckets || p.groups_only && buckets))
        .filter(|p| cleanups || !p.cleanups_only)
        .collect()
}

/// Has everything mended that can be in place, with what that gives back; the rest.
fn mended_one_by_one(
    running: &mut Running,
    mut found: BTreeMap<String, Value>,
    mut planted: Vec<&'static Plant>,
) -> Result<Vec<&'static Plant>> {
    same(&found, &planted)?;
    while let Some(index) = planted.iter().position(|p| !p.twin) {
        let plant = planted.remove(index);
        let said = bytes(&found[plant.holder])?;
        let answer = running.ask(&format!("fix {}", plant.name))?;
        let released = answer["released"].as_i64().context("nothing said")?;
        given_back(plant, said, released)?;
        found = findings(running)?.0;
        same(&found, &planted).with_context(|| format!("{} is mended", plant.name))?;
    }
    Ok(planted)
}

/// The finding of what was planted says what it is and is told once.
fn expected(plant: &Plant, found: &BTreeMap<String, Value>, document: &Value) -> Result<()> {
    let finding = found
        .get(plant.holder)
        .with_context(|| format!("{} is not among {found:#?}", plant.holder))?;
    ensure!(
        finding["pattern"] == plant.pattern && finding["verdict"] == plant.verdict,
        "{finding:#}"
    );
    let same_place = |s: &Value| s["holder"] == plant.holder;
    let suspects = document["suspects"].as_array().context("no suspects")?;
    ensure!(!suspects.iter().any(same_place), "told twice: {finding:#}");
    Ok(())
}

/// These are found and nothing else.
fn same(found: &BTreeMap<String, Value>, planted: &[&Plant]) -> Result<()> {
    let mut holders: Vec<&str> = planted.iter().map(|p| p.holder).collect();
    holders.sort_unstable();
    ensure!(
        found.keys().eq(holders.iter()),
        "not {holders:?}: {found:#?}"
    );
    Ok(())
}

fn given_back(plant: &Plant, said: u64, released: i64) -> Result<()> {
    let released = u64::try_from(released).unwrap_or(0);
    ensure!(
        said.abs_diff(released) <= (released / 100).max(ALLOWED),
        "{}: {said} bytes said, {released} given back",
        plant.name
    );
    Ok(())
}

/// Two programs with this alone: one that has it, and one that does what is advised from its start.
fn fixed_twin(version: &str, plant: &Plant) -> Result<()> {
    let has = spawn(version, &[(plant.name, "has")])?;
    let fixed = spawn(version, &[(plant.name, "fixed")])?;
    let found = findings(&has)?.0;
    same(&found, &[plant])?;
    same(&findings(&fixed)?.0, &[])?;
    let heap = |running: &Running| Ok::<_, anyhow::Error>(i64::try_from(running.fact("heap")?)?);
    given_back(
        plant,
        bytes(&found[plant.holder])?,
        heap(&has)?.saturating_sub(heap(&fixed)?),
    )
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
        let running = spawn_all(&version, "look-alike")?;
        let (found, _) = findings(&running)?;
        ensure!(found.is_empty(), "go{version}: {found:#?}");
        let growing = running.truth()["buckets"] == running.truth()["growing"];
        ensure!(growing, "the look-alike of a stranded growth does not grow");
        for plant in planted_in(&running, true) {
            let (found, _) = findings(&spawn(&version, &[(plant.name, "look-alike")])?)?;
            ensure!(found.is_empty(), "go{version}: {found:#?}");
        }
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
