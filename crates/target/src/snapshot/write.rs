//! Writing a snapshot, block by block, compressed on all processors.

use std::io::{self, Write};

use rayon::prelude::*;

use super::index::{Block, Index, Section, State, StoredResidency, sections};
use super::{BLOCK, FOOT_MAGIC, LEVEL, MAGIC, VERSION};
use crate::{Addr, AddrRange, Image, Mapping, Memory, Residency, Thread};

/// Blocks compressed at once: what is held in memory besides the target's bytes.
const BATCH: usize = 16;

/// What goes into a snapshot.
pub struct SnapshotContent<'a> {
    /// The target's bytes.
    pub image: &'a Image,
    /// Which of them to keep.
    pub ranges: &'a [AddrRange],
    /// Its threads.
    pub threads: &'a [Thread],
    /// Its mappings.
    pub mappings: &'a [Mapping],
    /// The file of its executable.
    pub executable: &'a [u8],
    /// What the writer says of the target, in words of its own.
    pub about: &'a [u8],
    /// What of it lay in memory, where that was read.
    pub residency: Option<&'a Residency>,
}

/// How large a snapshot became.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SnapshotSize {
    /// Bytes that went in: memory, executable and the rest.
    pub unpacked: u64,
    /// Bytes written.
    pub written: u64,
}

/// Writes a snapshot to `out`, and tells `progress` after every batch how many bytes of memory are done, and of how many.
/// Fails where `out` fails, and where the image does not hold one of the ranges.
pub fn write_snapshot(
    out: &mut dyn Write,
    content: &SnapshotContent<'_>,
    progress: &mut dyn FnMut(u64, u64),
) -> io::Result<SnapshotSize> {
    let mut writer = Writer {
        out,
        size: SnapshotSize::default(),
        index: Index::default(),
    };
    writer.raw(&MAGIC)?;
    writer.raw(&VERSION.to_le_bytes())?;
    writer.raw(&0_u32.to_le_bytes())?;
    writer.section(sections::ABOUT, content.about)?;
    let state = serde_json::to_vec(&State::new(content.threads, content.mappings))?;
    writer.section(sections::STATE, &state)?;
    if let Some(residency) = content.residency {
        let stored = serde_json::to_vec(&StoredResidency::new(residency))?;
        writer.section(sections::RESIDENCY, &stored)?;
    }
    writer.section(sections::EXECUTABLE, content.executable)?;
    let mut table = Vec::with_capacity(content.ranges.len() * 16);
    for range in content.ranges {
        table.extend(range.start.0.to_le_bytes());
        table.extend(range.len().to_le_bytes());
    }
    writer.section(sections::RANGES, &table)?;
    writer.memory(content, progress)?;
    writer.finish()
}

struct Writer<'a> {
    out: &'a mut dyn Write,
    size: SnapshotSize,
    index: Index,
}

impl Writer<'_> {
    fn raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.out.write_all(bytes)?;
        self.size.written += bytes.len() as u64;
        Ok(())
    }

    fn section(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let mut blocks = Vec::new();
        let pieces: Vec<&[u8]> = bytes.chunks(BLOCK).collect();
        for batch in pieces.chunks(BATCH) {
            let packed = batch.par_iter().map(|piece| pack(piece)).collect();
            self.blocks(batch.iter().map(|p| p.len()), packed, &mut blocks)?;
        }
        let name = name.to_owned();
        self.index.sections.push(Section { name, blocks });
        Ok(())
    }

    /// Blocks of memory run over the ends of ranges: most ranges are smaller than a block.
    fn memory(
        &mut self,
        content: &SnapshotContent<'_>,
        progress: &mut dyn FnMut(u64, u64),
    ) -> io::Result<()> {
        let total: u64 = content.ranges.iter().map(AddrRange::len).sum();
        let plan = plan(content.ranges);
        let mut blocks = Vec::with_capacity(plan.len());
        let mut done = 0;
        for batch in plan.chunks(BATCH) {
            let packed = batch
                .par_iter()
                .map(|pieces| {
                    let len = len_of(pieces);
                    let mut bytes = vec![0; len];
                    let mut rest = bytes.as_mut_slice();
                    for piece in pieces {
                        let (now, later) = rest.split_at_mut(piece.len() as usize);
                        content
                            .image
                            .read(piece.start, now)
                            .map_err(io::Error::other)?;
                        rest = later;
                    }
                    pack(&bytes)
                })
                .collect();
            self.blocks(batch.iter().map(|p| len_of(p)), packed, &mut blocks)?;
            done += batch.iter().map(|p| len_of(p) as u64).sum::<u64>();
            progress(done, total);
        }
        let name = sections::MEMORY.to_owned();
        self.index.sections.push(Section { name, blocks });
        Ok(())
    }

    fn blocks(
        &mut self,
        unpacked: impl Iterator<Item = usize>,
        packed: Vec<io::Result<Vec<u8>>>,
        blocks: &mut Vec<Block>,
    ) -> io::Result<()> {
        for (unpacked, packed) in unpacked.zip(packed) {
            let packed = packed?;
            let unpacked = unpacked as u64;
            blocks.push(Block {
                offset: self.size.written,
                stored: packed.len() as u64,
                unpacked,
            });
            self.size.unpacked += unpacked;
            self.raw(&packed)?;
        }
        Ok(())
    }

    fn finish(mut self) -> io::Result<SnapshotSize> {
        let index = serde_json::to_vec(&self.index)?;
        let packed = pack(&index)?;
        let at = self.size.written;
        self.raw(&packed)?;
        for number in [at, packed.len() as u64, index.len() as u64] {
            self.raw(&number.to_le_bytes())?;
        }
        self.raw(&FOOT_MAGIC)?;
        self.out.flush()?;
        Ok(self.size)
    }
}

/// One frame with its checksum.
fn pack(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut packer = zstd::bulk::Compressor::new(LEVEL)?;
    packer.include_checksum(true)?;
    packer.compress(bytes)
}

/// The pieces of ranges that each block holds.
fn plan(ranges: &[AddrRange]) -> Vec<Vec<AddrRange>> {
    let mut blocks: Vec<Vec<AddrRange>> = Vec::new();
    let mut room = 0;
    for range in ranges {
        let mut at = range.start.0;
        while at < range.end.0 {
            if room == 0 {
                blocks.push(Vec::new());
                room = BLOCK as u64;
            }
            let end = range.end.0.min(at + room);
            if let Some(block) = blocks.last_mut() {
                block.push(AddrRange {
                    start: Addr(at),
                    end: Addr(end),
                });
            }
            room -= end - at;
            at = end;
        }
    }
    blocks
}

fn len_of(pieces: &[AddrRange]) -> usize {
    pieces.iter().map(|p| p.len() as usize).sum()
}
