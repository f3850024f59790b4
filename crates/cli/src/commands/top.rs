//! `leakscope top`: what the runtimes of processes count of themselves, read while they run.
//!
//! Debug info is read once per executable; a sample is one batched read per process.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use leakscope_go::counters::{CounterMap, CounterReader, Counters};
use leakscope_go::program::Program;
use leakscope_report::{
    Capture, CounterRow, Coverage, Document, Gap, Method, Target, TargetKind, Text, TopDoc,
};
use leakscope_target::{Fault, LiveProcess, ProcessSummary, find_by_name};

use crate::advice::advice;
use crate::args::{Common, TopArgs};
use crate::failure::Failure;
use crate::head::{head, now};
use crate::output;

pub(crate) fn run(args: &TopArgs, options: &Common) -> Result<(), Failure> {
    let to_file = options
        .output
        .as_deref()
        .is_some_and(|o| o != Path::new("-"));
    let mut watch = Watch::open(&args.processes)?;
    loop {
        let next = Instant::now() + args.interval;
        let doc = watch.sample()?;
        output::document(&doc, options, None)?;
        if args.once || to_file {
            return Ok(());
        }
        if !options.json {
            output::write(b"\n", options)?;
        }
        sleep_until(next);
    }
}

fn sleep_until(moment: Instant) {
    let left = moment.saturating_duration_since(Instant::now());
    if left > Duration::ZERO {
        std::thread::sleep(left);
    }
}

/// The processes that are sampled.
struct Watch {
    processes: Vec<Watched>,
    /// What was asked for but cannot be read, and why.
    gaps: Vec<Gap>,
}

struct Watched {
    process: LiveProcess,
    reader: CounterReader,
    name: Text,
    executable: Text,
    version: Text,
    debug_info: bool,
}

/// Counters and version of an executable, by device and inode: they stay as long as one of its processes is open.
type Executables = BTreeMap<(u64, u64), Located>;

#[derive(Clone)]
struct Located {
    map: Arc<CounterMap>,
    version: Text,
    debug_info: bool,
    /// Of those that are always loaded at one place.
    bias: Option<u64>,
}

impl Watch {
    /// Opens what can be opened; fails where nothing can.
    fn open(wanted: &[OsString]) -> Result<Self, Failure> {
        let mut executables = Executables::new();
        let mut watch = Self {
            processes: Vec::new(),
            gaps: Vec::new(),
        };
        let mut first = None;
        for given in wanted {
            match open(given, &mut executables) {
                Ok(process) => watch.processes.push(process),
                Err(failure) => {
                    watch.gaps.push(gap(&given.to_string_lossy(), &failure));
                    first.get_or_insert(failure);
                }
            }
        }
        match first {
            Some(failure) if watch.processes.is_empty() => Err(failure),
            _ => Ok(watch),
        }
    }

    /// One sample of each. A process that ended becomes a gap; fails when the last one did.
    fn sample(&mut self) -> Result<TopDoc, Failure> {
        let taken_at = now();
        let mut rows = Vec::with_capacity(self.processes.len());
        let mut last = None;
        let gaps = &mut self.gaps;
        self.processes.retain_mut(|watched| match watched.row() {
            Ok(row) => {
                rows.push(row);
                true
            }
            Err(failure) => {
                gaps.push(gap(&watched.process.pid().to_string(), &failure));
                last = Some(failure);
                false
            }
        });
        match last {
            Some(failure) if rows.is_empty() => Err(failure),
            _ => Ok(self.document(rows, taken_at)),
        }
    }

