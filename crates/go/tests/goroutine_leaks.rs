//! Leaked goroutines: verdicts against what programs know of themselves, and against the runtime's own profile.

mod maps_support;

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use leakscope_go::goroutine_leaks::Verdict;
use leakscope_go::heap::GoHeap;
use leakscope_testkit::{Build, BuildFlags, Fixture, Medium, Running, builds, gcore, versions};
use maps_support::Case;
use serde_json::Value;

/// Scenarios that the fixture must have at least, of goroutines that are leaked and of others.
const SCENARIOS: usize = 40;

/// What was found, by function: one word for each goroutine that has the function on its stack, in alphabetical order.
type Found = BTreeMap<String, Vec<String>>;

/// Names as the runtime prints them: `leakGeneric[go.shape.float64]` is `leakGeneric[...]`.
fn printed(name: &str) -> String {
    match (name.find('['), name.rfind(']')) {
        (Some(from), Some(to)) if from < to => format!("{}[...]{}", &name[..from], &name[to + 1..]),
        _ => name.to_owned(),
    }
}

/// Every goroutine under each function of package main on its stack.
fn found(case: Case) -> Result<Found> {
    let program = std::sync::Arc::clone(&case.program);
    let (heap, _) = case.heap()?;
    let GoHeap {
        goroutines, leaks, ..
    } = heap;
    let mut found = Found::new();
    for (index, goroutine) in (0u32..).zip(goroutines.iter()) {
        let mut names: Vec<String> = (goroutines.frames(goroutine).iter())
            .filter_map(|f| program.functions().find(f.lookup_pc()))
            .map(|f| printed(f.name()))
            .filter(|name| name.starts_with("main."))
            .collect();
        names.push("all".to_owned());
        names.sort();
        names.dedup();
        for name in names {
            let verdict = format!("{:?}", leaks.verdict(index));
            found.entry(name).or_default().push(verdict);
        }
        let waits = leaks.awaited(index).iter();
        let broken = waits.filter(|a| a.object.is_some_and(|o| o.0 >= heap.graph.objects()));
        ensure!(broken.count() == 0, "goroutine {}", goroutine.id);
    }
    for verdicts in found.values_mut() {
        verdicts.sort();
    }
    Ok(found)
}

fn scenarios(truth: &Value) -> Result<Vec<(String, usize, bool)>> {
    let list = truth["scenarios"].as_array().context("scenarios")?;
    list.iter()
        .map(|s| {
            let function = s["function"].as_str().context("function")?;
            let count = s["count"].as_u64().context("count")?;
            let leaked = s["leaked"].as_bool().context("leaked")?;
            Ok((function.to_owned(), count as usize, leaked))
        })
        .collect()
}

/// Every scenario is as the program says, and nothing else is leaked.
fn equal_to_truth(found: &Found, truth: &Value) -> Result<()> {
    let scenarios = scenarios(truth)?;
    let of = |want| {
        scenarios
            .iter()
            .filter(move |(_, _, leaked)| *leaked == want)
    };
    ensure!(of(true).count() >= SCENARIOS && of(false).count() >= SCENARIOS);
    let mut wrong = Vec::new();
    let mut leaked_in_all = 0;
    for (function, count, leaked) in &scenarios {
        let want = if *leaked {
            Verdict::Leaked
        } else {
            Verdict::NotLeaked
        };
        let want = vec![format!("{want:?}"); *count];
        let got = found.get(function);
        if got != Some(&want) {
            wrong.push(format!("{function}: {want:?}, found {got:?}"));
        }
        leaked_in_all += if *leaked { *count } else { 0 };
    }
    ensure!(wrong.is_empty(), "{wrong:#?}");
    let all = found.get("all").context("no goroutines")?;
    let count = |verdict: Verdict| all.iter().filter(|v| **v == format!("{verdict:?}")).count();
    ensure!(
        count(Verdict::Leaked) == leaked_in_all
            && count(Verdict::NotLeaked) == all.len() - leaked_in_all,
        "{leaked_in_all} leaked, {all:?}"
    );
    Ok(())
}

