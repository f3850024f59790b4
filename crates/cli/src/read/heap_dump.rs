//! A heap dump of a JVM as a target.

use std::ffi::OsStr;
use std::io::{self, Read};
use std::ops::Range;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use leakscope_jvm::{Input, JvmHeap, Packing, unpack};
use leakscope_report::{Capture, Gap, Method, Target, TargetKind, Text};
use leakscope_target::{forget_pages, map_file, map_open_file, return_free_memory};

use super::{How, Subject, locate};
use crate::args::TargetArgs;
use crate::failure::Failure;
use crate::heap::AnyHeap;
use crate::progress::Progress;
use crate::{jvm, memory};

/// How cores and executables begin.
const ELF: &[u8] = b"\x7fELF";
/// Bytes that tell a dump, packed or not.
const START: usize = 32;

/// Names that say that a file is meant to be a heap dump.
const NAMES: [&[u8]; 3] = [b".hprof", b".hprof.gz", b".hprof.zst"];

/// Whether the file at `path` is a heap dump, packed or not, or is meant to be one and nothing else.
pub(super) fn is_one(path: &Path) -> bool {
    let Ok(file) = std::fs::File::open(path) else {
        return false;
    };
    if !file.metadata().is_ok_and(|m| m.is_file()) {
        return false;
    }
    let mut start = Vec::new();
    let read = (&file).take(1 << 16).read_to_end(&mut start);
    let name = path.as_os_str().as_bytes();
    let meant = NAMES.iter().any(|end| name.ends_with(end)) && !start.starts_with(ELF);
    read.is_ok() && (starts_as_one(&start) || meant && !locate::is_snapshot(path))
}

/// Whether what begins with `start` is a heap dump, packed or not.
fn starts_as_one(start: &[u8]) -> bool {
    let packing = Packing::of(start);
    let mut plain = Vec::new();
    let stream = unpack(packing, Box::new(start));
    // The rest is missing: what could be unpacked is all that matters.
    let _ = stream.map(|s| s.take(START as u64).read_to_end(&mut plain));
    leakscope_jvm::Header::is_one(&plain)
}

/// Reads the dump at `path`.
pub(super) fn read(
    path: &Path,
    args: &TargetArgs,
    how: How,
    progress: &mut Progress,
) -> Result<Subject, Failure> {
    progress.phase("reading the heap dump");
    let file = map_file(path)?;
    how.drop_privileges(progress);
    let forget = |range: Range<usize>| forget_pages(&file, range.start, range.end);
    let heap = read_mapped(&file, &forget, path.as_os_str(), args)?;
    Ok(subject(heap, path.as_os_str(), progress))
}

/// Has a live JVM write a dump for now, and reads that.
pub(super) fn read_live(
    pid: i32,
    args: &TargetArgs,
    how: How,
    progress: &mut Progress,
) -> Result<Subject, Failure> {
    let (file, target, capture) = jvm::dump_for_now(pid, &args.how, progress)?;
    how.drop_privileges(progress);
    progress.phase("reading the heap dump");
    let name = args.target.as_os_str();
    let file = map_open_file(&file).map_err(|source| not_read(name, source.into()))?;
    let forget = |range: Range<usize>| forget_pages(&file, range.start, range.end);
    let heap = read_mapped(&file, &forget, name, args)?;
    let subject = subject(heap, name, progress);
    Ok(Subject {
        target,
        capture: Capture {
            threads: subject.capture.threads,
            ..capture
        },
        ..subject
    })
}

/// Reads a dump that is mapped; `forget` is called with ranges that are not needed for now.
fn read_mapped(
    bytes: &[u8],
    forget: &(dyn Fn(Range<usize>) + Sync),
    name: &OsStr,
    args: &TargetArgs,
) -> Result<JvmHeap, Failure> {
    // Columns come to about as much as a dump; of a packed one it is not known how much that is.
    memory::limit(args.how.max_memory, bytes.len() as u64)?;
    let input = match Packing::of(bytes) {
        Packing::None => Input::Bytes {
            bytes,
            done: forget,
        },
        packing => Input::Packed {
            packing,
            bytes,
            done: forget,
        },
    };
    build(input, name)
}

/// Reads a dump from standard input.
pub(super) fn read_stdin(
    args: &TargetArgs,
    how: How,
    progress: &mut Progress,
) -> Result<Subject, Failure> {
    progress.phase("reading the heap dump from standard input");
    how.drop_privileges(progress);
    memory::limit(args.how.max_memory, 0)?;
    let name = OsStr::new("-");
    let failed = |source: io::Error| not_read(name, source.into());
    let mut start = Vec::new();
    let mut stdin = io::stdin();
    let _ = stdin
        .by_ref()
        .take(START as u64)
        .read_to_end(&mut start)
        .map_err(failed)?;
    let packing = Packing::of(&start);
    let stream = io::Cursor::new(start).chain(stdin);
    let stream = unpack(packing, Box::new(stream)).map_err(failed)?;
    let heap = build(Input::Stream(stream), name)?;
    Ok(subject(heap, name, progress))
}

fn build(input: Input<'_>, name: &OsStr) -> Result<JvmHeap, Failure> {
    let heap = JvmHeap::build(input).map_err(|source| not_read(name, source))?;
    return_free_memory();
    Ok(heap)
}

fn not_read(name: &OsStr, source: leakscope_jvm::Error) -> Failure {
    Failure::HeapDump {
        dump: name.as_bytes().to_vec(),
        source,
    }
}

fn subject(heap: JvmHeap, name: &OsStr, progress: &Progress) -> Subject {
    let mut gaps = Vec::new();
    if let Some(cut) = heap.cut {
        progress.remark(&format!(
            "the heap dump is truncated: it ends within what begins at offset {cut}, so the answer is partial"
        ));
        gaps.push(Gap {
            reason: "the heap dump is truncated: file offset".into(),
            count: 1,
            examples: vec![leakscope_report::Address(cut)],
        });
    }
    let target = Target {
        heap_dump: Some(Text::new(name.as_bytes())),
        runtime: Some("jvm".into()),
        runtime_version: Some(Text::new(format!("HPROF 1.0.{}", heap.header.version))),
        ..Target::of(TargetKind::HeapDump)
    };
    let taken_at = i64::try_from(heap.header.millis).ok();
    let taken_at = taken_at.and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    let capture = Capture {
        taken_at: taken_at.map(|t| format!("{t:.3}")),
        threads: Some(heap.threads.len() as u64),
        ..Capture::of(Method::HeapDump)
    };
    Subject {
        heap: AnyHeap::Jvm(Box::new(heap)),
        target,
        capture,
        gaps,
        rss: None,
        residency: None,
    }
}
