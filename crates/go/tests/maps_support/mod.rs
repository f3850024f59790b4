//! What the tests of maps and types share: heaps rebuilt from cores of fixtures.

#![allow(dead_code, reason = "each test uses its part")]

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use leakscope_go::heap::GoHeap;
use leakscope_go::layouts::Layouts;
use leakscope_go::program::Program;
use leakscope_target::{CoreFile, Image, Thread, map_file};
use leakscope_testkit::{BuildFlags, Fixture, gcore, versions};
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

    pub(crate) fn heap(self) -> Result<(GoHeap, Value)> {
        let heap = GoHeap::build(&self.program, &self.layouts, self.image, &self.threads)?;
        Ok((heap, self.truth))
    }
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
