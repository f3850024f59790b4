//! Project chores: `cargo xtask tidy`.

mod tidy;

use anyhow::{Result, bail};

fn main() -> Result<()> {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("xtask lies in the workspace")
        .to_path_buf();
    match std::env::args().nth(1).as_deref() {
        Some("tidy") => tidy::run(&root),
        other => bail!("unknown chore {other:?}; there is: tidy"),
    }
}
