//! What the tests of types share: a program read from a core of the fixture `types`, or from its file alone.

#![allow(dead_code, reason = "each test uses its part")]

use std::path::Path;
use std::sync::{Arc, OnceLock};

use anyhow::{Context, Result, anyhow};
use leakscope_go::binary::Executable;
use leakscope_go::program::Program;
use leakscope_go::types::TypeTable;
use leakscope_target::{Addr, AddrRange, CoreFile, Image, Source, map_file};
use leakscope_testkit::{BuildFlags, Fixture, gcore, versions};
use serde_json::Value;

/// A program with its bytes and what it says of itself.
pub(crate) struct Case {
    pub(crate) image: Arc<Image>,
    pub(crate) program: Arc<Program>,
    pub(crate) types: TypeTable,
    pub(crate) truth: Value,
}

/// Builds.
pub(crate) fn builds() -> Vec<BuildFlags> {
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

/// A core of the fixture, read.
struct Taken {
    what: String,
    image: Arc<Image>,
    program: Arc<Program>,
    truth: Value,
}

/// Cores of the fixture `types` for every version and way to build it; taken once, for all tests of a file.
fn taken() -> Result<&'static [Taken]> {
    static TAKEN: OnceLock<Result<Vec<Taken>, String>> = OnceLock::new();
    let all = TAKEN.get_or_init(|| take().map_err(|e| format!("{e:#}")));
    all.as_deref().map_err(|e| anyhow!("{e}"))
}

fn take() -> Result<Vec<Taken>> {
    let mut all = Vec::new();
    for version in versions()? {
        for flags in builds() {
            let what = format!("go{version} {flags:?}");
            let fixture = Fixture::build("types", &version, &flags)?;
            let running = fixture.spawn(&[])?;
            let Some(core) = gcore(running.pid())? else {
                return Ok(all);
            };
            // All of them are in use until the last test has ended.
            core.dig_holes()?;
            let exe = map_file(fixture.path())?;
            let file = CoreFile::open(core.path())?;
            let image = Arc::new(file.image(Some(&exe))?.build());
            let program =
                Program::open(exe, file.mappings(), &*image).with_context(|| what.clone())?;
            all.push(Taken {
                what,
                image,
                program: Arc::new(program),
                truth: running.truth().clone(),
            });
        }
    }
    Ok(all)
}

/// Runs `check` on every core of the fixture.
pub(crate) fn each_core(check: impl Fn(Case) -> Result<()>) -> Result<()> {
    for t in taken()? {
        let case = Case {
            image: t.image.clone(),
            program: t.program.clone(),
            types: TypeTable::new(t.program.clone()),
            truth: t.truth.clone(),
        };
        check(case).with_context(|| t.what.clone())?;
    }
    Ok(())
}

/// A program as its file has it, before it runs.
pub(crate) fn of_file(path: &Path) -> Result<Case> {
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
    let image = Arc::new(image.build());
    let program = Arc::new(Program::with_bias(exe, 0, &*image)?);
    let types = TypeTable::new(program.clone());
    Ok(Case {
        image,
        program,
        types,
        truth: Value::Null,
    })
}

/// A number that the truth states as `"0x..."`.
pub(crate) fn hex(value: &Value) -> Result<u64> {
    let text = value
        .as_str()
        .with_context(|| format!("{value} is no address"))?;
    Ok(u64::from_str_radix(text.trim_start_matches("0x"), 16)?)
}

/// A text of the truth.
pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
