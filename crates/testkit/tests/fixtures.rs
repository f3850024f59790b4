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
