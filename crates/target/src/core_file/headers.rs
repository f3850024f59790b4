//! The ELF header and program headers of a core, checked field by field.

use object::elf::{self, FileHeader64, ProgramHeader64};
use object::read::elf::{FileHeader, ProgramHeader};
use object::{LittleEndian, pod};

use super::CoreError;
use crate::{Addr, AddrRange, Perms};

/// The most program headers taken from one core: `vm.max_map_count` is 65,530 by default and raised at most into the
/// low millions. 2^22 headers are 224 MiB of file.
const MAX_SEGMENTS: u32 = 1 << 22;

const LE: LittleEndian = LittleEndian;

/// One `PT_LOAD` of a core.
#[derive(Clone, Copy, Debug)]
pub(super) struct Segment {
    /// Addresses it stands for, `p_memsz` long.
    pub(super) range: AddrRange,
    /// Where its bytes begin in the file.
    pub(super) offset: u64,
    /// How many bytes it has in the file, from the start of `range`; the rest is unknown, not zero.
    pub(super) filesz: u64,
    /// Access rights.
    pub(super) perms: Perms,
}

/// One `PT_NOTE`: a span of the file.
#[derive(Clone, Copy, Debug)]
pub(super) struct NoteSpan {
    pub(super) offset: u64,
    pub(super) len: u64,
    pub(super) align: u64,
}

/// What the headers of a core say.
#[derive(Debug, Default)]
pub(super) struct Headers {
    pub(super) segments: Vec<Segment>,
    pub(super) notes: Vec<NoteSpan>,
    /// Length the file must have for every segment and note to be whole.
    pub(super) needed: u64,
}

/// Reads and checks the headers of the core in `file`.
pub(super) fn read(file: &[u8]) -> Result<Headers, CoreError> {
    let header = file_header(file)?;
    let table = program_headers(header, file)?;
    let mut headers = Headers::default();
    for (i, ph) in table.iter().enumerate() {
        let at = header.e_phoff(LE) + (i * size_of::<ProgramHeader64<LittleEndian>>()) as u64;
        match ph.p_type(LE) {
            elf::PT_LOAD => headers.segments.push(load(ph, at)?),
            elf::PT_NOTE => headers.notes.push(NoteSpan {
                offset: ph.p_offset(LE),
                len: ph.p_filesz(LE),
                align: ph.p_align(LE),
            }),
            _ => continue,
        }
        let Some(end) = ph.p_offset(LE).checked_add(ph.p_filesz(LE)) else {
            return Err(CoreError::Corrupt {
                what: "p_offset",
                offset: at + field::OFFSET,
                value: ph.p_offset(LE),
            });
        };
        headers.needed = headers.needed.max(end);
    }
    Ok(headers)
}

/// Offsets of fields in `Elf64_Phdr`, to name them in errors.
mod field {
    pub(super) const OFFSET: u64 = 8;
    pub(super) const VADDR: u64 = 16;
    pub(super) const FILESZ: u64 = 32;
}

fn load(ph: &ProgramHeader64<LittleEndian>, at: u64) -> Result<Segment, CoreError> {
    let filesz = ph.p_filesz(LE);
    if filesz > ph.p_memsz(LE) {
        return Err(CoreError::Corrupt {
            what: "p_filesz (larger than p_memsz)",
            offset: at + field::FILESZ,
            value: filesz,
        });
    }
    let range = AddrRange::new(Addr(ph.p_vaddr(LE)), ph.p_memsz(LE));
    let Some(range) = range else {
        return Err(CoreError::Corrupt {
            what: "p_vaddr (wraps)",
            offset: at + field::VADDR,
            value: ph.p_vaddr(LE),
        });
    };
    let flags = ph.p_flags(LE);
    let perms = Perms {
        read: flags.contains(elf::PF_R),
        write: flags.contains(elf::PF_W),
        execute: flags.contains(elf::PF_X),
        shared: false,
    };
    Ok(Segment {
        range,
        offset: ph.p_offset(LE),
        filesz,
        perms,
    })
}

