//! Globals, constants and the rules built on them.

use leakscope_target::{Addr, Fault, Memory};

use super::Field;

/// Addresses of the runtime's globals in the target, bias added.
#[derive(Debug, Clone)]
pub struct Globals {
    /// `runtime.mheap_`
    pub mheap: Addr,
    /// `runtime.gcphase`
    pub gcphase: Addr,
    /// `runtime.allgs`
    pub allgs: Addr,
    /// `runtime.allm`
    pub allm: Addr,
    /// `runtime.allp`
    pub allp: Addr,
    /// `runtime.allfin`
    pub allfin: Addr,
    /// `runtime.gcCleanups` (1.25 on)
    pub gc_cleanups: Option<Addr>,
    /// `runtime.persistentChunks`
    pub persistent_chunks: Addr,
    /// `runtime.gcBitsArenas.free`, `next`, `current`, `previous`: the four list heads, in this order.
    pub gc_bits_arenas: [Addr; 4],
    /// `runtime.waitReasonStrings` and how many bytes it has.
    pub wait_reason_strings: (Addr, u64),
    /// `runtime.methodValueCallFrameObjs`
    pub method_value_frame_objs: Addr,
}

/// Kinds of specials; `None` where the version has no such kind (mheap.go, `_KindSpecial*`).
#[derive(Debug, Clone, Default)]
pub struct SpecialKinds {
    /// A finalizer.
    pub finalizer: Option<u64>,
    /// A weak pointer's handle.
    pub weak_handle: Option<u64>,
    /// An allocation profile record.
    pub profile: Option<u64>,
    /// A cleanup.
    pub cleanup: Option<u64>,
}

/// Values of `g.atomicstatus` (runtime2.go, `_G*`).
#[derive(Debug, Clone)]
pub struct Statuses {
    /// Number and plain word for each.
    pub names: Vec<(u64, &'static str)>,
    /// Being run by a thread.
    pub running: u64,
    /// In a system call or in C.
    pub syscall: u64,
    /// Blocked; `waitreason` says on what.
    pub waiting: u64,
    /// Blocked for good, as a leak profile found (1.26 on).
    pub leaked: Option<u64>,
    /// Not in use: no stack to look at.
    pub dead: Vec<u64>,
    /// Bit set while the collector holds the goroutine.
    pub scan: u64,
}

/// Values of `gcphase` (mgc.go).
#[derive(Debug, Clone)]
pub struct GcPhases {
    /// No collection is marking.
    pub off: u64,
}

/// How pointers and marks of a span are kept, and the constants that decide it.
#[derive(Debug, Clone)]
pub struct HeapRules {
    /// `runtime._PageSize`: bytes per page of the heap.
    pub page_size: u64,
    /// Largest slot whose pointer bits lie at the end of its span; larger ones have a header or `largeType`
    /// (mbitmap.go `heapBitsInSpan`: `minSizeForMallocHeader`, exclusive). Zero where bits are kept beside the heap.
    pub bits_in_span_max: u64,
    /// Bytes of that header in front of an object (mbitmap.go, `mallocHeaderSize`); zero where bits are kept beside the heap.
    pub header: u64,
    /// Where pointer bits lie when they are kept beside the heap, for all slots alike.
    pub arena_bits: Option<ArenaBits>,
    /// Where the marks of a small span lie when the collector is Green Tea: at the end of the span's page.
    pub green_tea: Option<GreenTea>,
    /// `mSpanState` of a span that holds objects, and of one that the runtime manages by hand (stacks, work buffers).
    pub span_in_use: u64,
    /// See above.
    pub span_manual: u64,
    /// `_GC*` phases.
    pub phases: GcPhases,
    /// Bytes of one block of `gcBitsArenas`.
    pub gc_bits_chunk: u64,
    /// Bytes of one block of `persistentChunks`.
    pub persistent_chunk: u64,
}

/// Marks inside the span (mgcmark_greenteagc.go, `spanInlineMarkBits`; experiment in 1.25, default from 1.26).
/// A program was built with it exactly when its debug info has that type.
#[derive(Debug, Clone, Copy)]
pub struct GreenTea {
    /// Bytes of `spanInlineMarkBits`, kept free at the end of each span with slots of 16 bytes up to `bits_in_span_max`.
    pub reserve: u64,
    /// Offset of the mark bits in it.
    pub marks: Field,
}

/// Pointer bits kept beside the heap: one bit per word, in the record of each arena (mheap.go, `heapArena.bitmap`; 1.21,
/// and 1.22 built with `GOEXPERIMENT=noallocheaders`). A program has them exactly when its debug info has that field.
#[derive(Debug, Clone, Copy)]
pub struct ArenaBits {
    /// `heapArena.bitmap`.
    pub bitmap: Field,
    /// `mheap.arenas`: pointers to tables of pointers to the records of arenas.
    pub arenas: Field,
    /// `runtime.heapArenaBytes`: bytes of heap per arena.
    pub arena_bytes: u64,
    /// `runtime.arenaL1Bits`: bits of an arena's number that choose the table.
    pub l1_bits: u32,
    /// `runtime.arenaL2Bits`: bits that choose the entry.
    pub l2_bits: u32,
    /// `runtime.arenaBaseOffset`: address of arena 0, modulo 2^64.
    pub base: u64,
}

impl ArenaBits {
    /// Number of the arena that `addr` lies in (mheap.go, `arenaIndex`).
    pub fn arena_of(&self, addr: u64) -> u64 {
        addr.wrapping_sub(self.base) / self.arena_bytes
    }

