//! Reads the counters of Go processes again and again, and prints what that took: nanoseconds of processor time per round, in
//! which all of the processes are read once.
//!
//! `counters ROUNDS PID...`

use std::io::Write;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use leakscope_go::counters::{CounterMap, CounterReader};
use leakscope_go::program::Program;
use leakscope_target::LiveProcess;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let usage = "usage: counters ROUNDS PID...";
    let rounds: usize = arguments.next().context(usage)?.parse()?;
    let mut located = None;
    let mut readers = Vec::new();
    for pid in arguments {
        let process = LiveProcess::open(pid.parse()?)?;
        // All of one executable, which is not position independent: what is known of the first is true of all.
        let (map, bias) = match &located {
            Some(known) => known,
            None => {
                let mappings = process.mappings()?;
                let program = Program::open(process.executable(), &mappings, &process.memory())?;
                ensure!(!program.exe().is_pie(), "position independent");
                let map = Arc::new(CounterMap::resolve(program.debug()));
                located.insert((map, program.bias()))
            }
        };
        readers.push((CounterReader::new(Arc::clone(map), *bias), process));
    }
    ensure!(rounds > 0 && !readers.is_empty(), usage);
    let before = cpu_time()?;
    for _ in 0..rounds {
        for (reader, process) in &mut readers {
            let counters = reader.sample(&process.memory())?;
            process.verify()?;
            ensure!(
                counters.num_gc.is_some() && counters.goroutines.is_some(),
                "{counters:?}"
            );
        }
    }
    let taken = cpu_time()? - before;
    writeln!(std::io::stdout(), "{}", taken / rounds as u64)?;
    Ok(())
}

/// Processor time of this thread so far, nanoseconds, as of the last tick of the kernel's clock: a matter of many rounds.
fn cpu_time() -> Result<u64> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    Ok(text.split(' ').next().context("schedstat")?.parse()?)
}
