//! What the index says.

use serde::{Deserialize, Serialize};

use crate::{Addr, AddrRange, Mapping, MappingUsage, Perms, Registers, Residency, Thread};

/// Which frames make up which section, in the order of the file.
#[derive(Serialize, Deserialize, Default)]
pub(super) struct Index {
    pub(super) sections: Vec<Section>,
}

/// A section: its content is that of its blocks, one after the other.
#[derive(Serialize, Deserialize)]
pub(super) struct Section {
    pub(super) name: String,
    pub(super) blocks: Vec<Block>,
}

/// A zstd frame.
#[derive(Serialize, Deserialize, Clone, Copy)]
pub(super) struct Block {
    /// Where it starts in the file.
    pub(super) offset: u64,
    /// Its length there.
    pub(super) stored: u64,
    /// Its length unpacked.
    pub(super) unpacked: u64,
}

impl Section {
    /// Bytes unpacked.
    pub(super) fn unpacked(&self) -> u64 {
        self.blocks
            .iter()
            .fold(0, |sum, b| sum.saturating_add(b.unpacked))
    }
}

/// Names of the sections.
pub(super) mod sections {
    /// What the writer says of the target, in words of its own.
    pub(in crate::snapshot) const ABOUT: &str = "about";
    /// Threads and mappings.
    pub(in crate::snapshot) const STATE: &str = "state";
    /// What of the process lay in memory; only in snapshots of processes, and only since there is this section.
    pub(in crate::snapshot) const RESIDENCY: &str = "residency";
    /// The executable's file.
    pub(in crate::snapshot) const EXECUTABLE: &str = "executable";
    /// Start and length of each range of memory, two words each.
    pub(in crate::snapshot) const RANGES: &str = "ranges";
    /// Bytes of those ranges.
    pub(in crate::snapshot) const MEMORY: &str = "memory";
}

/// Threads and mappings as they are stored.
#[derive(Serialize, Deserialize)]
pub(super) struct State {
    threads: Vec<StoredThread>,
    mappings: Vec<StoredMapping>,
}

#[derive(Serialize, Deserialize)]
struct StoredThread {
    tid: i32,
    pc: u64,
    sp: u64,
    fs_base: u64,
    general: [u64; 15],
}

#[derive(Serialize, Deserialize)]
struct StoredMapping {
    start: u64,
    len: u64,
    /// `rwxs`, as in `/proc/PID/maps`.
    perms: String,
    file_offset: u64,
    path: Vec<u8>,
}

/// Version of the section `residency`.
const RESIDENCY_VERSION: u32 = 1;

/// What of the process lay in memory, as it is stored.
#[derive(Serialize, Deserialize)]
pub(super) struct StoredResidency {
    version: u32,
    mappings: Vec<StoredUsage>,
    /// Start and length of each range of pages.
    resident: Option<Vec<(u64, u64)>>,
}

#[derive(Serialize, Deserialize)]
struct StoredUsage {
    mapping: StoredMapping,
    rss: u64,
    anonymous: u64,
    swap: u64,
}

impl StoredResidency {
    pub(super) fn new(residency: &Residency) -> Self {
        let mappings = residency.mappings.iter().map(|u| StoredUsage {
            mapping: StoredMapping::new(&u.mapping),
            rss: u.rss,
            anonymous: u.anonymous,
            swap: u.swap,
        });
        let ranges = residency.resident.as_ref();
        Self {
            version: RESIDENCY_VERSION,
            mappings: mappings.collect(),
            resident: ranges.map(|r| r.iter().map(|r| (r.start.0, r.len())).collect()),
        }
    }

    /// Whether it is of a version that can be read.
    pub(super) fn is_known(&self) -> bool {
        self.version == RESIDENCY_VERSION
    }

    /// As it was; `None` where a range reaches past the address space.
    pub(super) fn residency(&self) -> Option<Residency> {
        let mappings = self.mappings.iter().map(|u| {
            Some(MappingUsage {
                mapping: u.mapping.mapping()?,
                rss: u.rss,
                anonymous: u.anonymous,
                swap: u.swap,
            })
        });
        let ranges = |r: &Vec<(u64, u64)>| {
            let ranges = r.iter().map(|(at, len)| AddrRange::new(Addr(*at), *len));
            ranges.collect::<Option<Vec<_>>>()
        };
        let mut resident = match &self.resident {
            Some(list) => Some(ranges(list)?),
            None => None,
        };
        if let Some(list) = &mut resident {
            list.sort_unstable_by_key(|r| r.start);
        }
        Some(Residency {
            mappings: mappings.collect::<Option<_>>()?,
            resident,
        })
    }
}

impl StoredMapping {
    fn new(m: &Mapping) -> Self {
        Self {
            start: m.range.start.0,
            len: m.range.len(),
            perms: [
                (m.perms.read, 'r'),
                (m.perms.write, 'w'),
                (m.perms.execute, 'x'),
                (m.perms.shared, 's'),
            ]
            .into_iter()
            .filter_map(|(has, letter)| has.then_some(letter))
            .collect(),
            file_offset: m.file_offset,
            path: m.path.clone(),
        }
    }

    fn mapping(&self) -> Option<Mapping> {
        Some(Mapping {
            range: AddrRange::new(Addr(self.start), self.len)?,
            perms: Perms {
                read: self.perms.contains('r'),
                write: self.perms.contains('w'),
                execute: self.perms.contains('x'),
                shared: self.perms.contains('s'),
            },
            file_offset: self.file_offset,
            path: self.path.clone(),
        })
    }
}

impl State {
    pub(super) fn new(threads: &[Thread], mappings: &[Mapping]) -> Self {
        let threads = threads.iter().map(|t| StoredThread {
            tid: t.tid,
            pc: t.registers.pc.0,
            sp: t.registers.sp.0,
            fs_base: t.registers.fs_base.0,
            general: t.registers.general,
        });
        let mappings = mappings.iter().map(StoredMapping::new);
        Self {
            threads: threads.collect(),
            mappings: mappings.collect(),
        }
    }

    pub(super) fn threads(&self) -> Vec<Thread> {
        let threads = self.threads.iter().map(|t| Thread {
            tid: t.tid,
            registers: Registers {
                pc: Addr(t.pc),
                sp: Addr(t.sp),
                fs_base: Addr(t.fs_base),
                general: t.general,
            },
        });
        threads.collect()
    }

    /// The mappings, or `None` where one reaches past the address space.
    pub(super) fn mappings(&self) -> Option<Vec<Mapping>> {
        self.mappings.iter().map(StoredMapping::mapping).collect()
    }
}
