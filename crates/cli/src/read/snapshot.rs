//! A snapshot as a target, and making one.

use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use leakscope_go::binary::Executable;
use leakscope_go::planner::GoPlanner;
use leakscope_go::program::Program;
use leakscope_go::values::remove_values;
use leakscope_report::{Capture, Gap, Target, TargetKind, Text};
use leakscope_target::{
    AddrRange, CopyPlanner, Error, Image, Memory, PrivateFile, Region, SnapshotContent,
    SnapshotError, SnapshotFile, SnapshotSize, Source, write_snapshot,
};
use serde::{Deserialize, Serialize};

use super::{Captured, Contents, How, describe};
use crate::args::{Common, SnapArgs};
use crate::failure::Failure;
use crate::interrupt;
use crate::progress::Progress;

/// What this program says in a snapshot of the target, besides its bytes.
#[derive(Serialize, Deserialize)]
struct About {
    /// Version of leakscope that wrote it.
    written_by: String,
    target: Target,
    capture: Capture,
    gaps: Vec<Gap>,
    rss: Option<u64>,
    /// Whether strings, numbers and buffers are in it; so they are in those that do not say.
    #[serde(default = "yes")]
    values: bool,
}

fn yes() -> bool {
    true
}

pub(super) fn capture(path: &Path, how: How, progress: &mut Progress) -> Result<Captured, Failure> {
    progress.phase("opening the snapshot");
    let wrong = |source| {
        Failure::Target(Error::Snapshot {
            path: path.to_owned(),
            source,
        })
    };
    let snapshot = SnapshotFile::open(path)?;
    how.drop_privileges(progress);
    let about: About = serde_json::from_slice(snapshot.about()).map_err(|e| {
        wrong(SnapshotError::Damaged {
            part: "about".to_owned(),
            offset: 0,
            why: e.to_string(),
        })
    })?;
    progress.phase("unpacking the snapshot");
    let exe = Executable::parse(snapshot.executable().map_err(wrong)?)?;
    let bias = exe.bias(snapshot.mappings())?;
    let mut image = snapshot.image().map_err(wrong)?;
    exe.add_static(bias, &mut image);
    let image = image.build();
    progress.phase("reading the executable and its debug info");
    let program = Arc::new(Program::with_bias(exe, bias, &image)?);
    let mut target = Target {
        kind: TargetKind::Snapshot,
        snapshot: Some(Text::new(path.as_os_str().as_bytes())),
        ..about.target
    };
    let layouts = describe(&program, &mut target, progress)?;
    Ok(Captured {
        program,
        layouts,
        image,
        threads: snapshot.threads().to_vec(),
        mappings: snapshot.mappings().to_vec(),
        target,
        capture: about.capture,
        gaps: about.gaps,
        rss: about.rss,
        residency: snapshot.residency().map_err(wrong)?,
        values: about.values,
        running: None,
    })
}

/// A snapshot that was written.
pub(crate) struct Snapped {
    /// Where it stands.
    pub(crate) path: PathBuf,
    /// How large it is.
    pub(crate) size: SnapshotSize,
    /// The target it is of.
    pub(crate) target: Target,
    /// How that was captured.
    pub(crate) capture: Capture,
    /// What was wrong with the capture.
    pub(crate) gaps: Vec<Gap>,
    /// Whether strings, numbers and buffers are in it.
    pub(crate) values: bool,
}

/// Captures the target that `args` name and writes a snapshot of it.
pub(crate) fn snap(
    args: &SnapArgs,
    options: &Common,
    progress: &mut Progress,
) -> Result<Snapped, Failure> {
    let contents = if args.no_values {
        Contents::Needed
    } else {
        Contents::All
    };
    let mut captured = super::capture(
        &args.target,
        How {
            contents,
            residency: true,
            jvms: false,
            ..How::HEAP
        },
        progress,
    )?;
    let ranges = ranges(&captured)?;
    if args.no_values {
        progress.phase("taking values out");
        leave_out_values(&mut captured, &ranges)?;
        captured.values = false;
    }
    let path = options
        .output
        .clone()
        .unwrap_or_else(|| usual_name(&captured.target, "lks"));
    let failed = |source| Failure::Output {
        path: path.clone(),
        source,
    };
    progress.phase("writing the snapshot");
    let mut file = PrivateFile::create(&path, options.force).map_err(failed)?;
    let size = write(&captured, &ranges, &mut file, progress).map_err(failed)?;
    interrupt::held(|| file.commit()).map_err(failed)?;
    Ok(Snapped {
        path,
        size,
        target: captured.target,
        capture: captured.capture,
        gaps: captured.gaps,
        values: captured.values,
    })
}

