//! Which processes are Go programs or JVMs. Each process is looked into once, or until it has shown what it is.

use std::collections::BTreeMap;

use leakscope_go::binary::Executable;
use leakscope_go::error::Error as GoError;
use leakscope_target::{
    Identity, LiveProcess, TargetAccess, Vitals, boot_time, clock_ticks, map_exe, process_ids,
};
use leakscope_trend::{Millis, Runtime};

use crate::sources::go::{GoCounters, GoPrograms};
use crate::sources::jvm::JvmCounters;
use crate::verdict::Who;

/// A JVM maps its library and makes its file of counters within this time after the start of its process, or later than
/// anybody waits for.
const STARTING: Millis = 60_000;

/// A process that could not be opened is tried again after this time.
const RETRY: Millis = 10 * 60_000;

/// Largest list of mappings that is searched for a JVM's library.
const MAX_MAPS: u64 = 4 << 20;

/// What a process is read by.
#[derive(Debug)]
pub(crate) enum Source {
    Go(GoCounters),
    /// A JVM; without counters, only what the kernel tells is known.
    Jvm(Option<JvmCounters>),
}

impl Source {
    pub(crate) fn runtime(&self) -> Runtime {
        match self {
            Self::Go(_) => Runtime::Go,
            Self::Jvm(_) => Runtime::Jvm,
        }
    }

    /// Whether floors of its heap can be had.
    pub(crate) fn has_floors(&self) -> bool {
        match self {
            Self::Go(_) => true,
            Self::Jvm(counters) => counters.is_some(),
        }
    }
}

/// A process to be watched.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) identity: Identity,
    pub(crate) source: Source,
    pub(crate) who: Who,
}

/// A process that is not watched (yet).
#[derive(Clone, Copy, Debug)]
struct Passed {
    start_ticks: u64,
    /// When to look again; `None`: never.
    again: Option<Millis>,
    /// Why not, if it is a Go program or JVM.
    because: Option<&'static str>,
}

/// What is known of the processes of this machine.
#[derive(Default)]
pub(crate) struct Discovery {
    passed: BTreeMap<i32, Passed>,
    programs: GoPrograms,
    /// Executables that are no Go programs, by device and inode, while a process of them is known.
    not_go: BTreeMap<(u64, u64), Option<&'static str>>,
    booted: Option<u64>,
}

impl Discovery {
    /// Processes that are new and to be watched. `watched` says which identities are watched already, `only` which names
    /// or process ids are wanted, if not all.
    pub(crate) fn look(
        &mut self,
        now: Millis,
        watched: impl Fn(i32, u64) -> bool,
        only: &[String],
    ) -> std::io::Result<Vec<Found>> {
        let own = i32::try_from(std::process::id()).unwrap_or(0);
        if self.booted.is_none() {
            self.booted = boot_time();
        }
        let mut found = Vec::new();
        let mut passed = BTreeMap::new();
        for pid in process_ids()? {
            if pid == own {
                continue;
            }
            let Some(vitals) = Vitals::of(pid).filter(|v| !v.without_memory) else {
                continue;
            };
            if watched(pid, vitals.start_ticks) {
                continue;
            }
            let known = self
                .passed
                .get(&pid)
                .filter(|p| p.start_ticks == vitals.start_ticks);
            if let Some(known) = known
                && known.again.is_none_or(|again| now < again)
            {
                passed.insert(pid, *known);
                continue;
            }
            match self.examine(pid, &vitals, now) {
                Ok(process) if wanted(&process.who, only) => found.push(process),
                Ok(_) => {
                    let never = Passed {
                        start_ticks: vitals.start_ticks,
                        again: None,
                        because: None,
                    };
                    passed.insert(pid, never);
                }
                Err(pass) => {
                    passed.insert(pid, pass);
                }
            }
        }
        self.passed = passed;
        self.programs.forget_unused();
        if self.not_go.len() > self.passed.len() {
            // Inodes are used again: what no process runs is to be looked at anew.
            self.not_go.clear();
        }
        Ok(found)
    }

