//! Every runtime struct field, global and constant that spans, roots and goroutines are read by: one table, by DWARF name.
//!
//! Offsets and widths come from the executable's own debug info, so a field that moves or changes its width between
//! Go releases needs no change here. What debug info does not say stands in [`HeapRules`] and in the modules that
//! use it, each fact with its place in the Go sources.

use crate::dwarf::DebugInfo;

mod facts;
mod metadata;
mod sites;
mod source;
mod table;

pub use facts::*;
pub use metadata::MetadataLayouts;
pub use sites::SiteLayouts;
use source::Source;
pub use table::*;

/// A piece of the runtime's layout that the executable's debug info does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("debug info of {go_version} has no {what} {name}")]
pub struct MissingLayout {
    /// A struct, a field, a global or a constant.
    pub what: &'static str,
    /// Its name as the Go sources spell it.
    pub name: String,
    /// The version of Go that built the executable.
    pub go_version: String,
}

/// The whole table, for one executable at one bias.
#[derive(Debug, Clone)]
pub struct Layouts {
    /// `runtime.mheap`
    pub mheap: Mheap,
    /// `runtime.mspan`
    pub mspan: Mspan,
    /// `runtime.gcBitsArena`
    pub gc_bits_arena: GcBitsArena,
    /// `runtime.special`
    pub special: Special,
    /// `runtime.specialfinalizer`
    pub special_finalizer: SpecialFinalizer,
    /// `runtime.specialprofile`
    pub special_profile: SpecialProfile,
    /// The memory profile: `runtime.bucket`, `memRecord`, `memRecordCycle`
    pub sites: Option<SiteLayouts>,
    /// Where the runtime keeps what it manages the heap by
    pub metadata: Option<MetadataLayouts>,
    /// `runtime.specialWeakHandle`, from 1.23
    pub special_weak_handle: Option<SpecialWeakHandle>,
    /// `runtime.specialCleanup`, from 1.24
    pub special_cleanup: Option<SpecialCleanup>,
    /// `runtime.cleanupFn`, from 1.26
    pub cleanup_fn: Option<CleanupFn>,
    /// `runtime.finBlock`
    pub fin_block: FinBlock,
    /// `runtime.finalizer`
    pub finalizer: Finalizer,
    /// The three parts of the queue of cleanups, from 1.25
    pub cleanup_queue: Option<(CleanupQueue, CleanupBlockHeader, CleanupBlock)>,
    /// `runtime.g`
    pub g: G,
    /// `runtime.sudog`
    pub sudog: Sudog,
    /// `sync.Cond`, where the program has any
    pub cond: Option<Cond>,
    /// `runtime.xRegState`, from 1.26
    pub x_reg_state: Option<XRegState>,
    /// `runtime.stack`
    pub stack: Stack,
    /// `runtime.gobuf`
    pub gobuf: Gobuf,
    /// `runtime.m`
    pub m: M,
    /// `runtime.p`
    pub p: P,
    /// `runtime.mcache`
    pub mcache: Mcache,
    /// `runtime._defer`
    pub defer: Defer,
    /// `runtime.stackmap`
    pub stack_map: StackMap,
    /// `runtime.bitvector`
    pub bit_vector: BitVector,
    /// `runtime.stackObjectRecord`
    pub stack_object: StackObjectRecord,
    /// `runtime.reflectMethodValue`
    pub reflect_method_value: ReflectMethodValue,
    /// Globals.
    pub globals: Globals,
    /// Kinds of specials.
    pub special_kinds: SpecialKinds,
    /// States of goroutines.
    pub statuses: Statuses,
    /// Placement of pointer and mark bits.
    pub heap: HeapRules,
    /// Tables and flags of the unwinder.
    pub unwind: UnwindFacts,
}

impl Layouts {
    /// Resolves the table from the debug info of the executable, which is loaded `bias` bytes above its own addresses.
    /// Fails at the first struct, field, global or constant that is not there.
    pub fn resolve(debug: &DebugInfo, go_version: &str, bias: u64) -> Result<Self, MissingLayout> {
        let s = Source::new(debug, go_version, bias);
        let mheap = Mheap::resolve(&s)?;
        let mspan = Mspan::resolve(&s)?;
        let heap = s.heap_rules(&mheap)?;
        if heap.arena_bits.is_none() && mspan.large_type.is_none() {
            return Err(s.missing("field", "runtime.mspan.largeType"));
        }
        Ok(Self {
            mheap,
            mspan,
            gc_bits_arena: GcBitsArena::resolve(&s)?,
            special: Special::resolve(&s)?,
            special_finalizer: SpecialFinalizer::resolve(&s)?,
            special_profile: SpecialProfile::resolve(&s)?,
            sites: s.sites(),
            metadata: s.metadata(),
            special_weak_handle: SpecialWeakHandle::resolve(&s).ok(),
            special_cleanup: SpecialCleanup::resolve(&s).ok(),
            cleanup_fn: CleanupFn::resolve(&s).ok(),
            fin_block: FinBlock::resolve(&s)?,
            finalizer: Finalizer::resolve(&s)?,
            cleanup_queue: s.cleanup_queue(),
            g: G::resolve(&s)?,
            sudog: Sudog::resolve(&s)?,
            cond: Cond::resolve(&s).ok(),
            x_reg_state: XRegState::resolve(&s).ok(),
            stack: Stack::resolve(&s)?,
            gobuf: Gobuf::resolve(&s)?,
            m: M::resolve(&s)?,
            p: P::resolve(&s)?,
            mcache: Mcache::resolve(&s)?,
            defer: Defer::resolve(&s)?,
            stack_map: StackMap::resolve(&s)?,
            bit_vector: BitVector::resolve(&s)?,
            stack_object: StackObjectRecord::resolve(&s)?,
            reflect_method_value: ReflectMethodValue::resolve(&s)?,
            globals: s.globals()?,
            special_kinds: SpecialKinds {
                finalizer: s.constant(&["runtime._KindSpecialFinalizer"]).ok(),
                weak_handle: s.constant(&["runtime._KindSpecialWeakHandle"]).ok(),
                profile: s.constant(&["runtime._KindSpecialProfile"]).ok(),
                cleanup: s.constant(&["runtime._KindSpecialCleanup"]).ok(),
            },
            statuses: s.statuses()?,
            heap,
            unwind: s.unwind_facts()?,
        })
    }
}
