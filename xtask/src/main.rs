//! Project chores: `cargo xtask tidy`, `cargo xtask layouts`, `cargo xtask support`.

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
        other => bail!("unknown chore {other:?}; there are: tidy, layouts, support"),
    }
}

/// A line of a chore's report.
#[expect(clippy::print_stderr, reason = "the chore's report")]
fn say(line: &str) {
    eprintln!("{line}");
}
