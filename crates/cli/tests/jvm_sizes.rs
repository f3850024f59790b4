//! Sizes of the JDK's own classes, some of which have fields that no dump lists, against what the JVM counts.
#![expect(
    clippy::print_stdout,
    reason = "the shares that docs/jvm.md has are printed"
)]

mod support;

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use leakscope_testkit::{JVM_LAYOUTS, JvmDump};
use support::leakscope;

/// Classes whose sizes a dump does not tell: `docs/jvm.md` says of each why.
const UNTOLD: &[&str] = &[
    "java.lang.Class",
    "java.lang.VirtualThread",
    "jdk.internal.vm.StackChunk",
    "jdk.internal.vm.FillerElement[]",
    "int[]",
];
/// Least share of the JDK's classes that agree in count and bytes; the rest is what the JVM did between dump and count.
const LEAST: f64 = 0.95;

/// A class as Java spells it, from how the JVM does: `[I` is `int[]`.
fn spelled(name: &str) -> String {
    let element = name.trim_start_matches('[');
    let dimensions = name.len() - element.len();
    if dimensions == 0 {
        return name.to_owned();
    }
    let element = match element {
        "Z" => "boolean",
        "B" => "byte",
        "C" => "char",
        "S" => "short",
        "I" => "int",
        "J" => "long",
        "F" => "float",
        "D" => "double",
        class => class
            .strip_prefix('L')
            .map_or(class, |class| class.trim_end_matches(';')),
    };
    element.to_owned() + &"[]".repeat(dimensions)
}

#[test]
fn classes_of_the_jdk_are_as_large_as_the_jvm_says_on_every_layout() -> Result<()> {
    for layout in &JVM_LAYOUTS {
        let dump = JvmDump::take(layout, "Layouts", &["-count=20"])?;
        let path = dump.path();
        let histo = leakscope([
            "histo".as_ref(),
            path.as_os_str(),
            "--all".as_ref(),
            "--json".as_ref(),
        ])?
        .document("histo")?;
        let mut found: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
        for list in ["types", "unreachable"] {
            for row in histo[list].as_array().context("a list")? {
                let sum = found.entry(row["type"].as_str().context("a type")?);
                let sum = sum.or_default();
                sum.0 += row["count"].as_u64().context("a count")?;
                sum.1 += row["bytes"].as_u64().context("bytes")?;
            }
        }
        let (mut agree, mut all) = (0u32, 0u32);
        for (name, told) in dump.histogram() {
            // Names of hidden classes hold an address, which is left out.
            if name.starts_with("com.acme.") || name.contains('/') {
                continue;
            }
            let name = &spelled(name);
            let found = found.get(name.as_str()).copied().unwrap_or_default();
            all += 1;
            agree += u32::from(found == (told.count, told.bytes));
            let same_size = found.0 != told.count || found.1 == told.bytes;
            // Arrays of one count may differ in their lengths.
            let untold = name.ends_with("[]") || UNTOLD.contains(&name.as_str());
            ensure!(
                same_size || untold,
                "{}: {name}: {found:?} found, {told:?} told",
                layout.name
            );
        }
        println!("| {} | {agree} | {all} |", layout.name);
        ensure!(
            f64::from(agree) >= f64::from(all) * LEAST,
            "{}: {agree} of {all} agree",
            layout.name
        );
    }
    Ok(())
}
