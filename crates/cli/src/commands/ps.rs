//! `leakscope ps`: Go programs and JVMs of this machine, and whether they can be read. Looks at `/proc`, at the headers of
//! executables and at the counters that JVMs keep in files only.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::os::unix::fs::MetadataExt;

use leakscope_go::binary::Executable;
use leakscope_go::error::Error as GoError;
use leakscope_report::{
    Capture, Coverage, Document, Gap, Method, ProcessRow, PsDoc, Target, TargetKind, Text,
};
use leakscope_target::{
    Error, Jvm, OwnAccess, ProcessSummary, ReadProbe, TargetAccess, map_exe, processes,
};

use crate::args::{Common, Rows};
use crate::failure::Failure;
use crate::head::{head, now};
use crate::output;

pub(crate) fn run(rows: Rows, options: &Common) -> Result<(), Failure> {
    let taken_at = now();
    let mut survey = Survey {
        own: OwnAccess::look(),
        processes: Vec::new(),
        unseen: BTreeMap::new(),
        builds: BTreeMap::new(),
    };
    for process in processes()?
        .iter()
        .filter(|p| !p.kernel_thread && p.state != 'Z')
    {
        survey.look(process);
    }
    let mut doc = survey.into_document(taken_at);
    if let (true, Some(limit)) = (options.json, rows.of_json(None)) {
        doc.processes.truncate(limit);
    }
    output::document(&doc, options, rows.of_text(usize::MAX))
}

/// What an executable says of itself.
#[derive(Clone)]
struct Build {
    version: Text,
    debug_info: Option<bool>,
    too_old: bool,
}

struct Survey {
    own: OwnAccess,
    processes: Vec<ProcessRow>,
    /// Processes that could not be examined, by reason.
    unseen: BTreeMap<String, u64>,
    /// Many processes run the same executable. Keyed by what cannot change while one of them runs.
    builds: BTreeMap<(u64, u64), Option<Build>>,
}

impl Survey {
    fn look(&mut self, process: &ProcessSummary) {
        let build = match self.build(process.pid) {
            Ok(Some(build)) => build,
            Ok(None) => {
                if let Some(jvm) = Jvm::look(process.pid) {
                    self.processes.push(self.jvm(process, &jvm));
                }
                return;
            }
            Err(reason) => {
                *self.unseen.entry(reason).or_default() += 1;
                return;
            }
        };
        let access = TargetAccess::look(process.pid);
        let why_not = why_not(&access, &build);
        let access = access.ok();
        let container = access.as_ref().and_then(|a| a.container.as_ref());
        self.processes.push(ProcessRow {
            pid: process.pid,
            ns_pid: access.as_ref().and_then(|a| a.pid_inside),
            container: container.map(|c| Text::new(&c.id)),
            container_engine: container.and_then(|c| c.engine).map(Text::from),
            pod: container.and_then(|c| c.pod.as_ref()).map(Text::new),
            name: Text::new(&process.comm),
            executable: process.exe.as_ref().map(Text::new),
            runtime: "go".into(),
            runtime_version: Some(build.version),
            debug_info: build.debug_info,
            main: None,
            collector: None,
            heap_used_bytes: None,
            heap_max_bytes: None,
            readable: why_not.is_none(),
            why_not: why_not.map(Text::new),
            uid: process.uid,
            rss_bytes: Some(process.rss),
        });
    }

    /// A JVM, which is asked in place of being read.
    fn jvm(&self, process: &ProcessSummary, jvm: &Jvm) -> ProcessRow {
        let access = TargetAccess::look(process.pid).ok();
        let container = access.as_ref().and_then(|a| a.container.as_ref());
        let why_not = crate::jvm::why_not(jvm, process, &self.own);
        ProcessRow {
            pid: process.pid,
            ns_pid: access.as_ref().and_then(|a| a.pid_inside),
            container: container.map(|c| Text::new(&c.id)),
            container_engine: container.and_then(|c| c.engine).map(Text::from),
            pod: container.and_then(|c| c.pod.as_ref()).map(Text::new),
            name: Text::new(&process.comm),
            executable: process.exe.as_ref().map(Text::new),
            runtime: "jvm".into(),
            runtime_version: jvm.version.as_ref().map(Text::new),
            debug_info: None,
            main: jvm.main.as_ref().map(Text::new),
            collector: jvm.collector.map(Text::from),
            heap_used_bytes: jvm.heap_used,
            heap_max_bytes: jvm.heap_max,
            readable: why_not.is_none(),
            why_not: why_not.map(Text::new),
            uid: process.uid,
            rss_bytes: Some(process.rss),
        }
    }

    /// What built the executable of `pid`, if Go did; fails with a reason where it cannot be read.
    fn build(&mut self, pid: i32) -> Result<Option<Build>, String> {
        let link = std::fs::metadata(format!("/proc/{pid}/exe")).map_err(|e| unreadable(&e))?;
        let key = (link.dev(), link.ino());
        match self.builds.entry(key) {
            Entry::Occupied(known) => Ok(known.get().clone()),
            Entry::Vacant(place) => {
                let file = map_exe(pid).map_err(|e| match e {
                    Error::Open { source, .. } => unreadable(&source),
                    other => other.to_string(),
                })?;
                Ok(place.insert(examine(Executable::parse(file))).clone())
            }
        }
    }

    fn into_document(self, taken_at: String) -> PsDoc {
        let gaps = self.unseen.into_iter().map(|(reason, count)| Gap {
            reason: reason.into(),
            count,
            examples: Vec::new(),
        });
        let coverage = Coverage {
            gaps: gaps.collect(),
            ..Coverage::default()
        };
        let capture = Capture {
            taken_at: Some(taken_at),
            ..Capture::of(Method::Proc)
        };
        PsDoc {
            head: head(
                Document::Ps,
                Target::of(TargetKind::Host),
                capture,
                coverage,
            ),
            processes: self.processes,
        }
    }
}

fn examine(parsed: Result<Executable, GoError>) -> Option<Build> {
    match parsed {
        Ok(exe) => Some(Build {
            version: Text::new(&exe.build_info().version),
            debug_info: Some(exe.has_debug_info()),
            too_old: false,
        }),
        Err(GoError::TooOld { version, .. }) => Some(Build {
            version: version.into(),
            debug_info: None,
            too_old: true,
        }),
        Err(_) => None,
    }
}

/// The kernel's word without its number.
fn unreadable(error: &std::io::Error) -> String {
    format!("executable not readable: {}", error.kind())
}

/// Why leakscope, run as now, could not read the process.
fn why_not(access: &Result<TargetAccess, Error>, build: &Build) -> Option<String> {
    if build.too_old {
        return Some("built by a Go release that is too old".to_owned());
    }
    match access {
        Err(e) => Some(e.to_string()),
        Ok(access) if access.is_self => Some("this is leakscope itself".to_owned()),
        Ok(access) => match (access.read, &access.tracer) {
            (ReadProbe::Allowed, Some(tracer)) => Some(format!("traced by process {}", tracer.pid)),
            (ReadProbe::Allowed, None) => None,
            (ReadProbe::Denied, _) => {
                Some("permission denied (leakscope doctor PID says more)".to_owned())
            }
            (ReadProbe::NoMemory, _) => Some("it has ended".to_owned()),
            (ReadProbe::NotOffered, _) => {
                Some("reading other processes is forbidden here".to_owned())
            }
            (ReadProbe::Failed(errno), _) => Some(format!("reading it failed with errno {errno}")),
        },
    }
}
