//! Heap dumps of real JVMs, against what the JVM itself counts and what the programs say they leak.

mod support;

use anyhow::{Context, Result, ensure};
use leakscope_testkit::{JVM_LAYOUTS, JvmDump};
use serde_json::Value;
use support::leakscope;

fn path(dump: &JvmDump) -> Result<String> {
    Ok(dump.path().to_str().context("a path")?.to_owned())
}

fn rows<'a>(document: &'a Value, list: &str) -> Result<&'a Vec<Value>> {
    document[list].as_array().with_context(|| list.to_owned())
}

#[test]
fn classes_have_the_counts_and_bytes_that_the_jvm_counts_on_every_layout() -> Result<()> {
    for layout in &JVM_LAYOUTS {
        let dump = JvmDump::take(layout, "Layouts", &["-count=20"])?;
        let histo = leakscope(["histo", &path(&dump)?, "--all", "--json"])?.document("histo")?;
        let all = rows(&histo, "types")?
            .iter()
            .chain(rows(&histo, "unreachable")?);
        let all: Vec<&Value> = all.collect();
        let mut compared = 0;
        for (name, told) in dump.histogram() {
            // Names of hidden classes hold an address, which is left out.
            if !name.starts_with("com.acme.") || name.contains('/') {
                continue;
            }
            let of_class = all.iter().filter(|row| row["type"] == name.as_str());
            let found = of_class.fold((0, 0), |(count, bytes), row| {
                let number = |field: &str| row[field].as_u64().unwrap_or(0);
                (count + number("count"), bytes + number("bytes"))
            });
            ensure!(
                found == (told.count, told.bytes),
                "{}: {name}: {found:?} found, {told:?} told",
                layout.name
            );
            compared += 1;
        }
        ensure!(compared > 10, "{}: {compared} classes", layout.name);
    }
    Ok(())
}

#[test]
fn leaks_are_named_by_their_field_and_no_class_loader_is_blamed() -> Result<()> {
    for layout in [&JVM_LAYOUTS[0], &JVM_LAYOUTS[JVM_LAYOUTS.len() - 2]] {
        let dump = JvmDump::take(layout, "Leaks", &[])?;
        let path = path(&dump)?;
        let analyze = leakscope(["analyze", &path, "--all", "--json"])?.document("analyze")?;
        let suspects = rows(&analyze, "suspects")?;
        let holders: Vec<&str> = suspects
            .iter()
            .filter_map(|s| s["holder"].as_str())
            .collect();
        for leak in rows(dump.truth(), "leaks")? {
            let (holder, class) = (&leak["holder"], &leak["class"]);
            let holder = holder.as_str().context("holder")?;
            let field = holder.rsplit('.').next().context("field")?;
            ensure!(
                holders.iter().any(|h| h.ends_with(field)),
                "{}: {holder} is not in {holders:#?}",
                layout.name
            );
            let class = class.as_str().context("class")?;
            let why = leakscope(["why", &path, class, "--json"])?.document("why")?;
            ensure!(
                rows(&why, "paths")?
                    .iter()
                    .any(|p| p.to_string().contains(field)),
                "{}: {class}: {why:#}",
                layout.name
            );
        }
        ensure!(
            !holders.iter().any(|h| h.contains("ClassLoader")),
            "{holders:#?}"
        );
    }
    Ok(())
}

#[test]
fn a_dump_that_ends_early_is_read_as_far_as_it_goes_and_garbage_is_refused() -> Result<()> {
    let dump = JvmDump::take(&JVM_LAYOUTS[0], "Layouts", &["-count=20"])?;
    let bytes = std::fs::read(dump.path())?;
    let folder = tempfile::tempdir()?;
    for share in [3, 50, 97] {
        let cut = folder.path().join(format!("{share}.hprof"));
        std::fs::write(&cut, &bytes[..bytes.len() / 100 * share])?;
        let run = leakscope(["histo", cut.to_str().context("a path")?, "--json"])?;
        ensure!(!run.err.contains("panicked"), "{}", run.err);
        if share > 3 {
            let histo = run.document("histo")?;
            ensure!(
                !rows(&histo["coverage"], "gaps")?.is_empty(),
                "{share} %: no gap"
            );
            ensure!(!rows(&histo, "types")?.is_empty() || !rows(&histo, "unreachable")?.is_empty());
        }
    }
    let garbage = folder.path().join("garbage.hprof");
    let mut noise = bytes[..40].to_vec();
    noise.extend((0..100_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8));
    std::fs::write(&garbage, noise)?;
    let run = leakscope(["analyze", garbage.to_str().context("a path")?])?;
    ensure!(
        !run.err.contains("panicked") && run.status != Some(101),
        "{}",
        run.err
    );
    Ok(())
}
