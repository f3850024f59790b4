//! `leakscope sites`: where living objects were allocated. `leakscope ledger`: where every resident byte is.

use crate::args::{Common, HeapArgs};
use crate::failure::Failure;
use crate::progress::Progress;
use crate::read::{read_go, read_with_residency};
use crate::{output, views};

/// Sites in text; JSON has all.
const SITES: usize = 10;
/// Mappings in text; JSON has all.
const MAPPINGS: usize = 10;

pub(crate) fn sites(
    args: &HeapArgs,
    options: &Common,
    progress: &mut Progress,
) -> Result<(), Failure> {
    let subject = read_go(&args.target, progress)?;
    progress.phase("finding who allocated");
    let limit = limit(args, options, SITES);
    let doc = views::sites::sites(&subject, limit)?;
    progress.pause();
    output::document(&doc, options, limit)
}

pub(crate) fn ledger(
    args: &HeapArgs,
    options: &Common,
    progress: &mut Progress,
) -> Result<(), Failure> {
    let subject = read_with_residency(&args.target, progress)?;
    progress.phase("adding up");
    let shown = limit(args, options, MAPPINGS);
    let doc = views::ledger::ledger_doc(&subject, args.rows.of_json(None));
    progress.pause();
    output::document(&doc, options, shown)
}

fn limit(args: &HeapArgs, options: &Common, in_text: usize) -> Option<usize> {
    if options.json {
        args.rows.of_json(None)
    } else {
        args.rows.of_text(in_text)
    }
}
