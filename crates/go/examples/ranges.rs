//! Prints what a stop of a Go process would copy, one range a line: start and length in hexadecimal. `bench/floor` reads
//! the same ranges without any of our code.
//!
//! `ranges PID`

use std::io::{BufWriter, Write};

use anyhow::{Context, Result};
use leakscope_go::layouts::Layouts;
use leakscope_go::maps::noscan_cells;
use leakscope_go::planner::GoPlanner;
use leakscope_go::program::Program;
use leakscope_target::{CopyPlanner, LiveProcess};

fn main() -> Result<()> {
    let pid = std::env::args()
        .nth(1)
        .context("usage: ranges PID")?
        .parse()?;
    let process = LiveProcess::open(pid)?;
    let memory = process.memory();
    let program = Program::open(process.executable(), &process.mappings()?, &memory)?;
    let version = program.exe().go_version().to_string();
    let layouts = Layouts::resolve(program.debug(), &version, program.bias())?;
    let wanted = noscan_cells(&program, &layouts, &memory);
    let mut planner = GoPlanner::new(&program, layouts);
    if let Some(wanted) = wanted {
        planner = planner.noscan_where(wanted);
    }
    let plan = planner.rehearse(&memory)?;
    let mut out = BufWriter::new(std::io::stdout().lock());
    for range in plan.ranges() {
        writeln!(out, "{:x} {:x}", range.start.0, range.len())?;
    }
    out.flush()?;
    Ok(())
}
