//! The executable: its segments and sections, what built it, and where it was loaded.

mod bias;
mod buildinfo;
mod version;

use std::borrow::Cow;
use std::sync::Arc;

use leakscope_target::{Addr, AddrRange, ImageBuilder, Source};
use memmap2::Mmap;
use object::Endianness;
use object::elf;
use object::read::elf::{FileHeader, NoteIterator, ProgramHeader, SectionHeader};

pub use buildinfo::BuildInfo;
pub use version::{GoVersion, Support};

use crate::error::{Error, NotGo};

/// Most bytes of one debug section once decompressed. The largest Go programs known (Kubernetes, CockroachDB) stay
/// below 200 MB in all sections together.
const MAX_SECTION: u64 = 1 << 30;

/// zlib cannot shrink data by more than 1032:1, so a section that claims more is lying.
const MAX_ZLIB_RATIO: u64 = 1032;

/// A loadable segment of the executable.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Segment {
    /// Addresses as linked (add the load bias to get the target's).
    pub start: u64,
    /// Bytes in memory.
    pub mem_size: u64,
    /// Offset of the bytes in the file.
    pub file_offset: u64,
    /// Bytes in the file; the rest of the memory starts as zeros.
    pub file_size: u64,
    /// Mapped writable (also the segments that are made read-only after relocation).
    pub writable: bool,
    /// Mapped executable.
    pub executable: bool,
}

#[derive(Clone, Debug)]
struct Section {
    name: String,
    addr: u64,
    offset: u64,
    size: u64,
    alloc: bool,
    nobits: bool,
    compressed: bool,
}

/// A Go executable, parsed from its file.
pub struct Executable {
    file: Arc<Mmap>,
    segments: Vec<Segment>,
    sections: Vec<Section>,
    entry: u64,
    is_pie: bool,
    build_id: Option<Vec<u8>>,
    go_build_id: Option<Vec<u8>>,
    build_info: BuildInfo,
    version: GoVersion,
}

impl Executable {
    /// Parses the headers and the Go build information. Fails on anything but a Go program for x86-64 Linux of a
    /// release that is known or newer.
    pub fn parse(file: Arc<Mmap>) -> Result<Self, Error> {
        let data: &[u8] = &file;
        check_ident(data)?;
        let header =
            elf::FileHeader64::<Endianness>::parse(data).map_err(|e| broken("ELF header", e))?;
        let endian = header.endian().map_err(|e| broken("ELF header", e))?;
        let machine = header.e_machine(endian);
        if machine != elf::EM_X86_64 || endian != Endianness::Little {
            return Err(Error::Machine { machine: machine.0 });
        }
        let kind = header.e_type(endian);
        if kind != elf::ET_EXEC && kind != elf::ET_DYN {
            return Err(Error::NotExecutable { kind: kind.0 });
        }
        let headers = header
            .program_headers(endian, data)
            .map_err(|e| broken("program headers", e))?;
        let segments = load_segments(endian, headers);
        let sections = sections(endian, header, data);
        let (build_id, go_build_id) = build_ids(endian, header, headers, data);
        let place = Places {
            data,
            segments: &segments,
            sections: &sections,
        };
        let Some(build_info) = buildinfo::find(&place) else {
            let hint = if place.links_java() {
                NotGo::Jvm
            } else {
                NotGo::Unknown
            };
            return Err(Error::NotGo { hint });
        };
        let version = GoVersion::parse(&build_info.version).ok_or(Error::NotGo {
            hint: NotGo::Unknown,
        })?;
        if version.support() == Support::TooOld {
            return Err(Error::TooOld {
                version: build_info.version,
                oldest: GoVersion::OLDEST_MINOR,
            });
        }
        let entry = header.e_entry(endian);
        let is_pie = kind == elf::ET_DYN;
        Ok(Self {
            segments,
            sections,
            entry,
            is_pie,
            build_id,
            go_build_id,
            build_info,
            version,
            file,
        })
    }

    /// The mapped file.
    pub fn file(&self) -> &Arc<Mmap> {
        &self.file
    }

    /// The Go release that built it, without experiments: `go1.27.3`.
    pub fn go_version(&self) -> &GoVersion {
        &self.version
    }

    /// What the linker recorded of the build: module, settings, experiments.
    pub fn build_info(&self) -> &BuildInfo {
        &self.build_info
    }

    /// The loadable segments, in the order of the file.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// Whether it is position independent, so that its load bias differs from run to run.
    pub fn is_pie(&self) -> bool {
        self.is_pie
    }

    /// The GNU build id, which cores and mappings carry too.
    pub fn build_id(&self) -> Option<&[u8]> {
        self.build_id.as_deref()
    }

    /// The Go build id (text).
    pub fn go_build_id(&self) -> Option<&[u8]> {
        self.go_build_id.as_deref()
    }

    /// The entry point as linked.
    pub fn entry(&self) -> u64 {
        self.entry
    }

    /// Bytes of the file that are loaded at `svma` (an address as linked), to the end of their segment's file part.
    /// In writable segments of a running program they have changed since.
    pub fn static_bytes(&self, svma: u64) -> Option<&[u8]> {
        let place = Places {
            data: &self.file,
            segments: &self.segments,
            sections: &self.sections,
        };
        place.at(svma)
    }

