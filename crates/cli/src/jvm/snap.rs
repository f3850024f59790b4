//! `leakscope snap` of a live JVM: a heap dump that the JVM writes itself, garbage included, without a collection.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use leakscope_report::{Coverage, Document, SnapDoc, Text, bytes};
use leakscope_target::{AttachError, DumpPlace};

use super::{Asked, Prediction, SHORT, allowed};
use crate::args::{Common, SnapArgs};
use crate::failure::Failure;
use crate::head::head;
use crate::progress::Progress;
use crate::{interrupt, output};

/// How hard the JVM packs: more takes longer, and it stands still for it.
const LEVEL: &[u8] = b"1";
/// What a JVM says when a dump is whole (HotSpot `heapDumper.cpp`, JDK 6 to 25).
const WHOLE: &[u8] = b"Heap dump file created";

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
    let prediction = Prediction::of_dump(asked.heap_used, packed);
    progress.remark(&format!(
        "a dump of {} of heap: the JVM will stand still for about {:.1} s and write about {} (at most {})",
        bytes(prediction.heap),
        prediction.pause.as_secs_f64(),
        bytes(prediction.usual),
        bytes(prediction.most),
    ));
    allowed(&args.target.how, &prediction, "a dump")?;
    let failed = |source| Failure::Output {
        path: path.clone(),
        source,
    };
    if !options.force && path.symlink_metadata().is_ok() {
        return Err(failed(std::io::ErrorKind::AlreadyExists.into()));
    }
    let place = DumpPlace::prepare(&asked.attach, &path, prediction.most)?;
    if place.copies() {
        progress.remark(
            "the JVM does not see the folder of the dump: it writes to its own, and the dump is copied",
        );
    }
    progress.phase("the JVM stands still and writes its dump");
    let level = if packed { LEVEL } else { b"" };
    let words = [place.path(), b"-all", level];
    let patience = Asked::patience(&prediction);
    let said = asked.attach.command("dumpheap", &words, SHORT, patience)?;
    if !said.windows(WHOLE.len()).any(|w| w == WHOLE) {
        return Err(AttachError::Refused {
            command: "dumpheap",
            code: 0,
            text: said.trim_ascii()[..said.trim_ascii().len().min(300)].to_vec(),
        }
        .into());
    }
    let measured = seconds(&said);
    progress.phase("putting the dump in its place");
    let written = interrupt::held(|| place.finish(&path, options.force)).map_err(failed)?;
    if let Some(measured) = measured {
        progress.remark(&format!(
            "the JVM stood still for {:.1} s (predicted {:.1} s) and runs on",
            measured.as_secs_f64(),
            prediction.pause.as_secs_f64()
        ));
    }
    let capture = Asked::capture(&prediction, measured);
    let doc = SnapDoc {
        head: head(Document::Snap, asked.target, capture, Coverage::default()),
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

/// How long the dump took, as the JVM says: `[808503175 bytes in 2.071 secs]`.
fn seconds(said: &[u8]) -> Option<Duration> {
    let text = String::from_utf8_lossy(said);
    let (before, _) = text.split_once(" secs]")?;
    let seconds = before.rsplit(' ').next()?.parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_a_dump_is_read() {
        let said =
            b"Dumping heap to /x ...\nHeap dump file created [808503175 bytes in 2.071 secs]\n";
        assert_eq!(seconds(said), Some(Duration::from_millis(2071)));
        for odd in [&b""[..], b" secs]", b"in -1 secs]", b"in nan secs]"] {
            assert_eq!(seconds(odd), None);
        }
    }
}
