//! Footprint of the Swiss maps of Go 1.24 and later.

use crate::{AllocRules, Footprint, GROUP_SLOTS, occupancy};

/// Most slots a table has before it splits (`internal/runtime/maps.maxTableCapacity`).
pub const MAX_TABLE_CAPACITY: u64 = 1024;
/// Full slots of each 8 that a table may reach on average (`maxAvgGroupLoad`).
const MAX_AVG_GROUP_LOAD: u64 = 7;
/// Bytes of `internal/runtime/maps.Map`.
const HEADER_SIZE: u64 = 48;
/// Bytes of `internal/runtime/maps.table`.
const TABLE_SIZE: u64 = 32;
/// Entries past this number are not computed exactly: no address space holds them.
const MAX_ENTRIES: u64 = 1 << 48;

/// The facts of one map type that decide what a Swiss map of it occupies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SwissMap {
    /// Bytes of one group (`MapType.GroupSize`, or the group type's size).
    pub group_size: u64,
    /// The group type holds no pointers.
    pub noscan: bool,
    /// The allocator's rounding.
    pub alloc: AllocRules,
}

impl SwissMap {
    /// Slot of an array of groups for `slots` slots, bytes.
    pub fn groups_bytes(&self, slots: u64) -> u64 {
        self.alloc.slot_size(
            (slots / GROUP_SLOTS).saturating_mul(self.group_size),
            self.noscan,
        )
    }

    /// Tables, and slots of each, of a map made for `entries` entries; no table for a map of one group
    /// (`internal/runtime/maps.NewMap`, `newTable`).
    pub fn tables(&self, entries: u64) -> (u64, u64) {
        if entries <= GROUP_SLOTS {
            return (0, GROUP_SLOTS);
        }
        let target = entries.min(MAX_ENTRIES) * GROUP_SLOTS / MAX_AVG_GROUP_LOAD;
        let tables = target.div_ceil(MAX_TABLE_CAPACITY).next_power_of_two();
        let slots = (target / tables).max(GROUP_SLOTS).next_power_of_two();
        (tables, slots)
    }

    /// What a map made by `make(map[K]V, entries)` takes once it holds that many entries: what the runtime allocates
    /// then (`NewMap`), and the tables that a good hash makes split on average (`table.rehash`).
    pub fn footprint(&self, entries: u64) -> Footprint {
        let headers = self.alloc.slot_size(HEADER_SIZE, false);
        let (tables, slots) = self.tables(entries);
        if tables == 0 {
            let arrays = if entries == 0 {
                0
            } else {
                self.groups_bytes(slots)
            };
            return Footprint {
                headers,
                arrays,
                ..Footprint::default()
            };
        }
        let limit = slots * MAX_AVG_GROUP_LOAD / GROUP_SLOTS;
        let full = occupancy::mean(entries.min(MAX_ENTRIES), tables, |k| f64::from(k > limit));
        let full = occupancy::total(full, tables).min(tables);
        // A full table doubles its slots, or becomes two where it has the most slots already.
        let splits = if slots == MAX_TABLE_CAPACITY { full } else { 0 };
        let doubled = full - splits;
        let arrays = (tables - doubled + splits).saturating_mul(self.groups_bytes(slots));
        let entries_of_directory = if splits > 0 { tables * 2 } else { tables };
        Footprint {
            headers,
            arrays: arrays.saturating_add(doubled.saturating_mul(self.groups_bytes(slots * 2))),
            tables: (tables + splits) * self.alloc.slot_size(TABLE_SIZE, false),
            directory: self.alloc.slot_size(entries_of_directory * 8, false),
        }
    }

    /// Slot sizes that arrays of groups of this type can have; rising.
    pub fn array_sizes(&self) -> Vec<u64> {
        let doublings = (MAX_TABLE_CAPACITY / GROUP_SLOTS).ilog2();
        let mut sizes: Vec<u64> = (0..=doublings)
            .map(|d| self.groups_bytes(GROUP_SLOTS << d))
            .collect();
        sizes.dedup();
        sizes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(group_size: u64, noscan: bool) -> SwissMap {
        SwissMap {
            group_size,
            noscan,
            alloc: AllocRules {
                malloc_header: true,
            },
        }
    }

    #[test]
    fn eight_entries_fit_one_group_without_a_table() {
        let m = map(200, false);
        assert_eq!(m.footprint(0).total(), 48);
        assert_eq!(m.footprint(1).total(), 48 + 208);
        assert_eq!(m.footprint(8).total(), 48 + 208);
        assert_eq!(
            m.footprint(9),
            Footprint {
                headers: 48,
                arrays: 416,
                tables: 32,
                directory: 8
            }
        );
    }

    #[test]
    fn tables_hold_at_most_1024_slots_and_their_number_is_a_power_of_two() {
        let m = map(136, true);
        assert_eq!(m.tables(14), (1, 16));
        assert_eq!(m.tables(15), (1, 32));
        assert_eq!(m.tables(896), (1, 1024));
        assert_eq!(
            m.tables(897),
            (2, 512),
            "the runtime's own division rounds down here"
        );
        assert_eq!(m.tables(899), (2, 1024));
        assert_eq!(m.tables(2_000_000), (4096, 1024));
        assert_eq!(m.tables(u64::MAX).1, 1024);
    }

    /// At 896 entries a table, about half of the tables get more than they can take.
    #[test]
    fn tables_that_get_more_than_their_share_split() {
        let m = map(136, true);
        let light = m.footprint(1 << 19);
        assert_eq!(
            (light.tables, light.directory),
            (1024 * 32, 9472),
            "{light:?}"
        );
        let brim = m.footprint(896 * 1024);
        assert!((1400 * 32..1600 * 32).contains(&brim.tables), "{brim:?}");
        assert_eq!(brim.directory, 18432);
    }

    #[test]
    fn arrays_come_in_the_sizes_of_their_group_counts() {
        assert_eq!(
            map(136, true).array_sizes(),
            [144, 288, 576, 1152, 2304, 4864, 9472, 18432]
        );
    }
}