/// Zeroes what the program's values are in the captured bytes, which are copied first where they lie in a file.
fn leave_out_values(captured: &mut Captured, ranges: &[AddrRange]) -> Result<(), Failure> {
    if captured.image.copied_ranges().next().is_none() {
        captured.image = copy(captured, ranges)?;
    }
    Ok(remove_values(
        &captured.program,
        &captured.layouts,
        &mut captured.image,
        &mut captured.threads,
        &captured.mappings,
    )?)
}

/// The bytes of `ranges` in memory of our own, and the executable's.
fn copy(captured: &Captured, ranges: &[AddrRange]) -> Result<Image, Failure> {
    let total: u64 = ranges.iter().map(AddrRange::len).sum();
    let mut region = Region::reserve(usize::try_from(total).unwrap_or(usize::MAX))?;
    let mut builder = Image::builder();
    let mut rest = region.as_mut_slice();
    let mut kept = Vec::with_capacity(ranges.len());
    let mut offset = 0;
    for range in ranges {
        let (now, later) = rest.split_at_mut(range.len() as usize);
        // Ranges are those that the image holds.
        if captured.image.read(range.start, now).is_ok() {
            kept.push((*range, offset));
        }
        offset += now.len();
        rest = later;
    }
    let region = builder.add_region(region);
    for (range, offset) in kept {
        builder.add(range, Source::Copied { region, offset });
    }
    let program = &captured.program;
    program.exe().add_static(program.bias(), &mut builder);
    Ok(builder.build())
}

/// `NAME-PID.EXTENSION` in the present folder.
pub(crate) fn usual_name(target: &Target, extension: &str) -> PathBuf {
    let name = target.name.as_ref().map_or("target", Text::raw);
    let name: String = name
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || "-_.".contains(c) {
                c
            } else {
                '_'
            }
        })
        .collect();
    let name = name.trim_start_matches('.');
    match target.pid {
        Some(pid) => PathBuf::from(format!("{name}-{pid}.{extension}")),
        None => PathBuf::from(format!("{name}.{extension}")),
    }
}

/// What of the image to keep: what was copied; of a core, which holds much more, what would have been.
fn ranges(captured: &Captured) -> Result<Vec<AddrRange>, Failure> {
    let copied: Vec<AddrRange> = captured.image.copied_ranges().collect();
    if !copied.is_empty() {
        return Ok(copied);
    }
    let mut planner = GoPlanner::new(&captured.program, captured.layouts.clone());
    let plan = planner.rehearse(&captured.image).map_err(Error::Plan)?;
    let held = plan.ranges().iter().copied();
    Ok(held
        .filter(|r| captured.image.holds(r.start, r.len()))
        .collect())
}

/// Writes what was captured to `out`.
fn write(
    captured: &Captured,
    ranges: &[AddrRange],
    out: &mut dyn Write,
    progress: &Progress,
) -> io::Result<SnapshotSize> {
    let about = About {
        written_by: env!("CARGO_PKG_VERSION").to_owned(),
        target: captured.target.clone(),
        capture: captured.capture.clone(),
        gaps: captured.gaps.clone(),
        rss: captured.rss,
        values: captured.values,
    };
    let content = SnapshotContent {
        image: &captured.image,
        ranges,
        threads: &captured.threads,
        mappings: &captured.mappings,
        executable: captured.program.exe().file(),
        about: &serde_json::to_vec(&about)?,
        residency: captured.residency.as_ref(),
    };
    write_snapshot(out, &content, &mut |done, total| {
        let percent = done * 100 / total.max(1);
        progress.step(format!("writing the snapshot: {percent} %"));
    })
}
