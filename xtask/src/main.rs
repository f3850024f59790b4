//! Project chores: `cargo xtask tidy`, `cargo xtask layouts`, `cargo xtask support`,
//! `cargo xtask trend-bench`.

mod layouts;
mod support;
mod tidy;

use anyhow::{Result, bail};

fn main() -> Result<()> {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("xtask lies in the workspace")
        .to_path_buf();
    match std::env::args().nth(1).as_deref() {
        Some("tidy") => tidy::run(&root),
        Some("layouts") => layouts::run(&root),
        Some("support") => support::run(&root),
        Some("trend-bench") => {
            trend_bench();
            Ok(())
        }
        other => bail!("unknown chore {other:?}; there are: tidy, layouts, support, trend-bench"),
    }
}

/// Prints the table of `docs/trend.md`: made-up histories, judged by the trend engine and by the rules of today.
#[expect(clippy::print_stdout, reason = "the chore's result")]
fn trend_bench() {
    let config = leakscope_trend::Config::default();
    println!("{}", leakscope_trend_bench::print(&config));
}

/// A line of a chore's report.
#[expect(clippy::print_stderr, reason = "the chore's report")]
fn say(line: &str) {
    eprintln!("{line}");
}
