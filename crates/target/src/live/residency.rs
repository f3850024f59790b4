//! What of a process lies in memory, by mapping and by page, as the kernel counts it. Read while the process runs.

use std::fs::File;
use std::os::unix::fs::FileExt;

use crate::{Addr, AddrRange, Mapping};

/// Bytes of an entry of `/proc/PID/pagemap`.
const ENTRY: u64 = 8;
/// The page is in memory (Documentation/admin-guide/mm/pagemap.rst).
const PRESENT: u64 = 1 << 63;
/// No other process has it mapped: not so of the page of zeros that stands for what was only ever read.
const EXCLUSIVE: u64 = 1 << 56;
/// Entries read at a time.
const BATCH: usize = 1 << 16;
/// Most pages looked at, in all mappings: 256 GiB, which take a second.
const MAX_PAGES: u64 = 1 << 26;

/// A mapping and what is resident of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MappingUsage {
    /// The mapping.
    pub mapping: Mapping,
    /// Resident bytes (`Rss`).
    pub rss: u64,
    /// Of these, bytes of pages that belong to no file (`Anonymous`).
    pub anonymous: u64,
    /// Bytes swapped out (`Swap`).
    pub swap: u64,
}

/// What of a process lies in memory. Two reads shortly one after the other: sums by mapping, then pages.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Residency {
    /// Every mapping, by address.
    pub mappings: Vec<MappingUsage>,
    /// Ranges of pages in memory that the mappings' `rss` count, ascending and disjoint; of anonymous mappings only.
    /// `None` where the kernel does not tell.
    pub resident: Option<Vec<AddrRange>>,
}

impl Residency {
    /// Resident bytes of all mappings.
    pub fn rss(&self) -> u64 {
        self.mappings.iter().map(|m| m.rss).sum()
    }
}

/// Whether pages of a mapping are worth knowing: those of files are the file's.
fn is_wanted(usage: &MappingUsage) -> bool {
    usage.rss > 0 && !usage.mapping.path.starts_with(b"/")
}

/// The pages in memory, as `pagemap` tells; `None` where it cannot be read.
pub(super) fn resident_pages(
    pagemap: &File,
    mappings: &[MappingUsage],
    page: u64,
) -> Option<Vec<AddrRange>> {
    let mut found = Vec::new();
    let mut left = MAX_PAGES;
    let mut buffer = vec![0; BATCH * ENTRY as usize];
    for usage in mappings.iter().filter(|u| is_wanted(u)) {
        let range = usage.mapping.range;
        let pages = range.len() / page;
        left = left.checked_sub(pages)?;
        let mut present = Runs::default();
        let mut exclusive = Runs::default();
        let mut done = 0;
        while done < pages {
            let batch = (pages - done).min(BATCH as u64);
            let bytes = buffer.get_mut(..(batch * ENTRY) as usize)?;
            let first = range.start.0 / page + done;
            let got = pagemap.read_at(bytes, first.checked_mul(ENTRY)?).ok()?;
            let (entries, _) = bytes.get(..got)?.as_chunks::<8>();
            if entries.is_empty() {
                // The mapping has gone meanwhile.
                break;
            }
            for entry in entries {
                let entry = u64::from_le_bytes(*entry);
                let at = range.start.0 + done * page;
                if entry & PRESENT != 0 {
                    present.add(at, page);
                    if entry & EXCLUSIVE != 0 {
                        exclusive.add(at, page);
                    }
                }
                done += 1;
            }
        }
        // Pages of zeros are present but not resident; pages shared with a child are both.
        let off = |runs: &Runs| runs.bytes.abs_diff(usage.rss);
        let nearest = if off(&exclusive) < off(&present) {
            exclusive
        } else {
            present
        };
        found.extend(nearest.ranges);
    }
    Some(found)
}

/// Neighbouring pages as ranges.
#[derive(Default)]
struct Runs {
    ranges: Vec<AddrRange>,
    bytes: u64,
}

impl Runs {
    fn add(&mut self, at: u64, page: u64) {
        self.bytes += page;
        let end = Addr(at.saturating_add(page));
        match self.ranges.last_mut() {
            Some(last) if last.end.0 == at => last.end = end,
            _ => self.ranges.push(AddrRange {
                start: Addr(at),
                end,
            }),
        }
    }
}
