//! Damaged executables end in an error or in answers, never in a panic or without end.

mod types_support;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use leakscope_go::heapbits::Masks;
use leakscope_go::types::{GcMasks, Kind, TypeId};
use leakscope_target::Addr;
use leakscope_testkit::{BuildFlags, CpuTime, Fixture, Random, versions};
use object::read::elf::ElfFile64;
use object::{Endianness, Object, ObjectSection};
use types_support::{Case, of_file};

/// Generous for a loaded machine, far below what a loop over a hostile count would take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Asks everything that can be asked of a program.
fn ask_everything(case: &mut Case) {
    let functions = case.program.functions();
    let start = case
        .program
        .modules()
        .first()
        .map_or(Addr(0), |m| m.pcs.start);
    for i in 0..2000 {
        let pc = Addr(start.0.wrapping_add(i * 997));
        if let Some(f) = functions.find(pc) {
            let _ = (
                f.name(),
                f.frames(pc),
                f.sp_delta(pc),
                f.funcdata(1),
                f.pcdata(1, pc),
            );
        }
    }
    let debug = case.program.debug();
    for g in debug.globals() {
        let _ = (
            debug.global_at(g.addr),
            debug.size_of(g.type_),
            debug.layout(g.type_),
        );
    }
    let masks = GcMasks::new(&case.program, &*case.image);
    for id in (0..case.types.count()).map(TypeId) {
        let types = &case.types;
        let _ = (
            types.name(id),
            types.package(id),
            types.path(id, 40),
            types.slots(id),
        );
        let _ = (types.is_direct_interface(id), types.map_layout(id));
        if let Some(at) = types.rtype(id) {
            let _ = masks.mask(at);
        }
    }
    let types_at = case.program.modules().first().map(|m| m.types);
    if let Some(range) = types_at {
        for i in 0..2000 {
            let at = Addr(range.start.0.wrapping_add(i * 64));
            if let Some(id) = case.types.from_rtype(&*case.image, at)
                && let Kind::Map { .. } = case.types.kind(id)
            {
                let _ = case.types.map_cells(&*case.image, id);
            }
        }
    }
    let _ = case.types.by_name("no such type");
}

fn part<'a>(elf: &ElfFile64<'a, Endianness>, names: &[&str]) -> Option<(usize, usize)> {
    let section = names.iter().find_map(|n| elf.section_by_name(n))?;
    let (at, len) = section.file_range()?;
    Some((usize::try_from(at).ok()?, usize::try_from(len).ok()?))
}

fn damaged_copies(exe: &Path, copy: &Path, rounds: usize) -> Result<u32> {
    let good = fs::read(exe)?;
    let elf = ElfFile64::<Endianness>::parse(&*good)?;
    let tables = (
        elf.elf_header().e_shoff.get(Endianness::Little) as usize,
        2000,
    );
    let parts = [
        part(&elf, &[".debug_info"]).context("debug_info")?,
        part(&elf, &[".debug_abbrev"]).context("debug_abbrev")?,
        part(&elf, &[".go.type", ".typelink"]).context("types")?,
        part(&elf, &[".rodata"]).context("rodata")?,
        part(&elf, &[".gopclntab"]).context("pclntab")?,
        part(&elf, &[".go.module", ".noptrdata"]).context("module")?,
        part(&elf, &[".go.buildinfo"]).context("buildinfo")?,
        (0, 600),
        tables,
    ];
    let mut random = Random::new(0x9e37_79b9_7f4a_7c15);
    let mut answered = 0;
    for round in 0..rounds {
        let mut bad = good.clone();
        let (at, len) = parts[round % parts.len()];
        for _ in 0..=random.index(200) {
            let i = at + random.index(len.min(good.len() - at));
            bad[i] = match random.index(4) {
                0 => 0xff,
                1 => 0,
                _ => random.index(256) as u8,
            };
        }
        if random.index(10) == 0 {
            bad.truncate(random.index(good.len()));
        }
        fs::write(copy, &bad)?;
        let start = CpuTime::start();
        if let Ok(mut case) = of_file(copy) {
            ask_everything(&mut case);
            answered += 1;
        }
        assert!(
            start.elapsed() < PATIENCE,
            "round {round} took {:?}",
            start.elapsed()
        );
        fs::remove_file(copy)?;
    }
    Ok(answered)
}

#[test]
fn damaged_executables_never_make_us_panic_or_hang() -> Result<()> {
    let flags = BuildFlags {
        ldflags: "-compressdwarf=false".to_owned(),
        ..BuildFlags::default()
    };
    for version in versions()? {
        let fixture = Fixture::build("types", &version, &flags)?;
        let copy = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("damaged-{version}"));
        let answered = damaged_copies(fixture.path(), &copy, 90)?;
        assert!(answered > 20, "only {answered} were read at all");
    }
    Ok(())
}
