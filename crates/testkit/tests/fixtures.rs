//! The fixtures build, run and agree with themselves under every Go version tests run.

use anyhow::Result;
use leakscope_testkit::{
    BuildFlags, Fixture, alive, gcore, kernel_core, send_signal, send_signals, skip, versions,
};

fn build(name: &str, version: &str) -> Result<Fixture> {
    Fixture::build(name, version, &BuildFlags::default())
}

#[test]
fn exact_states_a_heap_that_does_not_move_while_it_is_parked() -> Result<()> {
    for version in versions()? {
        for mode in ["off", "gc", "unswept", "marking"] {
            let mut running = build("exact", &version)?.spawn(&["-mode", mode])?;
            assert_eq!(running.truth()["go"], format!("go{version}"));
            let parked = running.truth().clone();
            let checked = running.ask("check")?;
            for fact in ["heap_objects", "heap_alloc", "mallocs", "frees"] {
                assert_eq!(
                    parked[fact], checked[fact],
                    "{fact}, go{version}, mode {mode}"
                );
            }
            let finished = running.ask("finish")?;
            if mode == "unswept" || mode == "marking" {
                assert!(
                    finished["heap_objects"].as_u64() < parked["heap_objects"].as_u64(),
                    "garbage was swept"
                );
            }
        }
    }
    Ok(())
}

#[test]
fn big_scales_and_states_what_it_holds() -> Result<()> {
    for version in versions()? {
        let mut running = build("big", &version)?.spawn(&["-objects", "60000", "-heartbeat"])?;
        let objects = running.fact("heap_objects")?;
        assert!((50_000..80_000).contains(&objects), "{objects}");
        assert!(running.ask("gap")?["largest_gap_us"].as_u64() > Some(500));
        assert!(running.ask("memstats")?["heap_objects"].as_u64() >= Some(objects / 2));
    }
    Ok(())
}

#[test]
fn heartbeat_counts_every_signal_and_finds_itself_sound() -> Result<()> {
    for version in versions()? {
        let mut running = build("heartbeat", &version)?.spawn(&[])?;
        send_signals(running.pid(), 41, 500)?;
        send_signal(running.pid(), 10)?;
        std::thread::sleep(std::time::Duration::from_millis(800));
        let report = running.ask("report")?;
        assert_eq!(report["signals"]["41"], 500);
        assert_eq!(report["signals"]["usr1"], 1);
        assert_eq!(report["timers"]["missing"], 0);
        assert_eq!(report["data"]["corrupted"], 0);
        assert_eq!(report["children"]["failed"], 0);
        for (part, fact) in [
            ("collections", "done"),
            ("children", "reaped"),
            ("data", "checks"),
        ] {
            assert!(
                report[part][fact].as_u64() > Some(0),
                "{part} {fact}: {report}"
            );
        }
        assert!(report["threads_born"].as_u64() > Some(0));
    }
    Ok(())
}

#[test]
fn mapstates_reaches_every_state_it_names() -> Result<()> {
    for version in versions()? {
        let running = build("mapstates", &version)?.spawn(&[])?;
        let truth = running.truth();
        let find = |owner: &str| {
            let owner = format!("main.state.{owner}");
            let maps = truth["maps"].as_array();
            maps.and_then(|maps| maps.iter().find(|map| map["owner"] == owner.as_str()))
                .cloned()
                .unwrap_or_default()
        };
        assert_eq!(find("absent")["nil"], true);
        assert_eq!(find("cleared")["len"], 0);
        for owner in [
            "eight", "tables", "drained", "chains", "growing", "sameSize", "iterated",
        ] {
            let map = find(owner);
            let used = map["structure"]["used_slots"].as_u64().unwrap_or(0);
            let old = map["structure"]["old"]["used_slots"].as_u64().unwrap_or(0);
            assert_eq!(
                map["len"].as_u64(),
                Some(used + old),
                "{owner}, go{version}: {map}"
            );
        }
        if truth["generation"] == "classic" {
            for owner in ["growing", "growingHalf", "growingFlat", "sameSize"] {
                assert_eq!(find(owner)["structure"]["growing"], true, "{owner}");
            }
            assert_eq!(find("sameSize")["structure"]["old"]["same_size"], true);
            assert!(find("chains")["structure"]["longest_chain"].as_u64() > Some(10));
        } else {
            let shared = find("shared")["structure"].clone();
            assert!(
                shared["dir_len"].as_u64() > shared["tables"].as_u64(),
                "{shared}"
            );
            assert!(find("tombstones")["structure"]["tombstones"].as_u64() > Some(0));
        }
    }
    Ok(())
}

