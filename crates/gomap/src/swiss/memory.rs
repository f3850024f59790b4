//! What Swiss maps take, and what growing costs.

use leakscope_goabi::{MAX_TABLE_CAPACITY, SwissMap as Layout};

use super::table::{SLOTS, Table};
use super::{Storage, Swiss, distinct};
use crate::Memory;

/// Bytes of `internal/runtime/maps.Map`.
const HEADER: u64 = 48;
/// Bytes of `internal/runtime/maps.table`.
const TABLE: u64 = 32;
/// Bytes of a pointer in the directory.
const POINTER: u64 = 8;

/// What stands between a Swiss map and its next growth. Tables grow one by one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SwissGrowth {
    /// New keys until some table grows, if all fall into the one with the least room: the last of them allocates.
    pub inserts: u64,
    /// Bytes of the table or tables that it becomes, with a longer directory where that is needed, at once.
    pub allocates: u64,
    /// New keys that all tables together take before each has grown.
    pub room: u64,
}

pub(super) fn header_bytes(layout: &Layout) -> u64 {
    layout.alloc.slot_size(HEADER, false)
}

impl Swiss {
    /// Bytes of a table of that many slots.
    pub(super) fn table_bytes(&self, slots: u64) -> u64 {
        self.layout.alloc.slot_size(TABLE, false) + self.layout.groups_bytes(slots)
    }

    pub(super) fn directory_bytes(&self, tables: u64) -> u64 {
        self.layout.alloc.slot_size(tables * POINTER, false)
    }

    /// Bytes of the objects that one entry's key and elem get for themselves.
    pub(super) fn indirect_bytes(&self) -> u64 {
        [self.shape.key, self.shape.elem]
            .iter()
            .filter(|part| part.indirect())
            .map(|part| self.layout.alloc.slot_size(part.size, !part.pointers))
            .sum()
    }

    /// Bytes that the map alone holds, each object rounded to its slot.
    pub fn memory(&self) -> Memory {
        let mut memory = Memory {
            headers: header_bytes(&self.layout),
            indirect: self.used * self.indirect_bytes(),
            ..Memory::default()
        };
        match &self.storage {
            Storage::Nothing => {}
            Storage::Small(_) => memory.arrays = self.layout.groups_bytes(SLOTS as u64),
            Storage::Tables(directory) => {
                memory.directory = self.directory_bytes(directory.len() as u64);
                for table in distinct(directory) {
                    let slots = u64::from(table.borrow().capacity());
                    memory.tables += self.layout.alloc.slot_size(TABLE, false);
                    memory.arrays += self.layout.groups_bytes(slots);
                }
            }
        }
        memory
    }

    /// What stands between it and its next growth.
    pub fn next_growth(&self) -> SwissGrowth {
        let first_table = self.table_bytes(2 * SLOTS as u64) + self.directory_bytes(1);
        match &self.storage {
            Storage::Nothing | Storage::Small(_) => {
                let room = SLOTS as u64 - self.used;
                SwissGrowth {
                    inserts: room + 1,
                    allocates: first_table,
                    room,
                }
            }
            Storage::Tables(directory) => {
                let room = |t: &Table| u64::from(t.growth_left);
                let tables = || distinct(directory).map(|t| t.borrow());
                let tightest = tables().min_by_key(|t| room(t));
                SwissGrowth {
                    inserts: tightest.as_ref().map_or(0, |t| room(t)) + 1,
                    allocates: tightest.map_or(0, |t| self.rehash_bytes(&t)),
                    room: tables().map(|t| room(&t)).sum(),
                }
            }
        }
    }

    /// What growing a table allocates.
    fn rehash_bytes(&self, table: &Table) -> u64 {
        let slots = u64::from(table.capacity());
        if slots < MAX_TABLE_CAPACITY {
            return self.table_bytes(slots * 2);
        }
        let directory = if table.local_depth == self.global_depth {
            self.directory_bytes(2 << self.global_depth)
        } else {
            0
        };
        2 * self.table_bytes(MAX_TABLE_CAPACITY) + directory
    }

    /// Bytes allocated since it was made, freed or not.
    pub fn allocated(&self) -> u64 {
        self.allocated
    }
}
