//! Which ways of building the tests of exactness cover: the table `scripts/go-builds.txt`, and what a run takes of it.

use std::env;
use std::fmt::{self, Display, Formatter};
use std::fs;

use anyhow::{Context, Result, bail, ensure};

use crate::cache::repository;
use crate::fixture::{BuildFlags, Fixture};
use crate::toolchain::{Role, Selection, all_versions, selection};

/// Narrows the builds tests run to a list of labels such as `race pie`.
const BUILDS: &str = "LEAKSCOPE_GO_BUILDS";
/// Label of the ordinary build.
const DEFAULT: &str = "default";

/// One version of Go and one way of building with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Build {
    /// The version, for example `1.27.3`.
    pub version: String,
    /// What the way of building is called in `scripts/go-builds.txt`.
    pub label: String,
    /// What it means.
    pub flags: BuildFlags,
}

impl Build {
    /// Builds a fixture this way.
    pub fn fixture(&self, name: &str) -> Result<Fixture> {
        Fixture::build(name, &self.version, &self.flags)
    }

    /// Whether this is the ordinary build.
    pub fn is_default(&self) -> bool {
        self.label == DEFAULT
    }
}

impl Display for Build {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "go{} {}", self.version, self.label)
    }
}

/// The builds that this run is to check exactness with: in `make test` the ordinary build of the oldest, the newest and
/// the swing versions, and every other build that is marked so once; in `make test-all` everything. `LEAKSCOPE_GO_VERSIONS`
/// may name versions, `LEAKSCOPE_GO_BUILDS` labels.
pub fn builds() -> Result<Vec<Build>> {
    let labels = env::var(BUILDS).unwrap_or_default();
    let mut builds = chosen(&selection()?)?;
    if !labels.is_empty() {
        let wanted: Vec<&str> = labels.split([' ', ',']).collect();
        builds.retain(|b| wanted.contains(&b.label.as_str()));
    }
    ensure!(!builds.is_empty(), "no build to test is left");
    Ok(builds)
}

/// Every build that is declared, oldest version first.
pub fn all_builds() -> Result<Vec<Build>> {
    chosen(&Selection::All)
}

fn chosen(selection: &Selection) -> Result<Vec<Build>> {
    let versions = match selection {
        Selection::Some(versions) => versions.iter().map(|v| (v.clone(), Role::Test)).collect(),
        _ => all_versions()?,
    };
    let ways = ways()?;
    let mut builds = Vec::new();
    for (version, role) in &versions {
        for way in ways.iter().filter(|w| w.knows(version)) {
            let newest = || versions.iter().rfind(|(v, _)| way.knows(v)).map(|(v, _)| v);
            let taken = match selection {
                Selection::Test if way.label == DEFAULT => *role != Role::All,
                Selection::Test => way.tested && newest() == Some(version),
                Selection::Some(_) | Selection::All => true,
            };
            if taken {
                builds.push(Build {
                    version: version.clone(),
                    label: way.label.clone(),
                    flags: way.flags.clone(),
                });
            }
        }
    }
    Ok(builds)
}

/// A line of the table.
#[derive(Debug)]
struct Way {
    label: String,
    releases: (u32, u32),
    tested: bool,
    flags: BuildFlags,
}

impl Way {
    fn knows(&self, version: &str) -> bool {
        let (first, last) = self.releases;
        release(version).is_some_and(|r| (first..=last).contains(&r))
    }
}

/// The 27 of `1.27` and of `1.27.3`.
fn release(version: &str) -> Option<u32> {
    version
        .strip_prefix("1.")?
        .split(['.', 'r'])
        .next()?
        .parse()
        .ok()
}

fn ways() -> Result<Vec<Way>> {
    let path = repository().join("scripts/go-builds.txt");
    let text =
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    text.lines()
        .filter(|line| !line.starts_with('#') && !line.trim().is_empty())
        .map(|line| way(line).with_context(|| format!("{}: {line}", path.display())))
        .collect()
}

fn way(line: &str) -> Result<Way> {
    let mut words = line.split_whitespace();
    let mut next = || words.next().context("too few words");
    let label = next()?.to_owned();
    let releases = (
        release(next()?).context("no release")?,
        release(next()?).context("no release")?,
    );
    let tested = match next()? {
        "test" => true,
        "all" => false,
        other => bail!("no role: {other}"),
    };
    let mut flags = BuildFlags::default();
    for setting in words {
        match setting.split_once('=') {
            Some(("GOEXPERIMENT", experiments)) => flags.experiments = experiments.to_owned(),
            Some(("CGO_ENABLED", "1")) => flags.cgo = true,
            Some(("-buildmode", mode)) => flags.buildmode = mode.to_owned(),
            Some(("-ldflags", ldflags)) => flags.ldflags = ldflags.to_owned(),
            None if setting == "-race" => flags.race = true,
            _ => bail!("no setting: {setting}"),
        }
    }
    Ok(Way {
        label,
        releases,
        tested,
        flags,
    })
}
