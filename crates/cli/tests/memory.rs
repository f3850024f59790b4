//! Allocation sites and the ledger of resident memory, as people ask for them, of programs that know both.

mod support;

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context, Result, ensure};
use leakscope_testkit::{BuildFlags, Fixture, Running, gcore, versions};
use serde_json::Value;
use support::{leakscope, untouched};

const MIB: u64 = 1 << 20;

fn number(value: &Value, name: &str) -> Result<u64> {
    value[name]
        .as_u64()
        .with_context(|| format!("no number {name} in {value}"))
}

fn list<'a>(value: &'a Value, name: &str) -> Result<&'a Vec<Value>> {
    value[name]
        .as_array()
        .with_context(|| format!("no list {name} in {value}"))
}

fn spawn(
    fixture: &str,
    version: &str,
    flags: &BuildFlags,
    env: &[(&str, &str)],
) -> Result<Running> {
    let patience = std::time::Duration::from_secs(120);
    Fixture::build(fixture, version, flags)?.spawn_with(&[], env, patience)
}

/// Parts and remainder add up to what is resident.
fn adds_up(row: &Value) -> Result<()> {
    let mut sum = row["remainder_bytes"].as_i64().context("no remainder")?;
    for part in list(row, "parts")? {
        sum += i64::try_from(number(part, "bytes")?)?;
    }
    ensure!(sum == i64::try_from(number(row, "rss_bytes")?)?, "{row}");
    Ok(())
}

fn part(ledger: &Value, name: &str) -> Result<u64> {
    let parts = list(ledger, "parts")?.iter();
    let mut named = parts.filter(|p| p["part"] == name);
    named.next().map_or(Ok(0), |p| number(p, "bytes"))
}

fn ledger_of(target: &str) -> Result<Value> {
    let document = leakscope(["ledger", target, "--json"])?.document("ledger")?;
    adds_up(&document["ledger"])?;
    let mut sum = 0;
    for mapping in list(&document, "mappings")? {
        adds_up(mapping)?;
        sum += number(mapping, "rss_bytes")?;
    }
    ensure!(sum == number(&document["ledger"], "rss_bytes")?);
    Ok(document)
}

#[test]
fn every_mapping_and_the_whole_add_up_to_what_the_kernel_counts() -> Result<()> {
    for version in versions()? {
        let running = spawn(
            "ledger",
            &version,
            &BuildFlags::default(),
            &[("GOMEMLIMIT", "256MiB")],
        )?;
        let pid = running.pid().to_string();
        let document = ledger_of(&pid)?;
        untouched(running.pid());
        let live = part(&document["ledger"], "heap-live")?;
        ensure!(live >= number(running.truth(), "live")?, "{document:#}");
        let pacing = &document["pacing"];
        ensure!(
            pacing["gogc"] == -1 && pacing["memory_limit_bytes"] == 256 * MIB,
            "{pacing}"
        );
        ensure!(pacing["goal_by"] == "memory-limit", "{pacing}");
        let text = leakscope(["ledger", &pid])?;
        ensure!(text.page()?.contains("live objects"), "{}", text.out);
    }
    Ok(())
}

#[test]
fn snapshots_carry_the_ledger_and_cores_say_that_they_have_none() -> Result<()> {
    let folder = tempfile::tempdir()?;
    for version in versions()? {
        let mut running = spawn("sites", &version, &BuildFlags::default(), &[])?;
        let pid = running.pid().to_string();
        let path = folder.path().join(format!("{version}.lks"));
        let name = path.to_str().context("a path")?;
        let after = folder.path().join(format!("{version}-after.lks"));
        let after = after.to_str().context("a path")?;
        ensure!(leakscope(["snap", &pid, "-o", name, "--no-values"])?.status == Some(0));
        let live = leakscope(["sites", &pid, "--json"])?.document("sites")?;
        let snapped = leakscope(["sites", name, "--json"])?.document("sites")?;
        ensure!(
            live["sites"] == snapped["sites"],
            "{live:#} is not {snapped:#}"
        );
        ledger_of(name)?;
        running.ask("more")?;
        running.ask("collect")?;
        ensure!(leakscope(["snap", &pid, "-o", after])?.status == Some(0));
        let diff = leakscope(["diff", name, after, "--json"])?.document("diff")?;
        for (nth, capture) in [name, after].into_iter().enumerate() {
            compares(&diff, nth, capture)?;
        }
        let grown = |capture| -> Result<i64> {
            let ledger = ledger_of(capture)?["ledger"].take();
            let parts = list(&ledger, "parts")?.iter();
            let parts: Vec<u64> = parts.map(|p| number(p, "bytes")).collect::<Result<_>>()?;
            Ok(i64::try_from(parts.iter().sum::<u64>())?)
        };
        let rows = list(&diff, "ledger")?.iter();
        let told: i64 = rows.filter_map(|row| row["bytes_grown"].as_i64()).sum();
        ensure!(told == grown(after)? - grown(name)?, "{diff:#}");
        let sites = list(&diff, "sites")?;
        let shrunk = |s: &&Value| {
            s["name"]
                .as_str()
                .is_some_and(|n| n.starts_with("main.addBuffer"))
        };
        let buffers = sites.iter().find(shrunk).context("no buffers")?;
        ensure!(
            buffers["bytes_grown"].as_i64().is_some_and(|n| n < 0),
            "{buffers}"
        );
        if let Some(core) = gcore(running.pid())? {
            let core = core.path().to_str().context("a path")?;
            let document = leakscope(["ledger", core, "--json"])?.document("ledger")?;
            ensure!(document["ledger"].is_null() && document["missing"].is_string());
        }
        fs::remove_file(name)?;
    }
    Ok(())
}

