//! `leakscope snap` of a live JVM: its dump in a file to keep.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use leakscope_report::{Coverage, Document, SnapDoc, Text};

use super::Asked;
use super::dump::dump;
use crate::args::{Common, SnapArgs};
use crate::failure::Failure;
use crate::head::head;
use crate::progress::Progress;
use crate::{interrupt, output};

pub(crate) fn snap(
    pid: i32,
    args: &SnapArgs,
    options: &Common,
    progress: &mut Progress,
) -> Result<(), Failure> {
    if args.no_values {
        return Err(Failure::JvmValues);
    }
    let asked = Asked::open(pid, progress)?;
    let path = options.output.clone().unwrap_or_else(|| usual_name(&asked));
    if path == Path::new("-") {
        return Err(Failure::JvmToStdout);
    }
    let packed = path.extension().is_some_and(|e| e == "gz");
    let failed = |source| Failure::Output {
        path: path.clone(),
        source,
    };
    if !options.force && path.symlink_metadata().is_ok() {
        return Err(failed(std::io::ErrorKind::AlreadyExists.into()));
    }
    let dumped = dump(&asked, &path, packed, &args.target.how, progress)?;
    progress.phase("putting the dump in its place");
    let written = interrupt::held(|| dumped.place.finish(&path, options.force)).map_err(failed)?;
    let doc = SnapDoc {
        head: head(
            Document::Snap,
            asked.target,
            dumped.capture,
            Coverage::default(),
        ),
        snapshot: Text::new(path.as_os_str().as_bytes()),
        unpacked_bytes: asked.heap_used,
        written_bytes: written,
        values: true,
    };
    progress.pause();
    // -o was the dump's.
    let options = Common {
        output: None,
        ..options.clone()
    };
    output::document(&doc, &options, None)
}

/// `NAME-PID.hprof` in the present folder.
fn usual_name(asked: &Asked) -> PathBuf {
    crate::read::usual_name(&asked.target, "hprof")
}
