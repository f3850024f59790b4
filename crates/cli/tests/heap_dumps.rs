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

/// The place among `suspects` whose holder ends like `holder`, and its number.
fn place<'a>(suspects: &'a [Value], holder: &Value) -> Result<(usize, &'a Value)> {
    let field = holder.as_str().and_then(|h| h.rsplit('.').next());
    let field = format!(".{}", field.context("field")?);
    let is_it = |row: &&Value| row["holder"].as_str().is_some_and(|h| h.ends_with(&field));
    let found = suspects.iter().enumerate().find(|(_, row)| is_it(row));
    found.with_context(|| format!("no {holder} in {suspects:#?}"))
}

#[test]
fn leaks_are_named_by_their_field_giants_are_not_accused_and_no_class_loader_is() -> Result<()> {
    for layout in [&JVM_LAYOUTS[0], &JVM_LAYOUTS[JVM_LAYOUTS.len() - 2]] {
        let dump = JvmDump::take(layout, "Leaks", &[])?;
        let path = path(&dump)?;
        let analyze = leakscope(["analyze", &path, "--all", "--json"])?.document("analyze")?;
        let suspects = rows(&analyze, "suspects")?;
        let holders: Vec<&str> = suspects
            .iter()
            .filter_map(|s| s["holder"].as_str())
            .collect();
        let mut last_suspect = 0;
        for leak in rows(dump.truth(), "leaks")? {
            let (holder, class) = (&leak["holder"], &leak["class"]);
            let (at, row) = place(suspects, holder)?;
            ensure!(
                row["verdict"] == "suspect" && row["reason"].is_string(),
                "{}: {row:#}",
                layout.name
            );
            last_suspect = last_suspect.max(at);
            let field = holder.as_str().and_then(|h| h.rsplit('.').next());
            let field = field.context("field")?;
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
        for giant in rows(dump.truth(), "healthy")? {
            let (at, row) = place(suspects, &giant["holder"])?;
            ensure!(
                row["verdict"] == "big" && row["reason"].is_string() && at > last_suspect,
                "{}: {row:#}",
                layout.name
            );
        }
        ensure!(
            !holders.iter().any(|h| h.contains("ClassLoader")),
            "{holders:#?}"
        );
        let page = leakscope(["analyze", &path])?;
        let page = page.page()?;
        ensure!(
            page.contains("nothing in it bounds it")
                && page.contains("a cache in the order of use"),
            "{page}"
        );
        let why = leakscope(["why", &path, "com.acme.Session", "--json"])?.document("why")?;
        ensure!(
            why["paths"][0]["path"]
                == "static com.acme.SessionCache.CACHE -> ConcurrentHashMap[...] -> Session",
            "{why:#}"
        );
    }
    Ok(())
}

/// What a thread is to hold, and no more than a little else.
fn ensure_holds(row: &Value, class: &Value, payload: &Value) -> Result<()> {
    let least = payload.as_u64().context("payload")?;
    let held = row["retained_bytes"].as_u64().context("retained")?;
    ensure!(
        row["type"] == *class && (least..least + 256).contains(&held),
        "{class} of {payload}: {row:#}"
    );
    Ok(())
}

#[test]
fn threads_are_told_with_what_their_frames_and_thread_locals_hold() -> Result<()> {
    const WAITING: u64 = 3;
    for layout in [&JVM_LAYOUTS[0], &JVM_LAYOUTS[JVM_LAYOUTS.len() - 2]] {
        let dump = JvmDump::take(layout, "Threads", &[&format!("-virtual={WAITING}")])?;
        let path = path(&dump)?;
        let truth = dump.truth();
        let document = leakscope(["threads", &path, "--json"])?.document("threads")?;
        let threads = rows(&document, "threads")?;
        for planted in rows(truth, "threads")? {
            let thread = threads.iter().find(|row| row["name"] == planted["name"]);
            let thread = thread.with_context(|| format!("no {planted} in {threads:#?}"))?;
            ensure!(
                thread["state"] == planted["state"] && thread["kind"] == "platform",
                "{thread:#}"
            );
            let frame = |method: &Value| {
                let mut frames = thread["stack"].as_array().into_iter().flatten();
                let frame = frames.find(|frame| frame["method"] == *method);
                frame.with_context(|| format!("no {method} in {thread:#}"))
            };
            let inner = frame(&planted["method"])?;
            ensure!(
                inner["file"] == "Threads.java" && inner["line"].as_u64() > Some(0),
                "{inner:#}"
            );
            let local = &inner["locals"][0];
            ensure_holds(local, &planted["class"], &planted["payload_bytes"])?;
            ensure!(local["only_here"] == true, "{local:#}");
            let outer = frame(&planted["outer_method"])?;
            let outer_locals = rows(outer, "locals")?;
            let of_class = |only_here: bool| {
                let mut locals = outer_locals.iter();
                let local = locals
                    .find(|l| l["only_here"] == only_here && l["type"] == planted["outer_class"]);
                local.with_context(|| format!("{outer:#}"))
            };
            ensure_holds(
                of_class(true)?,
                &planted["outer_class"],
                &planted["outer_payload_bytes"],
            )?;
            ensure_holds(
                of_class(false)?,
                &planted["shared_class"],
                &planted["shared_payload_bytes"],
            )?;
            let thread_local = &thread["thread_locals"][0];
            ensure!(
                thread_local["name"] == planted["thread_local"],
                "{thread:#}"
            );
            ensure_holds(
                &thread_local["value"],
                &planted["thread_local_class"],
                &planted["thread_local_payload_bytes"],
            )?;
            let parts = [
                "payload_bytes",
                "outer_payload_bytes",
                "thread_local_payload_bytes",
            ];
            let least: u64 = parts
                .iter()
                .filter_map(|part| planted[*part].as_u64())
                .sum();
            let retained = thread["retained_bytes"].as_u64().context("retained")?;
            ensure!((least..least + 4096).contains(&retained), "{thread:#}");
        }
        let folder = tempfile::tempdir()?;
        let packed = folder.path().join("heap.hprof.zst");
        std::fs::write(
            &packed,
            zstd::encode_all(&std::fs::read(dump.path())?[..], 1)?,
        )?;
        let packed = packed.to_str().context("a path")?;
        let of_packed = leakscope(["threads", packed, "--json"])?.document("threads")?;
        ensure!(of_packed["threads"] == document["threads"], "{of_packed:#}");
        let started = truth["virtual_threads"]
            .as_u64()
            .context("virtual threads")?;
        ensure!(started == if layout.jdk < 21 { 0 } else { WAITING + 1 });
        ensure!(document["virtual_count"] == started, "{document:#}");
        ensure!(
            document["mounted_count"] == u64::from(started > 0),
            "{document:#}"
        );
        let payload = &truth["virtual_payload_bytes"];
        let virtual_ = threads.iter().filter(|row| row["kind"] != "platform");
        for thread in virtual_ {
            // JVMs since 22 write their stacks, mounted or not.
            let mut frames = thread["stack"].as_array().into_iter().flatten();
            let frame = frames.find(|f| f["method"] == "com.acme.Threads.waiting");
            let frame = frame.with_context(|| format!("{thread:#}"))?;
            ensure_holds(&frame["locals"][0], &"byte[]".into(), payload)?;
            let mounted = thread["kind"] == "mounted";
            ensure!(thread["carrier"].is_string() == mounted, "{thread:#}");
        }
        let page = leakscope(["threads", &path])?;
        let page = page.page()?;
        ensure!(
            page.contains("\"parked\"") && page.contains("com.acme.Threads.inner(Threads.java:"),
            "{page}"
        );
    }
    Ok(())
}

#[test]
fn packed_dumps_say_the_same_profiles_are_made_and_nothing_speaks_of_go() -> Result<()> {
    let dump = JvmDump::take(&JVM_LAYOUTS[0], "Layouts", &["-count=20"])?;
    let plain = path(&dump)?;
    let bytes = std::fs::read(dump.path())?;
    let folder = tempfile::tempdir()?;
    let types = |path: &str| -> Result<Value> {
        let histo = leakscope(["histo", path, "--json"])?.document("histo")?;
        Ok(histo["types"].clone())
    };
    let expected = types(&plain)?;
    let packed = folder.path().join("heap.hprof.zst");
    std::fs::write(&packed, zstd::encode_all(&bytes[..], 1)?)?;
    ensure!(types(packed.to_str().context("a path")?)? == expected);

    let profile = folder.path().join("heap.pb.gz");
    let to = profile.to_str().context("a path")?;
    let run = leakscope(["analyze", &plain, "-o", to])?;
    ensure!(run.status == Some(0), "{}", run.err);
    ensure!(std::fs::read(&profile)?.starts_with(&[0x1f, 0x8b]));

    let diff = leakscope(["diff", &plain, &plain])?;
    let page = diff.page()?.to_lowercase();
    ensure!(!page.contains("goroutine"), "{page}");

    let garbage = folder.path().join("garbage.hprof");
    for noise in [&b""[..], b"no dump at all", &[0xff; 5000]] {
        std::fs::write(&garbage, noise)?;
        let run = leakscope(["analyze", garbage.to_str().context("a path")?])?;
        ensure!(
            run.status == Some(2) && run.err.contains("error[dump."),
            "{}",
            run.err
        );
        ensure!(
            run.err.contains("GC.heap_dump") && !run.err.contains("gcore"),
            "{}",
            run.err
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