fn file_header(file: &[u8]) -> Result<&FileHeader64<LittleEndian>, CoreError> {
    if !file.starts_with(b"\x7fELF") {
        return Err(match compression(file) {
            Some(format) => CoreError::Compressed { format },
            None => CoreError::NotElf {
                start: file.iter().copied().take(8).collect(),
            },
        });
    }
    match (file.get(4), file.get(5)) {
        (Some(2), Some(1)) => {}
        (Some(1), _) => return Err(CoreError::ThirtyTwoBit),
        (Some(2), Some(2)) => {
            let machine = file
                .get(18..20)
                .map_or(0, |m| u16::from_be_bytes([m[0], m[1]]));
            return Err(CoreError::Machine { machine });
        }
        (Some(2), Some(data)) => {
            return Err(CoreError::Corrupt {
                what: "EI_DATA",
                offset: 5,
                value: u64::from(*data),
            });
        }
        (class, _) => {
            return Err(CoreError::Corrupt {
                what: "EI_CLASS",
                offset: 4,
                value: class.map_or(0, |c| u64::from(*c)),
            });
        }
    }
    let size = size_of::<FileHeader64<LittleEndian>>();
    let Ok((header, _)) = pod::from_bytes::<FileHeader64<LittleEndian>>(file) else {
        return Err(CoreError::Truncated {
            what: "the ELF header",
            needed: size as u64,
            held: file.len() as u64,
        });
    };
    let kind = match header.e_type(LE) {
        elf::ET_CORE => None,
        elf::ET_EXEC => Some("an executable"),
        elf::ET_DYN => Some("an executable or shared library"),
        elf::ET_REL => Some("an object file"),
        _ => {
            return Err(CoreError::Corrupt {
                what: "e_type",
                offset: 16,
                value: u64::from(header.e_type(LE).0),
            });
        }
    };
    if let Some(kind) = kind {
        return Err(CoreError::NotACore { kind });
    }
    if header.e_machine(LE) != elf::EM_X86_64 {
        return Err(CoreError::Machine {
            machine: header.e_machine(LE).0,
        });
    }
    Ok(header)
}

fn program_headers<'a>(
    header: &FileHeader64<LittleEndian>,
    file: &'a [u8],
) -> Result<&'a [ProgramHeader64<LittleEndian>], CoreError> {
    let held = file.len() as u64;
    let entry = u64::from(header.e_phentsize(LE));
    if entry != size_of::<ProgramHeader64<LittleEndian>>() as u64 {
        return Err(CoreError::Corrupt {
            what: "e_phentsize",
            offset: 54,
            value: entry,
        });
    }
    // More than 65,534 headers: the true count stands in section header 0 (kernel: fill_extnum_info, fs/binfmt_elf.c).
    let Ok(count) = header.phnum(LE, file) else {
        let needed = header.e_shoff(LE).saturating_add(64);
        return Err(CoreError::Truncated {
            what: "section header 0, which counts the program headers",
            needed,
            held,
        });
    };
    if count == 0 || count > MAX_SEGMENTS {
        return Err(CoreError::Corrupt {
            what: "the count of program headers",
            offset: 56,
            value: u64::from(count),
        });
    }
    let start = header.e_phoff(LE);
    if start < size_of::<FileHeader64<LittleEndian>>() as u64 {
        return Err(CoreError::Corrupt {
            what: "e_phoff",
            offset: 32,
            value: start,
        });
    }
    let Some(end) = start.checked_add(u64::from(count) * entry) else {
        return Err(CoreError::Corrupt {
            what: "e_phoff",
            offset: 32,
            value: start,
        });
    };
    if end > held {
        return Err(CoreError::Truncated {
            what: "the table of program headers",
            needed: end,
            held,
        });
    }
    let bytes = file.get(start as usize..end as usize).unwrap_or_default();
    match pod::slice_from_bytes::<ProgramHeader64<LittleEndian>>(bytes, count as usize) {
        Ok((table, _)) => Ok(table),
        Err(()) => Err(CoreError::Corrupt {
            what: "e_phoff (not aligned)",
            offset: 32,
            value: start,
        }),
    }
}

fn compression(file: &[u8]) -> Option<&'static str> {
    const MAGICS: [(&[u8], &str); 5] = [
        (b"\x1f\x8b", "gzip"),
        (b"\x28\xb5\x2f\xfd", "zstd"),
        (b"\x04\x22\x4d\x18", "lz4"),
        (b"\xfd7zXZ\0", "xz"),
        (b"BZh", "bzip2"),
    ];
    MAGICS
        .iter()
        .find(|(magic, _)| file.starts_with(magic))
        .map(|(_, name)| *name)
}
