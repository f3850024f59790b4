//! A core file as a target.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

use leakscope_go::program::Program;
use leakscope_report::{Capture, Gap, Method, Target, TargetKind, Text};
use leakscope_target::{CoreFile, Error, map_file};

use super::{Captured, How, describe};
use crate::args::TargetArgs;
use crate::failure::Failure;
use crate::progress::Progress;

/// What the kernel puts behind the path of an executable that was unlinked.
const DELETED: &[u8] = b" (deleted)";

pub(super) fn capture(
    path: &Path,
    args: &TargetArgs,
    how: How,
    progress: &mut Progress,
) -> Result<Captured, Failure> {
    progress.phase("opening the core");
    let core = CoreFile::open(path)?;
    let wrong = |source| {
        Failure::Target(Error::Core {
            path: path.to_owned(),
            source,
        })
    };
    core.refuse_jvm().map_err(wrong)?;
    let hint = core.exe_path_hint().map(|hint| {
        hint.strip_suffix(DELETED)
            .map_or(hint.clone(), <[u8]>::to_vec)
    });
    let no_executable = |why: String| Failure::NoExecutable {
        core: path.to_owned(),
        hint: hint.clone(),
        why,
    };
    let executable = match (&args.how.exe, &hint) {
        (Some(given), _) => map_file(given)?,
        (None, Some(hint)) => map_file(Path::new(OsStr::from_bytes(hint)))
            .map_err(|e| no_executable(e.to_string()))?,
        (None, None) => return Err(no_executable("it was not named".to_owned())),
    };
    how.drop_privileges(progress);
    let image = core.image(Some(&executable)).map_err(wrong)?.build();
    progress.phase("reading the executable and its debug info");
    let program = Arc::new(Program::open(executable, core.mappings(), &image)?);
    let mut target = about(&core, path, args);
    let layouts = describe(&program, &mut target, progress)?;
    let capture = Capture {
        taken_at: written_at(path),
        threads: Some(core.threads().len() as u64),
        ..Capture::of(Method::Core)
    };
    let gaps = gaps(&core, progress);
    Ok(Captured {
        program,
        layouts,
        image,
        threads: core.threads().to_vec(),
        mappings: core.mappings().to_vec(),
        target,
        capture,
        gaps,
        rss: None,
        residency: None,
        values: true,
        running: None,
    })
}

fn about(core: &CoreFile, path: &Path, args: &TargetArgs) -> Target {
    let name = core.command();
    Target {
        pid: core.pid(),
        name: (!name.is_empty()).then(|| Text::new(name)),
        executable: match &args.how.exe {
            Some(given) => Some(Text::new(given.as_os_str().as_bytes())),
            None => core.exe_path_hint().map(Text::new),
        },
        core: Some(Text::new(path.as_os_str().as_bytes())),
        ..Target::of(TargetKind::Core)
    }
}

fn written_at(path: &Path) -> Option<String> {
    let modified = path.metadata().and_then(|m| m.modified()).ok()?;
    jiff::Timestamp::try_from(modified)
        .ok()
        .map(|t| format!("{t:.3}"))
}

/// What is missing from the core or damaged in it.
fn gaps(core: &CoreFile, progress: &Progress) -> Vec<Gap> {
    let mut gaps = Vec::new();
    if let Some(truncation) = core.truncation() {
        progress.remark(&format!(
            "the core is truncated: {} of {} bytes are missing, so the answer is partial",
            truncation.missing(),
            truncation.needed
        ));
        gaps.push(Gap {
            reason: "the core is truncated: bytes missing".into(),
            count: truncation.missing(),
            examples: Vec::new(),
        });
    }
    let problems = core.problems();
    for problem in problems.first() {
        let reason = format!(
            "the core's notes: {} at file offset 0x{:x}",
            problem.what, problem.offset
        );
        gaps.push(Gap {
            reason: reason.into(),
            count: 1,
            examples: Vec::new(),
        });
    }
    let rest = problems.count() - problems.first().len() as u64;
    if rest > 0 {
        gaps.push(Gap {
            reason: "the core's notes: other problems".into(),
            count: rest,
            examples: Vec::new(),
        });
    }
    gaps
}
