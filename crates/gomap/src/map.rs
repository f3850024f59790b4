//! One map of either implementation.

use leakscope_goabi::{AllocRules, ClassicMap, Footprint, SwissMap};

use crate::{
    Chains, Classic, ClassicGrowth, ClassicIter, Elem, Key, Release, Rules, Shape, Swiss,
    SwissGrowth, SwissIter, World,
};

/// A map.
#[derive(Debug)]
pub enum Map {
    /// `var m map[K]V`.
    Nil,
    /// Of buckets.
    Classic(Box<Classic>),
    /// Of groups.
    Swiss(Box<Swiss>),
}

/// An assignment to a nil map, at which Go programs panic.
#[derive(thiserror::Error, Clone, Copy, PartialEq, Eq, Debug)]
#[error("assignment to entry in nil map")]
pub struct NilMap;

/// An iteration.
#[derive(Debug)]
pub enum Iter {
    /// Of a map without entries: it ends at once, whatever is added since.
    Empty,
    /// Of a classic map.
    Classic(Box<ClassicIter>),
    /// Of a Swiss map.
    Swiss(Box<SwissIter>),
}

/// Bytes that a map alone holds, each object rounded to the slot that the allocator gives it.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Memory {
    /// The map's header; of classic maps also `mapextra` and its lists.
    pub headers: u64,
    /// The present array with its overflow buckets, or all groups.
    pub arrays: u64,
    /// Classic, while it grows: the old array with its overflow buckets and their list.
    pub old_arrays: u64,
    /// Swiss: the `table` structures.
    pub tables: u64,
    /// Swiss: the directory.
    pub directory: u64,
    /// Keys and elems of more than 128 bytes of its entries.
    pub indirect: u64,
    /// Classic, while it grows: such keys and elems that are no entries any more, kept by the old array.
    pub zombies: u64,
}

impl Memory {
    /// Sum of all.
    pub fn total(&self) -> u64 {
        self.headers
            + self.arrays
            + self.old_arrays
            + self.tables
            + self.directory
            + self.indirect
            + self.zombies
    }
}

/// What stands between a map and its next growth.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NextGrowth {
    /// A classic map grows as a whole.
    Classic(ClassicGrowth),
    /// A Swiss map grows by tables.
    Swiss(SwissGrowth),
}

impl NextGrowth {
    /// Bytes that the insert which grows allocates at once.
    pub fn allocates(&self) -> u64 {
        match self {
            NextGrowth::Classic(g) => g.allocates,
            NextGrowth::Swiss(g) => g.allocates,
        }
    }

    /// New keys until then, at the earliest.
    pub fn inserts(&self) -> u64 {
        match self {
            NextGrowth::Classic(g) => g.inserts,
            NextGrowth::Swiss(g) => g.inserts,
        }
    }
}

impl Map {
    /// `make(map[K]V, hint)`.
    pub fn make(release: &Release, shape: Shape, hint: u64) -> Map {
        match release.rules {
            Rules::Classic(rules) => {
                Map::Classic(Box::new(Classic::make(release, rules, shape, hint)))
            }
            Rules::Swiss(rules) => Map::Swiss(Box::new(Swiss::make(release, rules, shape, hint))),
        }
    }

    /// `len(m)`.
    pub fn count(&self) -> u64 {
        match self {
            Map::Nil => 0,
            Map::Classic(m) => m.count(),
            Map::Swiss(m) => m.count(),
        }
    }

    /// `m[key] = elem`.
    pub fn assign(&mut self, key: Key, elem: Elem, world: &mut impl World) -> Result<(), NilMap> {
        match self {
            Map::Nil => return Err(NilMap),
            Map::Classic(m) => m.assign(key, elem, world),
            Map::Swiss(m) => m.assign(key, elem, world),
        }
        Ok(())
    }

