//! Reading a snapshot. The file is hostile until its checksums say otherwise, and after.

use std::path::Path;
use std::sync::Arc;

use memmap2::{Mmap, MmapMut};
use rayon::prelude::*;

use super::index::{Block, Index, Section, State, StoredResidency, sections};
use super::{BLOCK, FOOT, FOOT_MAGIC, HEAD, MAGIC, SnapshotError, VERSION};
use crate::{
    Addr, AddrRange, Error, Image, ImageBuilder, Mapping, Region, Residency, Source, Thread,
    map_file, memory_headroom,
};

/// Longest index: one of a terabyte of memory has 100 MB.
const MAX_INDEX: u64 = 256 << 20;
/// Longest section that is no memory and no executable.
const MAX_SMALL: u64 = 1 << 30;

/// A snapshot, opened: head, foot and index are read, sections when they are asked for.
pub struct SnapshotFile {
    file: Arc<Mmap>,
    index: Index,
    threads: Vec<Thread>,
    mappings: Vec<Mapping>,
    about: Vec<u8>,
}

impl SnapshotFile {
    /// Opens the snapshot at `path`. Fails when it is none, is truncated or damaged, or was written by a newer leakscope.
    pub fn open(path: &Path) -> Result<Self, Error> {
        Self::from_map(map_file(path)?).map_err(|source| Error::Snapshot {
            path: path.to_owned(),
            source,
        })
    }

    /// Whether a file starts like a snapshot.
    pub fn is_one(start: &[u8]) -> bool {
        start.starts_with(&MAGIC)
    }

    /// The snapshot in a file that is mapped already.
    pub fn from_map(file: Arc<Mmap>) -> Result<Self, SnapshotError> {
        let index = index(&file)?;
        let mut snapshot = Self {
            file,
            index,
            threads: Vec::new(),
            mappings: Vec::new(),
            about: Vec::new(),
        };
        snapshot.about = snapshot.small(sections::ABOUT)?;
        let state = snapshot.small(sections::STATE)?;
        let damaged = |why: String| SnapshotError::Damaged {
            part: sections::STATE.to_owned(),
            offset: snapshot.offset(sections::STATE),
            why,
        };
        let state: State = serde_json::from_slice(&state).map_err(|e| damaged(e.to_string()))?;
        let mappings = state
            .mappings()
            .ok_or_else(|| damaged("a mapping reaches past the address space".to_owned()))?;
        snapshot.threads = state.threads();
        snapshot.mappings = mappings;
        Ok(snapshot)
    }

    /// What the writer said of the target.
    pub fn about(&self) -> &[u8] {
        &self.about
    }

    /// Its threads.
    pub fn threads(&self) -> &[Thread] {
        &self.threads
    }

    /// Its mappings.
    pub fn mappings(&self) -> &[Mapping] {
        &self.mappings
    }

    /// What of the process lay in memory when it was captured; `None` where nobody wrote it down, as of cores, or only in
    /// a newer way.
    pub fn residency(&self) -> Result<Option<Residency>, SnapshotError> {
        let stored = match self.small(sections::RESIDENCY) {
            Err(SnapshotError::Missing { .. }) => return Ok(None),
            stored => stored?,
        };
        let damaged = |why: String| SnapshotError::Damaged {
            part: sections::RESIDENCY.to_owned(),
            offset: self.offset(sections::RESIDENCY),
            why,
        };
        let stored: StoredResidency =
            serde_json::from_slice(&stored).map_err(|e| damaged(e.to_string()))?;
        if !stored.is_known() {
            return Ok(None);
        }
        let residency = stored.residency();
        residency
            .map(Some)
            .ok_or_else(|| damaged("a range reaches past the address space".to_owned()))
    }

    /// The file of its executable.
    pub fn executable(&self) -> Result<Arc<Mmap>, SnapshotError> {
        let section = self.section(sections::EXECUTABLE)?;
        let len = fits(section.unpacked())?;
        let cannot = |e: std::io::Error| SnapshotError::Damaged {
            part: sections::EXECUTABLE.to_owned(),
            offset: self.offset(sections::EXECUTABLE),
            why: e.to_string(),
        };
        let mut map = MmapMut::map_anon(len.max(1)).map_err(cannot)?;
        self.unpack(section, &mut map)?;
        Ok(Arc::new(map.make_read_only().map_err(cannot)?))
    }

    /// The memory kept, unpacked on all processors.
    pub fn image(&self) -> Result<ImageBuilder, SnapshotError> {
        let table = self.small(sections::RANGES)?;
        let section = self.section(sections::MEMORY)?;
        let len = fits(section.unpacked())?;
        let damaged = |why: &str| SnapshotError::Damaged {
            part: sections::RANGES.to_owned(),
            offset: self.offset(sections::RANGES),
            why: why.to_owned(),
        };
        let mut region = Region::reserve(len).map_err(|_| SnapshotError::TooLarge {
            needed: len as u64,
            available: 0,
        })?;
        self.unpack(section, &mut region.as_mut_slice()[..len])?;
        let mut builder = Image::builder();
        let region = builder.add_region(region);
        let mut offset = 0_u64;
        let (entries, rest) = table.as_chunks::<16>();
        if !rest.is_empty() {
            return Err(damaged("it ends in the middle of a range"));
        }
        for entry in entries {
            let word = |at: usize| {
                entry[at..]
                    .first_chunk()
                    .map_or(0, |w| u64::from_le_bytes(*w))
            };
            let range = AddrRange::new(Addr(word(0)), word(8))
                .ok_or_else(|| damaged("a range reaches past the address space"))?;
            let after = offset.checked_add(range.len());
            if after.is_none_or(|after| after > len as u64) {
                return Err(damaged("the ranges are longer than the memory"));
            }
            let source = Source::Copied {
                region,
                offset: offset as usize,
            };
            builder.add(range, source);
            offset += range.len();
        }
        Ok(builder)
    }