/// What `diff` says of its nth capture is what `ledger` and `sites` say of that capture alone.
fn compares(diff: &Value, nth: usize, capture: &str) -> Result<()> {
    let bytes = |row: &Value| number(&row["sums"][nth], "bytes");
    let ledger = ledger_of(capture)?;
    let parts = list(&ledger["ledger"], "parts")?.iter();
    let parts: Vec<u64> = parts.map(|p| number(p, "bytes")).collect::<Result<_>>()?;
    let compared = list(diff, "ledger")?;
    ensure!(!compared.is_empty(), "{diff:#}");
    for row in compared {
        // What is absent from one of the ledgers is 0 there; what is the same in both is not in the table.
        let bytes = bytes(row)?;
        ensure!(bytes == 0 || parts.contains(&bytes), "{row}: {parts:?}");
    }

    let sites = leakscope(["sites", capture, "--json"])?.document("sites")?;
    let mut sums: BTreeMap<String, u64> = BTreeMap::new();
    for site in list(&sites, "sites")? {
        let place = &site["place"];
        let function = place["function"].as_str().context("a function")?;
        let name = format!("{function}:{}", number(place, "line")?);
        *sums.entry(name).or_default() += number(&site["live"], "bytes")?;
    }
    ensure!(number(&sites, "site_count")? == list(&sites, "sites")?.len() as u64);
    for row in list(diff, "sites")? {
        let name = row["name"].as_str().context("a name")?;
        let of_capture = sums.get(name).copied().unwrap_or_default();
        ensure!(bytes(row)? == of_capture, "{row} is not {of_capture}");
    }
    Ok(())
}

#[test]
fn suspects_say_where_their_objects_were_allocated() -> Result<()> {
    for version in versions()? {
        let running = spawn(
            "sites",
            &version,
            &BuildFlags::default(),
            &[("GODEBUG", "memprofilerate=1")],
        )?;
        let pid = running.pid().to_string();
        let document = leakscope(["analyze", &pid, "--json"])?.document("analyze")?;
        let suspects = list(&document, "suspects")?.iter();
        let buffers =
            suspects.filter(|s| s["holder"].as_str().is_some_and(|h| h.contains("buffers")));
        let buffers = buffers.into_iter().next().context("no buffers")?;
        let site = list(buffers, "sites")?.first().context("no site")?;
        ensure!(
            site["place"]["function"] == "main.addBuffer"
                && site["held"]["objects"] == running.truth()["alive"][1]["objects"]
                && site["held"]["error"] == 0.0,
            "{buffers:#}"
        );
        let stack = list(site, "stack")?;
        let caller = &stack[usize::try_from(number(site, "caller")?)?];
        ensure!(caller["function"] == "main.keep", "{site:#}");
        // Nobody holds these alone: they are told together, and so is who allocated them.
        let scattered = list(&document, "suspects")?.iter();
        let mut scattered = scattered.filter(|s| s["kind"] == "many");
        let shared = &running.truth()["alive"][6];
        let told = scattered.any(|s| {
            let site = &s["sites"][0];
            site["place"]["function"] == "main.addShared"
                && site["held"]["objects"] == shared["objects"]
        });
        ensure!(told, "{document:#}");
        let page = leakscope(["analyze", &pid])?;
        let text = page.page()?;
        ensure!(
            text.contains("allocated by main.addBuffer kept.go:")
                && text.contains("called by main.keep kept.go:"),
            "{text}"
        );
        let unlinked = spawn("held", &version, &BuildFlags::default(), &[])?;
        let without = leakscope(["sites", &unlinked.pid().to_string()])?;
        ensure!(
            without.page()?.contains("keeps no memory profile"),
            "{}",
            without.out
        );
    }
    Ok(())
}
