//! The runtime's hash, recomputed: every key of every sound map lies where its hash leads.

mod maps_support;

use std::time::Duration;

use anyhow::{Result, ensure};
use leakscope_go::heap::GoHeap;
use leakscope_go::maps::KeyCheck;
use leakscope_target::{LiveProcess, Memory};
use leakscope_testkit::{BuildFlags, Fixture, Running, versions};
use maps_support::Case;

const PATIENCE: Duration = Duration::from_secs(60);

/// What a look at the keys of a running process finds.
fn keys(running: &Running) -> Result<KeyCheck> {
    let process = LiveProcess::open(running.pid())?;
    let case = Case::live(running.pid(), running.truth().clone())?;
    let running: Option<&dyn Memory> = Some(&process);
    let heap = GoHeap::build_with_keys(
        &case.program,
        &case.layouts,
        case.image,
        &case.threads,
        running,
    )?;
    Ok(heap.keys)
}

#[test]
fn keys_of_all_kinds_lie_where_their_hash_says_with_aes_and_without() -> Result<()> {
    for version in versions()? {
        let fixture = Fixture::build("hashes", &version, &BuildFlags::default())?;
        for environment in [&[][..], &[("GODEBUG", "cpu.aes=off")]] {
            let running = fixture.spawn_with(&[], environment, PATIENCE)?;
            let entries = running.fact("entries")?;
            let found = keys(&running)?;
            let sound = found.known
                && found.out_of_reach == 0
                && found.unread == 0
                && found.maps_left == 0
                && found.odd.is_empty()
                && found.raced.is_empty();
            ensure!(sound, "go{version} {environment:?}: {found:#?}");
            ensure!(
                found.agreed >= entries,
                "go{version} {environment:?}: {} of {entries} keys looked at",
                found.agreed
            );
        }
    }
    Ok(())
}

#[test]
fn a_stripped_program_s_keys_lie_where_their_hash_says_with_aes_and_without() -> Result<()> {
    let flags = BuildFlags {
        ldflags: "-s -w".to_owned(),
        ..BuildFlags::default()
    };
    for version in versions()? {
        let fixture = Fixture::build("hashes", &version, &flags)?;
        for environment in [&[][..], &[("GODEBUG", "cpu.aes=off")]] {
            let running = fixture.spawn_with(&[], environment, PATIENCE)?;
            let entries = running.fact("entries")?;
            let found = keys(&running)?;
            let sound = found.known
                && found.out_of_reach == 0
                && found.odd.is_empty()
                && found.raced.is_empty();
            ensure!(sound, "go{version} {environment:?}: {found:#?}");
            // Maps whose types the code does not tell are left out.
            ensure!(
                found.agreed * 10 >= entries * 9,
                "go{version} {environment:?}: {} of {entries} keys looked at",
                found.agreed
            );
        }
    }
    Ok(())
}
