//! The fixtures build, run and agree with themselves under every Go version tests run.

use anyhow::Result;
use leakscope_testkit::{BuildFlags, Fixture, alive, gcore, kernel_core, skip, versions};

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
