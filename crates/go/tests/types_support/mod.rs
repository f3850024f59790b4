//! What the tests of types share: a program read from a core of the fixture `types`, or from its file alone.

#![allow(dead_code, reason = "each test uses its part")]

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use leakscope_go::binary::Executable;
use leakscope_go::program::Program;
use leakscope_go::types::TypeTable;
use leakscope_target::{Addr, AddrRange, CoreFile, Image, Source, map_file};
use leakscope_testkit::{BuildFlags, Fixture, gcore, versions};
use serde_json::Value;

/// A program with its bytes and what it says of itself.
pub struct Case {
    pub image: Image,
    pub program: Arc<Program>,
    pub types: TypeTable,
    pub truth: Value,
}

/// Builds.
pub fn builds() -> Vec<BuildFlags> {
    let pie = BuildFlags {
        buildmode: "pie".to_owned(),
        ..BuildFlags::default()
    };
    let uncompressed = BuildFlags {
        ldflags: "-compressdwarf=false".to_owned(),
        ..BuildFlags::default()
    };
    vec![BuildFlags::default(), pie, uncompressed]
}

/// Runs `check` on a core of the fixture `types`, for every version and way to build it.
pub fn each_core(check: impl Fn(Case) -> Result<()>) -> Result<()> {
    for version in versions()? {
        for flags in builds() {
            let what = || format!("go{version} {flags:?}");
            let fixture = Fixture::build("types", &version, &flags)?;
            let running = fixture.spawn(&[])?;
            let Some(core) = gcore(running.pid())? else {
                return Ok(());
            };
            let exe = map_file(fixture.path())?;
            let file = CoreFile::open(core.path())?;
            let image = file.image(Some(&exe))?.build();
            let program = Arc::new(Program::open(exe, file.mappings(), &image).with_context(what)?);
            let types = TypeTable::new(program.clone());
            check(Case {
                image,
                program,
                types,
                truth: running.truth().clone(),
            })
            .with_context(what)?;
        }
    }
    Ok(())
}

/// A program as its file has it, before it runs.
pub fn of_file(path: &Path) -> Result<Case> {
    let file = map_file(path)?;
    let exe = Executable::parse(file.clone())?;
    let mut image = Image::builder();
    for s in exe.segments() {
        let range = AddrRange::new(Addr(s.start), s.file_size).context("segment")?;
        image.add(
            range,
            Source::File {
                file: file.clone(),
                offset: s.file_offset as usize,
            },
        );
    }
    let image = image.build();
    let program = Arc::new(Program::with_bias(exe, 0, &image)?);
    let types = TypeTable::new(program.clone());
    Ok(Case {
        image,
        program,
        types,
        truth: Value::Null,
    })
}

/// A number that the truth states as `"0x..."`.
pub fn hex(value: &Value) -> Result<u64> {
    let text = value
        .as_str()
        .with_context(|| format!("{value} is no address"))?;
    Ok(u64::from_str_radix(text.trim_start_matches("0x"), 16)?)
}

/// A text of the truth.
pub fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
