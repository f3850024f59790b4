//! The tables of layouts against real toolchains, and what is read by them against what debug information says.

#![expect(clippy::print_stdout, reason = "figures, shown by --nocapture")]

mod stripped_support;

use anyhow::{Context, Result};
use leakscope_go::binary::Executable;
use leakscope_go::dwarf::DebugInfo;
use leakscope_go::layouts::Layouts;
use leakscope_goabi::layouts::VARIANTS;
use leakscope_target::map_file;
use leakscope_testkit::{BuildFlags, Fixture, versions};
use stripped_support::Twin;

#[test]
fn tables_are_what_the_toolchains_build() -> Result<()> {
    let versions = versions()?;
    let tested = VARIANTS
        .iter()
        .filter(|v| versions.iter().any(|t| t == v.made_from));
    for variant in tested {
        let flags = BuildFlags {
            experiments: variant.experiments.join(","),
            ..BuildFlags::default()
        };
        let fixture = Fixture::build("layouts", variant.made_from, &flags)?;
        let exe = Executable::parse(map_file(fixture.path())?)?;
        let debug = DebugInfo::load(&exe)?.context("no debug information")?;
        assert!(
            debug.to_table() == variant.table,
            "go{} {:?}: {} is not what the toolchain builds: run cargo xtask layouts",
            variant.made_from,
            variant.experiments,
            variant.file
        );
    }
    Ok(())
}

#[test]
fn layouts_and_variables_are_those_of_the_debug_information() -> Result<()> {
    for version in versions()? {
        let Some(twin) = Twin::of("typed", &version, &[])? else {
            return Ok(());
        };
        let (full, bare) = (
            twin.program(twin.unstripped())?,
            twin.program(twin.stripped())?,
        );
        let stripped = bare.stripped().context("not read as stripped")?;
        println!("go{version}: {stripped:?}");
        assert!(stripped.lost.is_empty(), "go{version}: {:?}", stripped.lost);
        let mut found = 0;
        for global in bare.debug().globals() {
            let own = full.debug().global(global.name).context("global")?;
            assert_eq!(global.addr, own.addr, "go{version}: {}", global.name);
            found += 1;
        }
        assert!(found >= 20, "go{version}: {found} variables");
        let layouts = |program: &leakscope_go::program::Program| {
            let found = Layouts::resolve(program.debug(), &version, program.bias());
            found.map(|l| format!("{l:#?}"))
        };
        let (full, bare) = (layouts(&full)?, layouts(&bare)?);
        for (i, (a, b)) in full.lines().zip(bare.lines()).enumerate() {
            let around: Vec<_> = full.lines().skip(i.saturating_sub(4)).take(8).collect();
            assert_eq!(a, b, "go{version}, near {around:?}");
        }
        assert_eq!(full.len(), bare.len(), "go{version}");
    }
    Ok(())
}
