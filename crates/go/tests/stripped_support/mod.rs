//! What the tests of stripped executables share: cores of programs, read with and without debug information.

#![allow(dead_code, reason = "each test uses its part")]

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use leakscope_go::heap::GoHeap;
use leakscope_go::layouts::Layouts;
use leakscope_go::maps::MapInfo;
use leakscope_go::program::Program;
use leakscope_graph::Resolver;
use leakscope_target::{CoreFile, map_file};
use leakscope_testkit::{BuildFlags, CoreDump, Fixture, gcore};
use serde_json::Value;
use tempfile::TempDir;

/// A core of a program, with its executable as built and stripped.
pub(crate) struct Twin {
    core: CoreDump,
    fixture: Fixture,
    folder: TempDir,
    pub(crate) truth: Value,
}

impl Twin {
    /// A core of a fixture as built with `version`; `None` where no core can be taken here.
    pub(crate) fn of(name: &str, version: &str, arguments: &[&str]) -> Result<Option<Self>> {
        Self::built(name, version, arguments, &BuildFlags::default())
    }

    /// The same, built with `flags`.
    pub(crate) fn built(
        name: &str,
        version: &str,
        arguments: &[&str],
        flags: &BuildFlags,
    ) -> Result<Option<Self>> {
        let fixture = Fixture::build(name, version, flags)?;
        let running = fixture.spawn(arguments)?;
        let Some(core) = gcore(running.pid())? else {
            return Ok(None);
        };
        let twin = Self {
            core,
            truth: running.truth().clone(),
            folder: TempDir::new()?,
            fixture,
        };
        strip(twin.unstripped(), &twin.stripped_path())?;
        Ok(Some(twin))
    }

    /// The executable with its debug information.
    pub(crate) fn unstripped(&self) -> &Path {
        self.fixture.path()
    }

    fn stripped_path(&self) -> PathBuf {
        self.folder.path().join("stripped")
    }

    /// The same executable without symbols and debug information; what is loaded of it is the same.
    pub(crate) fn stripped(&self) -> PathBuf {
        self.stripped_path()
    }

    /// The core.
    pub(crate) fn core(&self) -> &Path {
        self.core.path()
    }

    /// A folder for files of this test.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The same executable, also without its table of sections.
    pub(crate) fn without_sections(&self) -> Result<PathBuf> {
        let mut bytes = std::fs::read(self.stripped_path())?;
        // `e_shoff`, then `e_shnum` and `e_shstrndx`.
        for field in [0x28..0x30, 0x3c..0x40] {
            bytes.get_mut(field).context("ELF header")?.fill(0);
        }
        let path = self.folder.path().join("without-sections");
        std::fs::write(&path, bytes)?;
        Ok(path)
    }

    /// The program in the core, read with the executable at `exe`.
    pub(crate) fn program(&self, exe: impl AsRef<Path>) -> Result<Program> {
        let exe = map_file(exe.as_ref())?;
        let core = CoreFile::open(self.core.path())?;
        let image = core.image(Some(&exe))?.build();
        Ok(Program::open(exe, core.mappings(), &image)?)
    }

    /// The heap in the core, read with the executable at `exe`.
    pub(crate) fn heap(&self, exe: impl AsRef<Path>) -> Result<GoHeap> {
        let exe = map_file(exe.as_ref())?;
        let core = CoreFile::open(self.core.path())?;
        let image = core.image(Some(&exe))?.build();
        let program = Arc::new(Program::open(exe, core.mappings(), &image)?);
        let version = program.exe().go_version().to_string();
        let layouts = Layouts::resolve(program.debug(), &version, program.bias())?;
        Ok(GoHeap::build(&program, &layouts, image, core.threads())?)
    }
}

/// Removes symbols and debug information.
pub(crate) fn strip(from: &Path, to: &Path) -> Result<()> {
    let status = Command::new("objcopy")
        .arg("--strip-all")
        .args([from, to])
        .status()?;
    ensure!(status.success(), "objcopy failed on {}", from.display());
    Ok(())
}

/// One line on two heaps, of which these shares have names.
pub(crate) fn rows(full: &GoHeap, bare: &GoHeap, named: (f64, f64)) -> String {
    let mut out = String::new();
    let _ = write!(
        out,
        "{} objects, {} bytes; named {:.1} % and {:.1} %; maps {} and {}",
        bare.graph.objects(),
        bare.totals.allocated.bytes,
        100.0 * named.0,
        100.0 * named.1,
        full.maps.len(),
        bare.maps.len(),
    );
    for gap in bare.coverage.gaps.iter() {
        let _ = write!(
            out,
            "\n    {} x {} {:?}",
            gap.count, gap.reason, gap.examples
        );
    }
    out
}

/// Maps of `full` that are not the same in `bare`, as text.
pub(crate) fn maps_apart(full: &GoHeap, bare: &GoHeap) -> Vec<String> {
    let mut apart = Vec::new();
    for map in &full.maps {
        let same = |m: &&MapInfo| {
            (m.address, m.len, m.cells, m.slots, m.bytes)
                == (map.address, map.len, map.cells, map.slots, map.bytes)
        };
        if !bare.maps.iter().any(|m| same(&m)) {
            let name = full.names.type_name(map.type_);
            apart.push(format!(
                "{} {name} of {} held by {}",
                map.address,
                map.len,
                full.map_owner(map)
            ));
        }
    }
    apart
}

/// How often an object has two different names, by the names.
pub(crate) fn names_apart(full: &GoHeap, bare: &GoHeap) -> BTreeMap<(String, String), (u64, u64)> {
    let mut apart = BTreeMap::new();
    for (object, size) in full.graph.sizes() {
        let name = |heap: &GoHeap| {
            heap.names
                .type_name(heap.graph.type_of(object))
                .into_owned()
        };
        let names = (name(full), name(bare));
        if names.0 != names.1 && full.reach.is_reached(object) {
            let count = apart.entry(names).or_insert((0, 0));
            *count = (count.0 + 1, count.1 + size);
        }
    }
    apart
}
