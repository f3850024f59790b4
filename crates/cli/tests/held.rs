//! What holds an object, to the letter: entries of maps by their keys where asked for, local variables of goroutines, and
//! what types, packages, maps and variables alone hold.

mod support;

use std::path::Path;

use anyhow::{Context, Result, ensure};
use leakscope_testkit::{BuildFlags, Fixture, Running, versions};
use serde_json::Value;
use support::{leakscope, untouched};

fn list<'a>(document: &'a Value, field: &str) -> Result<&'a Vec<Value>> {
    document[field]
        .as_array()
        .with_context(|| format!("no list {field}"))
}

fn number(document: &Value, field: &str) -> Result<u64> {
    document[field]
        .as_u64()
        .with_context(|| format!("no number {field} in {document}"))
}

fn text<'a>(document: &'a Value, field: &str) -> Result<&'a str> {
    document[field]
        .as_str()
        .with_context(|| format!("no text {field} in {document}"))
}

fn each(check: impl Fn(&Running) -> Result<()>) -> Result<()> {
    for version in versions()? {
        let fixture = Fixture::build("held", &version, &BuildFlags::default())?;
        let running = fixture.spawn(&[])?;
        check(&running).with_context(|| format!("go{version}"))?;
        untouched(running.pid());
    }
    Ok(())
}

/// The first way to an object, as JSON and on a page.
fn way(target: &str, at: &str, options: &[&str]) -> Result<(String, String)> {
    let ask = |more: &[&str]| leakscope([&["why", target, at], options, more].concat());
    let document = ask(&["--json"])?.document("why")?;
    let first = list(&document, "paths")?.first().context("no way")?;
    Ok((
        text(first, "path")?.to_owned(),
        ask(&[])?.page()?.to_owned(),
    ))
}

#[test]
fn keys_of_maps_are_told_only_where_values_are_asked_for() -> Result<()> {
    each(|running| {
        let (pid, truth) = (running.pid().to_string(), running.truth());
        let secret = text(truth, "secret")?;
        let folder = tempfile::tempdir()?;
        let path = |name: &str| folder.path().join(name).display().to_string();
        let (with, without) = (path("with.lks"), path("without.lks"));
        leakscope(["snap", &pid, "-o", &with])?.page()?;
        leakscope(["snap", &pid, "-o", &without, "--no-values"])?.page()?;
        let held = list(truth, "held")?;
        // One of each kind of map, and every string.
        let mut seen = std::collections::BTreeSet::new();
        for object in held {
            let (at, plain, full) = (
                text(object, "address")?,
                text(object, "plain")?,
                text(object, "full")?,
            );
            if !seen.insert(plain) && !plain.starts_with("main.byName[...]") {
                continue;
            }
            let (told, _) = way(&with, at, &["--show-values"])?;
            ensure!(told == full, "{told} is not {full}");
            if plain.starts_with("main.list[") && seen.len() > 12 {
                break;
            }
        }
        let object = held
            .iter()
            .find(|o| o["full"].as_str().is_some_and(|f| f.contains(secret)));
        let object = object.context("the secret")?;
        let (at, plain, full) = (
            text(object, "address")?,
            text(object, "plain")?,
            text(object, "full")?,
        );
        for target in [&pid, &with] {
            let (told, page) = way(target, at, &["--show-values"])?;
            ensure!(told == full && page.contains(full), "{target}: {page}");
        }
        for target in [&pid, &with, &without] {
            let (told, page) = way(target, at, &[])?;
            ensure!(told == plain && !page.contains(secret), "{target}: {page}");
        }
        leakscope(["why", &without, at, "--show-values"])?.failed_with("snapshot.needs-values");
        // Of many objects one is told as an example.
        let merged = |options: &[&str]| {
            leakscope([&["why", &pid, "main.session", "--json", "--all"], options].concat())?
                .document("why")
        };
        let hidden = merged(&[])?;
        let shown = merged(&["--show-values"])?;
        for (hidden, shown) in list(&hidden, "paths")?.iter().zip(list(&shown, "paths")?) {
            ensure!(hidden["example_path"].is_null(), "{hidden}");
            ensure!(hidden["path"] == shown["path"], "{hidden}\n{shown}");
            ensure!(hidden["fingerprint"] == shown["fingerprint"], "{hidden}");
            let known = held.iter().any(|o| o["full"] == shown["example_path"]);
            ensure!(known, "{shown}");
        }
        for command in ["analyze", "histo", "maps", "goroutines"] {
            let run = leakscope([command, &pid, "--json", "--all"])?;
            ensure!(!run.out.contains(secret), "{command} tells a value");
        }
        Ok(())
    })
}

#[test]
fn ways_from_goroutines_name_the_function_the_line_and_the_variable() -> Result<()> {
    let mut prints: Vec<(String, String)> = Vec::new();
    for version in versions()? {
        let fixture = Fixture::build("held", &version, &BuildFlags::default())?;
        let running = fixture.spawn(&[])?;
        let pid = running.pid().to_string();
        for goroutine in list(running.truth(), "goroutines")? {
            let (function, at) = (text(goroutine, "function")?, text(goroutine, "address")?);
            let variable = text(goroutine, "variable")?;
            let document = leakscope(["why", &pid, at, "--json"])?.document("why")?;
            let first = &list(&document, "paths")?[0];
            let path = text(first, "path")?;
            let ends = format!(" ({function}:{}) local {variable}", goroutine["line"]);
            let id = path
                .strip_prefix("goroutine ")
                .and_then(|p| p.strip_suffix(&ends));
            ensure!(
                id.is_some_and(|id| id.parse::<u64>().is_ok()),
                "go{version}: {path} does not end with {ends}"
            );
            ensure!(first["certain"] == true, "go{version}: {first}");
            // What the half of a variable is, not all releases tell.
            if variable.contains('.') {
                let print = text(first, "fingerprint")?;
                prints.push((function.to_owned(), print.to_owned()));
            }
        }
        untouched(running.pid());
    }
    prints.sort();
    prints.dedup();
    // Neither numbers of goroutines nor lines nor releases are part of them.
    ensure!(prints.len() == 2, "{prints:?}");
    Ok(())
}

