//! Types of the table of layouts and of the program's descriptors, made one.

use leakscope_target::{Addr, Memory};
use rustc_hash::FxHashMap;

use super::{TypeId, TypeTable};

impl TypeTable {
    /// Where a table stands in for debug information, it describes some types that have descriptors too, without saying
    /// which: those at `descriptors`, and what these refer to, stand for the types of the table that have the same name,
    /// package, kind and size. To be called before anything else is asked.
    pub(crate) fn join(&mut self, memory: &dyn Memory, descriptors: &[Addr]) {
        for at in descriptors {
            self.from_rtype(memory, *at);
        }
        let table = self.lazy.len() as u32;
        let mut described: FxHashMap<&str, TypeId> = FxHashMap::default();
        for id in (table..self.count()).map(TypeId) {
            described.entry(self.name(id)).or_insert(id);
        }
        let mut joined = Vec::new();
        for own in (0..table).map(TypeId) {
            let same = |other: &TypeId| {
                let kinds = (self.kind(own), self.kind(*other));
                self.size(own) == self.size(*other)
                    && self.package(own) == self.package(*other)
                    && std::mem::discriminant(&kinds.0) == std::mem::discriminant(&kinds.1)
            };
            if let Some(other) = described.get(self.name(own)).filter(|o| same(o)) {
                joined.push((own, *other));
            }
        }
        for (own, other) in joined {
            if let Some(canonical) = self.canonical.get_mut(own.0 as usize) {
                *canonical = other;
            }
        }
    }

    /// The name that the linker gives the type.
    pub(super) fn linker_name(&self, id: TypeId) -> &str {
        match self.runtime_only(id) {
            Some(t) => &t.stated_name,
            None => self.full_name(id),
        }
    }
}
