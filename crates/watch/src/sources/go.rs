//! A Go program, by the counters that its runtime keeps of itself.

use std::sync::Arc;

use leakscope_go::binary::Executable;
use leakscope_go::counters::{CounterMap, CounterReader, Counters};
use leakscope_go::error::Error as GoError;
use leakscope_go::program::Program;
use leakscope_target::{Fault, Identity, LiveProcess};
use rustc_hash::FxHashMap;

/// Characters of a revision or hash that are kept: enough to tell builds apart.
const SHOWN: usize = 12;

/// A program: where its executable keeps its counters.
#[derive(Debug)]
pub(crate) struct GoProgram {
    map: Arc<CounterMap>,
    /// The release that it was built with.
    pub(crate) release: String,
    /// Import path of its main package.
    pub(crate) package: String,
    /// Which build of it this is: the revision of its source, or the hash of its content.
    pub(crate) version: Option<String>,
}

/// Programs by build id, each looked at once, and kept while a process of it is watched.
#[derive(Default)]
pub(crate) struct GoPrograms {
    known: FxHashMap<Vec<u8>, Arc<GoProgram>>,
}

/// What one of its processes is read by.
#[derive(Debug)]
pub(crate) struct GoCounters {
    program: Arc<GoProgram>,
    reader: CounterReader,
    /// Collections as of the last floor.
    collections: Option<u32>,
}

/// What a Go runtime counts, at one moment.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct GoSample {
    pub(crate) counters: Counters,
    /// What lives, if a collection has ended since the last sample.
    pub(crate) floor: Option<u64>,
    /// Whether collections count from the start again: this is another program in the same process.
    pub(crate) restarted: bool,
}

impl GoPrograms {
    /// Opens the counters of `process`, whose executable is `exe`.
    pub(crate) fn open(
        &mut self,
        process: &LiveProcess,
        exe: Executable,
    ) -> Result<GoCounters, GoError> {
        let mappings = process.mappings().map_err(|_| GoError::NotMapped {
            why: "it has ended",
        })?;
        let bias = exe.bias(&mappings)?;
        let id = exe.go_build_id().or(exe.build_id()).map(<[u8]>::to_vec);
        let known = id.as_ref().and_then(|id| self.known.get(id));
        let program = match known {
            Some(program) => Arc::clone(program),
            None => {
                let info = exe.build_info();
                let (release, package) = (info.version.clone(), info.path.clone());
                let version = version_of(&exe);
                let program = Program::with_bias(exe, bias, &process.memory())?;
                let program = Arc::new(GoProgram {
                    map: Arc::new(CounterMap::resolve(program.debug())),
                    release,
                    package,
                    version,
                });
                if let Some(id) = id {
                    self.known.insert(id, Arc::clone(&program));
                }
                program
            }
        };
        Ok(GoCounters {
            reader: CounterReader::new(Arc::clone(&program.map), bias),
            program,
            collections: None,
        })
    }

    /// Forgets programs that no process is watched of.
    pub(crate) fn forget_unused(&mut self) {
        self.known
            .retain(|_, program| Arc::strong_count(program) > 1);
    }
}

/// The revision that the go command recorded (`vcs.revision`), or else the last part of the Go build id, which is the hash
/// of what was built (the go command's `buildid.go`).
fn version_of(exe: &Executable) -> Option<String> {
    let revision = exe.build_info().setting("vcs.revision");
    let version = match revision {
        Some(revision) => revision.chars().take(SHOWN).collect(),
        None => {
            let id = String::from_utf8_lossy(exe.go_build_id()?);
            let content = id.rsplit('/').next().unwrap_or_default();
            content.chars().take(SHOWN).collect::<String>()
        }
    };
    (!version.is_empty()).then_some(version)
}

impl GoCounters {
    /// Its program.
    pub(crate) fn program(&self) -> &GoProgram {
        &self.program
    }

    /// One batched read. A sample that contradicts itself is none.
    pub(crate) fn sample(&mut self, identity: &Identity) -> Result<Option<GoSample>, Fault> {
        let counters = self.reader.sample(&identity.memory())?;
        if counters.torn {
            return Ok(None);
        }
        let done = counters.num_gc;
        let before = self.collections;
        let restarted = before.is_some_and(|before| done.is_some_and(|now| now < before));
        let collected = done.is_some_and(|now| now > 0 && before != Some(now));
        if collected {
            self.collections = done;
        }
        Ok(Some(GoSample {
            floor: counters.heap_marked.filter(|_| collected),
            restarted,
            counters,
        }))
    }
}
