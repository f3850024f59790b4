//! Scores over many histories, and the table.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::Range;

use leakscope_trend::{Config, Millis, Scratch};

use crate::fleet::{FleetCase, run_fleet};
use crate::history::{History, earlier, record};
use crate::model::Sizing;
use crate::run::{Help, Looks, Outcome, run};
use crate::scenario::Scenario;
use crate::today::Rule;

/// Seeds that thresholds may be chosen on. Nothing is reported on them.
pub const TUNED_ON: Range<u64> = 0..8;

/// Seeds that the table is made of.
const REPORTED_BASE: Range<u64> = 500..515;
const REPORTED_TIGHT: Range<u64> = 600..616;

/// How well a look into the heap tells what is bounded, and how the table calls that.
const LOOKS: [(&str, Looks); 3] = [
    (" that never errs", Looks::PERFECT),
    (" as measured", Looks::MEASURED),
    (" at the interval's end", Looks::WORST),
];

const HOUR: f64 = 3.6e6;

/// How well leaks were told from what is none.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Score {
    /// Leaks that were found before memory ended the process.
    pub found: usize,
    /// Leaks.
    pub leaks: usize,
    /// Benign histories that were called leaks at any time.
    pub false_alarms: usize,
    /// Benign histories.
    pub benign: usize,
    leads: Vec<Millis>,
    consumed: Vec<f64>,
}

impl Score {
    /// The score of some outcomes.
    pub fn of<'a>(outcomes: impl IntoIterator<Item = &'a Outcome>) -> Self {
        let mut score = Self::default();
        for outcome in outcomes {
            let fired = outcome.fired.is_some();
            if outcome.scenario.is_leak() {
                score.leaks += 1;
                score.found += usize::from(fired);
                score.leads.extend(outcome.lead);
                score.consumed.extend(outcome.consumed);
            } else {
                score.benign += 1;
                score.false_alarms += usize::from(fired);
            }
        }
        score
    }

    /// Share of alarms that are leaks.
    pub fn precision(&self) -> f64 {
        self.found as f64 / (self.found + self.false_alarms).max(1) as f64
    }

    /// Share of leaks that are found.
    pub fn recall(&self) -> f64 {
        self.found as f64 / self.leaks.max(1) as f64
    }

    /// The harmonic mean of both.
    pub fn f1(&self) -> f64 {
        let alarms = self.found + self.false_alarms;
        2.0 * self.found as f64 / (alarms + self.leaks).max(1) as f64
    }

    /// Share of benign histories that were called leaks at any time.
    pub fn false_positive_rate(&self) -> f64 {
        self.false_alarms as f64 / self.benign.max(1) as f64
    }

    /// Hours from the alarm to the end by memory, the median.
    pub fn lead_hours(&self) -> Option<f64> {
        let mut leads = self.leads.clone();
        leads.sort_unstable();
        leads.get(leads.len() / 2).map(|l| *l as f64 / HOUR)
    }

    /// Share of the room that is gone at the alarm, the median.
    pub fn consumed(&self) -> Option<f64> {
        let mut consumed = self.consumed.clone();
        consumed.sort_unstable_by(f64::total_cmp);
        consumed.get(consumed.len() / 2).copied()
    }
}

/// Histories of many seeds, with their earlier lives.
#[derive(Debug)]
pub struct Bench {
    cases: Vec<(u64, History, History)>,
}

impl Bench {
    /// The histories of these scenarios and seeds.
    pub fn new(scenarios: &[Scenario], sizing: Sizing, seeds: Range<u64>) -> Self {
        let cases = seeds.flat_map(|seed| {
            scenarios.iter().map(move |scenario| {
                let history = record(*scenario, sizing, seed);
                (seed, history, earlier(*scenario, sizing, seed))
            })
        });
        Self {
            cases: cases.collect(),
        }
    }

    /// What the engine says about each.
    pub fn engine(&self, help: Help, config: &Config) -> Vec<Outcome> {
        let mut scratch = Scratch::default();
        self.cases
            .iter()
            .map(|(seed, history, earlier)| {
                let remembers = matches!(help, Help::Memory | Help::MemoryAndEvidence(_));
                let before = remembers.then_some(earlier);
                run(history, before, help, *seed, config, &mut scratch)
            })
            .collect()
    }

    /// What a rule of today says about each.
    pub fn rule(&self, rule: Rule) -> Vec<Outcome> {
        self.cases.iter().map(|(_, h, _)| rule.run(h)).collect()
    }
}

fn row(out: &mut String, name: &str, score: &Score) {
    let number = |n: Option<f64>, unit: &str| n.map_or("-".into(), |n| format!("{n:.1}{unit}"));
    let consumed = score.consumed().map(|c| 100.0 * c);
    let _ = writeln!(
        out,
        "| {name} | {:.3} | {:.3} | **{:.3}** | {:.3} | {} | {} |",
        score.precision(),
        score.recall(),
        score.f1(),
        score.false_positive_rate(),
        number(score.lead_hours(), " h"),
        number(consumed, " %"),
    );
}

