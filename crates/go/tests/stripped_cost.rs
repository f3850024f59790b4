//! What reading a program without debug information costs, against reading it with.

mod stripped_support;

use anyhow::{Context, Result};
use leakscope_testkit::versions;
use stripped_support::Twin;

/// The most that the stripped program may cost, in percent of the unstripped one.
const MOST: u64 = 130;
/// Ticks by which the clock may be off, all in all.
const NOISE: u64 = 10;
/// Rounds, so that ticks of 10 ms say something.
const ROUNDS: usize = 4;

#[test]
fn a_stripped_program_costs_hardly_more_than_its_unstripped_twin() -> Result<()> {
    for version in versions()? {
        for fixture in ["typed", "mapstates"] {
            let Some(twin) = Twin::of(fixture, &version, &[])? else {
                return Ok(());
            };
            let cost = |exe: &std::path::Path| -> Result<u64> {
                let before = ticks()?;
                for _ in 0..ROUNDS {
                    twin.heap(exe)?;
                }
                Ok(ticks()? - before)
            };
            let full = cost(twin.unstripped())?;
            let bare = cost(&twin.stripped())?;
            println!(
                "{fixture} of go{version}: {full} ticks with debug information, {bare} without"
            );
            assert!(
                bare <= full * MOST / 100 + NOISE,
                "{fixture} of go{version}: {bare} ticks, with debug information {full}"
            );
        }
    }
    Ok(())
}

/// Processor time of this process so far, in ticks of the kernel's clock (`utime` and `stime`).
fn ticks() -> Result<u64> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let (_, after) = stat.rsplit_once(") ").context("/proc/self/stat")?;
    let mut fields = after.split(' ').skip(11);
    let mut next = || -> Result<u64> { Ok(fields.next().context("field")?.parse()?) };
    Ok(next()? + next()?)
}
