//! How long a stop takes beside the least it could: plain `process_vm_readv` of the same ranges, by as many threads,
//! into memory faulted in beforehand. The two take turns; medians are printed.
//!
//! `readv_floor PID [threads=N] [rounds=N] [ranges=FILE]`
//!
//! Without a file it takes all private writable memory. A line of the file is `START-END`, hexadecimal.

use std::error::Error;
use std::io::Write;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use leakscope_target::{
    Addr, AddrRange, CaptureOptions, CopyPlan, CopyPlanner, LiveProcess, Memory, PlanError,
    ReadRequest, Region,
};

/// Bytes of a single read: the best size of those measured (64 KiB to 64 MiB).
const PIECE: u64 = 256 << 10;

/// Most pieces of one call.
const BATCH: usize = 1024;

struct Fixed(Vec<AddrRange>);

impl CopyPlanner for Fixed {
    fn rehearse(&mut self, _running: &dyn Memory) -> Result<CopyPlan, PlanError> {
        let mut plan = CopyPlan::with_capacity(self.0.len());
        self.0.iter().try_for_each(|r| plan.push(*r))?;
        Ok(plan)
    }

    fn plan(&mut self, _stopped: &dyn Memory, plan: &mut CopyPlan) -> Result<(), PlanError> {
        self.0.iter().try_for_each(|r| plan.push(*r))
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let pid = args
        .first()
        .ok_or("usage: readv_floor PID [name=value...]")?
        .parse()?;
    let given = |name: &str| {
        args.iter()
            .find_map(|a| a.strip_prefix(name)?.strip_prefix('='))
    };
    let number = |name: &str, default: usize| given(name).map_or(Ok(default), str::parse);
    let (threads, rounds) = (number("threads", 2)?.max(1), number("rounds", 9)?.max(1));
    let process = LiveProcess::open(pid)?;
    let ranges = match given("ranges") {
        Some(file) => parse(&std::fs::read_to_string(file)?).ok_or("not a list of ranges")?,
        None => private_memory(&process)?,
    };
    let opts = CaptureOptions {
        max_stop: Duration::from_secs(60),
        copy_threads: threads,
        ..Default::default()
    };
    let mut planner = Fixed(ranges);
    let (mut floors, mut stops) = (Vec::new(), Vec::new());
    let mut copied = 0;
    for _ in 0..rounds {
        floors.push(floor(&process, &planner.0, threads)?);
        let stop = process.capture(&mut planner, &opts, &mut |_| {})?.stop;
        stops.extend(stop.measured);
        copied = stop.copied_bytes;
    }
    let (floor, stop) = (median(&mut floors), median(&mut stops));
    let rate = copied as f64 / 1e9 / floor.as_secs_f64();
    writeln!(
        std::io::stdout(),
        "bytes={copied} ranges={} threads={threads} floor={floor:?} ({rate:.1} GB/s) stop={stop:?} ratio={:.2}",
        planner.0.len(),
        stop.as_secs_f64() / floor.as_secs_f64()
    )?;
    Ok(())
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

fn parse(text: &str) -> Option<Vec<AddrRange>> {
    text.lines()
        .map(|line| {
            let (start, end) = line.split_once('-')?;
            let number = |digits| u64::from_str_radix(digits, 16).ok().map(Addr);
            Some(AddrRange {
                start: number(start)?,
                end: number(end)?,
            })
        })
        .collect()
}

fn private_memory(process: &LiveProcess) -> Result<Vec<AddrRange>, leakscope_target::Error> {
    let mappings = process.mappings()?;
    let private = mappings
        .iter()
        .filter(|m| m.perms.read && m.perms.write && !m.perms.shared);
    Ok(private
        .filter(|m| !m.path.starts_with(b"[v"))
        .map(|m| m.range)
        .collect())
}

/// Reads all of `ranges`, divided by bytes; from when all threads are ready until the last is done.
fn floor(
    process: &LiveProcess,
    ranges: &[AddrRange],
    threads: usize,
) -> Result<Duration, Box<dyn Error>> {
    let total: u64 = ranges.iter().map(AddrRange::len).sum();
    let mut region = Region::reserve(total as usize)?;
    region.prefault(total as usize)?;
    let mut free = region.as_mut_slice();
    let share = total.div_ceil(threads as u64).next_multiple_of(PIECE);
    let mut work: Vec<Vec<Vec<ReadRequest<'_>>>> = (0..threads).map(|_| Vec::new()).collect();
    let (mut done, mut bytes) = (0u64, PIECE);
    for range in ranges {
        let mut at = range.start;
        while at < range.end {
            let n = PIECE.min(range.end.0 - at.0);
            let (buf, rest) = free.split_at_mut(n as usize);
            free = rest;
            let batches = &mut work[(done / share) as usize];
            if bytes + n > PIECE || batches.last().is_none_or(|b| b.len() == BATCH) {
                batches.push(Vec::new());
                bytes = 0;
            }
            batches
                .last_mut()
                .ok_or("a batch")?
                .push(ReadRequest { at, buf });
            (done, bytes, at) = (done + n, bytes + n, Addr(at.0 + n));
        }
    }
    let memory = process.memory();
    let ready = Barrier::new(threads + 1);
    std::thread::scope(|scope| {
        let readers: Vec<_> = work
            .into_iter()
            .map(|batches| {
                scope.spawn(|| {
                    ready.wait();
                    for mut batch in batches {
                        memory.read_many(&mut batch)?;
                    }
                    Ok::<(), leakscope_target::Fault>(())
                })
            })
            .collect();
        ready.wait();
        let begun = Instant::now();
        for reader in readers {
            reader.join().map_err(|_| "a reader panicked")??;
        }
        Ok(begun.elapsed())
    })
}