    /// `m[key]`.
    pub fn get(&self, key: Key, world: &impl World) -> Option<Elem> {
        match self {
            Map::Nil => None,
            Map::Classic(m) => m.get(key, world),
            Map::Swiss(m) => m.get(key, world),
        }
    }

    /// `delete(m, key)`.
    pub fn delete(&mut self, key: Key, world: &mut impl World) {
        match self {
            Map::Nil => {}
            Map::Classic(m) => m.delete(key, world),
            Map::Swiss(m) => m.delete(key, world),
        }
    }

    /// `clear(m)`.
    pub fn clear(&mut self, world: &mut impl World) {
        match self {
            Map::Nil => {}
            Map::Classic(m) => m.clear(world),
            Map::Swiss(m) => m.clear(world),
        }
    }

    /// Begins `for range m`.
    pub fn iterate(&mut self, world: &mut impl World) -> Iter {
        let iter = match self {
            Map::Nil => None,
            Map::Classic(m) => m.iterate(world).map(|it| Iter::Classic(Box::new(it))),
            Map::Swiss(m) => m.iterate(world).map(|it| Iter::Swiss(Box::new(it))),
        };
        iter.unwrap_or(Iter::Empty)
    }

    /// The next entry of an iteration of this map.
    pub fn next(&self, iter: &mut Iter, world: &impl World) -> Option<(Key, Elem)> {
        match (self, iter) {
            (Map::Classic(m), Iter::Classic(it)) => m.next(it, world),
            (Map::Swiss(m), Iter::Swiss(it)) => m.next(it, world),
            _ => None,
        }
    }

    /// Bytes that the map alone holds.
    pub fn memory(&self) -> Memory {
        match self {
            Map::Nil => Memory::default(),
            Map::Classic(m) => m.memory(),
            Map::Swiss(m) => m.memory(),
        }
    }

    /// Bytes allocated since it was made, freed or not.
    pub fn allocated(&self) -> u64 {
        match self {
            Map::Nil => 0,
            Map::Classic(m) => m.allocated(),
            Map::Swiss(m) => m.allocated(),
        }
    }

    /// What stands between it and its next growth; nothing for a nil map.
    pub fn next_growth(&self) -> Option<NextGrowth> {
        match self {
            Map::Nil => None,
            Map::Classic(m) => Some(NextGrowth::Classic(m.next_growth())),
            Map::Swiss(m) => Some(NextGrowth::Swiss(m.next_growth())),
        }
    }

    /// Slots that its arrays have, with those of overflow buckets in use.
    pub fn slots(&self) -> u64 {
        match self {
            Map::Nil => 0,
            Map::Classic(m) => m.chains().links * leakscope_goabi::GROUP_SLOTS,
            Map::Swiss(m) => m.slots(),
        }
    }

    /// How many buckets, or groups, a search goes through: per chain, or per entry.
    pub fn searches(&self, world: &impl World) -> Chains {
        match self {
            Map::Nil => Chains::default(),
            Map::Classic(m) => m.chains(),
            Map::Swiss(m) => m.probes(world),
        }
    }

    /// Words that all of its cells come to, whatever the implementation: the same words mean the same map.
    pub fn words(&self, each: impl FnMut(u32)) {
        match self {
            Map::Nil => {}
            Map::Classic(m) => m.words(each),
            Map::Swiss(m) => m.words(each),
        }
    }
}

impl Release {
    /// What a map made for that many entries takes once it holds them.
    pub fn smallest(&self, shape: &Shape, entries: u64) -> Footprint {
        let alloc: AllocRules = self.alloc;
        let noscan = shape.noscan();
        match self.rules {
            Rules::Classic(rules) => ClassicMap {
                header_size: rules.header_size,
                bucket_size: shape.bucket_size(),
                noscan,
                load_factor_num: rules.load_factor_num,
                alloc,
            }
            .footprint(entries),
            Rules::Swiss(rules) => SwissMap {
                group_size: shape.group_size(rules.split_groups),
                noscan,
                alloc,
            }
            .footprint(entries),
        }
    }
}
