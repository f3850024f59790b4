//! `leakscope analyze`, `histo`, `maps`, `goroutines` and `why`: views of one heap; `diff`: of several.

use leakscope_report::Render;
use serde::Serialize;

use crate::args::{Common, DiffArgs, HeapArgs, WhyArgs};
use crate::failure::Failure;
use crate::progress::Progress;
use crate::read::{Subject, read, read_one_of_many};
use crate::views::diff::Sums;
use crate::{output, views};

/// Rows of the overview's tables, in text and in JSON.
const OVERVIEW: usize = 10;
/// Ways that are told.
const WAYS: usize = 5;
/// Most ways that are looked for, however many are asked for.
const MOST_WAYS: usize = 1000;
/// Rows of a whole list's table in text; JSON has all.
const LIST: usize = 30;

pub(crate) fn analyze(
    args: &HeapArgs,
    options: &Common,
    progress: &mut Progress,
) -> Result<(), Failure> {
    show(
        args,
        options,
        progress,
        OVERVIEW,
        Some(OVERVIEW),
        views::analyze,
    )
}

pub(crate) fn histo(
    args: &HeapArgs,
    options: &Common,
    progress: &mut Progress,
) -> Result<(), Failure> {
    show(args, options, progress, LIST, None, views::histo)
}

pub(crate) fn maps(
    args: &HeapArgs,
    options: &Common,
    progress: &mut Progress,
) -> Result<(), Failure> {
    show(args, options, progress, LIST, None, views::maps_doc)
}

pub(crate) fn goroutines(
    args: &HeapArgs,
    options: &Common,
    progress: &mut Progress,
) -> Result<(), Failure> {
    show(
        args,
        options,
        progress,
        OVERVIEW,
        None,
        views::goroutines::goroutines,
    )
}

pub(crate) fn why(
    args: &WhyArgs,
    options: &Common,
    progress: &mut Progress,
) -> Result<(), Failure> {
    let subject = read(&args.target, progress)?;
    progress.phase("finding the ways");
    let limit = if options.json {
        args.rows.of_json(Some(WAYS))
    } else {
        args.rows.of_text(WAYS)
    };
    let doc = views::why::why(&subject, &args.about, limit.unwrap_or(MOST_WAYS))?;
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
        captures.push(Sums::of(&subject)?);
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
    in_json: Option<usize>,
    view: fn(&Subject, Option<usize>) -> Result<D, Failure>,
) -> Result<(), Failure> {
    let subject = read(&args.target, progress)?;
    progress.phase("writing the report");
    if options.wants_profile() {
        let profile = views::profile::profile(&subject)?;
        progress.pause();
        return output::write(&profile, options);
    }
    let limit = if options.json {
        args.rows.of_json(in_json)
    } else {
        args.rows.of_text(in_text)
    };
    let doc = view(&subject, limit)?;
    progress.pause();
    output::document(&doc, options, limit)
}
