//! The Swiss maps of Go 1.24 and later.
//!
//! Follows `internal/runtime/maps` (`map.go`, `table.go`, `runtime*.go`) of 1.24.11, 1.25.5, 1.26.6 and 1.27.3, whose
//! functions are named where they are followed. What differs between them is in [`SwissRules`].

mod iter;
mod memory;
mod table;
mod view;

pub use iter::SwissIter;
pub use memory::SwissGrowth;
pub(crate) use table::measure_probes;
pub use view::{SwissHeader, TableHeader};

use std::cell::RefCell;
use std::rc::Rc;

use leakscope_goabi::{MAX_TABLE_CAPACITY, SwissMap as Layout};

use crate::{AssignPath, ClearRule, Elem, Key, Release, Shape, SwissRules, World};
use table::{EMPTY, Put, SLOTS, Shared, Slot, Table, clear_slot, h2};

/// Deepest directory that a model builds: 64 k tables, 64 M slots.
const MAX_DEPTH: u8 = 16;

/// Where the entries are.
#[derive(Debug)]
enum Storage {
    /// Nothing is allocated yet.
    Nothing,
    /// A single group, as a table of one.
    Small(Shared),
    /// The directory.
    Tables(Vec<Shared>),
}

/// A Swiss map.
#[derive(Debug)]
pub struct Swiss {
    rules: SwissRules,
    shape: Shape,
    layout: Layout,
    used: u64,
    storage: Storage,
    global_depth: u8,
    tombstone_possible: bool,
    clears: u64,
    prunes: bool,
    allocated: u64,
}

impl Swiss {
    /// `make(map[K]V, hint)` (`NewMap`). A hint for more than the model can build is taken as none, as the runtime does
    /// with one that no memory could hold.
    pub(crate) fn make(release: &Release, rules: SwissRules, shape: Shape, hint: u64) -> Self {
        let layout = Layout {
            group_size: shape.group_size(rules.split_groups),
            noscan: shape.noscan(),
            alloc: release.alloc,
        };
        let mut map = Swiss {
            rules,
            shape,
            layout,
            used: 0,
            storage: Storage::Nothing,
            global_depth: 0,
            tombstone_possible: false,
            clears: 0,
            prunes: rules.prunes.contains(&shape.assign_path()),
            allocated: memory::header_bytes(&layout),
        };
        let (tables, slots) = layout.tables(hint);
        if tables > 0 && tables <= 1 << MAX_DEPTH {
            map.global_depth = tables.ilog2() as u8;
            let directory = (0..tables as u32)
                .map(|i| map.new_table(slots, Some(i), map.global_depth))
                .map(|table| Rc::new(RefCell::new(table)))
                .collect();
            map.allocated += map.directory_bytes(tables);
            map.allocated += tables * map.table_bytes(slots);
            map.storage = Storage::Tables(directory);
        }
        map
    }

    /// Entries: `len(m)`.
    pub fn count(&self) -> u64 {
        self.used
    }

    fn new_table(&self, slots: u64, index: Option<u32>, depth: u8) -> Table {
        Table::new(slots, index, depth)
    }

    /// `directoryIndex`.
    fn directory_index(&self, hash: u64) -> usize {
        if self.global_depth == 0 {
            0
        } else {
            (hash >> (64 - self.global_depth)) as usize
        }
    }

    /// `m[key] = elem` (`runtime_mapassign` and its fast forms).
    pub(crate) fn assign(&mut self, key: Key, elem: Elem, world: &mut impl World) {
        let elem = if self.shape.elem.size == 0 { 0 } else { elem };
        if matches!(self.storage, Storage::Nothing) {
            self.allocated += self.layout.groups_bytes(SLOTS as u64);
            let group = Table::new(SLOTS as u64, None, 0);
            self.storage = Storage::Small(Rc::new(RefCell::new(group)));
        }
        if let Storage::Small(group) = &self.storage {
            let group = group.clone();
            let tries = self.used < SLOTS as u64 || !self.rules.overwriting_grows;
            if tries && self.put_small(&mut group.borrow_mut(), key, elem, world) {
                return;
            }
            self.grow_to_table(&group.borrow(), world);
        }
        loop {
            let hash = world.hash(key);
            let index = self.directory_index(hash);
            let Storage::Tables(directory) = &self.storage else {
                return;
            };
            let table = directory[index].clone();
            let put = table.borrow_mut().put(key, elem, world, self.prunes);
            match put {
                Put::Overwritten => return,
                Put::Inserted => {
                    self.used += 1;
                    self.allocated += self.indirect_bytes();
                    return;
                }
                Put::Full => self.rehash(&table, world),
            }
        }
    }

    /// `putSlotSmall`; tells whether there was room.
    fn put_small(&mut self, group: &mut Table, key: Key, elem: Elem, world: &impl World) -> bool {
        let hash = world.hash(key);
        let group = &mut group.groups[0];
        if let Some(slot) = group.find(key, hash) {
            group.slots[slot].elem = elem;
            return true;
        }
        let Some(slot) = group.first_empty() else {
            return false;
        };
        group.slots[slot] = Slot { key, elem };
        group.ctrl[slot] = h2(hash);
        self.used += 1;
        self.allocated += self.indirect_bytes();
        true
    }

    /// `growToTable`.
    fn grow_to_table(&mut self, group: &Table, world: &impl World) {
        let slots = 2 * SLOTS as u64;
        let mut table = self.new_table(slots, Some(0), 0);
        for slot in group.entries() {
            table.put_new(slot, world.hash(slot.key));
        }
        self.allocated += self.table_bytes(slots) + self.directory_bytes(1);
        self.storage = Storage::Tables(vec![Rc::new(RefCell::new(table))]);
        self.global_depth = 0;
    }

