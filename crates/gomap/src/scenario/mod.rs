//! What the article claims about maps, each number beside what the models of each release come to.

mod chains;
mod contract;
mod growth;
mod layout;
mod moves;
mod values;

use crate::{Curve, Map, Release, Rules, Seeded, Shape, World};

/// What becomes of a claim.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It holds.
    True,
    /// Part of it holds.
    Partly,
    /// It does not hold.
    False,
    /// There is nothing that it could be about.
    NotApplicable,
}

/// What a number counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unit {
    /// Bytes.
    Bytes,
    /// Things.
    Count,
    /// One number by another, or a mean.
    Ratio,
    /// 1 for yes, 0 for no.
    Answer,
}

/// What the model of one release comes to.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Value {
    /// The release.
    pub release: &'static str,
    /// The number; none where the release has nothing to measure.
    pub number: Option<f64>,
    /// The claim, for this release.
    pub verdict: Verdict,
}

/// One claim with its numbers.
#[derive(Clone, PartialEq, Debug)]
pub struct Row {
    /// What is claimed, or measured.
    pub claim: &'static str,
    /// What the numbers count.
    pub unit: Unit,
    /// The article's number; none where it names none.
    pub article: Option<f64>,
    /// Ours, by release.
    pub values: Vec<Value>,
}

/// What a scenario comes to.
#[derive(Clone, PartialEq, Debug)]
pub struct Outcome {
    /// Claims and numbers.
    pub rows: Vec<Row>,
    /// What to conclude.
    pub conclusion: &'static str,
    /// Memory over time, where time matters.
    pub curves: Vec<Curve>,
}

/// A claim of the article, or a few, that can be simulated.
#[derive(Clone, Copy)]
pub struct Scenario {
    /// What it is asked for by.
    pub name: &'static str,
    /// The article's section.
    pub section: &'static str,
    /// What it is about.
    pub title: &'static str,
    run: fn(&[&'static Release]) -> Outcome,
}

impl Scenario {
    /// Runs it with the maps of these releases.
    pub fn run(&self, releases: &[&'static Release]) -> Outcome {
        (self.run)(releases)
    }

    /// The scenario of that name.
    pub fn named(name: &str) -> Option<&'static Scenario> {
        SCENARIOS.iter().find(|s| s.name == name)
    }
}

impl std::fmt::Debug for Scenario {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Scenario").field(&self.name).finish()
    }
}

/// All scenarios, in the order of the article.
pub const SCENARIOS: [Scenario; 10] = [
    Scenario {
        name: "contract",
        section: "1",
        title: "the table of what maps promise",
        run: contract::run,
    },
    Scenario {
        name: "bucket-size",
        section: "2.1",
        title: "bytes of a bucket, and where its overflow pointer lies",
        run: layout::run,
    },
    Scenario {
        name: "old-buckets",
        section: "2.2",
        title: "how long the old array of a growth is kept",
        run: growth::old_buckets,
    },
    Scenario {
        name: "indirect",
        section: "2.3",
        title: "which keys and elems get objects of their own",
        run: values::indirect,
    },
    Scenario {
        name: "chain-length",
        section: "2.4",
        title: "chains at B=5 and B=8 under equal load",
        run: chains::run,
    },
    Scenario {
        name: "churn",
        section: "2.4",
        title: "what a constant number of ever new keys does",
        run: chains::churn,
    },
    Scenario {
        name: "boxing",
        section: "2.5",
        title: "the table of elem types that escape",
        run: values::boxing,
    },
    Scenario {
        name: "double-reference",
        section: "4.1",
        title: "what the emptied old array still leads to",
        run: moves::double_reference,
    },
    Scenario {
        name: "unreachable-entries",
        section: "4.2",
        title: "entries that growing leaves where no search goes",
        run: moves::unreachable,
    },
    Scenario {
        name: "growth-spike",
        section: "4.3, 4.4",
        title: "what the next growth of all maps that are due takes",
        run: growth::spike,
    },
];

/// A row whose values are computed for each release.
fn row(
    claim: &'static str,
    unit: Unit,
    article: Option<f64>,
    releases: &[&'static Release],
    mut value: impl FnMut(&'static Release) -> (Option<f64>, Verdict),
) -> Row {
    let values = releases.iter().map(|release| {
        let (number, verdict) = value(release);
        Value {
            release: release.name,
            number,
            verdict,
        }
    });
    Row {
        claim,
        unit,
        article,
        values: values.collect(),
    }
}

/// True if the model has the article's number.
fn equal(number: f64, article: f64) -> (Option<f64>, Verdict) {
    let verdict = if number == article {
        Verdict::True
    } else {
        Verdict::False
    };
    (Some(number), verdict)
}

/// Yes or no, and whether that is what the article says.
fn answer(yes: bool, article: bool) -> (Option<f64>, Verdict) {
    equal(f64::from(yes), f64::from(article))
}

fn classic(release: &Release) -> bool {
    matches!(release.rules, Rules::Classic(_))
}

/// Where there is nothing to measure.
const ABSENT: (Option<f64>, Verdict) = (None, Verdict::NotApplicable);

/// `map[int]int` of keys 1 to `entries`, made without a hint.
fn filled(release: &Release, shape: &Shape, entries: u32, seed: u64) -> (Map, Seeded) {
    let mut map = Map::make(release, *shape, 0);
    let mut world = Seeded::new(seed);
    put(&mut map, 1..=entries, &mut world);
    (map, world)
}

fn put(map: &mut Map, keys: impl Iterator<Item = u32>, world: &mut impl World) {
    for key in keys {
        // Maps of scenarios are made.
        let _made = map.assign(key, key, world);
    }
}

/// The shape of a type that is written in this crate.
fn shape(text: &str) -> Shape {
    const PLAIN: crate::Part = crate::Part {
        size: 8,
        align: 8,
        pointers: false,
        algorithm: crate::Algorithm::Memory,
    };
    Shape::parse(text).unwrap_or(Shape {
        key: PLAIN,
        elem: PLAIN,
    })
}
