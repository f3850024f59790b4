//! From a target as named on the command line to a rebuilt heap, and what to say about the way there.

mod core_file;
mod heap_dump;
mod live;
mod locate;
mod snapshot;
mod stripped;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;

use leakscope_go::binary::{GoVersion, Support};
use leakscope_go::heap::{Asked, GoHeap};
use leakscope_go::layouts::Layouts;
use leakscope_go::program::Program;
use leakscope_patterns::Rests;
use leakscope_report::{Capture, Gap, Target, Text};
use leakscope_target::{Image, LiveProcess, Mapping, Memory, Residency, Thread, drop_privileges};

pub(crate) use self::snapshot::{Snapped, snap, usual_name};

use self::locate::Place;
use crate::args::TargetArgs;
use crate::failure::Failure;
use crate::heap::AnyHeap;
use crate::jvm;
use crate::progress::Progress;

/// A heap, and where it came from.
pub(crate) struct Subject {
    /// The heap.
    pub(crate) heap: AnyHeap,
    /// The target it was in.
    pub(crate) target: Target,
    /// How it was captured.
    pub(crate) capture: Capture,
    /// What was wrong with the capture itself.
    pub(crate) gaps: Vec<Gap>,
    /// Resident memory of the process, bytes, where that is known.
    pub(crate) rss: Option<u64>,
    /// The same by mapping and page, where that was asked for and is known.
    pub(crate) residency: Option<Residency>,
}

/// A program's bytes at one moment, and how they were had.
struct Captured {
    program: Arc<Program>,
    layouts: Layouts,
    image: Image,
    threads: Vec<Thread>,
    mappings: Vec<Mapping>,
    target: Target,
    capture: Capture,
    gaps: Vec<Gap>,
    rss: Option<u64>,
    residency: Option<Residency>,
    /// Strings, numbers and buffers are among the bytes.
    values: bool,
    /// The process, which runs on.
    running: Option<LiveProcess>,
}

impl Captured {
    /// Whether what keys of maps and lengths of slices say is worth anything: their bytes are there, and of one moment.
    fn tells_values(&self) -> bool {
        self.values && !self.capture.torn
    }
}

/// The live process that `target` means, if it means one.
pub(crate) fn process(target: &OsStr) -> Option<i32> {
    match locate::locate(target) {
        Ok(Place::Process(pid)) => Some(pid),
        _ => None,
    }
}

/// Reads the heap of the target that `args` name, the last one that is read. A live JVM writes a dump for it.
pub(crate) fn read(args: &TargetArgs, progress: &mut Progress) -> Result<Subject, Failure> {
    read_as(args, How::HEAP, progress)
}

/// Reads a heap as [`read`] does, for questions that only Go programs answer: no JVM is stopped for them.
pub(crate) fn read_go(args: &TargetArgs, progress: &mut Progress) -> Result<Subject, Failure> {
    let how = How {
        jvms: false,
        ..How::HEAP
    };
    read_as(args, how, progress)
}

/// Reads a heap as [`read_go`] does, and of a process what of it lies in memory.
pub(crate) fn read_with_residency(
    args: &TargetArgs,
    progress: &mut Progress,
) -> Result<Subject, Failure> {
    let how = How {
        residency: true,
        jvms: false,
        ..How::HEAP
    };
    read_as(args, how, progress)
}

/// Reads a heap as [`read_with_residency`] does, and looks at what patterns rest on.
pub(crate) fn read_for_findings(
    args: &TargetArgs,
    rests: Rests,
    progress: &mut Progress,
) -> Result<Subject, Failure> {
    let how = How {
        residency: true,
        rests,
        ..How::HEAP
    };
    read_as(args, how, progress)
}

/// Reads the heap of one of several targets as [`read_with_residency`] does: privileges are kept for the others.
pub(crate) fn read_one_of_many(
    args: &TargetArgs,
    last: bool,
    progress: &mut Progress,
) -> Result<Subject, Failure> {
    let how = How {
        residency: true,
        last,
        ..How::HEAP
    };
    read_as(args, how, progress)
}

/// Reads a heap as [`read`] does, together with all that lies in its objects. Takes as much memory again.
pub(crate) fn read_with_values(
    args: &TargetArgs,
    progress: &mut Progress,
) -> Result<(Subject, Image), Failure> {
    let how = How {
        contents: Contents::All,
        jvms: false,
        ..How::HEAP
    };
    let captured = capture(args, how, progress)?;
    if !captured.values {
        return Err(Failure::NeedsValues {
            target: args.target.as_bytes().to_vec(),
        });
    }
    progress.phase("rebuilding the heap");
    let heap = GoHeap::build_beside(
        &captured.program,
        &captured.layouts,
        &captured.image,
        &captured.threads,
    )?;
    Ok(subject(captured, heap))
}