/// The whole table as Markdown, on the reported seeds.
pub fn print(config: &Config) -> String {
    let mut out = String::new();
    let base = Bench::new(&Scenario::CORE, Sizing::Base, REPORTED_BASE);
    let tight = Bench::new(&Scenario::CORE, Sizing::Tight, REPORTED_TIGHT);
    for (title, bench) in [
        ("base sizing, seeds 500-514", &base),
        ("tight sizing, seeds 600-615", &tight),
    ] {
        let _ = writeln!(out, "### The 23, {title}\n");
        head(&mut out);
        for rule in Rule::ALL {
            row(&mut out, rule.name(), &Score::of(&bench.rule(rule)));
        }
        let engine = |help| Score::of(&bench.engine(help, config));
        row(&mut out, "leakscope, RSS only", &engine(Help::RssOnly));
        row(&mut out, "leakscope, trend alone", &engine(Help::None));
        row(&mut out, "with workload memory", &engine(Help::Memory));
        for (how, looks) in LOOKS {
            row(
                &mut out,
                &format!("with a look{how}"),
                &engine(Help::Evidence(looks)),
            );
        }
        for (how, looks) in LOOKS {
            row(
                &mut out,
                &format!("with both, a look{how}"),
                &engine(Help::MemoryAndEvidence(looks)),
            );
        }
        out.push('\n');
    }
    per_scenario(&mut out, &base, &tight, config);
    extra(&mut out, &base, config);
    out
}

fn head(out: &mut String) {
    let _ = writeln!(
        out,
        "| rule | precision | recall | F1 | false positives | median lead | room gone |\n| --- | --- | --- | --- | --- | --- | --- |"
    );
}

/// Alarms of each scenario, of how many.
fn tally(outcomes: &[Outcome]) -> BTreeMap<&'static str, (usize, usize)> {
    let mut tally = BTreeMap::new();
    for outcome in outcomes {
        let (fired, all) = tally.entry(outcome.scenario.name()).or_insert((0, 0));
        *fired += usize::from(outcome.fired.is_some());
        *all += 1;
    }
    tally
}

fn per_scenario(out: &mut String, base: &Bench, tight: &Bench, config: &Config) {
    let _ = writeln!(out, "### Alarms per scenario\n");
    let _ = writeln!(
        out,
        "| scenario | is a leak | base | tight | tight, with both as measured | predict_linear [6h], 24h, base |\n| --- | --- | --- | --- | --- | --- |"
    );
    let columns = [
        tally(&base.engine(Help::None, config)),
        tally(&tight.engine(Help::None, config)),
        tally(&tight.engine(Help::MemoryAndEvidence(Looks::MEASURED), config)),
        tally(&base.rule(Rule::PredictLong)),
    ];
    for scenario in Scenario::CORE {
        let cells = columns.iter().map(|column| {
            let (fired, all) = column.get(scenario.name()).copied().unwrap_or_default();
            format!("{fired}/{all}")
        });
        let cells: Vec<String> = cells.collect();
        let leak = if scenario.is_leak() { "yes" } else { "no" };
        let _ = writeln!(
            out,
            "| {} | {leak} | {} |",
            scenario.name(),
            cells.join(" | ")
        );
    }
    out.push('\n');
}

fn extra(out: &mut String, base: &Bench, config: &Config) {
    let _ = writeln!(
        out,
        "### Beyond the 23, base sizing, seeds 500-507\n\n| scenario | expected | alarms | right |\n| --- | --- | --- | --- |"
    );
    let bench = Bench::new(&Scenario::EXTRA, Sizing::Base, 500..508);
    let outcomes = bench.engine(Help::None, config);
    for scenario in Scenario::EXTRA {
        let of: Vec<&Outcome> = outcomes.iter().filter(|o| o.scenario == scenario).collect();
        let fired = of.iter().filter(|o| o.fired.is_some()).count();
        let right = of.iter().filter(|o| is_right(o)).count();
        let _ = writeln!(
            out,
            "| {} | {} | {fired}/{} | {right}/{} |",
            scenario.name(),
            expected(scenario),
            of.len(),
            of.len()
        );
    }
    for case in FleetCase::ALL {
        let outcomes: Vec<_> = (500..508).map(|s| run_fleet(case, s, config)).collect();
        let fired = outcomes.iter().filter(|o| o.leaks > 0).count();
        let right = outcomes.iter().filter(|o| o.right).count();
        let n = outcomes.len();
        let _ = writeln!(
            out,
            "| {} | {} | {fired}/{n} | {right}/{n} |",
            case.name(),
            case.expected()
        );
    }
    let mut all = base.engine(Help::None, config);
    all.extend(outcomes);
    let _ = writeln!(out, "\n### All together, base sizing, trend alone\n");
    head(out);
    row(out, "the 23 and those beyond", &Score::of(&all));
}

/// What is to be said about a scenario.
pub(crate) fn expected(scenario: Scenario) -> &'static str {
    match scenario {
        Scenario::MissingFloors => "unknown",
        Scenario::LeakThatStops => "leak, then cleared",
        Scenario::TwoLeaks => "leak in both channels",
        s if s.is_leak() => "leak",
        _ => "no leak",
    }
}

/// Whether that was said.
pub fn is_right(outcome: &Outcome) -> bool {
    let fired = outcome.fired.is_some();
    match outcome.scenario {
        Scenario::MissingFloors => !fired && !outcome.heap_known,
        Scenario::LeakThatStops => fired && outcome.cleared.is_some(),
        Scenario::TwoLeaks => outcome.channels.len() >= 2,
        s => fired == s.is_leak(),
    }
}
