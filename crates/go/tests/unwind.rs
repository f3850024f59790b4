//! Unwinding a program that does everything at once, stopped at random moments.

mod heap_support;

use std::collections::BTreeMap;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result};
use heap_support::{Heap, Live};
use leakscope_go::unwind::UnwindEnd;
use leakscope_testkit::{BuildFlags, Fixture, versions};

/// Stops per version and way of building.
const STOPS: u64 = 250;

#[test]
fn every_stack_of_a_busy_program_unwinds_to_its_end() -> Result<()> {
    busy(&BuildFlags::default())
}

#[test]
fn every_stack_of_a_busy_program_with_c_unwinds_to_its_end() -> Result<()> {
    busy(&BuildFlags {
        cgo: true,
        ..BuildFlags::default()
    })
}

fn busy(flags: &BuildFlags) -> Result<()> {
    for version in versions()? {
        let fixture = Fixture::build("busy", &version, flags)?;
        let running = fixture.spawn(&["-pace", "50us"])?;
        let mut live = Live::open(running.pid())?;
        let mut seen = Seen::default();
        // Delays without a pattern, the same in every run.
        let mut seed = 0x9e37_79b9_7f4a_7c15u64;
        for _ in 0..STOPS {
            seed = seed
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            sleep(Duration::from_micros(seed >> 51));
            let (heap, _) = live.read()?;
            seen.look(&heap)?;
        }
        seen.check();
    }
    Ok(())
}

#[derive(Default, Debug)]
struct Seen {
    ends: BTreeMap<UnwindEnd, u64>,
    states: BTreeMap<&'static str, u64>,
    outermost: BTreeMap<String, u64>,
    innermost_running: BTreeMap<String, u64>,
    gaps: BTreeMap<&'static str, u64>,
    unended: Vec<Vec<String>>,
}

impl Seen {
    fn look(&mut self, heap: &Heap) -> Result<()> {
        let name = |pc| {
            heap.program
                .functions()
                .find(pc)
                .map_or("?", |f| f.name())
                .to_owned()
        };
        for g in heap.roots.goroutines.iter() {
            let frames = heap.roots.goroutines.frames(g);
            *self.ends.entry(g.end).or_default() += 1;
            *self.states.entry(g.status).or_default() += 1;
            if g.end == UnwindEnd::Complete {
                let last = frames.last().context("no frame")?;
                *self.outermost.entry(name(last.lookup_pc())).or_default() += 1;
            } else if self.unended.len() < 10 {
                let mut names: Vec<String> = frames.iter().map(|f| name(f.lookup_pc())).collect();
                names.push(format!("{:?} {} tid {:?}", g.end, g.status, g.tid));
                self.unended.push(names);
            }
            if let (Some(_), Some(first)) = (g.tid, frames.first()) {
                *self
                    .innermost_running
                    .entry(name(first.lookup_pc()))
                    .or_default() += 1;
            }
        }
        for gap in heap.gaps.iter() {
            *self.gaps.entry(gap.reason).or_default() += gap.count;
        }
        Ok(())
    }

    fn check(&self) {
        let complete = self.ends.get(&UnwindEnd::Complete).copied().unwrap_or(0);
        let mut unended = 0;
        // Other gaps are of threads stopped within the allocator, halfway through its bookkeeping.
        for (end, count) in &self.ends {
            if let Some(reason) = end.gap() {
                assert_eq!(self.gaps.get(reason), Some(count), "{self:#?}");
                unended += count;
            }
        }
        assert!(unended * 1000 <= complete, "{self:#?}");
        assert!(
            self.outermost.keys().all(|f| f == "runtime.goexit"),
            "{self:#?}"
        );
        // Only then did it show anything: goroutines were caught in every state, running ones in many functions.
        assert!(
            self.states.len() >= 4 && self.innermost_running.len() >= 10,
            "{self:#?}"
        );
    }
}
