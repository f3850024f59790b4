//! Executables without debug information, against their unstripped twins at the same stopped moment.

mod stripped_support;

use anyhow::{Context, Result};
use leakscope_testkit::versions;
use stripped_support::{Twin, rows};

/// Fixtures whose heaps are compared, with their arguments.
const FIXTURES: &[(&str, &[&str])] = &[
    ("typed", &[]),
    ("mapstates", &[]),
    ("exact", &["-mode", "gc"]),
    ("service", &[]),
];

#[test]
fn a_stripped_program_has_the_heap_of_its_unstripped_twin() -> Result<()> {
    for version in versions()? {
        for (name, arguments) in FIXTURES {
            let Some(twin) = Twin::of(name, &version, arguments)? else {
                return Ok(());
            };
            let context = format!("{name} of go{version}");
            let full = twin.heap(twin.unstripped()).context(context.clone())?;
            let bare = twin.heap(twin.stripped()).context(context.clone())?;
            println!("{context}: {}", rows(&full, &bare));
            assert_eq!(
                full.graph.objects(),
                bare.graph.objects(),
                "{context}: objects"
            );
            assert_eq!(
                full.totals.allocated, bare.totals.allocated,
                "{context}: allocated"
            );
            assert_eq!(full.totals.reachable, bare.totals.reachable, "{context}");
        }
    }
    Ok(())
}
