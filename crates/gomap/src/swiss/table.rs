//! Tables of groups with control bytes (`internal/runtime/maps/table.go`).

use std::cell::RefCell;
use std::rc::Rc;

use leakscope_goabi::MAX_TABLE_CAPACITY;

use crate::{ClearRule, Elem, Key, Seeded, World};

/// Slots of a group.
pub(super) const SLOTS: usize = 8;
/// Most groups of a table.
const MAX_GROUPS: usize = MAX_TABLE_CAPACITY as usize / SLOTS;
/// Full slots of each 8 that a table may reach on average (`maxAvgGroupLoad`).
const MAX_AVG_GROUP_LOAD: u16 = 7;

/// Control bytes: empty, deleted, or the low 7 bits of a hash.
pub(super) const EMPTY: u8 = 0x80;
const DELETED: u8 = 0xfe;

/// What lies in a slot.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Slot {
    pub(super) key: Key,
    pub(super) elem: Elem,
}

/// A group.
#[derive(Clone, Debug)]
pub(super) struct Group {
    pub(super) ctrl: [u8; SLOTS],
    pub(super) slots: [Slot; SLOTS],
}

impl Group {
    const NEW: Group = Group {
        ctrl: [EMPTY; SLOTS],
        slots: [Slot { key: 0, elem: 0 }; SLOTS],
    };

    /// The slot of that key.
    pub(super) fn find(&self, key: Key, hash: u64) -> Option<usize> {
        (0..SLOTS).find(|&i| self.ctrl[i] == h2(hash) && self.slots[i].key == key)
    }

    fn first(&self, ctrl: u8) -> Option<usize> {
        self.ctrl.iter().position(|&c| c == ctrl)
    }

    /// The first empty slot.
    pub(super) fn first_empty(&self) -> Option<usize> {
        self.first(EMPTY)
    }

    fn deleted(&self) -> usize {
        self.ctrl.iter().filter(|&&c| c == DELETED).count()
    }

    /// Full slots, in order.
    pub(super) fn full(&self) -> impl Iterator<Item = usize> + '_ {
        (0..SLOTS).filter(|&i| is_full(self.ctrl[i]))
    }
}

/// Whether a control byte is of a full slot.
pub(super) fn is_full(ctrl: u8) -> bool {
    ctrl & EMPTY == 0
}

/// The part of a hash that control bytes hold (`h2`).
pub(super) fn h2(hash: u64) -> u8 {
    (hash & 0x7f) as u8
}

/// A table.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) used: u16,
    pub(super) growth_left: u16,
    pub(super) local_depth: u8,
    /// Its first place in the directory; `None` when another took its place.
    pub(super) index: Option<u32>,
    pub(super) groups: Vec<Group>,
}

/// A table that the map and its iterators share.
pub(super) type Shared = Rc<RefCell<Table>>;

/// How an assignment ended.
pub(super) enum Put {
    /// The key was there.
    Overwritten,
    /// It is there now.
    Inserted,
    /// There is no room: the table must grow.
    Full,
}

impl Table {
    /// `newTable`: a capacity of a power of two.
    pub(super) fn new(capacity: u64, index: Option<u32>, local_depth: u8) -> Self {
        let capacity = capacity
            .clamp(SLOTS as u64, MAX_TABLE_CAPACITY)
            .next_power_of_two();
        let mut table = Table {
            used: 0,
            growth_left: 0,
            local_depth,
            index,
            groups: vec![Group::NEW; capacity as usize / SLOTS],
        };
        table.growth_left = table.max_growth_left();
        table
    }

    /// Slots.
    pub(super) fn capacity(&self) -> u16 {
        (self.groups.len() * SLOTS) as u16
    }

    /// `maxGrowthLeft`.
    pub(super) fn max_growth_left(&self) -> u16 {
        match self.capacity() {
            8 => 7,
            capacity => capacity * MAX_AVG_GROUP_LOAD / SLOTS as u16,
        }
    }

    /// Slots deleted and not free for any key (`tombstones`).
    pub(super) fn tombstones(&self) -> u16 {
        (self.capacity() * MAX_AVG_GROUP_LOAD / SLOTS as u16)
            .saturating_sub(self.used)
            .saturating_sub(self.growth_left)
    }

    /// The groups in which a key with this hash may be, in order (`probeSeq`).
    pub(super) fn probes(&self, hash: u64) -> impl Iterator<Item = usize> + use<> {
        let groups = self.groups.len();
        let mask = groups - 1;
        let mut at = (hash >> 7) as usize & mask;
        (1..=groups).map(move |step| {
            let group = at;
            at = (at + step) & mask;
            group
        })
    }

    /// Where a key is (`getWithKey`).
    pub(super) fn find(&self, key: Key, hash: u64) -> Option<(usize, usize)> {
        for group in self.probes(hash) {
            let here = &self.groups[group];
            if let Some(slot) = here.find(key, hash) {
                return Some((group, slot));
            }
            if here.first_empty().is_some() {
                return None;
            }
        }
        None
    }