#[test]
fn places_that_are_alike_are_one_and_what_each_thing_retains_adds_up() -> Result<()> {
    each(|running| {
        let (pid, truth) = (running.pid().to_string(), running.truth());
        let (shards, entries) = (number(truth, "shards")?, number(truth, "entries")?);
        let payload = shards * entries * number(truth, "entry_bytes")?;
        let analyze = leakscope(["analyze", &pid, "--json", "--all"])?.document("analyze")?;
        let suspects = list(&analyze, "suspects")?;
        let first = suspects.first().context("no suspect")?;
        ensure!(
            first["holder"] == "main.cache.shards[...].entries",
            "{first}"
        );
        ensure!(
            first["places"] == shards && first["verdict"] == "suspect",
            "{first}"
        );
        ensure!(first["entry_count"] == shards * entries, "{first}");
        ensure!(number(first, "accumulated_bytes")? > payload, "{first}");
        let mut prints: Vec<&Value> = suspects.iter().map(|s| &s["fingerprint"]).collect();
        prints.sort_by_key(|p| p.to_string());
        prints.dedup();
        ensure!(prints.len() == suspects.len(), "{suspects:#?}");

        let histo = leakscope(["histo", &pid, "--json", "--retained"])?.document("histo")?;
        let of = |rows: &str, field: &str, name: &str| -> Result<Value> {
            let found = list(&histo, rows)?.iter().find(|row| row[field] == name);
            Ok(found
                .with_context(|| format!("no {name} in {rows}"))?
                .clone())
        };
        let cache = of("roots", "name", "main.cache")?;
        ensure!(
            cache["kind"] == "variable" && number(&cache, "retained_bytes")? > payload,
            "{cache}"
        );
        let held = of("types", "type", "main.entry")?;
        ensure!(
            number(&held, "retained_bytes")? == payload && held["bytes"] == payload,
            "{held}"
        );
        let shard = of("types", "type", "main.shard")?;
        // All of the variable's, which lies in no object itself.
        ensure!(
            shard["retained_bytes"] == cache["retained_bytes"],
            "{shard} {cache}"
        );
        let waiting = of("roots", "name", "main.byValue")?;
        ensure!(
            waiting["kind"] == "goroutines" && waiting["count"] == 1,
            "{waiting}"
        );
        let package = of("packages", "package", "main")?;
        ensure!(
            number(&package, "retained_bytes")? >= number(&shard, "retained_bytes")?,
            "{package}"
        );
        let all = list(&histo, "roots")?
            .iter()
            .map(|row| number(row, "retained_bytes"));
        let all: u64 = all.sum::<Result<u64>>()?;
        let reachable = number(&histo["reachable"], "bytes")?;
        ensure!(
            all <= reachable && all * 10 >= reachable * 9,
            "{all} of {reachable}"
        );
        let cheap = leakscope(["histo", &pid, "--json"])?.document("histo")?;
        ensure!(list(&cheap, "roots")?.is_empty() && cheap["types"][0]["retained_bytes"].is_null());

        let maps = leakscope(["maps", &pid, "--json", "--retained"])?.document("maps")?;
        let of_shards: Vec<u64> = list(&maps, "maps")?
            .iter()
            .filter(|m| {
                m["owner"]
                    .as_str()
                    .is_some_and(|o| o.starts_with("main.cache.shards["))
            })
            .map(|m| number(m, "retained_bytes"))
            .collect::<Result<_>>()?;
        ensure!(of_shards.len() as u64 == shards, "{of_shards:?}");
        let least = payload / shards;
        ensure!(
            of_shards.iter().all(|b| (least..least * 2).contains(b)),
            "{of_shards:?}"
        );
        let sum: u64 = of_shards.iter().sum();
        ensure!(first["retained_bytes"] == sum, "{first}: {sum}");
        for arguments in [
            vec!["histo", "--retained"],
            vec!["maps", "--retained"],
            vec!["analyze"],
        ] {
            let page = leakscope([&arguments[..], &[pid.as_str()]].concat())?;
            ensure!(page.page()?.contains("RETAINED"), "{}", page.out);
        }
        Ok(())
    })
}

#[test]
fn the_overview_of_a_service_fits_one_screen() -> Result<()> {
    const LINES: usize = 46;
    let version = versions()?.pop().context("a version")?;
    let running = Fixture::build("held", &version, &BuildFlags::default())?.spawn(&[])?;
    let pid = running.pid().to_string();
    let page = leakscope(["analyze", &pid])?;
    let lines = page.page()?.lines().count();
    ensure!(lines <= LINES, "{lines} lines:\n{}", page.out);
    let all = leakscope(["analyze", &pid, "--all"])?;
    ensure!(all.page()?.lines().count() > lines, "{}", all.out);
    ensure!(Path::new(&format!("/proc/{pid}")).exists());
    Ok(())
}
