//! The runtime's hash, recomputed: every key of every sound map lies where its hash leads.

mod maps_support;

use std::time::Duration;

use anyhow::{Result, ensure};
use leakscope_go::heap::{Asked, GoHeap};
use leakscope_go::maps::KeyCheck;
use leakscope_target::LiveProcess;
use leakscope_testkit::{BuildFlags, Fixture, Running, versions};
use maps_support::Case;

const PATIENCE: Duration = Duration::from_secs(60);

/// What a look at the keys of a running process finds.
fn keys(running: &Running) -> Result<KeyCheck> {
    let process = LiveProcess::open(running.pid())?;
    let case = Case::live(running.pid(), running.truth().clone())?;
    let asked = Asked {
        keys: true,
        running: Some(&process),
        ..Asked::default()
    };
    let (program, layouts) = (&case.program, &case.layouts);
    let heap = GoHeap::build_with(program, layouts, case.image, &case.threads, asked)?;
    Ok(heap.keys)
}

/// Looks at the keys of the fixture built with these flags, hashed with AES and without; `read` says whether enough of that many
/// entries was looked at.
fn keys_lie_where_their_hash_says(
    ldflags: &str,
    read: impl Fn(&KeyCheck, u64) -> bool,
) -> Result<()> {
    let flags = BuildFlags {
        ldflags: ldflags.to_owned(),
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
            ensure!(
                sound && read(&found, entries),
                "go{version} {environment:?}, {entries} entries: {found:#?}"
            );
        }
    }
    Ok(())
}

#[test]
fn keys_of_all_kinds_lie_where_their_hash_says_with_aes_and_without() -> Result<()> {
    keys_lie_where_their_hash_says("", |found, entries| {
        found.unread == 0 && found.maps_left == 0 && found.agreed >= entries
    })
}

#[test]
fn a_stripped_program_s_keys_lie_where_their_hash_says_with_aes_and_without() -> Result<()> {
    // Maps whose types the code does not tell are left out.
    keys_lie_where_their_hash_says("-s -w", |found, entries| found.agreed * 10 >= entries * 9)
}
