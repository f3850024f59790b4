//! `cargo xtask support`: writes `docs/support.md` from what tests found out and what they printed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use leakscope_testkit::{Finding, Medium, TestRun, all_builds, findings, test_run};

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
    let run = test_run()?.map(|run| summary(&run, &findings));
    let run = run.unwrap_or_default();
    fs::write(&path, format!("{kept}{MARK}\n{table}{run}"))?;
    say(&format!("{PAGE}: {} findings", findings.len()));
    Ok(())
}

/// What the run was that the table is from.
fn summary(run: &TestRun, findings: &[Finding]) -> String {
    let sum = |of: fn(&leakscope_testkit::TestProgram) -> u64| run.programs.iter().map(of).sum();
    let (passed, failed): (u64, u64) = (sum(|p| p.passed), sum(|p| p.failed));
    let builds: BTreeSet<_> = findings.iter().map(|f| (&f.version, &f.label)).collect();
    let releases: BTreeSet<_> = findings.iter().map(|f| &f.version).collect();
    let wrong = findings.iter().filter(|f| !f.passed).count();
    let mut out = format!(
        "\n## The run\n\n{passed} tests passed and {failed} failed; {} programs read in {} builds of {} releases, {wrong} of them \
         wrongly",
        findings.len(),
        builds.len(),
        releases.len(),
    );
    let minutes = run.seconds.map(|s| s.div_ceil(60));
    // Writing to a string cannot fail.
    let _ = match minutes {
        Some(minutes) => writeln!(out, "; {minutes} minutes, building included.\n"),
        None => writeln!(out, "; run in parts, not all at once.\n"),
    };
    out.push_str("| tests | passed | failed | seconds |\n| --- | --- | --- | --- |\n");
    let mut programs: BTreeMap<&str, (u64, u64, f64)> = BTreeMap::new();
    for p in run.programs.iter().filter(|p| p.passed + p.failed > 0) {
        let sums = programs.entry(&p.name).or_default();
        *sums = (sums.0 + p.passed, sums.1 + p.failed, sums.2 + p.seconds);
    }
    for (name, (passed, failed, seconds)) in programs {
        let _ = writeln!(out, "| {name} | {passed} | {failed} | {seconds:.0} |");
    }
    out
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