    /// Where in the file the `len` bytes at `svma` (as linked) are, if all of them are.
    pub(crate) fn file_offset(&self, svma: u64, len: u64) -> Option<usize> {
        let s = self
            .segments
            .iter()
            .find(|s| svma >= s.start && svma - s.start < s.file_size)?;
        if len > s.file_size - (svma - s.start) {
            return None;
        }
        let offset = s.file_offset.checked_add(svma - s.start)?;
        let end = offset.checked_add(len)?;
        (end <= self.file.len() as u64).then_some(offset as usize)
    }

    /// The address (as linked) and length of a loaded section.
    pub fn section_range(&self, name: &str) -> Option<(u64, u64)> {
        self.sections
            .iter()
            .find(|s| s.alloc && s.name == name)
            .map(|s| (s.addr, s.size))
    }

    /// Whether it carries DWARF debug information. Looks at the section table only.
    pub fn has_debug_info(&self) -> bool {
        self.sections
            .iter()
            .any(|s| matches!(s.name.as_str(), ".debug_info" | ".zdebug_info") && !s.nobits)
    }

    /// Adds the segments that a program cannot write to an image, straight from the file.
    pub fn add_static(&self, bias: u64, image: &mut ImageBuilder) {
        for s in self.segments.iter().filter(|s| !s.writable) {
            let Ok(offset) = usize::try_from(s.file_offset) else {
                continue;
            };
            if let Some(range) = AddrRange::new(
                Addr(s.start.wrapping_add(bias)),
                s.file_size.min(s.mem_size),
            ) {
                image.add(
                    range,
                    Source::File {
                        file: self.file.clone(),
                        offset,
                    },
                );
            }
        }
    }

    /// The content of a section that is not loaded, decompressed if need be; `None` where there is no such section.
    pub(crate) fn debug_section(&self, name: &str) -> Result<Option<Cow<'_, [u8]>>, Error> {
        let Some(s) = self.sections.iter().find(|s| s.name == name && !s.nobits) else {
            return Ok(None);
        };
        let data = slice(&self.file, s.offset, s.size).ok_or_else(|| Error::Elf {
            part: "section table",
            why: format!("{name} reaches past the file"),
        })?;
        if !s.compressed {
            return Ok(Some(Cow::Borrowed(data)));
        }
        decompress(name, data).map(|bytes| Some(Cow::Owned(bytes)))
    }
}

fn broken(part: &'static str, e: object::Error) -> Error {
    Error::Elf {
        part,
        why: e.to_string(),
    }
}

fn check_ident(data: &[u8]) -> Result<(), Error> {
    match (data.get(..4), data.get(4)) {
        (Some(magic), Some(class)) if magic == elf::ELFMAG => match elf::FileClass(*class) {
            elf::ELFCLASS64 => Ok(()),
            elf::ELFCLASS32 => Err(Error::Not64Bit),
            _ => Err(Error::NotElf),
        },
        _ => Err(Error::NotElf),
    }
}

fn load_segments(endian: Endianness, headers: &[elf::ProgramHeader64<Endianness>]) -> Vec<Segment> {
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
fn sections(
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
                alloc: flags.0 & u64::from(elf::SHF_ALLOC.0) != 0,
                nobits: s.sh_type(endian) == elf::SHT_NOBITS,
                compressed: flags.0 & u64::from(elf::SHF_COMPRESSED.0) != 0,
            })
        })
        .collect()
}

type BuildIds = (Option<Vec<u8>>, Option<Vec<u8>>);

/// The GNU build id and the Go build id, from the notes of the segments or, where those are missing, of the sections.
fn build_ids(
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

fn slice(data: &[u8], offset: u64, size: u64) -> Option<&[u8]> {
    let start = usize::try_from(offset).ok()?;
    let end = start.checked_add(usize::try_from(size).ok()?)?;
    data.get(start..end)
}

fn decompress(name: &str, data: &[u8]) -> Result<Vec<u8>, Error> {
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

/// The parsed parts that searches inside the file need.
struct Places<'a> {
    data: &'a [u8],
    segments: &'a [Segment],
    sections: &'a [Section],
}

impl<'a> Places<'a> {
    fn at(&self, svma: u64) -> Option<&'a [u8]> {
        let s = self
            .segments
            .iter()
            .find(|s| svma >= s.start && svma - s.start < s.file_size)?;
        let bytes = slice(self.data, s.file_offset, s.file_size)?;
        bytes.get(usize::try_from(svma - s.start).ok()?..)
    }

    fn section(&self, name: &str) -> Option<&'a [u8]> {
        let s = self.sections.iter().find(|s| s.name == name && !s.nobits)?;
        slice(self.data, s.offset, s.size)
    }

    fn writable(&self) -> impl Iterator<Item = &'a [u8]> + '_ {
        self.segments
            .iter()
            .filter(|s| s.writable)
            .filter_map(|s| slice(self.data, s.file_offset, s.file_size))
    }

    /// Whether the dynamic linker is asked for the JVM or its launcher library.
    fn links_java(&self) -> bool {
        let Some(strings) = self.section(".dynstr") else {
            return false;
        };
        strings
            .split(|b| *b == 0)
            .any(|s| s == b"libjli.so" || s == b"libjvm.so")
    }
}
