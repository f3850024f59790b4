//! How long a stop will take, from a short trial on the running process.

use std::time::{Duration, Instant};

use super::copy::with_team;
use super::copy_list::CopyList;
use crate::{Error, Region};

/// Bytes of the trial copy: about 2 ms.
const TRIAL: u64 = 16 << 20;

/// The trial takes pieces of this size, evenly spread over what will be copied.
const PIECE: u64 = 64 << 10;

/// Time to stop and let go one thread (measured: 6 to 8 us).
const PER_THREAD: Duration = Duration::from_micros(8);

/// Bandwidth assumed where there is nothing to try, bytes per second.
const ASSUMED: f64 = 1e9;

/// Predicts a stop of `threads` threads in which `list` is copied by `copy_threads` threads and planning takes `planning`.
pub(super) fn stop(
    pid: i32,
    list: &CopyList,
    threads: usize,
    copy_threads: usize,
    planning: Duration,
) -> Result<Duration, Error> {
    let bandwidth = bandwidth(pid, list, copy_threads)?;
    let copying = Duration::from_secs_f64((list.bytes() as f64 / bandwidth).min(MOST_SECONDS));
    Ok(planning + PER_THREAD.saturating_mul(u32::try_from(threads).unwrap_or(u32::MAX)) + copying)
}

/// Keeps an absurd prediction a valid duration.
const MOST_SECONDS: f64 = 1e9;

/// Bytes per second of a trial copy.
fn bandwidth(pid: i32, list: &CopyList, copy_threads: usize) -> Result<f64, Error> {
    let ranges = list.sample(TRIAL, PIECE);
    let mut trial = CopyList::with_capacity(ranges.len());
    if ranges.is_empty() || !trial.fill(&ranges) {
        return Ok(ASSUMED);
    }
    let len = trial.bytes() as usize;
    let mut region = Region::reserve(len)?;
    region.prefault(len)?;
    let (took, copied, _) = with_team(pid, &mut region, trial, copy_threads, |team| {
        let begun = Instant::now();
        team.copy(|| true);
        begun.elapsed()
    });
    Ok(if copied.bytes == 0 {
        ASSUMED
    } else {
        copied.bytes as f64 / took.as_secs_f64().max(1e-9)
    })
}