    /// `PutSlot`, and the like in `runtime_mapassign` and its fast forms, some of which prune.
    pub(super) fn put(&mut self, key: Key, elem: Elem, world: &impl World, prunes: bool) -> Put {
        let hash = world.hash(key);
        let mut free = None;
        for group in self.probes(hash) {
            let here = &mut self.groups[group];
            if let Some(slot) = here.find(key, hash) {
                here.slots[slot].elem = elem;
                return Put::Overwritten;
            }
            let Some(empty) = here.first_empty() else {
                if free.is_none() {
                    free = here.first(DELETED).map(|slot| (group, slot));
                }
                continue;
            };
            let reused = free.is_some();
            let (group, slot) = free.unwrap_or((group, empty));
            if reused {
                self.growth_left += 1;
            } else if self.growth_left == 0 && prunes {
                self.prune(world);
            }
            if self.growth_left == 0 {
                return Put::Full;
            }
            self.fill(group, slot, Slot { key, elem }, hash);
            return Put::Inserted;
        }
        Put::Full
    }

    /// Puts an entry that is not there into a table without tombstones (`uncheckedPutSlot`).
    pub(super) fn put_new(&mut self, slot: Slot, hash: u64) {
        for group in self.probes(hash) {
            if let Some(empty) = self.groups[group].first_empty() {
                self.fill(group, empty, slot, hash);
                return;
            }
        }
    }

    fn fill(&mut self, group: usize, at: usize, slot: Slot, hash: u64) {
        let group = &mut self.groups[group];
        group.slots[at] = slot;
        group.ctrl[at] = h2(hash);
        self.growth_left = self.growth_left.saturating_sub(1);
        self.used += 1;
    }

    /// Empties the slot of that key; tells whether it was there, and whether a tombstone stands there now (`Delete`).
    pub(super) fn delete(&mut self, key: Key, hash: u64, keeps_key: bool) -> (bool, bool) {
        let Some((group, slot)) = self.find(key, hash) else {
            return (false, false);
        };
        self.used -= 1;
        let group = &mut self.groups[group];
        clear_slot(&mut group.slots[slot], keeps_key);
        let tombstone = group.first_empty().is_none();
        group.ctrl[slot] = if tombstone { DELETED } else { EMPTY };
        if !tombstone {
            self.growth_left += 1;
        }
        (true, tombstone)
    }

    /// Makes tombstones empty slots again where no probe sequence of an entry needs them, if that gives back a tenth of
    /// the table (`pruneTombstones`).
    fn prune(&mut self, world: &impl World) {
        let capacity = usize::from(self.capacity());
        if usize::from(self.tombstones()) * 10 < capacity {
            return;
        }
        let mut needed = [false; MAX_GROUPS];
        for (i, group) in self.groups.iter().enumerate() {
            for slot in group.full() {
                let hash = world.hash(group.slots[slot].key);
                for passed in self.probes(hash).take_while(|&g| g != i) {
                    needed[passed] |= self.groups[passed].deleted() > 0;
                }
            }
            needed[i] |= group.first_empty().is_some();
        }
        let freed: usize = self
            .groups
            .iter()
            .zip(&needed)
            .filter(|(_, needed)| !**needed)
            .map(|(group, _)| group.deleted())
            .sum();
        if freed * 10 < capacity {
            return;
        }
        for (group, _) in self.groups.iter_mut().zip(&needed).filter(|(_, n)| !**n) {
            for ctrl in group.ctrl.iter_mut().filter(|c| **c == DELETED) {
                *ctrl = EMPTY;
            }
        }
        self.growth_left += freed as u16;
    }

    /// Empties it (`Clear`).
    pub(super) fn clear(&mut self, rule: ClearRule, stride: u64) {
        let most = self.max_growth_left();
        if rule != ClearRule::All && self.used == 0 && self.growth_left == most {
            return;
        }
        let occupied_only = match rule {
            ClearRule::All => false,
            ClearRule::Occupied => true,
            ClearRule::ByLoad => {
                stride > LARGE_SLOT || usize::from(self.used) * 4 < self.groups.len()
            }
        };
        for group in &mut self.groups {
            if !occupied_only || group.full().next().is_some() {
                group.slots = Group::NEW.slots;
            }
            group.ctrl = Group::NEW.ctrl;
        }
        self.used = 0;
        self.growth_left = most;
    }

    /// Full slots, in the order that growing copies them.
    pub(super) fn entries(&self) -> impl Iterator<Item = Slot> + '_ {
        self.groups
            .iter()
            .flat_map(|group| group.full().map(|slot| group.slots[slot]))
    }
}

/// Slots of more bytes than this are large for `table.Clear`.
const LARGE_SLOT: u64 = 32;

/// What deleting leaves in a slot: a key without pointers stays.
pub(super) fn clear_slot(slot: &mut Slot, keeps_key: bool) {
    slot.elem = 0;
    if !keeps_key {
        slot.key = 0;
    }
}

/// How many groups a search for each of that many entries looks at, in a table filled with random hashes.
pub(crate) fn measure_probes(entries: u64, capacity: u64, seed: u64) -> Vec<u64> {
    let world = Seeded::new(seed);
    let mut table = Table::new(capacity, None, 0);
    let keys = 1..=entries as Key;
    for key in keys.clone() {
        table.put_new(Slot { key, elem: 1 }, world.hash(key));
    }
    keys.map(|key| {
        let hash = world.hash(key);
        let home = table.find(key, hash).map(|(group, _)| group);
        let before = table.probes(hash).take_while(|g| Some(*g) != home).count();
        before as u64 + 1
    })
    .collect()
}
