//! ELF cores of x86-64 Linux processes, as the kernel and gdb's `gcore` write them.
//!
//! The file is mapped, never read whole. A core whose end is missing is opened as far as it goes; see
//! [`CoreFile::truncation`]. What a segment does not hold in the file is unknown, never zero. Holes of a sparse file
//! are zeros, because the kernel leaves holes exactly where the process had zero pages.

mod build_id;
mod error;
mod executable;
mod headers;
mod mappings;
mod notes;

use std::path::Path;
use std::sync::Arc;

use memmap2::Mmap;

pub use error::{BuildIds, CoreError};
pub use executable::ExecutableMatch;

use crate::{Addr, AddrRange, Error, Image, ImageBuilder, Mapping, Source, Thread, map_file};
use headers::Segment;

/// How much of a core is missing at its end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Truncation {
    /// Length in bytes that the headers call for.
    pub needed: u64,
    /// Length in bytes of the file.
    pub held: u64,
}

impl Truncation {
    /// How many bytes are missing.
    pub fn missing(&self) -> u64 {
        self.needed.saturating_sub(self.held)
    }
}

/// A part of a core's notes that could not be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CoreProblem {
    /// Which part, in ELF's own words.
    pub what: &'static str,
    /// Where it lies in the file.
    pub offset: u64,
}

/// Problems met while reading a core: the first ones, and the count of all.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Problems {
    first: Vec<CoreProblem>,
    count: u64,
}

impl Problems {
    /// The most problems kept; a hostile core can have one in every note.
    const KEPT: usize = 32;

    fn push(&mut self, problem: CoreProblem) {
        self.count += 1;
        if self.first.len() < Self::KEPT {
            self.first.push(problem);
        }
    }

    /// The first problems, in file order.
    pub fn first(&self) -> &[CoreProblem] {
        &self.first
    }

    /// How many there were in all.
    pub fn count(&self) -> u64 {
        self.count
    }
}

/// An ELF core, opened.
pub struct CoreFile {
    file: Arc<Mmap>,
    segments: Vec<Segment>,
    /// The bytes of the core alone.
    held: Image,
    mappings: Vec<Mapping>,
    notes: notes::Notes,
    problems: Problems,
    truncation: Option<Truncation>,
}

impl CoreFile {
    /// Opens the core at `path`. Fails when it is no core of a 64-bit x86-64 process, or when its headers are cut or corrupt.
    pub fn open(path: &Path) -> Result<Self, Error> {
        Self::from_map(map_file(path)?).map_err(|source| Error::Core {
            path: path.to_owned(),
            source,
        })
    }

    /// The core in a file that is mapped already.
    pub fn from_map(file: Arc<Mmap>) -> Result<Self, CoreError> {
        let headers = headers::read(&file)?;
        let mut problems = Problems::default();
        let notes = notes::read(&file, &headers.notes, &mut problems);
        let mappings = mappings::join(&headers.segments, &notes.files, &mut problems);
        let held = file.len() as u64;
        let truncation = (headers.needed > held).then_some(Truncation {
            needed: headers.needed,
            held,
        });
        let held = bytes_of(&headers.segments, &file).build();
        Ok(Self {
            file,
            segments: headers.segments,
            held,
            mappings,
            notes,
            problems,
            truncation,
        })
    }

    /// The mappings of the process, sorted by address and disjoint. In a core by gdb, mappings that it did not dump and
    /// that have no file are missing.
    pub fn mappings(&self) -> &[Mapping] {
        &self.mappings
    }

    /// The threads in the order of the core. In a kernel's core, the first one is the one that crashed.
    pub fn threads(&self) -> &[Thread] {
        &self.notes.threads
    }

    /// The auxiliary vector, as (key, value) without the closing `AT_NULL`.
    pub fn auxv(&self) -> &[(u64, u64)] {
        &self.notes.auxv
    }

    /// The process id, as far as the core says.
    pub fn pid(&self) -> Option<i32> {
        self.notes.pid
    }

    /// The name of the command, at most 16 bytes: hostile until escaped. Empty when the core does not say.
    pub fn command(&self) -> &[u8] {
        &self.notes.command
    }

    /// The start of the command line, at most 80 bytes, joined with spaces: hostile until escaped.
    pub fn arguments(&self) -> &[u8] {
        &self.notes.arguments
    }

    /// What is missing at the end of the file, if anything is. The image of such a core is partial.
    pub fn truncation(&self) -> Option<Truncation> {
        self.truncation
    }

    /// Parts of the notes that could not be used.
    pub fn problems(&self) -> &Problems {
        &self.problems
    }

    /// Length of the core in bytes.
    pub fn file_len(&self) -> u64 {
        self.file.len() as u64
    }

    /// Whether the process had a file of this name mapped; the folder does not matter.
    pub fn maps_file(&self, name: &[u8]) -> bool {
        self.notes
            .files
            .iter()
            .any(|f| f.path.rsplit(|b| *b == b'/').next() == Some(name))
    }

    /// Fails with [`CoreError::Jvm`] for the core of a Java virtual machine.
    pub fn refuse_jvm(&self) -> Result<(), CoreError> {
        if self.maps_file(b"libjvm.so") {
            Err(CoreError::Jvm)
        } else {
            Ok(())
        }
    }

    /// The bytes of the core alone, without any executable.
    pub fn held(&self) -> &Image {
        &self.held
    }

    fn auxv_value(&self, key: u64) -> Option<u64> {
        self.notes
            .auxv
            .iter()
            .find(|(k, _)| *k == key)
            .map(|(_, value)| *value)
    }
}

/// The bytes that `segments` have in `file`.
fn bytes_of(segments: &[Segment], file: &Arc<Mmap>) -> ImageBuilder {
    let mut image = Image::builder();
    for s in segments {
        let Ok(offset) = usize::try_from(s.offset) else {
            continue;
        };
        if let Some(range) = AddrRange::new(s.range.start, s.filesz) {
            image.add(
                range,
                Source::File {
                    file: file.clone(),
                    offset,
                },
            );
        }
    }
    image
}

/// Keys of the auxiliary vector (`uapi/linux/auxvec.h`).
mod at {
    pub(super) const PHDR: u64 = 3;
    pub(super) const ENTRY: u64 = 9;
    pub(super) const EXECFN: u64 = 31;
}

/// The NUL-ended string at `at`, at most `max` bytes.
fn string_at(image: &Image, at: Addr, max: usize) -> Option<Vec<u8>> {
    let bytes = image.bytes_from(at).ok()?;
    let bytes = &bytes[..bytes.len().min(max)];
    let end = bytes.iter().position(|b| *b == 0)?;
    Some(bytes[..end].to_vec())
}
