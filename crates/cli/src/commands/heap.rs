//! `leakscope analyze`, `histo` and `maps`: three views of one heap.

use leakscope_report::Render;
use serde::Serialize;

use crate::args::{Common, HeapArgs};
use crate::failure::Failure;
use crate::progress::Progress;
use crate::read::{Subject, read};
use crate::{output, views};

/// Rows of the overview's tables, in text and in JSON.
const OVERVIEW: usize = 10;
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

fn show<D: Serialize + Render>(
    args: &HeapArgs,
    options: &Common,
    progress: &mut Progress,
    in_text: usize,
    in_json: Option<usize>,
    view: fn(&Subject, Option<usize>) -> D,
) -> Result<(), Failure> {
    let subject = read(&args.target, progress)?;
    progress.phase("writing the report");
    let limit = if options.json {
        args.rows.of_json(in_json)
    } else {
        args.rows.of_text(in_text)
    };
    let doc = view(&subject, limit);
    progress.pause();
    output::document(&doc, options, limit)
}