    fn section(&self, name: &'static str) -> Result<&Section, SnapshotError> {
        let mut sections = self.index.sections.iter();
        sections
            .find(|s| s.name == name)
            .ok_or(SnapshotError::Missing { section: name })
    }

    /// Where the first frame of a section stands.
    fn offset(&self, name: &'static str) -> u64 {
        let first = self.section(name).ok().and_then(|s| s.blocks.first());
        first.map_or(0, |b| b.offset)
    }

    fn small(&self, name: &'static str) -> Result<Vec<u8>, SnapshotError> {
        let section = self.section(name)?;
        let len = section.unpacked();
        if len > MAX_SMALL {
            return Err(SnapshotError::TooLarge {
                needed: len,
                available: MAX_SMALL,
            });
        }
        let mut bytes = vec![0; fits(len)?];
        self.unpack(section, &mut bytes)?;
        Ok(bytes)
    }

    /// Unpacks a section into `out`, which has its length.
    fn unpack(&self, section: &Section, out: &mut [u8]) -> Result<(), SnapshotError> {
        let mut pieces = Vec::with_capacity(section.blocks.len());
        let mut rest = out;
        for block in &section.blocks {
            let len = usize::try_from(block.unpacked)
                .ok()
                .filter(|len| *len <= BLOCK);
            let (now, later) = len
                .and_then(|len| rest.split_at_mut_checked(len))
                .ok_or_else(|| damaged(&section.name, block, "its block is too long"))?;
            pieces.push((block, now));
            rest = later;
        }
        pieces
            .into_par_iter()
            .try_for_each(|(block, into)| unpack_block(&self.file, &section.name, block, into))
    }
}

fn damaged(part: &str, block: &Block, why: impl ToString) -> SnapshotError {
    SnapshotError::Damaged {
        part: part.to_owned(),
        offset: block.offset,
        why: why.to_string(),
    }
}

fn unpack_block(
    file: &[u8],
    part: &str,
    block: &Block,
    into: &mut [u8],
) -> Result<(), SnapshotError> {
    let stored = usize::try_from(block.offset)
        .ok()
        .zip(usize::try_from(block.stored).ok())
        .and_then(|(from, len)| file.get(from..from.checked_add(len)?))
        .ok_or_else(|| damaged(part, block, "it lies past the end of the file"))?;
    match zstd::bulk::decompress_to_buffer(stored, into) {
        Ok(len) if len == into.len() => Ok(()),
        Ok(len) => Err(damaged(
            part,
            block,
            format!("{len} bytes instead of {}", into.len()),
        )),
        Err(e) => Err(damaged(part, block, e)),
    }
}

fn index(file: &[u8]) -> Result<Index, SnapshotError> {
    if !SnapshotFile::is_one(file) {
        return Err(SnapshotError::NotASnapshot);
    }
    let len = file.len() as u64;
    let truncated = SnapshotError::Truncated { len };
    let version = file
        .get(MAGIC.len()..HEAD)
        .and_then(|h| h.first_chunk())
        .map(|v| u32::from_le_bytes(*v));
    match version {
        None => return Err(truncated),
        Some(found) if found > VERSION => {
            let newest = VERSION;
            return Err(SnapshotError::Newer { found, newest });
        }
        Some(_) => {}
    }
    let foot = file
        .len()
        .checked_sub(FOOT)
        .filter(|at| *at >= HEAD)
        .and_then(|at| file.get(at..));
    let Some(foot) = foot.filter(|foot| foot.ends_with(&FOOT_MAGIC)) else {
        return Err(truncated);
    };
    let word = |at: usize| {
        foot[at..]
            .first_chunk()
            .map_or(0, |w| u64::from_le_bytes(*w))
    };
    let block = Block {
        offset: word(0),
        stored: word(8),
        unpacked: word(16),
    };
    if block.unpacked > MAX_INDEX {
        return Err(damaged("index", &block, "it is too long"));
    }
    let mut bytes = vec![0; fits(block.unpacked)?];
    unpack_block(file, "index", &block, &mut bytes)?;
    serde_json::from_slice(&bytes).map_err(|e| damaged("index", &block, e))
}

/// A length as this machine counts, if so much memory can be had.
fn fits(len: u64) -> Result<usize, SnapshotError> {
    let available = memory_headroom().map_or(u64::MAX, |(bytes, _)| bytes);
    usize::try_from(len)
        .ok()
        .filter(|_| len <= available)
        .ok_or(SnapshotError::TooLarge {
            needed: len,
            available,
        })
}
