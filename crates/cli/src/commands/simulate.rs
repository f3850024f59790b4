//! `leakscope simulate`: what the maps of some Go releases would do.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;

use leakscope_gomap::scenario::{Outcome, Row, SCENARIOS, Scenario, Unit, Verdict};
use leakscope_gomap::{Curve, RELEASES, Release, Trace, TraceError};
use leakscope_report::{
    Capture, ClaimRow, Coverage, CurveRow, Document, Finding, Measure, Method, ScenarioRow,
    SimulateDoc, StepRow, Target, TargetKind, Text, TraceRow, ValueRow, svg,
};

use crate::args::{Common, SimulateArgs};
use crate::failure::Failure;
use crate::head::{head, now};
use crate::output;

/// Longest text of a trace that is read: a hundred thousand lines.
const MAX_TRACE: u64 = 4 << 20;
/// Points of a curve, about.
const POINTS: u64 = 200;

/// What cannot be simulated.
#[derive(Debug)]
pub(crate) enum Refused {
    /// Neither a scenario nor a file.
    Unknown {
        /// As asked for, raw.
        what: Vec<u8>,
    },
    /// No release of that name is modelled.
    Release {
        /// As asked for.
        name: String,
    },
    /// The file of a trace cannot be read.
    Unreadable {
        /// Its path, raw.
        file: Vec<u8>,
        /// The kernel's word.
        source: io::Error,
    },
    /// The file holds no trace.
    Trace {
        /// Its path, raw.
        file: Vec<u8>,
        /// Why.
        source: TraceError,
    },
    /// There is no memory over time to draw.
    NothingToDraw,
}

pub(crate) fn run(args: &SimulateArgs, options: &Common) -> Result<(), Failure> {
    let picture = Common {
        output: args.svg.clone(),
        ..options.clone()
    };
    output::check(&picture)?;
    let releases = releases(&args.go)?;
    let mut doc = empty();
    match &args.what {
        None => doc.scenarios = SCENARIOS.iter().map(scenario_row).collect(),
        Some(what) => match what.to_str().and_then(Scenario::named) {
            Some(scenario) => {
                doc.scenario = Some(scenario_row(scenario));
                outcome(&mut doc, &scenario.run(&releases));
            }
            None => trace(&mut doc, what, &releases, args.seed)?,
        },
    }
    if args.svg.is_some() {
        if doc.curves.is_empty() {
            return Err(Failure::Simulate(Refused::NothingToDraw));
        }
        let curves: Vec<_> = doc.curves.iter().map(CurveRow::series).collect();
        output::write(svg(&title(&doc), &curves).as_bytes(), &picture)?;
    }
    output::document(&doc, options, None)
}

/// The releases asked for, or all that need no experiment.
fn releases(names: &[String]) -> Result<Vec<&'static Release>, Failure> {
    if names.is_empty() {
        return Ok(RELEASES.iter().filter(|r| !r.name.contains('-')).collect());
    }
    names
        .iter()
        .map(|name| {
            let name = name.trim();
            Release::named(name).ok_or_else(|| {
                Failure::Simulate(Refused::Release {
                    name: name.to_owned(),
                })
            })
        })
        .collect()
}

fn empty() -> SimulateDoc {
    let capture = Capture {
        taken_at: Some(now()),
        ..Capture::of(Method::Model)
    };
    SimulateDoc {
        head: head(
            Document::Simulate,
            Target::of(TargetKind::Model),
            capture,
            Coverage::default(),
        ),
        scenario: None,
        trace: None,
        claims: Vec::new(),
        conclusion: None,
        curves: Vec::new(),
        scenarios: Vec::new(),
    }
}

fn scenario_row(scenario: &Scenario) -> ScenarioRow {
    ScenarioRow {
        name: scenario.name.to_owned(),
        section: scenario.section.to_owned(),
        title: scenario.title.to_owned(),
    }
}

fn outcome(doc: &mut SimulateDoc, outcome: &Outcome) {
    doc.claims = outcome.rows.iter().map(claim_row).collect();
    doc.conclusion = Some(outcome.conclusion.to_owned());
    doc.curves = outcome.curves.iter().map(curve_row).collect();
}

fn trace(
    doc: &mut SimulateDoc,
    file: &OsString,
    releases: &[&'static Release],
    seed: u64,
) -> Result<(), Failure> {
    let name = file.as_bytes().to_vec();
    let text = read(file)?;
    let trace = Trace::parse(&text)
        .map_err(|source| Failure::Simulate(Refused::Trace { file: name, source }))?;
    doc.trace = Some(TraceRow {
        file: Text::new(file.as_bytes()),
        map_type: Text::new(&trace.type_name),
        hint: trace.hint,
        steps: trace.steps(),
    });
    doc.curves = releases
        .iter()
        .map(|release| curve_row(&trace.run(release, seed, POINTS)))
        .collect();
    Ok(())
}

fn read(file: &OsStr) -> Result<String, Failure> {
    let refused = |source: io::Error| {
        let file = file.as_bytes().to_vec();
        Failure::Simulate(if source.kind() == io::ErrorKind::NotFound {
            Refused::Unknown { what: file }
        } else {
            Refused::Unreadable { file, source }
        })
    };
    let mut text = String::new();
    let read = if file == "-" {
        io::stdin()
            .lock()
            .take(MAX_TRACE + 1)
            .read_to_string(&mut text)
    } else {
        let opened = File::open(file).map_err(refused)?;
        opened.take(MAX_TRACE + 1).read_to_string(&mut text)
    };
    match read {
        Ok(length) if length as u64 > MAX_TRACE => Err(refused(io::ErrorKind::FileTooLarge.into())),
        Ok(_) => Ok(text),
        Err(source) => Err(refused(source)),
    }
}

fn title(doc: &SimulateDoc) -> String {
    match (&doc.scenario, &doc.trace) {
        (Some(s), _) => format!("{}: memory over steps", s.name),
        (None, Some(t)) => format!("{}: memory over steps", t.map_type),
        (None, None) => String::new(),
    }
}

fn claim_row(row: &Row) -> ClaimRow {
    ClaimRow {
        claim: row.claim.to_owned(),
        measure: match row.unit {
            Unit::Bytes => Measure::Bytes,
            Unit::Count => Measure::Count,
            Unit::Ratio => Measure::Ratio,
            Unit::Answer => Measure::Answer,
        },
        article: row.article,
        values: row
            .values
            .iter()
            .map(|value| ValueRow {
                release: value.release.to_owned(),
                number: value.number,
                verdict: match value.verdict {
                    Verdict::True => Finding::True,
                    Verdict::Partly => Finding::Partly,
                    Verdict::False => Finding::False,
                    Verdict::NotApplicable => Finding::NotApplicable,
                },
            })
            .collect(),
    }
}

fn curve_row(curve: &Curve) -> CurveRow {
    let end = curve.points.last().copied().unwrap_or_default();
    CurveRow {
        release: curve.release.to_owned(),
        points: curve
            .points
            .iter()
            .map(|point| StepRow {
                step: point.step,
                entries: point.entries,
                bytes: point.memory.total(),
                old_bytes: point.memory.old_arrays + point.memory.zombies,
            })
            .collect(),
        peak_bytes: curve.peak.memory.total(),
        peak_step: curve.peak.step,
        final_bytes: end.memory.total(),
        needed_bytes: curve.smallest + end.memory.indirect,
        largest_allocation_bytes: curve.largest.1,
        largest_allocation_step: curve.largest.0,
        allocated_bytes: curve.allocated,
    }
}
