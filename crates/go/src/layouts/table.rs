//! The runtime structs read, field by field.

use leakscope_target::Addr;

use super::MissingLayout;
use super::source::Source;

/// One field of a runtime struct.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// Bytes from the start of the struct.
    pub offset: u32,
    /// Width in bytes.
    pub size: u32,
}

impl Field {
    /// The little-endian value of this field in `record`, the bytes of one struct. Zero where `record` is too short;
    /// of a field wider than a word, its first word.
    #[inline]
    pub fn get(self, record: &[u8]) -> u64 {
        let from = self.offset as usize;
        match self.size {
            1 => record.get(from).copied().map_or(0, u64::from),
            2 => word::<2>(record, from).map_or(0, |b| u16::from_le_bytes(b).into()),
            4 => word::<4>(record, from).map_or(0, |b| u32::from_le_bytes(b).into()),
            _ => word::<8>(record, from).map_or(0, u64::from_le_bytes),
        }
    }

    /// Where this field of the struct at `base` lies.
    pub fn at(self, base: Addr) -> Addr {
        Addr(base.0.wrapping_add(u64::from(self.offset)))
    }
}

fn word<const N: usize>(bytes: &[u8], from: usize) -> Option<[u8; N]> {
    bytes.get(from..from.checked_add(N)?)?.try_into().ok()
}

macro_rules! field_type {
    (need) => { Field };
    (may) => { Option<Field> };
}

macro_rules! field_resolve {
    (need, $source:ident, $layout:ident, $($name:literal)|+) => {
        $source.field(&$layout, &[$($name),+])?
    };
    (may, $source:ident, $layout:ident, $($name:literal)|+) => {
        $source.field(&$layout, &[$($name),+]).ok()
    };
}

