//! The executable of a core: its name, whether a given file is it, and the bytes that only the file has.

use std::sync::Arc;

use memmap2::Mmap;
use object::LittleEndian;
use object::elf::{self, FileHeader64};
use object::read::elf::{FileHeader, ProgramHeader};

use super::{BuildIds, CoreError, CoreFile, at, bytes_of, string_at};
use crate::{Addr, AddrRange, ImageBuilder, Mapping, Source};

const LE: LittleEndian = LittleEndian;

/// The most `PT_LOAD`s taken from an executable; linkers write two to six.
const MAX_LOADS: usize = 64;
/// How many bytes at the start of the executable are compared when there are no build ids: one page, which is what the
/// kernel dumps of a file mapping by default (`coredump_filter` bit 4).
const COMPARED: usize = 4096;
/// The longest name taken from `AT_EXECFN`.
const MAX_NAME: usize = 4096;

/// How sure it is that an executable is the one of a core.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ExecutableMatch {
    /// Both have the same build id.
    BuildId,
    /// Neither can be compared by build id, but the first page is the same.
    Bytes,
    /// Nothing could be compared.
    Unverified,
}

/// A loadable span of an executable that the process cannot have changed.
struct Load {
    vaddr: u64,
    offset: u64,
    filesz: u64,
}

impl CoreFile {
    /// Path of the executable as the process saw it: raw bytes, hostile until escaped, and with ` (deleted)` behind it
    /// when the file was unlinked. Only a hint: it may be relative, in another container, or replaced since.
    pub fn exe_path_hint(&self) -> Option<Vec<u8>> {
        if let Some(mapping) = self.exe_mapping() {
            return Some(mapping.path.clone());
        }
        let name = self
            .auxv_value(at::EXECFN)
            .and_then(|name| string_at(&self.held, Addr(name), MAX_NAME));
        name.filter(|name| !name.is_empty())
    }

    /// The build ids of the executable, as far as the core holds its first page.
    pub fn build_ids_of_exe(&self) -> BuildIds {
        BuildIds::of_elf(self.exe_start())
    }

    /// Whether `executable` is the one of this core; fails when it is known not to be.
    pub fn check_executable(&self, executable: &[u8]) -> Result<ExecutableMatch, CoreError> {
        loads(executable)?;
        let core = self.build_ids_of_exe();
        let given = BuildIds::of_elf(executable);
        let agree = core.agree(&given);
        if agree == Some(false) {
            return Err(CoreError::Mismatch {
                core,
                executable: given,
            });
        }
        let held = executable.len() as u64;
        let mapped = self
            .exe_mappings()
            .map(|m| m.file_offset.saturating_add(m.range.len()))
            .max()
            .unwrap_or(0);
        if mapped > held.next_multiple_of(4096) {
            return Err(CoreError::MismatchedSize { mapped, held });
        }
        if agree == Some(true) {
            return Ok(ExecutableMatch::BuildId);
        }
        let start = self.exe_start();
        let compared = start.len().min(executable.len()).min(COMPARED);
        if compared == 0 {
            return Ok(ExecutableMatch::Unverified);
        }
        match start
            .iter()
            .zip(executable)
            .take(compared)
            .position(|(a, b)| a != b)
        {
            Some(offset) => Err(CoreError::MismatchedBytes {
                offset: offset as u64,
            }),
            None => Ok(ExecutableMatch::Bytes),
        }
    }

    /// The bytes of the process: those in the core and, where it lacks them, the read-only parts of `executable`
    /// (the kernel leaves out the text of programs by default). Fails when the executable does not match.
    pub fn image(&self, executable: Option<&Arc<Mmap>>) -> Result<ImageBuilder, CoreError> {
        let mut image = bytes_of(&self.segments, &self.file);
        let Some(executable) = executable else {
            return Ok(image);
        };
        self.check_executable(executable)?;
        let (loads, entry) = loads(executable)?;
        let mut add = |start: Option<Addr>, offset: u64, len: u64| {
            if let (Some(start), Ok(offset)) = (start, usize::try_from(offset))
                && let Some(range) = AddrRange::new(start, len)
            {
                image.add(
                    range,
                    Source::File {
                        file: executable.clone(),
                        offset,
                    },
                );
            }
        };
        if self.exe_mapping().is_some() {
            for mapping in self.exe_mappings().filter(|m| !m.perms.write) {
                for load in &loads {
                    let from = load.offset.max(mapping.file_offset);
                    let mapped_end = mapping.file_offset.saturating_add(mapping.range.len());
                    let to = load.offset.saturating_add(load.filesz).min(mapped_end);
                    if from < to {
                        add(
                            mapping.range.start.checked_add(from - mapping.file_offset),
                            from,
                            to - from,
                        );
                    }
                }
            }
        } else if let Some(at_entry) = self.auxv_value(at::ENTRY) {
            let bias = at_entry.wrapping_sub(entry);
            if bias.is_multiple_of(4096) {
                for load in &loads {
                    add(
                        Some(Addr(load.vaddr.wrapping_add(bias))),
                        load.offset,
                        load.filesz,
                    );
                }
            }
        }
        Ok(image)
    }

    /// The mapping of the executable that holds its program headers or its entry point.
    fn exe_mapping(&self) -> Option<&Mapping> {
        let holds = |address: u64| {
            let i = self
                .mappings
                .partition_point(|m| m.range.end <= Addr(address));
            self.mappings
                .get(i)
                .filter(|m| m.contains(Addr(address)) && !m.path.is_empty())
        };
        [at::PHDR, at::ENTRY]
            .into_iter()
            .filter_map(|key| self.auxv_value(key))
            .find_map(holds)
    }

    /// All mappings of the executable.
    fn exe_mappings(&self) -> impl Iterator<Item = &Mapping> {
        let path = self.exe_mapping().map(|m| &m.path);
        self.mappings.iter().filter(move |m| Some(&m.path) == path)
    }

    /// The start of the executable, as far as the core holds it.
    fn exe_start(&self) -> &[u8] {
        let Some(first) = self.exe_mappings().find(|m| m.file_offset == 0) else {
            return &[];
        };
        let bytes = self.held.bytes_from(first.range.start).unwrap_or_default();
        &bytes[..bytes
            .len()
            .min(usize::try_from(first.range.len()).unwrap_or(usize::MAX))]
    }
}

/// The spans of `executable` that are loaded without being writable, and its entry point.
fn loads(executable: &[u8]) -> Result<(Vec<Load>, u64), CoreError> {
    let header =
        FileHeader64::<LittleEndian>::parse(executable).map_err(|_| CoreError::NotAnExecutable)?;
    let little = header.is_little_endian() && header.e_machine(LE) == elf::EM_X86_64;
    if !little || !matches!(header.e_type(LE), elf::ET_EXEC | elf::ET_DYN) {
        return Err(CoreError::NotAnExecutable);
    }
    let table = header
        .program_headers(LE, executable)
        .map_err(|_| CoreError::NotAnExecutable)?;
    let loads = table
        .iter()
        .filter(|ph| ph.p_type(LE) == elf::PT_LOAD && !ph.p_flags(LE).contains(elf::PF_W))
        .take(MAX_LOADS)
        .map(|ph| Load {
            vaddr: ph.p_vaddr(LE),
            offset: ph.p_offset(LE),
            filesz: ph.p_filesz(LE),
        })
        .collect();
    Ok((loads, header.e_entry(LE)))
}
