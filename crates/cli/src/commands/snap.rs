//! `leakscope snap`: a target's memory in one file, to be analysed elsewhere.

use std::os::unix::ffi::OsStrExt;

use leakscope_report::{Coverage, Document, SnapDoc, Text};

use crate::args::{Common, SnapArgs};
use crate::failure::Failure;
use crate::head::head;
use crate::progress::Progress;
use crate::read::{Snapped, snap};
use crate::{jvm, output};

pub(crate) fn run(
    args: &SnapArgs,
    options: &Common,
    progress: &mut Progress,
) -> Result<(), Failure> {
    if let Some(pid) = jvm::is_meant(&args.target.target) {
        return jvm::snap(pid, args, options, progress);
    }
    let Snapped {
        path,
        size,
        target,
        capture,
        gaps,
        values,
    } = snap(args, options, progress)?;
    let coverage = Coverage {
        gaps,
        ..Coverage::default()
    };
    let doc = SnapDoc {
        head: head(Document::Snap, target, capture, coverage),
        snapshot: Text::new(path.as_os_str().as_bytes()),
        unpacked_bytes: size.unpacked,
        written_bytes: size.written,
        values,
    };
    progress.pause();
    // -o was the snapshot's.
    let options = Common {
        output: None,
        ..options.clone()
    };
    output::document(&doc, &options, None)
}