fn read_as(args: &TargetArgs, how: How, progress: &mut Progress) -> Result<Subject, Failure> {
    match locate::locate(&args.target)? {
        Place::Stdin => return heap_dump::read_stdin(args, how, progress),
        Place::File(path) if heap_dump::is_one(&path) => {
            return heap_dump::read(&path, args, how, progress);
        }
        Place::Process(pid) if how.jvms && jvm::is_one(pid) => {
            return heap_dump::read_live(pid, args, how, progress);
        }
        _ if args.how.max_memory.is_some() => return Err(Failure::MemoryOfDumps),
        _ => {}
    }
    let mut captured = capture(args, how, progress)?;
    progress.phase("rebuilding the heap");
    let image = std::mem::replace(&mut captured.image, Image::builder().build());
    let (program, layouts) = (&captured.program, &captured.layouts);
    let threads = &captured.threads;
    let running = captured.running.as_ref();
    let asked = Asked {
        keys: how.rests.keys && captured.tells_values(),
        backings: how.rests.backings && captured.tells_values(),
        boxes: how.rests.boxes,
        running: running.map(|process| process as &dyn Memory),
    };
    let heap = GoHeap::build_with(program, layouts, image, threads, asked)?;
    Ok(subject(captured, heap).0)
}

/// The heap with what is said about the way there, and what is left of the captured bytes.
fn subject(captured: Captured, heap: GoHeap) -> (Subject, Image) {
    let mut gaps = captured.gaps;
    gaps.extend(beyond(&captured.program));
    gaps.extend(stripped::gaps(&captured.program));
    let subject = Subject {
        heap: AnyHeap::Go(Box::new(heap)),
        target: captured.target,
        capture: captured.capture,
        gaps,
        rss: captured.rss,
        residency: captured.residency,
    };
    (subject, captured.image)
}

/// Which of a target's bytes to capture.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Contents {
    /// Those that rebuilding the heap takes.
    Needed,
    /// All that lies in objects too.
    All,
}

/// How to capture a target.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct How {
    contents: Contents,
    /// What of a process lies in memory is read too, mapping by mapping and page by page.
    residency: bool,
    /// What is looked at for patterns, where the capture has it.
    rests: Rests,
    /// A live JVM is asked for a dump.
    jvms: bool,
    /// No other target is opened after it: privileges are given up.
    last: bool,
}

impl How {
    /// The heap of a target of any kind, the last one that is read.
    const HEAP: Self = Self {
        contents: Contents::Needed,
        residency: false,
        rests: Rests {
            keys: false,
            backings: false,
            boxes: false,
        },
        jvms: true,
        last: true,
    };

    /// Once the target is open, nothing more needs the rights that took.
    fn drop_privileges(self, progress: &Progress) {
        if self.last
            && let Err(e) = drop_privileges()
        {
            progress.remark(&format!("cannot give up privileges: {e}"));
        }
    }
}

fn capture(args: &TargetArgs, how: How, progress: &mut Progress) -> Result<Captured, Failure> {
    match locate::locate(&args.target)? {
        Place::Process(pid) => live::capture(pid, args, how, progress),
        Place::Stdin => Err(Failure::NotOfDumps {
            dump: b"-".to_vec(),
        }),
        Place::File(path) if heap_dump::is_one(&path) => Err(Failure::NotOfDumps {
            dump: path.into_os_string().into_encoded_bytes(),
        }),
        Place::File(path) if locate::is_snapshot(&path) => snapshot::capture(&path, how, progress),
        Place::File(path) => core_file::capture(&path, args, how, progress),
    }
}

/// What of a program lies beyond what leakscope has been tested with.
fn beyond(program: &Program) -> Vec<Gap> {
    let mut gaps = Vec::new();
    let mut add = |reason: String, count: usize| {
        if count > 0 {
            gaps.push(Gap {
                reason: Text::new(&reason),
                count: count as u64,
                examples: Vec::new(),
            });
        }
    };
    let newer = program.exe().go_version().support() == Support::Newer;
    add(
        format!(
            "Go release newer than go1.{}, the newest known: its rules may differ",
            GoVersion::NEWEST_MINOR
        ),
        newer.into(),
    );
    add(
        "plugin: not supported, its variables and types have no names".to_owned(),
        program.modules().len().saturating_sub(1),
    );
    gaps
}

/// The runtime's layouts in `program`, and what the document says about its target.
fn describe(
    program: &Program,
    target: &mut Target,
    progress: &Progress,
) -> Result<Layouts, Failure> {
    let exe = program.exe();
    let version = exe.go_version();
    target.runtime = Some("go".into());
    target.runtime_version = Some(Text::new(&exe.build_info().version));
    target.debug_info = Some(exe.has_debug_info());
    stripped::remark(program, progress);
    if version.support() == Support::Newer {
        progress.remark(&format!(
            "{version} is newer than go1.{}, the newest release that leakscope knows: mind the coverage",
            GoVersion::NEWEST_MINOR
        ));
    }
    Ok(Layouts::resolve(
        program.debug(),
        &version.to_string(),
        program.bias(),
    )?)
}
