//! Iteration over Swiss maps (`Iter` in `internal/runtime/maps/table.go`).

use super::table::{SLOTS, Shared, is_full};
use super::{Storage, Swiss};
use crate::{Elem, Key, World};

/// An iteration of a map, which keeps the table that it is reading.
#[derive(Debug)]
pub struct SwissIter {
    entry_offset: u64,
    dir_offset: u64,
    global_depth: u8,
    /// The place in the directory before `dir_offset` is added; `None` when the map had a single group at the start.
    directory_at: Option<u64>,
    /// The table being read; the single group of a map that was small at the start.
    table: Option<Shared>,
    /// The slot before `entry_offset` is added.
    entry: u64,
}

/// What a look at a slot gives.
enum Look {
    Entry(Key, Elem),
    Gone,
}

impl SwissIter {
    /// Whether it keeps a table or group that the map has left.
    pub fn pins_table(&self, map: &Swiss) -> bool {
        let Some(table) = &self.table else {
            return false;
        };
        if self.directory_at.is_some() {
            return table.borrow().index.is_none();
        }
        matches!(map.storage, Storage::Tables(_))
    }
}

impl Swiss {
    /// Begins an iteration; nothing for a map without entries (`Iter.Init`).
    pub(crate) fn iterate(&mut self, world: &mut impl World) -> Option<SwissIter> {
        if self.used == 0 {
            return None;
        }
        let (dir_offset, entry_offset) = world.start();
        let (table, directory_at) = match &self.storage {
            Storage::Small(group) => (Some(group.clone()), None),
            _ => (None, Some(0)),
        };
        Some(SwissIter {
            entry_offset,
            dir_offset,
            global_depth: self.global_depth,
            directory_at,
            table,
            entry: 0,
        })
    }

    /// The next entry (`Iter.Next`).
    pub(crate) fn next(&self, it: &mut SwissIter, world: &impl World) -> Option<(Key, Elem)> {
        match it.directory_at {
            None => self.next_small(it, world),
            Some(at) => self.next_large(it, at, world),
        }
    }

    fn next_small(&self, it: &mut SwissIter, world: &impl World) -> Option<(Key, Elem)> {
        let group = it.table.as_ref()?.borrow();
        let grown = matches!(self.storage, Storage::Tables(_));
        while it.entry < SLOTS as u64 {
            let slot = (it.entry.wrapping_add(it.entry_offset) % SLOTS as u64) as usize;
            it.entry += 1;
            if let Look::Entry(key, elem) = self.look(&group.groups[0], slot, grown, world) {
                return Some((key, elem));
            }
        }
        None
    }

    fn next_large(&self, it: &mut SwissIter, at: u64, world: &impl World) -> Option<(Key, Elem)> {
        let Storage::Tables(directory) = &self.storage else {
            return None;
        };
        let mut at = at;
        if it.global_depth != self.global_depth {
            let orders = self.global_depth - it.global_depth;
            at <<= orders;
            it.dir_offset <<= orders;
            it.global_depth = self.global_depth;
        }
        while at < directory.len() as u64 {
            let shared = match &it.table {
                Some(table) => table.clone(),
                None => {
                    let mask = directory.len() as u64 - 1;
                    let place = at.wrapping_add(it.dir_offset) & mask;
                    let table = directory[place as usize].clone();
                    if let Some(first) = table.borrow().index {
                        it.dir_offset = it.dir_offset.wrapping_sub(place - u64::from(first));
                    }
                    it.table = Some(table.clone());
                    table
                }
            };
            let found = self.next_in_table(it, &shared, world);
            it.directory_at = Some(at);
            if found.is_some() {
                return found;
            }
            at += 1 << (self.global_depth - shared.borrow().local_depth);
            it.directory_at = Some(at);
            it.table = None;
            it.entry = 0;
        }
        None
    }

    /// The next entry in the table being read. The first slot is looked at by itself; from there on whole groups are, and
    /// the iterator is left on the next slot that is full now.
    fn next_in_table(
        &self,
        it: &mut SwissIter,
        shared: &Shared,
        world: &impl World,
    ) -> Option<(Key, Elem)> {
        let table = shared.borrow();
        let grown = table.index.is_none();
        let mask = u64::from(table.capacity()) - 1;
        if it.entry > mask {
            return None;
        }
        let place = it.entry.wrapping_add(it.entry_offset) & mask;
        let (group, slot) = (place as usize / SLOTS, place as usize % SLOTS);
        it.entry += 1;
        if let Look::Entry(key, elem) = self.look(&table.groups[group], slot, grown, world) {
            return Some((key, elem));
        }
        while it.entry <= mask {
            let place = it.entry.wrapping_add(it.entry_offset) & mask;
            let (group, slot) = (place as usize / SLOTS, place as usize % SLOTS);
            let group = &table.groups[group];
            let next_full = |from: usize| (from..SLOTS).find(|&i| is_full(group.ctrl[i]));
            let Some(full) = next_full(slot) else {
                it.entry += (SLOTS - slot) as u64;
                continue;
            };
            it.entry += (full - slot) as u64;
            if it.entry > mask {
                return None;
            }
            let look = self.look(group, full, grown, world);
            it.entry += match next_full(full + 1) {
                Some(next) => (next - full) as u64,
                None => (SLOTS - full) as u64,
            };
            if let Look::Entry(key, elem) = look {
                return Some((key, elem));
            }
        }
        None
    }

    /// What a slot of the iterator's group stands for now: its key decides, its elem is where the map has it since.
    fn look(
        &self,
        group: &super::table::Group,
        slot: usize,
        grown: bool,
        world: &impl World,
    ) -> Look {
        if !is_full(group.ctrl[slot]) {
            return Look::Gone;
        }
        let found = group.slots[slot];
        if !grown {
            return Look::Entry(found.key, found.elem);
        }
        match self.get(found.key, world) {
            Some(elem) => Look::Entry(found.key, elem),
            None => Look::Gone,
        }
    }
}
