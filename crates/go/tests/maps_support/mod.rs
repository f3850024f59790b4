//! What the tests of maps and types share: heaps rebuilt from cores of fixtures.

#![allow(dead_code, reason = "each test uses its part")]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use leakscope_go::heap::GoHeap;
use leakscope_go::layouts::Layouts;
use leakscope_go::maps::noscan_cells;
use leakscope_go::planner::{GoPlanner, NoscanWanted};
use leakscope_go::program::Program;
use leakscope_target::{CaptureOptions, CoreFile, Image, LiveProcess, Memory, Thread, map_file};
use leakscope_testkit::{Build, BuildFlags, Fixture, Medium, builds, gcore, versions};
use serde_json::Value;

/// A program in a core, ready to be rebuilt.
pub(crate) struct Case {
    pub(crate) program: Arc<Program>,
    pub(crate) layouts: Layouts,
    pub(crate) image: Image,
    pub(crate) threads: Vec<Thread>,
    pub(crate) truth: Value,
}

impl Case {
    pub(crate) fn of_core(core: &Path, exe: &Path, truth: Value) -> Result<Self> {
        let exe = map_file(exe)?;
        let core = CoreFile::open(core)?;
        let image = core.image(Some(&exe))?.build();
        let program = Program::open(exe, core.mappings(), &image)?;
        let version = program.exe().go_version().to_string();
        let layouts = Layouts::resolve(program.debug(), &version, program.bias())?;
        Ok(Self {
            program: Arc::new(program),
            layouts,
            image,
            threads: core.threads().to_vec(),
            truth,
        })
    }

    /// The same of a process, as the command copies it.
    pub(crate) fn live(pid: i32, truth: Value) -> Result<Self> {
        Self::live_with(pid, truth, noscan_cells)
    }

    /// The same; `wanted` says what is copied of objects without pointers.
    pub(crate) fn live_with(
        pid: i32,
        truth: Value,
        wanted: fn(&Program, &Layouts, &dyn Memory) -> Option<NoscanWanted>,
    ) -> Result<Self> {
        let process = LiveProcess::open(pid)?;
        let program = Program::open(
            process.executable(),
            &process.mappings()?,
            &process.memory(),
        )?;
        let version = program.exe().go_version().to_string();
        let layouts = Layouts::resolve(program.debug(), &version, program.bias())?;
        let mut planner = GoPlanner::new(&program, layouts.clone());
        if let Some(wanted) = wanted(&program, &layouts, &process.memory()) {
            planner = planner.noscan_where(wanted);
        }
        let options = CaptureOptions {
            max_stop: Duration::from_secs(20),
            ..CaptureOptions::default()
        };
        let capture = process.capture(&mut planner, &options, &mut |_| {})?;
        let mut image = capture.image;
        program.exe().add_static(program.bias(), &mut image);
        Ok(Self {
            program: Arc::new(program),
            layouts,
            image: image.build(),
            threads: capture.threads,
            truth,
        })
    }

    pub(crate) fn heap(self) -> Result<(GoHeap, Value)> {
        let heap = GoHeap::build(&self.program, &self.layouts, self.image, &self.threads)?;
        Ok((heap, self.truth))
    }
}

/// Runs `check` on a fixture as read live and from a core, for every build, and writes down how it ended.
pub(crate) fn each_build(
    fixture: &str,
    what: &str,
    check: impl Fn(&Build, Case) -> Result<()>,
) -> Result<()> {
    for build in builds()? {
        let fixture = build.fixture(fixture)?;
        let running = fixture.spawn(&[])?;
        let truth = running.truth();
        let live = Case::live(running.pid(), truth.clone()).and_then(|case| check(&build, case));
        build.record(Medium::Live, what, live)?;
        if let Some(core) = gcore(running.pid())? {
            let core = Case::of_core(core.path(), fixture.path(), truth.clone())
                .and_then(|case| check(&build, case));
            build.record(Medium::Core, what, core)?;
        }
    }
    Ok(())
}

/// Runs `check` on a core of a fixture, for every version.
pub(crate) fn each_core(
    fixture: &str,
    arguments: &[&str],
    check: impl Fn(Case) -> Result<()>,
) -> Result<()> {
    for version in versions()? {
        let fixture = Fixture::build(fixture, &version, &BuildFlags::default())?;
        let running = fixture.spawn(arguments)?;
        let Some(core) = gcore(running.pid())? else {
            return Ok(());
        };
        let case = Case::of_core(core.path(), fixture.path(), running.truth().clone())?;
        check(case).with_context(|| format!("go{version}"))?;
    }
    Ok(())
}

/// Runs `check` on a core of a fixture and its executable, for every version.
pub(crate) fn each_core_path(
    fixture: &str,
    check: impl Fn(&Path, &Path) -> Result<()>,
) -> Result<()> {
    for version in versions()? {
        let fixture = Fixture::build(fixture, &version, &BuildFlags::default())?;
        let running = fixture.spawn(&[])?;
        let Some(core) = gcore(running.pid())? else {
            return Ok(());
        };
        drop(running);
        check(core.path(), fixture.path()).with_context(|| format!("go{version}"))?;
    }
    Ok(())
}

pub(crate) fn text<'a>(value: &'a Value, name: &str) -> Result<&'a str> {
    value[name]
        .as_str()
        .with_context(|| format!("no {name} in {value}"))
}

pub(crate) fn number(value: &Value, name: &str) -> Result<u64> {
    value[name]
        .as_u64()
        .with_context(|| format!("no {name} in {value}"))
}
