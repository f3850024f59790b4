//! What `analyze` computes of a Go process, once: with allocation sites and the ledger of resident memory, or without these.
//! Prints nothing but how many sampled objects there were; `bench/run.py` compares the processor time of the two.
//!
//! `memory PID [without]`

use std::io::Write;

use anyhow::{Context, Result};
use leakscope_go::heap::GoHeap;
use leakscope_go::layouts::Layouts;
use leakscope_go::ledger::Ledger;
use leakscope_go::maps::noscan_cells;
use leakscope_go::planner::GoPlanner;
use leakscope_go::program::Program;
use leakscope_go::sites::Stacks;
use leakscope_graph::{Dominators, HeldSet, Node, Threshold, suspects};
use leakscope_target::{CaptureOptions, LiveProcess};

/// Suspects of the overview.
const SUSPECTS: usize = 10;
/// The fixtures are large.
const MAX_STOP: std::time::Duration = std::time::Duration::from_secs(10);

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let pid = arguments.next().context("usage: memory PID [without]")?;
    let with = arguments.next().is_none();
    let process = LiveProcess::open(pid.parse()?)?;
    let memory = process.memory();
    let program = Program::open(process.executable(), &process.mappings()?, &memory)?;
    let program = std::sync::Arc::new(program);
    let version = program.exe().go_version().to_string();
    let mut layouts = Layouts::resolve(program.debug(), &version, program.bias())?;
    if !with {
        // What is not known is neither copied nor read.
        layouts.sites = None;
        layouts.metadata = None;
    }
    let wanted = noscan_cells(&program, &layouts, &memory);
    let mut planner = GoPlanner::new(&program, layouts.clone());
    if let Some(wanted) = wanted {
        planner = planner.noscan_where(wanted);
    }
    let options = CaptureOptions {
        max_stop: MAX_STOP,
        ..CaptureOptions::default()
    };
    let captured = process.capture(&mut planner, &options, &mut |_| {})?;
    let residency = with.then(|| process.residency()).transpose()?;
    let mut image = captured.image;
    program.exe().add_static(program.bias(), &mut image);
    let heap = GoHeap::build(&program, &layouts, image.build(), &captured.threads)?;
    let groups = heap.names.groups();
    let tree = Dominators::of(&heap.graph, &groups.roots)?;
    let threshold = Threshold::default();
    let found = suspects(&heap.graph, &tree, &heap.names, threshold);
    let mut told = 0;
    if let Some(residency) = residency {
        told += Ledger::of(&heap, &residency).entries.len();
        let mut stacks = Stacks::new(heap.names.program().functions());
        for suspect in found.iter().take(SUSPECTS) {
            let held = if suspect.point == Node::Top {
                HeldSet::of_scattered(&heap.graph, &tree, &heap.names, threshold, suspect)
            } else {
                HeldSet::of(&tree, [suspect.point])
            };
            for (bucket, _) in heap.sites.sum(|o| held.contains(&tree, o)) {
                let bucket = heap.sites.buckets().get(bucket as usize);
                told += bucket.map_or(0, |b| stacks.visible(&b.stack).len());
            }
        }
    }
    std::hint::black_box((told, found));
    writeln!(std::io::stdout(), "{}", heap.sites.samples().len())?;
    Ok(())
}