/// Asks the program for the runtime's own profile, if it has one, and compares: as many goroutines with each function.
fn equal_to_profile(found: &Found, running: &mut Running) -> Result<bool> {
    let answer = running.ask("profile")?;
    let Some(functions) = answer["profile"]["functions"].as_object() else {
        return Ok(false);
    };
    let leaked = |verdicts: &Vec<String>| verdicts.iter().filter(|v| *v == "Leaked").count() as u64;
    // The runtime leaves out wrappers made for `go` statements, and prints a function that calls itself once for each call.
    let compared = |name: &str| name.starts_with("main.") && !name.contains("gowrap");
    let ours: BTreeMap<&str, u64> = (found.iter())
        .filter(|(name, verdicts)| compared(name) && leaked(verdicts) > 0)
        .map(|(name, verdicts)| (name.as_str(), leaked(verdicts)))
        .collect();
    let theirs: BTreeMap<&str, u64> = (functions.iter())
        .filter(|(name, _)| compared(name))
        .map(|(name, count)| (name.as_str(), count.as_u64().unwrap_or(0)))
        .map(|(name, count)| (name, if name == "main.leakDeep" { 1 } else { count }))
        .collect();
    ensure!(ours == theirs, "{ours:#?}\n{theirs:#?}");
    let total = found.get("all").map_or(0, leaked);
    ensure!(
        answer["profile"]["total"].as_u64() == Some(total),
        "{total} leaked, {answer}"
    );
    Ok(true)
}

fn check(build: &Build) -> Result<()> {
    let fixture = build.fixture("leaks")?;
    let mut running = fixture.spawn(&[])?;
    let truth = running.truth().clone();
    let what = "leaked goroutines";
    let live = build.record(
        Medium::Live,
        what,
        Case::live(running.pid(), truth.clone()).and_then(|case| {
            let found = found(case)?;
            equal_to_truth(&found, &truth)?;
            Ok(found)
        }),
    )?;
    if let Some(core) = gcore(running.pid())? {
        let core = Case::of_core(core.path(), fixture.path(), truth.clone()).and_then(|case| {
            ensure!(found(case)? == live, "live and core differ");
            Ok(())
        });
        build.record(Medium::Core, what, core)?;
    }
    // The profile leaves its own mark on goroutines, which must not change the answer.
    if equal_to_profile(&live, &mut running).context("before the profile")? {
        let after = found(Case::live(running.pid(), truth)?)?;
        ensure!(after == live, "before and after the profile differ");
        equal_to_profile(&after, &mut running).context("after the profile")?;
    }
    Ok(())
}

#[test]
fn verdicts_are_those_of_the_program_and_of_the_runtime_itself() -> Result<()> {
    for build in builds()? {
        check(&build).with_context(|| build.to_string())?;
    }
    Ok(())
}

#[test]
fn what_a_running_goroutine_holds_is_not_called_leaked() -> Result<()> {
    for version in versions()? {
        let fixture = Fixture::build("leaks", &version, &BuildFlags::default())?;
        let running = fixture.spawn(&["-spin"])?;
        for _ in 0..3 {
            let found = found(Case::live(running.pid(), running.truth().clone())?)?;
            for (function, count, leaked) in scenarios(running.truth())? {
                let verdicts = found.get(&function).map_or(&[][..], Vec::as_slice);
                let wrong = |v: &&String| (*v == "Leaked") != leaked;
                ensure!(
                    verdicts.len() == count && verdicts.iter().filter(wrong).count() == 0,
                    "go{version}, {function}: leaked {leaked}, found {verdicts:?}"
                );
            }
        }
    }
    Ok(())
}

/// Stops of the busy program per version.
const STOPS: u32 = 25;

#[test]
fn no_goroutine_of_a_busy_program_is_called_leaked() -> Result<()> {
    for version in versions()? {
        let fixture = Fixture::build("busy", &version, &BuildFlags::default())?;
        let running = fixture.spawn(&["-pace", "50us"])?;
        for stop in 0..STOPS {
            std::thread::sleep(std::time::Duration::from_millis(u64::from(stop * 7 % 23)));
            let case = Case::live(running.pid(), Value::Null)?;
            let program = std::sync::Arc::clone(&case.program);
            let (heap, _) = case.heap()?;
            for (index, goroutine) in (0u32..).zip(heap.goroutines.iter()) {
                let frames = heap.goroutines.frames(goroutine).iter();
                let names: Vec<&str> = frames
                    .filter_map(|f| program.functions().find(f.lookup_pc()))
                    .map(|f| f.name())
                    .collect();
                ensure!(
                    heap.leaks.verdict(index) != Verdict::Leaked,
                    "go{version}, stop {stop}: {names:?} waits for {:?}",
                    heap.leaks.awaited(index)
                );
            }
        }
    }
    Ok(())
}

#[test]
fn a_stripped_program_gives_the_same_verdicts() -> Result<()> {
    for version in versions()? {
        let flags = BuildFlags {
            ldflags: "-s -w".to_owned(),
            ..BuildFlags::default()
        };
        let fixture = Fixture::build("leaks", &version, &flags)?;
        let running = fixture.spawn(&[])?;
        let truth = running.truth().clone();
        let found = found(Case::live(running.pid(), truth.clone())?)?;
        equal_to_truth(&found, &truth).with_context(|| format!("go{version}"))?;
    }
    Ok(())
}
