//! The executable: its segments and sections, what built it, and where it was loaded.

mod bias;
mod buildinfo;
mod elf_parts;
mod version;

use std::borrow::Cow;
use std::sync::Arc;

use leakscope_target::{Addr, AddrRange, ImageBuilder, Source};
use memmap2::Mmap;
use object::Endianness;
use object::elf;
use object::read::elf::FileHeader;

pub use buildinfo::BuildInfo;
pub use version::{GoVersion, Support};

use crate::error::{Error, NotGo};
use elf_parts::{
    Section, broken, build_ids, check_ident, decompress, load_segments, sections, slice,
};

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

/// A Go executable, parsed from its file.
pub struct Executable {
    file: Arc<Mmap>,
    segments: Vec<Segment>,
    sections: Vec<Section>,
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
        let is_pie = kind == elf::ET_DYN;
        Ok(Self {
            segments,
            sections,
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

    /// Where the section called `name` is loaded (as linked).
    pub(crate) fn section_at(&self, name: &str) -> Option<u64> {
        let section = self.sections.iter().find(|s| s.name == name)?;
        Some(section.addr).filter(|at| *at != 0)
    }

    /// Whether it carries DWARF debug information. Looks at the section table only.
    pub fn has_debug_info(&self) -> bool {
        self.sections
            .iter()
            .any(|s| matches!(s.name.as_str(), ".debug_info" | ".zdebug_info") && !s.nobits)
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
