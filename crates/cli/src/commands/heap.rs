//! `leakscope analyze`, `histo`, `maps`, `goroutines`, `threads` and `why`: views of one heap; `diff`: of several.

use leakscope_patterns::Rests;
use leakscope_report::Render;
use serde::Serialize;

use crate::args::{AnalyzeArgs, Common, DiffArgs, HeapArgs, SumsArgs, WhyArgs};
use crate::failure::Failure;
use crate::progress::Progress;
use crate::read::{Subject, read, read_for_findings, read_go, read_one_of_many, read_with_values};
use crate::selection::Selection;
use crate::views::Overview;
use crate::views::diff::Sums;
use crate::{jvm, output, views};

/// Suspects of the overview, and groups of goroutines; in JSON also rows of its tables.
const OVERVIEW: usize = 10;
/// Rows of the overview's tables in text: all of it fits one screen.
const SHORT: usize = 5;
/// Ways that are told.
const WAYS: usize = 5;
/// Most ways that are looked for, however many are asked for.
const MOST_WAYS: usize = 1000;
/// Rows of a whole list's table in text; JSON has all.
const LIST: usize = 30;

/// The overview; whether it has what `--fail-on` names.
pub(crate) fn analyze(
    args: &AnalyzeArgs,
    options: &Common,
    progress: &mut Progress,
) -> Result<bool, Failure> {
    let selection = Selection::of(&args.selection)?;
    let AnalyzeArgs { heap: args, .. } = args;
    let rests = Rests::of(|pattern| selection.wants(pattern));
    let subject = read_for_findings(&args.target, rests, progress)?;
    progress.phase("finding who holds what");
    let rows = &args.rows;
    let (suspects, rows) = if options.json {
        (rows.of_json(Some(OVERVIEW)), rows.of_json(Some(OVERVIEW)))
    } else {
        (rows.of_text(OVERVIEW), rows.of_text(SHORT))
    };
    let most = Overview { suspects, rows };
    if options.wants_profile() {
        let met = if selection.judges() {
            views::analyze(&subject, &selection, most)?.1
        } else {
            0
        };
        profile(&subject, options, progress)?;
        return Ok(told(met, progress));
    }
    let (doc, met) = views::analyze(&subject, &selection, most)?;
    progress.pause();
    output::document(&doc, options, rows)?;
    Ok(told(met, progress))
}

/// Whether anything was found that fails; says how much.
fn told(met: u64, progress: &Progress) -> bool {
    if met > 0 {
        progress.remark(&format!(
            "exit status 1: {} as --fail-on names",
            leakscope_report::things(met, "finding")
        ));
    }
    met > 0
}

pub(crate) fn histo(
    args: &SumsArgs,
    options: &Common,
    progress: &mut Progress,
) -> Result<(), Failure> {
    // What each alone keeps is in a dump only.
    if !args.retained
        && !options.wants_profile()
        && let Some(pid) = jvm::is_meant(&args.heap.target.target)
    {
        return jvm::histo(pid, &args.heap, options, progress);
    }
    let view = |subject: &Subject, limit| views::histo(subject, args.retained, limit);
    show(&args.heap, options, progress, LIST, view)
}

pub(crate) fn maps(
    args: &SumsArgs,
    options: &Common,
    progress: &mut Progress,
) -> Result<(), Failure> {
    let view = |subject: &Subject, limit| views::maps_doc(subject, args.retained, limit);
    show(&args.heap, options, progress, LIST, view)
}

pub(crate) fn goroutines(
    args: &HeapArgs,
    options: &Common,
    progress: &mut Progress,
) -> Result<(), Failure> {
    let subject = read_go(&args.target, progress)?;
    tell(
        &subject,
        args,
        options,
        progress,
        OVERVIEW,
        views::goroutines::goroutines,
    )
}

pub(crate) fn threads(
    args: &HeapArgs,
    options: &Common,
    progress: &mut Progress,
) -> Result<(), Failure> {
    show(args, options, progress, OVERVIEW, views::threads::threads)
}

pub(crate) fn why(
    args: &WhyArgs,
    options: &Common,
    progress: &mut Progress,
) -> Result<(), Failure> {
    let (subject, values) = if args.show_values {
        let (subject, values) = read_with_values(&args.target, progress)?;
        (subject, Some(values))
    } else {
        (read(&args.target, progress)?, None)
    };
    progress.phase("finding the ways");
    let limit = if options.json {
        args.rows.of_json(Some(WAYS))
    } else {
        args.rows.of_text(WAYS)
    };
    let ways = limit.unwrap_or(MOST_WAYS);
    let doc = views::why::why(&subject, values.as_ref(), &args.about, ways)?;
    progress.pause();
    output::document(&doc, options, limit)
}

pub(crate) fn diff(
    args: &DiffArgs,
    options: &Common,
    progress: &mut Progress,
) -> Result<(), Failure> {
    let mut captures = Vec::with_capacity(args.targets.len());
    let last = args.targets.len().saturating_sub(1);
    for (i, target) in args.targets.iter().enumerate() {
        let subject = read_one_of_many(&args.how.of(target), i == last, progress)?;
        let sums = Sums::of(&subject, &captures)?;
        captures.push(sums);
    }
    progress.phase("comparing");
    let limit = if options.json {
        args.rows.of_json(None)
    } else {
        args.rows.of_text(OVERVIEW)
    };
    progress.pause();
    match views::diff::diff(captures, limit) {
        Some(doc) => output::document(&doc, options, limit),
        None => Ok(()),
    }
}

fn show<D: Serialize + Render>(
    args: &HeapArgs,
    options: &Common,
    progress: &mut Progress,
    in_text: usize,
    view: impl Fn(&Subject, Option<usize>) -> Result<D, Failure>,
) -> Result<(), Failure> {
    let subject = read(&args.target, progress)?;
    tell(&subject, args, options, progress, in_text, view)
}

fn tell<D: Serialize + Render>(
    subject: &Subject,
    args: &HeapArgs,
    options: &Common,
    progress: &mut Progress,
    in_text: usize,
    view: impl Fn(&Subject, Option<usize>) -> Result<D, Failure>,
) -> Result<(), Failure> {
    progress.phase("writing the report");
    if options.wants_profile() {
        return profile(subject, options, progress);
    }
    let limit = if options.json {
        args.rows.of_json(None)
    } else {
        args.rows.of_text(in_text)
    };
    let doc = view(subject, limit)?;
    progress.pause();
    output::document(&doc, options, limit)
}

fn profile(subject: &Subject, options: &Common, progress: &mut Progress) -> Result<(), Failure> {
    let profile = views::profile::profile(subject)?;
    progress.pause();
    output::write(&profile, options)
}