    /// Go programs and JVMs that are not watched, by reason.
    pub(crate) fn gaps(&self) -> BTreeMap<&'static str, u64> {
        let mut gaps = BTreeMap::new();
        for because in self.passed.values().filter_map(|p| p.because) {
            *gaps.entry(because).or_insert(0) += 1;
        }
        gaps
    }

    /// Looks at a process again soon: it has changed into another program.
    pub(crate) fn forget(&mut self, pid: i32) {
        self.passed.remove(&pid);
    }

    fn examine(&mut self, pid: i32, vitals: &Vitals, now: Millis) -> Result<Found, Passed> {
        let pass = |again, because| Passed {
            start_ticks: vitals.start_ticks,
            again,
            because,
        };
        let started = self.started(vitals, now);
        let young = now - started < STARTING;
        // A process may become another program, and a launcher a JVM, soon after its start.
        let soon = young.then_some(now);
        let identity = Identity::of(pid, vitals.start_ticks).ok_or(pass(soon, None))?;
        let key = (identity.exe_device, identity.exe_inode);
        let exe = match self.not_go.get(&key) {
            Some(_) => None,
            None => map_exe(pid).ok().map(Executable::parse),
        };
        let source = match exe {
            Some(Ok(exe)) => self
                .go(pid, &identity, exe)
                .map(Source::Go)
                .map_err(|because| pass(Some(now + RETRY), Some(because)))?,
            Some(Err(GoError::TooOld { .. })) => {
                return Err(pass(None, Some("built by a Go release that is too old")));
            }
            other => {
                if other.is_some() {
                    self.not_go.insert(key, None);
                }
                if !is_jvm(pid) {
                    return Err(pass(soon, None));
                }
                let inside = inside(pid);
                let counters = JvmCounters::find(pid, inside, started.unsigned_abs());
                if counters.is_none() && young {
                    return Err(pass(soon, Some("a JVM that is starting")));
                }
                return Ok(jvm(identity, vitals, started, counters));
            }
        };
        if !identity.is_current() {
            return Err(pass(soon, None));
        }
        let mut who = who(&identity, vitals, started, "go");
        if let Source::Go(counters) = &source {
            let program = counters.program();
            who.runtime_version = Some(program.release.clone());
            who.version.clone_from(&program.version);
            // In containers, many programs are called `/app`.
            if !program.package.is_empty() {
                who.workload = format!("{} {}", who.executable, program.package);
            }
        }
        Ok(Found {
            identity,
            source,
            who,
        })
    }

    fn go(
        &mut self,
        pid: i32,
        identity: &Identity,
        exe: Executable,
    ) -> Result<GoCounters, &'static str> {
        let process = LiveProcess::open(pid).map_err(|e| match e {
            leakscope_target::Error::NotPermitted { .. } => "permission denied",
            leakscope_target::Error::AlreadyTraced { .. } => "another process traces it",
            _ => "cannot be opened",
        })?;
        if process.identity() != *identity {
            return Err("it changed while being opened");
        }
        self.programs
            .open(&process, exe)
            .map_err(|_| "its runtime's counters cannot be found")
    }

    /// When a process started, milliseconds since 1970.
    fn started(&self, vitals: &Vitals, now: Millis) -> Millis {
        let since_boot = u128::from(vitals.start_ticks) * 1000 / u128::from(clock_ticks());
        self.booted
            .map_or(now, |boot| {
                let boot = i64::try_from(boot).unwrap_or(0).saturating_mul(1000);
                boot.saturating_add(i64::try_from(since_boot).unwrap_or(i64::MAX))
            })
            .min(now)
    }
}

fn jvm(
    identity: Identity,
    vitals: &Vitals,
    started: Millis,
    counters: Option<(JvmCounters, crate::sources::jvm::JvmFacts)>,
) -> Found {
    let mut who = who(&identity, vitals, started, "jvm");
    let counters = counters.map(|(counters, facts)| {
        who.runtime_version = facts.version;
        if let Some(main) = facts.main {
            who.workload = format!("{} {main}", who.executable);
            who.name = main;
        }
        counters
    });
    Found {
        identity,
        source: Source::Jvm(counters),
        who,
    }
}

/// Whether a process has a JVM's library mapped.
fn is_jvm(pid: i32) -> bool {
    use std::io::Read;
    const LIBRARY: &[u8] = b"/libjvm.so";
    let mut maps = Vec::new();
    let read = std::fs::File::open(format!("/proc/{pid}/maps"))
        .and_then(|file| file.take(MAX_MAPS).read_to_end(&mut maps));
    read.is_ok() && maps.windows(LIBRARY.len()).any(|w| w == LIBRARY)
}

/// The process's id among its own.
fn inside(pid: i32) -> i32 {
    TargetAccess::look(pid)
        .ok()
        .and_then(|access| access.pid_inside)
        .unwrap_or(pid)
}

fn who(identity: &Identity, vitals: &Vitals, started: Millis, runtime: &str) -> Who {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let access = TargetAccess::look(identity.pid).ok();
    let container = access.and_then(|a| a.container);
    let executable = std::fs::read_link(format!("/proc/{}/exe", identity.pid))
        .map(|path| path.to_string_lossy().into_owned())
        .unwrap_or_default();
    Who {
        pid: identity.pid,
        name: text(&vitals.comm),
        workload: executable.clone(),
        executable,
        runtime: runtime.to_owned(),
        runtime_version: None,
        version: None,
        collector: None,
        container: container.as_ref().map(|c| text(&c.id)),
        pod: container.as_ref().and_then(|c| c.pod.as_deref()).map(text),
        started,
    }
}

/// Whether a process is one of those wanted: by its id, its name, or the name of its executable.
fn wanted(who: &Who, only: &[String]) -> bool {
    let exe = who.executable.rsplit('/').next().unwrap_or_default();
    only.is_empty()
        || only
            .iter()
            .any(|name| *name == who.name || name == exe || *name == who.pid.to_string())
}