    /// Replaces a full table by a larger one, or by two (`rehash`, `grow`, `split`).
    fn rehash(&mut self, full: &Shared, world: &impl World) {
        let mut old = full.borrow_mut();
        let (capacity, depth) = (u64::from(old.capacity()), old.local_depth);
        if capacity < MAX_TABLE_CAPACITY {
            let mut larger = self.new_table(capacity * 2, old.index, depth);
            for slot in old.entries() {
                larger.put_new(slot, world.hash(slot.key));
            }
            self.allocated += self.table_bytes(capacity * 2);
            let index = old.index.take();
            self.replace(larger, index);
            return;
        }
        let depth = depth + 1;
        let mask = 1u64 << (64 - depth);
        let mut halves = [(); 2].map(|()| self.new_table(MAX_TABLE_CAPACITY, None, depth));
        for slot in old.entries() {
            let hash = world.hash(slot.key);
            halves[usize::from(hash & mask != 0)].put_new(slot, hash);
        }
        self.allocated += 2 * self.table_bytes(MAX_TABLE_CAPACITY);
        if old.local_depth == self.global_depth {
            let index = old.index;
            old.index = None;
            self.double_directory();
            old.index = index.map(|i| i * 2);
        }
        let first = old.index.take();
        let [left, right] = halves;
        let covered = 1u32 << (self.global_depth - depth);
        self.replace(left, first);
        self.replace(right, first.map(|f| f + covered));
    }

    /// Grows the directory to twice its length (`installTableSplit`).
    fn double_directory(&mut self) {
        let Storage::Tables(directory) = &mut self.storage else {
            return;
        };
        let mut doubled = Vec::with_capacity(directory.len() * 2);
        for (i, table) in directory.iter().enumerate() {
            // The table that is being split is borrowed; its index is the caller's matter.
            if let Ok(mut table) = table.try_borrow_mut()
                && table.index == Some(i as u32)
            {
                table.index = Some(2 * i as u32);
            }
            doubled.push(table.clone());
            doubled.push(table.clone());
        }
        *directory = doubled;
        self.global_depth += 1;
        self.allocated += self.directory_bytes(1 << self.global_depth);
    }

    /// Puts a table into all its places of the directory (`replaceTable`).
    fn replace(&mut self, mut table: Table, index: Option<u32>) {
        let Storage::Tables(directory) = &mut self.storage else {
            return;
        };
        table.index = index;
        let first = index.unwrap_or(0) as usize;
        let covered = 1usize << (self.global_depth - table.local_depth);
        let table = Rc::new(RefCell::new(table));
        directory[first..first + covered].fill(table);
    }

    /// `m[key]` (`getWithKey`).
    pub(crate) fn get(&self, key: Key, world: &impl World) -> Option<Elem> {
        if self.used == 0 {
            return None;
        }
        let hash = world.hash(key);
        let table = match &self.storage {
            Storage::Nothing => return None,
            Storage::Small(group) => group.borrow(),
            Storage::Tables(directory) => directory[self.directory_index(hash)].borrow(),
        };
        let (group, slot) = table.find(key, hash)?;
        Some(table.groups[group].slots[slot].elem)
    }

    /// `delete(m, key)` (`Delete`, `deleteSmall`).
    pub(crate) fn delete(&mut self, key: Key, world: &mut impl World) {
        if self.used == 0 {
            return;
        }
        let hash = world.hash(key);
        let keeps_key = !self.shape.key.pointers && !self.shape.key.indirect();
        match &self.storage {
            Storage::Nothing => {}
            Storage::Small(group) => {
                let group = &mut group.borrow_mut().groups[0];
                if let Some(slot) = group.find(key, hash) {
                    clear_slot(&mut group.slots[slot], keeps_key);
                    group.ctrl[slot] = EMPTY;
                    self.used -= 1;
                }
            }
            Storage::Tables(directory) => {
                let table = &directory[self.directory_index(hash)];
                let (there, tombstone) = table.borrow_mut().delete(key, hash, keeps_key);
                self.used -= u64::from(there);
                self.tombstone_possible |= tombstone && self.rules.knows_tombstones;
            }
        }
        if self.used == 0 {
            world.reseed();
        }
    }

    /// `clear(m)`, and loops that the compiler makes one (`Clear`).
    pub(crate) fn clear(&mut self, world: &mut impl World) {
        if self.used == 0 && !self.tombstone_possible {
            return;
        }
        let stride = self.shape.stride(self.rules.split_groups);
        match &self.storage {
            Storage::Nothing => {}
            Storage::Small(group) => group.borrow_mut().clear(ClearRule::All, stride),
            Storage::Tables(directory) => {
                for table in distinct(directory) {
                    table.borrow_mut().clear(self.rules.clear, stride);
                }
            }
        }
        self.used = 0;
        self.tombstone_possible = false;
        self.clears += 1;
        world.reseed();
    }

    /// Which function of the runtime assigns to it.
    pub fn assign_path(&self) -> AssignPath {
        self.shape.assign_path()
    }
}

/// Each table once, in the order of the directory.
fn distinct(directory: &[Shared]) -> impl Iterator<Item = &Shared> {
    directory
        .iter()
        .enumerate()
        .filter(|(i, table)| *i == 0 || !Rc::ptr_eq(table, &directory[i - 1]))
        .map(|(_, table)| table)
}
