//! Damaged and obfuscated executables without debug information: a clear error, never a panic.

#![expect(clippy::print_stdout, reason = "figures, shown by --nocapture")]

mod stripped_support;

use std::path::Path;

use anyhow::{Context, Result, ensure};
use leakscope_go::error::Error;
use leakscope_go::program::Program;
use leakscope_target::{CoreFile, map_file};
use leakscope_testkit::versions;
use stripped_support::Twin;

/// How the header of the function tables starts.
const HEADER: [u8; 8] = [0xf1, 0xff, 0xff, 0xff, 0, 0, 1, 8];

/// Rounds of random damage per version.
const ROUNDS: u64 = 40;
/// Bytes damaged in one round.
const HITS: u64 = 20_000;

/// Opens the program of `core` with a copy of the stripped executable that `damage` has changed.
fn open(
    twin: &Twin,
    damage: impl FnOnce(&mut Vec<u8>) -> Result<()>,
) -> Result<std::result::Result<Program, Error>> {
    let mut bytes = std::fs::read(twin.stripped())?;
    damage(&mut bytes)?;
    let path = twin.folder().join("damaged");
    std::fs::write(&path, bytes)?;
    opened(twin.core(), &path)
}

fn opened(core: &Path, exe: &Path) -> Result<std::result::Result<Program, Error>> {
    let exe = map_file(exe)?;
    let core = CoreFile::open(core)?;
    let image = core.image(Some(&exe))?.build();
    Ok(Program::open(exe, core.mappings(), &image))
}

/// Replaces every `from` by `to`, of the same length.
fn replace(bytes: &mut [u8], from: &[u8], to: &[u8]) -> usize {
    let places: Vec<usize> = bytes
        .windows(from.len())
        .enumerate()
        .filter(|(_, w)| *w == from)
        .map(|(i, _)| i)
        .collect();
    for at in &places {
        bytes[*at..*at + to.len()].copy_from_slice(to);
    }
    places.len()
}

#[test]
fn without_function_tables_it_says_so() -> Result<()> {
    each(|twin| {
        let result = open(twin, |bytes| {
            ensure!(replace(bytes, &HEADER, &[0; 8]) > 0, "no header");
            Ok(())
        })?;
        ensure!(
            matches!(result, Err(Error::NoFunctionTable)),
            "{:?}",
            result.err()
        );
        Ok(())
    })
}

#[test]
fn an_obfuscated_program_is_refused_by_name() -> Result<()> {
    each(|twin| {
        let result = open(twin, |bytes| {
            ensure!(replace(bytes, b"runtime.", b"xyzzyxyz") > 0, "no names");
            replace(bytes, b"sync.", b"xyzzy");
            replace(bytes, b"internal/xyzzyxyz", b"internal/xyzzyxyy");
            replace(bytes, b"internal/runtime/", b"internal/xyzzyxy/");
            Ok(())
        })?;
        let error = result.err().context("it was read")?;
        ensure!(matches!(error, Error::Obfuscated), "{error:?}");
        ensure!(error.to_string().contains("garble"), "{error}");
        Ok(())
    })
}

#[test]
fn functions_that_lead_nowhere_are_named_with_what_is_missing() -> Result<()> {
    each(|twin| {
        let code = twin.program(twin.stripped())?;
        let place = |name: &str| {
            let f = code.functions().named(name).next().context("function")?;
            let start = f.entry().0.wrapping_sub(code.bias());
            let segment = code
                .exe()
                .segments()
                .iter()
                .find(|s| s.start <= start && start - s.start < s.file_size);
            let s = segment.context("segment")?;
            let at = (s.file_offset + start - s.start) as usize;
            Ok::<_, anyhow::Error>(at..at + (f.end().0 - f.entry().0) as usize)
        };
        let places = [place("runtime.forEachG")?, place("runtime.allgadd")?];
        let result = open(twin, |bytes| {
            for place in places {
                bytes.get_mut(place).context("code")?.fill(0xcc);
            }
            Ok(())
        })?;
        let error = result.err().context("it was read")?;
        let told = error.to_string();
        ensure!(matches!(error, Error::NoAnchor { .. }), "{told}");
        ensure!(
            told.contains("runtime.allgs") && told.contains("runtime.forEachG"),
            "{told}"
        );
        Ok(())
    })
}

#[test]
fn random_damage_never_ends_in_a_panic() -> Result<()> {
    each(|twin| {
        let mut refused = 0;
        for round in 0..ROUNDS {
            let mut state = round.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
            let result = open(twin, |bytes| {
                for _ in 0..HITS {
                    state ^= state << 13;
                    state ^= state >> 7;
                    state ^= state << 17;
                    // The headers stay: a file that is no Go program is refused long before.
                    let at = 4096 + (state >> 8) as usize % (bytes.len() - 4096);
                    bytes[at] = state as u8;
                }
                Ok(())
            });
            refused += u64::from(!matches!(result, Ok(Ok(_))));
        }
        println!("{refused} of {ROUNDS} damaged executables refused");
        Ok(())
    })
}

fn each(check: impl Fn(&Twin) -> Result<()>) -> Result<()> {
    for version in versions()? {
        let Some(twin) = Twin::of("heartbeat", &version, &[])? else {
            return Ok(());
        };
        check(&twin).with_context(|| format!("go{version}"))?;
    }
    Ok(())
}
