//! What a Swiss map looks like inside, for comparison with a real one.

use super::{Storage, Swiss, distinct};
use crate::Chains;

/// The header of a Swiss map, as `internal/runtime/maps.Map` has it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SwissHeader {
    /// `used`.
    pub used: u64,
    /// `dirLen`: 0 without tables.
    pub directory: u64,
    /// `globalDepth`.
    pub global_depth: u8,
    /// `tombstonePossible`; false where the release has no such field.
    pub tombstone_possible: bool,
    /// `clearSeq`.
    pub clears: u64,
}

/// The fields of one table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TableHeader {
    /// `used`.
    pub used: u16,
    /// `capacity`.
    pub capacity: u16,
    /// `growthLeft`.
    pub growth_left: u16,
    /// `localDepth`.
    pub local_depth: u8,
    /// `index`.
    pub index: u32,
    /// Slots that are neither full nor free.
    pub tombstones: u16,
}

impl Swiss {
    /// Its header.
    pub fn header(&self) -> SwissHeader {
        SwissHeader {
            used: self.used,
            directory: match &self.storage {
                Storage::Tables(directory) => directory.len() as u64,
                _ => 0,
            },
            global_depth: self.global_depth,
            tombstone_possible: self.tombstone_possible,
            clears: self.clears,
        }
    }

    /// Its tables, each once, in the order of the directory.
    pub fn tables(&self) -> Vec<TableHeader> {
        let Storage::Tables(directory) = &self.storage else {
            return Vec::new();
        };
        distinct(directory)
            .map(|table| {
                let table = table.borrow();
                TableHeader {
                    used: table.used,
                    capacity: table.capacity(),
                    growth_left: table.growth_left,
                    local_depth: table.local_depth,
                    index: table.index.unwrap_or(u32::MAX),
                    tombstones: table.tombstones(),
                }
            })
            .collect()
    }

    /// Slots of all its groups.
    pub fn slots(&self) -> u64 {
        match &self.storage {
            Storage::Nothing => 0,
            Storage::Small(_) => super::table::SLOTS as u64,
            Storage::Tables(_) => self.tables().iter().map(|t| u64::from(t.capacity)).sum(),
        }
    }

    /// Everything in its groups as words: for each table its fields, then for each slot its control byte, key and elem.
    pub fn words(&self, mut each: impl FnMut(u32)) {
        let mut groups = |table: &super::table::Table| {
            for group in &table.groups {
                for (ctrl, slot) in group.ctrl.iter().zip(&group.slots) {
                    each(u32::from(*ctrl));
                    each(slot.key);
                    each(slot.elem);
                }
            }
        };
        match &self.storage {
            Storage::Nothing => {}
            Storage::Small(group) => groups(&group.borrow()),
            Storage::Tables(directory) => {
                for table in distinct(directory) {
                    groups(&table.borrow());
                }
                for table in self.tables() {
                    each(u32::from(table.used));
                    each(u32::from(table.capacity));
                    each(u32::from(table.growth_left));
                    each(u32::from(table.local_depth));
                    each(table.index);
                }
            }
        }
    }

    /// Groups that a search for each entry looks at.
    pub fn probes(&self, world: &impl crate::World) -> Chains {
        let mut probes = Chains::default();
        let Storage::Tables(directory) = &self.storage else {
            (0..self.used).for_each(|_| probes.add(1, 1));
            return probes;
        };
        for table in distinct(directory) {
            let table = table.borrow();
            for slot in table.entries() {
                let hash = world.hash(slot.key);
                let home = table.find(slot.key, hash).map(|(group, _)| group);
                let steps = table.probes(hash).take_while(|g| Some(*g) != home).count();
                probes.add(steps as u64 + 1, 1);
            }
        }
        probes
    }
}
