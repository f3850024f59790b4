//! A heap dump that a live JVM writes itself, garbage included, without a collection.

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use leakscope_report::{Capture, Target, bytes};
use leakscope_target::{AttachError, DumpPlace};

use super::{Asked, Prediction, SHORT, allowed};
use crate::args::HowArgs;
use crate::failure::Failure;
use crate::memory;
use crate::progress::Progress;

/// How hard the JVM packs: more takes longer, and it stands still for it.
const LEVEL: &[u8] = b"1";
/// What a JVM says when a dump is whole (HotSpot `heapDumper.cpp`, JDK 6 to 25).
const WHOLE: &[u8] = b"Heap dump file created";

/// A dump that is whole, and still where the JVM wrote it.
pub(super) struct Dumped {
    pub(super) place: DumpPlace,
    pub(super) capture: Capture,
}

/// Has a JVM write a dump beside `path`, if that is allowed; what it will cost is said first.
pub(super) fn dump(
    asked: &Asked,
    path: &Path,
    packed: bool,
    how: &HowArgs,
    progress: &mut Progress,
) -> Result<Dumped, Failure> {
    let prediction = Prediction::of_dump(asked.heap_used, packed);
    progress.remark(&format!(
        "a dump of {} of heap: the JVM will stand still for about {:.1} s and write about {} (at most {})",
        bytes(prediction.heap),
        prediction.pause.as_secs_f64(),
        bytes(prediction.usual),
        bytes(prediction.most),
    ));
    allowed(how, &prediction, "a dump")?;
    let place = DumpPlace::prepare(&asked.attach, path, prediction.most)?;
    if place.copies() {
        progress.remark("the JVM does not see the folder of the dump: it writes to its own");
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
    if let Some(measured) = measured {
        progress.remark(&format!(
            "the JVM stood still for {:.1} s (predicted {:.1} s) and runs on",
            measured.as_secs_f64(),
            prediction.pause.as_secs_f64()
        ));
    }
    Ok(Dumped {
        place,
        capture: Asked::capture(&prediction, measured),
    })
}

/// A dump of a JVM for one look: it has no name, and is gone once the file is closed.
pub(crate) fn dump_for_now(
    pid: i32,
    how: &HowArgs,
    progress: &mut Progress,
) -> Result<(File, Target, Capture), Failure> {
    /// Stands for a file in the folder; none is made of that name.
    const NAME: &str = "heap.hprof";
    let asked = Asked::open(pid, progress)?;
    let path = memory::folder().join(NAME);
    let dumped = dump(&asked, &path, false, how, progress)?;
    let file = dumped.place.nameless();
    let file = file.map_err(|source| Failure::Output { path, source })?;
    Ok((file, asked.target, dumped.capture))
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
