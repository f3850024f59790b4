//! The start of everything: the header of the function tables, and the moduledata that points to it.
//!
//! Sources: `runtime/symtab.go` (`pcHeader`, `moduledata`, `moduledataverify1`), `cmd/link/internal/ld/pcln.go`
//! (`writePCHeader`), `cmd/link/internal/ld/symtab.go` (`.go.module` since 1.26).

use leakscope_target::{Addr, Memory};

use crate::binary::Executable;
use crate::dwarf::DebugInfo;
use crate::error::Error;
use crate::moduledata;

/// Where the linker puts the tables: plain, and in position independent programs linked by C's linker.
const SECTIONS: [&str; 2] = [".gopclntab", ".data.rel.ro.gopclntab"];
/// Where the linker puts the moduledata since 1.26.
const MODULE_SECTION: &str = ".go.module";
/// How the header starts on x86-64: the magic of 1.20 on, two zeros, instructions of any length, words of 8 bytes.
const START: [u8; 8] = [0xf1, 0xff, 0xff, 0xff, 0, 0, 1, 8];
/// More functions than any program has (the largest have some hundred thousand).
const MAX_FUNCTIONS: u64 = 1 << 24;
/// Bytes of the target looked through at once.
const WINDOW: usize = 1 << 20;
/// Most bytes of variables looked through for the moduledata.
const MAX_DATA: u64 = 1 << 30;
/// Most places that look like a header are tried: the eight bytes are rare by themselves.
const MAX_CANDIDATES: usize = 64;

/// Headers that the file may have, best first.
pub(super) struct Headers {
    /// Address as linked, number of functions.
    candidates: Vec<(u64, u64)>,
}

/// Looks for the header of the function tables.
pub(super) fn find(exe: &Executable) -> Result<Headers, Error> {
    let sections = SECTIONS.iter().filter_map(|name| exe.section_at(name));
    let mut candidates: Vec<(u64, u64)> = sections
        .filter_map(|at| Some((at, functions(exe.static_bytes(at)?)?)))
        .collect();
    if candidates.is_empty() {
        for segment in exe.segments().iter().filter(|s| s.file_size > 0) {
            let bytes = exe.static_bytes(segment.start).unwrap_or_default();
            // The linker aligns the tables; stepping by words makes looking through a file cheap.
            for (i, word) in bytes.chunks_exact(8).enumerate() {
                if word == START
                    && candidates.len() < MAX_CANDIDATES
                    && let Some(count) = bytes.get(i * 8..).and_then(functions)
                {
                    candidates.push((segment.start + i as u64 * 8, count));
                }
            }
        }
    }
    if candidates.is_empty() {
        return Err(Error::NoFunctionTable);
    }
    Ok(Headers { candidates })
}

/// The number of functions that a header states; `None` where it is none.
fn functions(bytes: &[u8]) -> Option<u64> {
    let count = bytes.get(8..16)?.try_into().ok().map(u64::from_le_bytes)?;
    (bytes.starts_with(&START) && (1..MAX_FUNCTIONS).contains(&count)).then_some(count)
}

/// Finds the moduledata (address in the target): the one place whose first word points to a header and whose index of
/// functions is as long as that header says.
pub(super) fn module(
    debug: &DebugInfo,
    exe: &Executable,
    bias: u64,
    headers: Headers,
    memory: &dyn Memory,
) -> Result<u64, Error> {
    let is_module = |at: u64| {
        let header = memory.u64(Addr(at)).ok()?.wrapping_sub(bias);
        let known = headers.candidates.iter().find(|c| c.0 == header)?;
        moduledata::index_len(debug, memory, Addr(at)).filter(|len| *len == known.1 + 1)
    };
    if let Some(at) = exe.section_at(MODULE_SECTION) {
        let at = at.wrapping_add(bias);
        if is_module(at).is_some() {
            return Ok(at);
        }
    }
    let mut found = Vec::new();
    let mut buffer = vec![0; WINDOW];
    let mut budget = MAX_DATA;
    for segment in exe.segments().iter().filter(|s| s.writable) {
        let mut at = segment.start.wrapping_add(bias).next_multiple_of(8);
        let mut left = segment.file_size.min(budget);
        budget -= left;
        while left >= 8 {
            let len = (left as usize).min(WINDOW) & !7;
            let window = buffer.get_mut(..len).unwrap_or_default();
            if memory.read(Addr(at), window).is_ok() {
                for (i, word) in window.chunks_exact(8).enumerate() {
                    let word = word.try_into().map_or(0, u64::from_le_bytes);
                    let header = word.wrapping_sub(bias);
                    if headers.candidates.iter().any(|c| c.0 == header) {
                        found.push(at + i as u64 * 8);
                    }
                }
            }
            at += len as u64;
            left -= len as u64;
        }
    }
    found.retain(|at| is_module(*at).is_some());
    match found.as_slice() {
        [one] => Ok(*one),
        [] => Err(Error::NoModule),
        [first, ..] => Err(Error::Implausible {
            what: "runtime.moduledata (more than one)",
            at: Addr(*first),
        }),
    }
}