#[test]
fn cycles_frees_its_garbage_in_two_collections() -> Result<()> {
    for version in versions()? {
        let mut running = build("cycles", &version)?.spawn(&[])?;
        let parked = running.fact("heap_objects")?;
        let collected = running.ask("collect")?;
        assert!(collected["heap_objects"].as_u64() < Some(parked * 3 / 4));
        assert!(collected["finalizers_run"].as_u64() > Some(0));
        // The goroutine that runs finalizers may still hold what it ran last, and the collector may start a worker.
        let again = running.ask("collect")?;
        let heap = |answer: &serde_json::Value| answer["heap_objects"].as_u64().unwrap_or_default();
        let moved = heap(&collected).abs_diff(heap(&again));
        assert!(
            moved <= 4,
            "{moved} objects more or less after collecting again"
        );
    }
    Ok(())
}

#[test]
fn busy_does_every_kind_of_work_with_and_without_c() -> Result<()> {
    for version in versions()? {
        for cgo in [false, true] {
            let flags = BuildFlags {
                cgo,
                ..BuildFlags::default()
            };
            let mut running = Fixture::build("busy", &version, &flags)?.spawn(&[])?;
            assert_eq!(running.truth()["cgo"], cgo);
            std::thread::sleep(std::time::Duration::from_millis(1500));
            let report = running.ask("report")?;
            let done = report["done"].as_object().cloned().unwrap_or_default();
            assert!(
                done.len() > 10 && done.values().all(|count| count.as_u64() > Some(0)),
                "{report}"
            );
        }
    }
    Ok(())
}

#[test]
fn typed_states_its_types() -> Result<()> {
    for version in versions()? {
        let running = build("typed", &version)?.spawn(&[])?;
        assert_eq!(running.truth()["types"]["main.listNode"], 300);
        assert_eq!(
            running.truth()["types"]["main.branch[string,*main.byShape]"],
            55
        );
    }
    Ok(())
}

#[test]
fn the_service_leaks_under_load() -> Result<()> {
    for version in versions()? {
        let mut service = build("service", &version)?.spawn(&[])?;
        let address = service.truth()["address"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        let load = build("load", &version)?;
        let output = std::process::Command::new(load.path())
            .args(["-address", &address, "-requests", "1000", "-time", "20s"])
            .output()?;
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let truth = service.ask("truth")?;
        assert_eq!(truth["served"], 1000);
        assert_eq!(truth["maps"][0]["len"], 599);
        assert_eq!(truth["abandoned_reports"], 100);
    }
    Ok(())
}

#[test]
fn a_dropped_fixture_is_gone() -> Result<()> {
    let version = &versions()?[0];
    let running = build("exact", version)?.spawn(&[])?;
    let pid = running.pid();
    assert!(alive(pid));
    drop(running);
    assert!(!alive(pid));
    Ok(())
}

#[test]
fn gcore_and_the_kernel_make_cores_of_a_fixture() -> Result<()> {
    let version = &versions()?[0];
    let fixture = build("exact", version)?;
    let running = fixture.spawn_with(
        &[],
        &[("GOTRACEBACK", "crash")],
        std::time::Duration::from_secs(60),
    )?;
    let Some(core) = gcore(running.pid())? else {
        skip!("no-gcore", "gdb's gcore is not installed")
    };
    assert!(core.path().metadata()?.len() > running.fact("heap_inuse")?);
    let Some(core) = kernel_core(running)? else {
        skip!(
            "no-kernel-core",
            "this machine does not write cores to plain files"
        )
    };
    assert!(core.path().metadata()?.len() > 1 << 20);
    Ok(())
}
