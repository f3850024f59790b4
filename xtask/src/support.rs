//! `cargo xtask support`: writes `docs/support.md` from what tests found out.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use leakscope_testkit::{Finding, Medium, all_builds, findings};

use crate::say;

/// The page this chore writes.
const PAGE: &str = "docs/support.md";
/// Where the part written by hand ends.
const MARK: &str = "<!-- written by `cargo xtask support`; what stands above stays -->\n";

/// A column: what was checked, and how the program was read.
type Column = (String, Medium);

/// Writes the table below the mark of the page.
pub(crate) fn run(root: &Path) -> Result<()> {
    let path = root.join(PAGE);
    let page = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let (kept, _) = page
        .split_once(MARK)
        .with_context(|| format!("{PAGE} has no line {MARK:?}"))?;
    let findings = findings()?;
    ensure!(
        !findings.is_empty(),
        "no test has written anything down yet: run `make test-all`"
    );
    let table = table(&findings)?;
    fs::write(&path, format!("{kept}{MARK}\n{table}"))?;
    say(&format!("{PAGE}: {} findings", findings.len()));
    Ok(())
}

fn table(findings: &[Finding]) -> Result<String> {
    let mut columns: BTreeSet<Column> = BTreeSet::new();
    let mut cells: BTreeMap<(&str, &str, &Column), (u64, u64)> = BTreeMap::new();
    for f in findings {
        columns.insert((f.check.clone(), f.medium));
    }
    for f in findings {
        let column = columns.get(&(f.check.clone(), f.medium));
        let column = column.context("a column that was just put in")?;
        let cell = cells.entry((&f.version, &f.label, column)).or_default();
        cell.0 += u64::from(f.passed);
        cell.1 += 1;
    }
    let mut out = String::from("| Go | build |");
    for (check, medium) in &columns {
        let medium = match medium {
            Medium::Live => "live",
            Medium::Core => "core",
        };
        write!(out, " {check}, {medium} |")?;
    }
    out.push_str("\n| --- | --- |");
    out.push_str(&" --- |".repeat(columns.len()));
    out.push('\n');
    for build in all_builds()? {
        write!(out, "| {} | {} |", build.version, build.label)?;
        for column in &columns {
            let cell = cells.get(&(&build.version, &build.label, column));
            let text = match cell {
                None => "not run",
                Some((passed, all)) if passed == all => "exact",
                Some(_) => "**differs**",
            };
            write!(out, " {text} |")?;
        }
        out.push('\n');
    }
    Ok(out)
}
