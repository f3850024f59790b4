//! Parts of an ELF file: identification, segments, sections, notes, compressed data.

use std::borrow::Cow;

use object::Endianness;
use object::elf;
use object::read::elf::{FileHeader, NoteIterator, ProgramHeader, SectionHeader};

use super::Segment;
use crate::error::Error;

/// Most bytes of one debug section once decompressed. The largest Go programs known (Kubernetes, CockroachDB) stay
/// below 200 MB in all sections together.
const MAX_SECTION: u64 = 1 << 30;

/// zlib cannot shrink data by more than 1032:1, so a section that claims more is lying.
const MAX_ZLIB_RATIO: u64 = 1032;

/// A section of the file.
#[derive(Clone, Debug)]
pub(super) struct Section {
    pub(super) name: String,
    pub(super) addr: u64,
    pub(super) offset: u64,
    pub(super) size: u64,
    pub(super) nobits: bool,
    pub(super) compressed: bool,
}

pub(super) fn broken(part: &'static str, e: object::Error) -> Error {
    Error::Elf {
        part,
        why: e.to_string(),
    }
}

pub(super) fn check_ident(data: &[u8]) -> Result<(), Error> {
    match (data.get(..4), data.get(4)) {
        (Some(magic), Some(class)) if magic == elf::ELFMAG => match elf::FileClass(*class) {
            elf::ELFCLASS64 => Ok(()),
            elf::ELFCLASS32 => Err(Error::Not64Bit),
            _ => Err(Error::NotElf),
        },
        _ => Err(Error::NotElf),
    }
}

pub(super) fn load_segments(
    endian: Endianness,
    headers: &[elf::ProgramHeader64<Endianness>],
) -> Vec<Segment> {
    headers
        .iter()
        .filter(|p| p.p_type(endian) == elf::PT_LOAD)
        .map(|p| Segment {
            start: p.p_vaddr(endian),
            mem_size: p.p_memsz(endian),
            file_offset: p.p_offset(endian),
            file_size: p.p_filesz(endian),
            writable: p.p_flags(endian) & elf::PF_W != elf::ProgramFlags(0),
            executable: p.p_flags(endian) & elf::PF_X != elf::ProgramFlags(0),
        })
        .collect()
}

/// The section table; empty where it was stripped or is damaged (everything needed is then looked for in segments).
pub(super) fn sections(
    endian: Endianness,
    header: &elf::FileHeader64<Endianness>,
    data: &[u8],
) -> Vec<Section> {
    let Ok(table) = header.sections(endian, data) else {
        return Vec::new();
    };
    table
        .iter()
        .filter_map(|s| {
            let flags = s.sh_flags(endian);
            Some(Section {
                name: String::from_utf8_lossy(table.section_name(endian, s).ok()?).into_owned(),
                addr: s.sh_addr(endian),
                offset: s.sh_offset(endian),
                size: s.sh_size(endian),
                nobits: s.sh_type(endian) == elf::SHT_NOBITS,
                compressed: flags.0 & elf::SHF_COMPRESSED.0 != 0,
            })
        })
        .collect()
}

pub(super) type BuildIds = (Option<Vec<u8>>, Option<Vec<u8>>);

/// The GNU build id and the Go build id, from the notes of the segments or, where those are missing, of the sections.
pub(super) fn build_ids(
    endian: Endianness,
    header: &elf::FileHeader64<Endianness>,
    headers: &[elf::ProgramHeader64<Endianness>],
    data: &[u8],
) -> BuildIds {
    /// Note type of the Go build id (`cmd/link/internal/ld/elf.go`, `ELF_NOTE_GOBUILDID_TAG`).
    const NT_GO_BUILD_ID: elf::NoteType = elf::NoteType(4);
    let mut ids: BuildIds = (None, None);
    let mut scan = |mut notes: NoteIterator<'_, elf::FileHeader64<Endianness>>| {
        while let Ok(Some(note)) = notes.next() {
            match (note.name(), note.n_type(endian)) {
                (b"GNU", elf::NT_GNU_BUILD_ID) => ids.0 = Some(note.desc().to_vec()),
                (b"Go", NT_GO_BUILD_ID) => ids.1 = Some(note.desc().to_vec()),
                _ => {}
            }
        }
    };
    for p in headers {
        if let Ok(Some(notes)) = p.notes(endian, data) {
            scan(notes);
        }
    }
    if let Ok(table) = header.sections(endian, data) {
        for s in table.iter() {
            if let Ok(Some(notes)) = s.notes(endian, data) {
                scan(notes);
            }
        }
    }
    ids
}

pub(super) fn slice(data: &[u8], offset: u64, size: u64) -> Option<&[u8]> {
    let start = usize::try_from(offset).ok()?;
    let end = start.checked_add(usize::try_from(size).ok()?)?;
    data.get(start..end)
}

pub(super) fn decompress(name: &str, data: &[u8]) -> Result<Vec<u8>, Error> {
    /// `ch_type` u32, reserved u32, `ch_size` u64, `ch_addralign` u64.
    const HEADER: usize = 24;
    let bad = |why: &str| Error::Elf {
        part: "debug sections",
        why: format!("{name}: {why}"),
    };
    let word = |at: usize| {
        data.get(at..at + 4)
            .and_then(|b| b.try_into().ok())
            .map(u32::from_le_bytes)
    };
    let kind = word(0).ok_or_else(|| bad("no compression header"))?;
    let size = data
        .get(8..16)
        .and_then(|b| b.try_into().ok())
        .map(u64::from_le_bytes);
    let size = size.ok_or_else(|| bad("no compression header"))?;
    let packed = data
        .get(HEADER..)
        .ok_or_else(|| bad("no compression header"))?;
    let format = match elf::CompressionType(kind) {
        elf::ELFCOMPRESS_ZLIB => object::CompressionFormat::Zlib,
        elf::ELFCOMPRESS_ZSTD => object::CompressionFormat::Zstandard,
        _ => return Err(bad("unknown compression")),
    };
    let possible = match format {
        object::CompressionFormat::Zlib => {
            (packed.len() as u64 + 64).saturating_mul(MAX_ZLIB_RATIO)
        }
        _ => MAX_SECTION,
    };
    let cap = possible.min(MAX_SECTION);
    if size > cap {
        return Err(Error::SectionTooLarge {
            section: name.to_owned(),
            size,
            cap,
        });
    }
    let packed = object::CompressedData {
        format,
        data: packed,
        uncompressed_size: size,
    };
    packed
        .decompress()
        .map(Cow::into_owned)
        .map_err(|e| bad(&e.to_string()))
}
