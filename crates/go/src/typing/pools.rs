//! What `sync.Pool`s hold: an untyped pointer to one `poolLocal` per processor (`sync/pool.go`, all versions).

use leakscope_target::{Addr, Memory};

use crate::coverage::Gaps;
use crate::dwarf::DebugInfo;
use crate::types::{TypeId, TypeTable};

use super::Typing;
use super::offer::Claim;

/// Lists of all pools in use, as of the last collection and as of the one before.
const LISTS: [&str; 2] = ["sync.allPools", "sync.oldPools"];
/// The arrays of a pool: in use, and left over from before the last collection.
const ARRAYS: [&str; 2] = ["local", "victim"];
/// Most pools of one program: each is a variable or an object of its own.
const MAX_POOLS: u64 = 1 << 24;

impl Typing<'_> {
    /// Claims the arrays of every pool.
    pub(super) fn seed_pools(&mut self, gaps: &mut Gaps) {
        let program = self.program;
        let Some(type_) = local_type(program.debug(), self.types) else {
            return;
        };
        let array = self.of_type(type_).array;
        let fields = ARRAYS.map(|f| program.debug().field("sync.Pool", f).map(|f| f.offset));
        for list in LISTS.iter().filter_map(|name| program.global(name)) {
            if self.pools(list, array, &fields).is_none() {
                gaps.add("list of pools that cannot be read", list);
            }
        }
        self.drain();
    }

    fn pools(&mut self, list: Addr, array: u32, fields: &[Option<u64>]) -> Option<()> {
        let image = self.image;
        let (at, len) = (image.ptr(list).ok()?, image.u64(list.checked_add(8)?).ok()?);
        if len == 0 {
            return Some(());
        }
        let pools = image.bytes(at, len.min(MAX_POOLS) * 8).ok()?;
        for pool in pools.chunks_exact(8) {
            let pool = Addr(u64::from_le_bytes(pool.try_into().ok()?));
            for field in fields.iter().flatten() {
                let local = image.u64(pool.checked_add(*field)?).ok()?;
                self.claim(local, array, Claim::Slice, &[]);
            }
        }
        Some(())
    }
}

fn local_type(debug: &DebugInfo, types: &TypeTable) -> Option<TypeId> {
    types.from_dwarf(debug.type_named("sync.poolLocal")?)
}
