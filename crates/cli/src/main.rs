//! leakscope: what the heap of a Go process holds, read from the outside.
//!
//! This crate wires the others together: arguments, progress, exit codes, advice on errors. Results go to standard
//! output, everything else to standard error.

mod advice;
mod args;
mod commands;
mod failure;
mod head;
mod heap;
mod interrupt;
mod jvm;
mod memory;
mod output;
mod progress;
mod read;
mod selection;
mod views;

use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::process::ExitCode;

use clap::Parser;
use leakscope_report::Text;

use crate::args::{Cli, Command};
use crate::failure::Failure;
use crate::progress::{Progress, line};

/// Status where something is found that was asked to fail.
const FOUND: u8 = 1;
/// Status for everything that could not be done, as for wrong usage.
const FAILED: u8 = 2;

/// The system's, until memory is limited.
#[global_allocator]
static ALLOCATOR: leakscope_target::SpillAlloc = leakscope_target::SpillAlloc;

fn main() -> ExitCode {
    let mut cli = Cli::parse();
    cli.common.json |= cli.common.names_json() && !cli.command.writes_no_document();
    panic::set_hook(Box::new(report_panic));
    // Wraps the hook above: the target is let go before a word is written.
    leakscope_target::release_on_panic();
    let mut progress = Progress::new(&cli.common);
    match panic::catch_unwind(AssertUnwindSafe(|| run(&cli, &mut progress))) {
        Ok(Ok(status)) => {
            progress.finish();
            status
        }
        Ok(Err(failure)) => {
            progress.finish();
            line(advice::advice(&failure).message().trim_end());
            ExitCode::from(FAILED)
        }
        Err(_) => ExitCode::from(FAILED),
    }
}

fn run(cli: &Cli, progress: &mut Progress) -> Result<ExitCode, Failure> {
    interrupt::install().map_err(|source| Failure::Setup {
        what: "handle signals",
        source,
    })?;
    protect_others(progress)?;
    output::check(&cli.common)?;
    if let Some(path) = &cli.common.output
        && cli.common.wants_profile()
        && !cli.command.makes_profiles()
        && !cli.command.writes_no_document()
    {
        return Err(Failure::NoProfile { path: path.clone() });
    }
    match &cli.command {
        Command::Analyze(args) => {
            if commands::heap::analyze(args, &cli.common, progress)? {
                return Ok(ExitCode::from(FOUND));
            }
            Ok(())
        }
        Command::Histo(args) => commands::heap::histo(args, &cli.common, progress),
        Command::Maps(args) => commands::heap::maps(args, &cli.common, progress),
        Command::Goroutines(args) => commands::heap::goroutines(args, &cli.common, progress),
        Command::Threads(args) => commands::heap::threads(args, &cli.common, progress),
        Command::Sites(args) => commands::sites::sites(args, &cli.common, progress),
        Command::Ledger(args) => commands::sites::ledger(args, &cli.common, progress),
        Command::Why(args) => commands::heap::why(args, &cli.common, progress),
        Command::Diff(args) => commands::heap::diff(args, &cli.common, progress),
        Command::Top(args) => commands::top::run(args, &cli.common),
        Command::Snap(args) => commands::snap::run(args, &cli.common, progress),
        Command::Replay(args) => commands::replay::run(args, &cli.common, progress),
        Command::Agent(args) => commands::agent::run(args, &cli.common, progress),
        Command::Explain(args) => commands::explain::run(args, &cli.common),
        Command::Ps(rows) => commands::ps::run(*rows, &cli.common),
        Command::Doctor { pid } => commands::doctor::run(*pid, &cli.common),
        Command::Rule { id } => commands::rule::run(id.as_deref(), &cli.common),
        Command::Simulate(args) => commands::simulate::run(args, &cli.common),
        Command::Completions { shell } => commands::completions::run(*shell, &cli.common),
    }?;
    Ok(ExitCode::SUCCESS)
}

/// What this process will hold is not its own: no core of it, no debugger on it, and it goes first when memory runs out.
fn protect_others(progress: &Progress) -> Result<(), Failure> {
    if let Err(e) = leakscope_target::raise_oom_score_adj() {
        progress.remark(&format!(
            "cannot offer itself to the kernel should memory run out: {e}"
        ));
    }
    leakscope_target::no_core_dumps().map_err(|source| Failure::Setup {
        what: "forbid core dumps of itself",
        source,
    })
}

/// One short message, in place of a backtrace over pages.
fn report_panic(panic: &PanicHookInfo<'_>) {
    let what = panic.payload_as_str().unwrap_or("without a message");
    let place = panic
        .location()
        .map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
    line(&format!(
        "leakscope: defect at {place}: {}",
        Text::new(what)
    ));
    line(&format!(
        "  This is a defect of leakscope {}, and the target, if there was one, runs on. Please report these lines.",
        env!("CARGO_PKG_VERSION")
    ));
}