/// Declares one Rust struct per runtime struct: `need` fields must exist, `may` fields depend on the version; names
/// joined by `|` are one field's (or struct's) names over time.
macro_rules! layouts {
    ($( $(#[$doc:meta])* $Rust:ident = $($go:literal)|+ { $( $want:ident $field:ident: $($name:literal)|+, )* } )*) => {
        $(
            $(#[$doc])*
            #[derive(Debug, Clone)]
            pub struct $Rust {
                /// Size of the struct in bytes.
                pub size: u32,
                $(
                    #[doc = concat!("`", $($name, " "),+, "`")]
                    pub $field: field_type!($want),
                )*
            }

            impl $Rust {
                pub(super) fn resolve(source: &Source<'_>) -> Result<Self, MissingLayout> {
                    let layout = source.layout(&[$($go),+])?;
                    Ok(Self {
                        size: layout.size,
                        $( $field: field_resolve!($want, source, layout, $($name)|+), )*
                    })
                }
            }
        )*
    };
}

layouts! {
    /// The heap (mheap.go).
    Mheap = "runtime.mheap" {
        need sweepgen: "sweepgen",
        need allspans: "allspans",
        need arenas: "arenas",
    }
    /// A run of pages (mheap.go).
    Mspan = "runtime.mspan" {
        need start_addr: "startAddr",
        need npages: "npages",
        need freeindex: "freeindex",
        need nelems: "nelems",
        need free_index_for_scan: "freeIndexForScan",
        need alloc_bits: "allocBits",
        need gcmark_bits: "gcmarkBits",
        need sweepgen: "sweepgen",
        need alloc_count: "allocCount",
        need spanclass: "spanclass",
        need state: "state",
        need elemsize: "elemsize",
        need limit: "limit",
        need specials: "specials",
        may large_type: "largeType",
    }
    /// What is kept of 64 MiB of the heap (mheap.go); the pointer bits only in 1.21, and in 1.22 with
    /// `GOEXPERIMENT=noallocheaders`.
    HeapArena = "runtime.heapArena" {
        may bitmap: "bitmap" | "heapArenaPtrScalar.bitmap",
    }
    /// A block of mark and allocation bits (mheap.go).
    GcBitsArena = "runtime.gcBitsArena" {
        need free: "free",
        need next: "next",
        need bits: "bits",
    }
    /// A record attached to an object (mheap.go).
    Special = "runtime.special" {
        need next: "next",
        need offset: "offset",
        need kind: "kind",
    }
    /// A finalizer (mheap.go).
    SpecialFinalizer = "runtime.specialfinalizer" {
        need func: "fn",
        need pointer_type: "ot",
    }
    /// A link to an allocation site (mheap.go).
    SpecialProfile = "runtime.specialprofile" {
        need bucket: "b",
    }
    /// An allocation site: a stack and a size (mprof.go). The stack's return addresses follow, then the record.
    Bucket = "runtime.bucket" {
        need all_next: "allnext",
        need kind: "typ",
        need object_size: "size",
        need stack_len: "nstk",
    }
    /// What was allocated and freed at a site (mprof.go): what is published, and what three collections to come will add.
    MemRecord = "runtime.memRecord" {
        need active: "active",
        need future: "future",
    }
    /// Counts of a site; bytes only up to 1.26 (mprof.go).
    MemRecordCycle = "runtime.memRecordCycle" {
        need allocs: "allocs",
        need frees: "frees",
        may alloc_bytes: "alloc_bytes",
        may free_bytes: "free_bytes",
    }
    /// The handle behind `weak.Pointer` and unique (mheap.go, 1.23 on).
    SpecialWeakHandle = "runtime.specialWeakHandle" {
        need handle: "handle",
    }
    /// `runtime.AddCleanup` (mheap.go, 1.24 on).
    SpecialCleanup = "runtime.specialCleanup" {
        need func: "fn" | "cleanup",
    }
    /// A cleanup with its argument (mcleanup.go, 1.26 on).
    CleanupFn = "runtime.cleanupFn" {
        need call: "call",
        need func: "fn",
        need arg: "arg",
    }
    /// A block of queued finalizers (mfinal.go).
    FinBlock = "runtime.finblock" | "runtime.finBlock" {
        need all_link: "alllink",
        need count: "cnt",
        need finalizers: "fin",
    }
    /// A queued finalizer (mfinal.go).
    Finalizer = "runtime.finalizer" {
        need func: "fn",
        need arg: "arg",
        need fint: "fint",
        need ot: "ot",
    }
    /// The queue of cleanups (mcleanup.go, 1.25 on).
    CleanupQueue = "runtime.cleanupQueue" {
        need all: "all",
    }
    /// The head of a block of queued cleanups (mcleanup.go, 1.25 on).
    CleanupBlockHeader = "runtime.cleanupBlockHeader" {
        need all_link: "alllink",
        need count: "n",
    }
    /// A block of queued cleanups (mcleanup.go, 1.25 on).
    CleanupBlock = "runtime.cleanupBlock" {
        need cleanups: "cleanups",
    }
    /// A goroutine (runtime2.go).
    G = "runtime.g" {
        need stack: "stack",
        need panic: "_panic",
        need defers: "_defer",
        need m: "m",
        need sched: "sched",
        need syscallsp: "syscallsp",
        need syscallpc: "syscallpc",
        need atomicstatus: "atomicstatus",
        need goid: "goid",
        need waitsince: "waitsince",
        need waitreason: "waitreason",
        need async_safe_point: "asyncSafePoint",
        may parent_goid: "parentGoid",
        need gopc: "gopc",
        need startpc: "startpc",
        need waiting: "waiting",
        may x_regs: "xRegs",
    }
    /// A goroutine in the queue of what it waits for (runtime2.go). From 1.26 on, what it waits for is kept twice: as a
    /// number, which is always set, and as a pointer, which the collector follows.
    Sudog = "runtime.sudog" {
        need g: "g",
        need next: "next",
        need waitlink: "waitlink",
        need elem: "elem.vu" | "elem",
        need elem_traced: "elem.vp" | "elem",
        need chan: "c.vu" | "c",
        need chan_traced: "c.vp" | "c",
    }
    /// Condition variables (sync/cond.go); only in programs that use them.
    Cond = "sync.Cond" {
        need notify: "notify",
        need head: "notify.head",
    }
    /// Vector registers of a preempted goroutine (preempt_xreg.go, 1.26 on).
    XRegState = "runtime.xRegState" {
        need regs: "regs",
    }
    /// The bounds of a stack (runtime2.go).
    Stack = "runtime.stack" {
        need lo: "lo",
        need hi: "hi",
    }
    /// Saved registers of a goroutine that does not run (runtime2.go).
    Gobuf = "runtime.gobuf" {
        need sp: "sp",
        need pc: "pc",
        need ctxt: "ctxt",
    }
    /// A thread (runtime2.go).
    M = "runtime.m" {
        need g0: "g0",
        need procid: "procid",
        need gsignal: "gsignal",
        need tls: "tls",
        need curg: "curg",
        need p: "p",
        need all_link: "alllink",
        need vdso_sp: "vdsoSP",
        need vdso_pc: "vdsoPC",
    }
    /// A processor (runtime2.go).
    P = "runtime.p" {
        need mcache: "mcache",
    }
    /// The allocation cache of a processor (mcache.go).
    Mcache = "runtime.mcache" {
        need tiny: "tiny",
    }
    /// A deferred call (runtime2.go).
    Defer = "runtime._defer" {
        need heap: "heap",
        need func: "fn",
        need link: "link",
    }
    /// Pointer maps of one function's frame, one map per safe point (symtab.go).
    StackMap = "runtime.stackmap" {
        need n: "n",
        need nbit: "nbit",
        need bytedata: "bytedata",
    }
    /// A pointer map (stack.go).
    BitVector = "runtime.bitvector" {
        need n: "n",
        need bytedata: "bytedata",
    }
    /// A variable on the stack whose address is taken (stack.go).
    StackObjectRecord = "runtime.stackObjectRecord" {
        need off: "off",
        need obj_size: "size",
        need ptr_bytes: "ptrBytes" | "_ptrdata",
        need gcdata_off: "gcdataoff",
    }
    /// What reflect's call stubs keep of a method value or made function (stkframe.go).
    ReflectMethodValue = "runtime.reflectMethodValue" {
        need func: "fn",
        need stack: "stack",
        need arg_len: "argLen",
    }
}
