//! `cargo xtask layouts`: the tables of the runtime's layouts, made anew from real toolchains.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, bail};
use leakscope_go::binary::Executable;
use leakscope_go::dwarf::DebugInfo;
use leakscope_goabi::layouts::{VARIANTS, Variant};
use leakscope_target::map_file;
use leakscope_testkit::{BuildFlags, Fixture};

use crate::say;

/// The program that the tables are made from.
const PROGRAM: &str = "layouts";

/// Writes every table; fails where builds that share a file differ.
pub(crate) fn run(root: &Path) -> Result<()> {
    let folder = root.join("crates/goabi/src/layouts");
    let mut tables: BTreeMap<&str, (&Variant, String)> = BTreeMap::new();
    for variant in VARIANTS {
        let experiments = variant.experiments.join(",");
        let table =
            table(variant).with_context(|| format!("go{} {experiments}", variant.made_from))?;
        match tables.get(variant.file) {
            Some((_, other)) if *other == table => {}
            Some((other, _)) => bail!(
                "go{} with {:?} and with {:?} differ, but share {}",
                variant.made_from,
                other.experiments,
                variant.experiments,
                variant.file
            ),
            None => {
                tables.insert(variant.file, (variant, table));
            }
        }
    }
    for (file, (variant, table)) in &tables {
        let path = folder.join(file);
        let old = std::fs::read_to_string(&path).unwrap_or_default();
        let state = if old == *table {
            "as before"
        } else {
            "new content"
        };
        std::fs::write(&path, table).with_context(|| format!("writing {}", path.display()))?;
        say(&format!(
            "go{} {:?}: {file}, {} lines, {state}",
            variant.made_from,
            variant.experiments,
            table.lines().count()
        ));
    }
    Ok(())
}

fn table(variant: &Variant) -> Result<String> {
    let flags = BuildFlags {
        experiments: variant.experiments.join(","),
        ..BuildFlags::default()
    };
    let fixture = Fixture::build(PROGRAM, variant.made_from, &flags)?;
    let exe = Executable::parse(map_file(fixture.path())?)?;
    let debug = DebugInfo::load(&exe)?.context("no debug information")?;
    Ok(debug.to_table())
}