    /// How far into its arena `addr` lies.
    pub fn offset_of(&self, addr: u64) -> u64 {
        addr.wrapping_sub(self.base) % self.arena_bytes
    }

    /// Where the pointer to the record of this arena lies, for the heap at `mheap`.
    pub fn entry(&self, memory: &dyn Memory, mheap: Addr, arena: u64) -> Result<Addr, Fault> {
        let table = self
            .arenas
            .at(mheap)
            .0
            .wrapping_add(8 * (arena >> self.l2_bits));
        if arena >> self.l2_bits >> self.l1_bits != 0 {
            return Err(Fault::Unmapped(Addr(table)));
        }
        let entries = memory.ptr(Addr(table))?;
        if entries.is_nil() {
            return Err(Fault::Unmapped(Addr(table)));
        }
        let entry = arena & ((1 << self.l2_bits) - 1);
        Ok(Addr(entries.0.wrapping_add(8 * entry)))
    }

    /// Where the pointer bits of this arena begin.
    pub fn bitmap(&self, memory: &dyn Memory, mheap: Addr, arena: u64) -> Result<Addr, Fault> {
        let entry = self.entry(memory, mheap, arena)?;
        let record = memory.ptr(entry)?;
        if record.is_nil() {
            return Err(Fault::Unmapped(entry));
        }
        Ok(self.bitmap.at(record))
    }
}

/// Smallest slot with inline marks (mgcmark_greenteagc.go, `gcUsesSpanInlineMarkBits`: a literal in the source).
pub const GREEN_TEA_MIN_SLOT: u64 = 16;

impl HeapRules {
    /// Whether spans of `elem_size` byte slots (small classes) keep their marks inline.
    pub fn inline_marks(&self, elem_size: u64) -> Option<GreenTea> {
        self.green_tea
            .filter(|_| (GREEN_TEA_MIN_SLOT..=self.bits_in_span_max).contains(&elem_size))
    }
}

/// Funcs and tables of the unwinder (internal/abi symtab.go).
#[derive(Debug, Clone)]
pub struct UnwindFacts {
    /// `PCDATA_StackMapIndex`
    pub stack_map_index: u32,
    /// `FUNCDATA_ArgsPointerMaps`
    pub args_maps: u32,
    /// `FUNCDATA_LocalsPointerMaps`
    pub locals_maps: u32,
    /// `FUNCDATA_StackObjects`
    pub stack_objects: u32,
    /// `FuncFlagTopFrame`: the function is the outermost on its stack.
    pub flag_top_frame: u8,
    /// `FuncFlagSPWrite`: the function moves the stack pointer in a way its table does not show.
    pub flag_sp_write: u8,
    /// `FuncID_asyncPreempt`
    pub asyncpreempt: u8,
    /// `FuncID_sigpanic`
    pub sigpanic: u8,
    /// `FuncID_cgocallback`
    pub cgocallback: u8,
    /// `FuncID_debugCallV2`
    pub debug_call: u8,
}