    fn document(&self, rows: Vec<CounterRow>, taken_at: String) -> TopDoc {
        let target = match self.processes.as_slice() {
            [one] => Target {
                pid: Some(one.process.pid()),
                name: Some(one.name.clone()),
                executable: Some(one.executable.clone()),
                runtime: Some("go".into()),
                runtime_version: Some(one.version.clone()),
                debug_info: Some(one.debug_info),
                ..Target::of(TargetKind::Live)
            },
            _ => Target::of(TargetKind::Host),
        };
        let capture = Capture {
            taken_at: Some(taken_at),
            torn: rows.iter().any(|row| row.torn),
            ..Capture::of(Method::NoStop)
        };
        let coverage = Coverage {
            gaps: self.gaps.clone(),
            ..Coverage::default()
        };
        TopDoc {
            head: head(Document::Top, target, capture, coverage),
            processes: rows,
        }
    }
}

impl Watched {
    fn row(&mut self) -> Result<CounterRow, Failure> {
        let sampled = self.reader.sample(&self.process.memory());
        // Also a sample that worked may be of another program by now.
        self.process.verify()?;
        let counters = sampled.map_err(|fault| Failure::Go(unreadable(fault)))?;
        Ok(self.describe(&counters))
    }

    fn describe(&self, counters: &Counters) -> CounterRow {
        CounterRow {
            pid: self.process.pid(),
            name: self.name.clone(),
            runtime_version: self.version.clone(),
            heap_marked_bytes: counters.heap_marked,
            heap_live_bytes: counters.heap_live,
            heap_goal_bytes: counters.heap_goal,
            heap_alloc_bytes: counters.heap_alloc,
            total_alloc_bytes: counters.total_alloc,
            heap_in_use_bytes: counters.heap_in_use,
            heap_idle_bytes: counters.heap_idle,
            heap_released_bytes: counters.heap_released,
            stacks_in_use_bytes: counters.stacks_in_use,
            gc_percent: counters.gc_percent,
            memory_limit_bytes: counters.memory_limit,
            num_gc: counters.num_gc,
            num_forced_gc: counters.num_forced_gc,
            marking: counters.marking,
            last_gc_unix_ns: counters.last_gc_unix_ns,
            last_pause_ns: counters.last_pause_ns,
            pause_total_ns: counters.pause_total_ns,
            gc_cpu_share: counters.gc_cpu_fraction,
            goroutines: counters.goroutines,
            gomaxprocs: counters.gomaxprocs,
            torn: counters.torn,
        }
    }
}

fn open(given: &OsString, executables: &mut Executables) -> Result<Watched, Failure> {
    let pid = match given.to_str().and_then(|text| text.parse().ok()) {
        Some(pid) => pid,
        None => find_by_name(given.as_encoded_bytes())?.pid,
    };
    let process = LiveProcess::open(pid)?;
    let summary = ProcessSummary::of(pid)?;
    let identity = process.identity();
    let key = (identity.exe_device, identity.exe_inode);
    let known = executables.get(&key).cloned();
    let (located, bias) = match known {
        Some(located) => {
            let bias = match located.bias {
                Some(bias) => bias,
                None => leakscope_go::binary::Executable::parse(process.executable())?
                    .bias(&process.mappings()?)?,
            };
            (located, bias)
        }
        None => {
            let program = Program::open(
                process.executable(),
                &process.mappings()?,
                &process.memory(),
            )?;
            let located = Located {
                map: Arc::new(CounterMap::resolve(program.debug())),
                version: Text::new(&program.exe().build_info().version),
                debug_info: program.exe().has_debug_info(),
                bias: (!program.exe().is_pie()).then(|| program.bias()),
            };
            executables.insert(key, located.clone());
            (located, program.bias())
        }
    };
    Ok(Watched {
        reader: CounterReader::new(located.map, bias),
        name: Text::new(&summary.comm),
        executable: Text::new(process.exe_path()),
        version: located.version,
        debug_info: located.debug_info,
        process,
    })
}

fn unreadable(fault: Fault) -> leakscope_go::error::Error {
    leakscope_go::error::Error::Unreadable {
        what: "the counters of the runtime",
        fault,
    }
}

fn gap(given: &str, failure: &Failure) -> Gap {
    Gap {
        reason: Text::new(format!("{given}: {}", advice(failure).cause)),
        count: 1,
        examples: Vec::new(),
    }
}
