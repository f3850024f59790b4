//! What a variable of the runtime has to look like before it is believed to be the one looked for.
//!
//! The target may be running: the checks ask for what holds at any moment.

use leakscope_target::{Addr, AddrRange, Memory};

use crate::dwarf::DebugInfo;
use crate::pclntab::Functions;

/// Judges an address; `None` where the variable cannot lie there.
pub(super) type Check = fn(&Place<'_>, Addr) -> Option<()>;

/// Pages of the heap (`runtime._PageSize`).
const PAGE: u64 = 8 << 10;
/// Pages of the system.
const SYSTEM_PAGE: u64 = 4 << 10;
/// Entries of a list that are looked at.
const SAMPLES: u64 = 16;
/// More spans, goroutines, threads or pools than any program has.
const MAX_ENTRIES: u64 = 1 << 32;
/// Larger sums of bytes do not fit an address space.
const MAX_BYTES: u64 = 1 << 48;

/// Where variables are looked for, and by what.
pub(super) struct Place<'a> {
    pub(super) debug: &'a DebugInfo,
    pub(super) functions: &'a Functions,
    pub(super) memory: &'a dyn Memory,
    /// The four pieces of the program's variables.
    pub(super) data: [AddrRange; 4],
}

/// A slice in the target.
struct Slice {
    at: Addr,
    len: u64,
}

impl Place<'_> {
    /// Whether `at` lies among the program's variables.
    pub(super) fn holds(&self, at: Addr) -> bool {
        self.data.iter().any(|r| r.contains(at))
    }

    fn u64(&self, at: Addr) -> Option<u64> {
        self.memory.u64(at).ok()
    }

    fn u32(&self, at: Addr) -> Option<u32> {
        self.memory.u32(at).ok()
    }

    fn at(&self, base: Addr, strukt: &str, path: &str) -> Option<Addr> {
        base.checked_add(self.debug.field(strukt, path)?.offset)
    }

    fn word(&self, base: Addr, strukt: &str, path: &str) -> Option<u64> {
        self.u64(self.at(base, strukt, path)?)
    }

    fn half(&self, base: Addr, strukt: &str, path: &str) -> Option<u32> {
        self.u32(self.at(base, strukt, path)?)
    }

    /// A pointer that is nil or leads somewhere aligned and readable.
    fn pointer(&self, at: Addr) -> Option<Addr> {
        let to = Addr(self.u64(at)?);
        let valid = to.is_nil() || (to.0.is_multiple_of(8) && self.u64(to).is_some());
        valid.then_some(to)
    }

    /// A slice whose length fits its capacity.
    fn slice(&self, at: Addr) -> Option<Slice> {
        let to = self.pointer(at)?;
        let (len, cap) = (
            self.u64(at.checked_add(8)?)?,
            self.u64(at.checked_add(16)?)?,
        );
        let valid = len <= cap && cap < MAX_ENTRIES && to.is_nil() == (cap == 0);
        valid.then_some(Slice { at: to, len })
    }

    /// The first pointers of a slice of at least one.
    fn first(&self, slice: &Slice) -> Option<Vec<Addr>> {
        let some = slice.len.min(SAMPLES);
        let one = |i| Some(Addr(self.u64(slice.at.checked_add(i * 8)?)?));
        let found: Vec<Addr> = (0..some).map(one).collect::<Option<_>>()?;
        (!found.is_empty()).then_some(found)
    }

    fn text(&self, at: Addr) -> Option<Vec<u8>> {
        const LONGEST: u64 = 256;
        let to = self.pointer_to_bytes(at)?;
        let len = self.u64(at.checked_add(8)?)?;
        let mut bytes = vec![0; usize::try_from(len.min(LONGEST)).ok()?];
        self.memory.read(to, &mut bytes).ok()?;
        Some(bytes)
    }

    fn pointer_to_bytes(&self, at: Addr) -> Option<Addr> {
        self.memory.ptr(at).ok()
    }
}

fn holds(condition: bool) -> Option<()> {
    condition.then_some(())
}

/// Nothing but its place.
pub(super) fn inside(_: &Place<'_>, at: Addr) -> Option<()> {
    holds(at.0.is_multiple_of(8))
}

/// A `bool` is 0 or 1.
pub(super) fn truth(p: &Place<'_>, at: Addr) -> Option<()> {
    holds(p.memory.u8(at).ok()? <= 1)
}

/// The first spans of the list start at pages and have pages; the number of the sweep is even.
pub(super) fn mheap(p: &Place<'_>, at: Addr) -> Option<()> {
    const HEAP: &str = "runtime.mheap";
    const SPAN: &str = "runtime.mspan";
    let spans = p.slice(p.at(at, HEAP, "allspans")?)?;
    let some = p.first(&spans)?;
    let mut good = 0;
    for span in &some {
        let start = p.word(*span, SPAN, "startAddr")?;
        let pages = p.word(*span, SPAN, "npages")?;
        if start.is_multiple_of(PAGE) && pages < MAX_BYTES / PAGE {
            good += 1;
        }
    }
    holds(good == some.len() && p.half(at, HEAP, "sweepgen")?.is_multiple_of(2))
}

/// A number of goroutines.
pub(super) fn count(p: &Place<'_>, at: Addr) -> Option<()> {
    holds((1..MAX_ENTRIES).contains(&p.u64(at)?))
}

/// A number of processors.
pub(super) fn processors(p: &Place<'_>, at: Addr) -> Option<()> {
    /// The runtime's own limit is lower in all releases.
    const MOST: u32 = 1 << 16;
    holds((1..=MOST).contains(&p.u32(at)?))
}

/// One of the phases.
pub(super) fn gcphase(p: &Place<'_>, at: Addr) -> Option<()> {
    holds(p.u32(at)? <= 2)
}

/// The first goroutine has number 1, and all have stacks with a lower and an upper end.
pub(super) fn allgs(p: &Place<'_>, at: Addr) -> Option<()> {
    const G: &str = "runtime.g";
    let some = p.first(&p.slice(at)?)?;
    for g in &some {
        let (low, high) = (p.word(*g, G, "stack.lo")?, p.word(*g, G, "stack.hi")?);
        holds(low <= high && (low == 0) == (high == 0))?;
    }
    holds(p.word(*some.first()?, G, "goid")? == 1)
}

/// Threads, each of which belongs to its own system goroutine.
pub(super) fn allm(p: &Place<'_>, at: Addr) -> Option<()> {
    const M: &str = "runtime.m";
    let mut m = p.pointer(at)?;
    holds(!m.is_nil())?;
    for _ in 0..SAMPLES {
        let g0 = p.pointer(p.at(m, M, "g0")?)?;
        if !g0.is_nil() {
            holds(p.word(g0, "runtime.g", "m")? == m.0)?;
        }
        m = p.pointer(p.at(m, M, "alllink")?)?;
        if m.is_nil() {
            break;
        }
    }
    Some(())
}

/// Processors, each of which knows its number.
pub(super) fn allp(p: &Place<'_>, at: Addr) -> Option<()> {
    for (i, processor) in p.first(&p.slice(at)?)?.into_iter().enumerate() {
        holds(p.half(processor, "runtime.p", "id")? as usize == i)?;
    }
    Some(())
}

/// A chain of blocks that start at pages.
pub(super) fn persistent_chunks(p: &Place<'_>, at: Addr) -> Option<()> {
    let mut block = Addr(p.u64(at)?);
    holds(!block.is_nil())?;
    for _ in 0..SAMPLES {
        holds(block.0.is_multiple_of(SYSTEM_PAGE))?;
        block = Addr(p.u64(block)?);
        if block.is_nil() {
            break;
        }
    }
    Some(())
}

/// Lists of blocks that are filled no further than they are long.
pub(super) fn gc_bits_arenas(p: &Place<'_>, at: Addr) -> Option<()> {
    const CHUNK: u64 = 64 << 10;
    let type_ = p.debug.unplaced_type("runtime.gcBitsArenas")?;
    let mut blocks = 0;
    for head in ["next", "current", "previous"] {
        let head = p.debug.field_of(type_, head)?.offset;
        let block = p.pointer(at.checked_add(head)?)?;
        if !block.is_nil() {
            holds(block.0.is_multiple_of(SYSTEM_PAGE))?;
            holds(p.word(block, "runtime.gcBitsArena", "free")? <= CHUNK)?;
            blocks += 1;
        }
    }
    holds(blocks > 0)
}

/// Finalizers that fit one block (4 KiB).
const MAX_FINALIZERS: u32 = 101;

fn finalizer_block(p: &Place<'_>, block: Addr) -> Option<u32> {
    let names = ["runtime.finBlock", "runtime.finblock"];
    let name = names.iter().find(|n| p.debug.type_named(n).is_some())?;
    p.half(block, name, "cnt").filter(|n| *n <= MAX_FINALIZERS)
}

/// Nil, or a block.
pub(super) fn finalizer_blocks(p: &Place<'_>, at: Addr) -> Option<()> {
    let block = p.pointer(at)?;
    holds(block.is_nil() || finalizer_block(p, block).is_some())
}

/// Nil, or a block that is not empty.
pub(super) fn finalizer_queue(p: &Place<'_>, at: Addr) -> Option<()> {
    let block = p.pointer(at)?;
    holds(block.is_nil() || finalizer_block(p, block)? > 0)
}

/// A list of blocks, by its first.
pub(super) fn cleanup_queue(p: &Place<'_>, at: Addr) -> Option<()> {
    let block = p.pointer(p.at(at, "runtime.cleanupQueue", "all")?)?;
    holds(block.is_nil() || block.0.is_multiple_of(8))
}

/// The second reason, the same in all releases.
pub(super) fn wait_reasons(p: &Place<'_>, at: Addr) -> Option<()> {
    holds(p.text(at.checked_add(16)?)? == b"GC assist marking")
}

/// One object that lies directly below its frame.
pub(super) fn method_value_objs(p: &Place<'_>, at: Addr) -> Option<()> {
    const OBJECT: &str = "runtime.stackObjectRecord";
    let offset = p.half(at, OBJECT, "off")? as i32;
    let size = p.half(at, OBJECT, "size")? as i32;
    holds(size > 0 && offset < 0 && size.checked_add(7)? & !7 == offset.checked_neg()?)
}

/// Nil, or a record of an allocation site: the code of its first frame is a function's.
pub(super) fn mbuckets(p: &Place<'_>, at: Addr) -> Option<()> {
    const BUCKET: &str = "runtime.bucket";
    const DEEPEST: u64 = 1 << 16;
    let bucket = p.pointer(at)?;
    if bucket.is_nil() {
        return Some(());
    }
    let layout = p.debug.struct_layout(BUCKET)?;
    let frame = Addr(p.u64(bucket.checked_add(layout.size)?)?);
    let frames = p.word(bucket, BUCKET, "nstk")?;
    holds(p.word(bucket, BUCKET, "typ")? == 1 && frames <= DEEPEST)?;
    holds(frames == 0 || p.functions.find(frame).is_some())
}

/// Collections that took less than a day together, and each less than that.
pub(super) fn memstats(p: &Place<'_>, at: Addr) -> Option<()> {
    const STATS: &str = "runtime.mstats";
    const DAY: u64 = 86_400_000_000_000;
    const PAUSES: u64 = 256;
    let count = u64::from(p.half(at, STATS, "numgc")?);
    let forced = u64::from(p.half(at, STATS, "numforcedgc")?);
    let all = p.word(at, STATS, "pause_total_ns")?;
    let last = (count + PAUSES - 1) % PAUSES;
    let last = p.at(at, STATS, "pause_ns")?.checked_add(last * 8)?;
    holds(forced <= count && all < DAY && (count == 0) == (all == 0) && p.u64(last)? <= all)
}

/// A percentage, and sums of bytes.
pub(super) fn gc_controller(p: &Place<'_>, at: Addr) -> Option<()> {
    const CONTROLLER: &str = "runtime.gcControllerState";
    let percent = p.half(at, CONTROLLER, "gcPercent")? as i32;
    let minimum = p.word(at, CONTROLLER, "heapMinimum")?;
    let live = p.word(at, CONTROLLER, "heapLive")?;
    let marked = p.word(at, CONTROLLER, "heapMarked")?;
    // With the collector switched off, the smallest heap is a share of -1 %.
    holds(percent >= -1 && minimum > 0)?;
    holds((1..MAX_BYTES).contains(&live) && marked < MAX_BYTES)
}

/// Numbers of threads.
pub(super) fn sched(p: &Place<'_>, at: Addr) -> Option<()> {
    const SCHED: &str = "runtime.schedt";
    let most = p.half(at, SCHED, "maxmcount")? as i32;
    let idle = p.half(at, SCHED, "nmidle")? as i32;
    let made = p.word(at, SCHED, "mnext")?;
    holds(most > 0 && (0..=most).contains(&idle) && (1..MAX_ENTRIES).contains(&made))
}

/// A table whose size is a power of two and larger than what it holds.
pub(super) fn itab_table(p: &Place<'_>, at: Addr) -> Option<()> {
    const TABLE: &str = "runtime.itabTableType";
    let table = p.pointer(at)?;
    holds(!table.is_nil())?;
    let size = p.word(table, TABLE, "size")?;
    let count = p.word(table, TABLE, "count")?;
    holds(size.is_power_of_two() && size < MAX_ENTRIES && count <= size)
}

/// A number of a collection, which starts again at three times 2^25, above a flag (mprof.go, `mProfCycleWrap`).
pub(super) fn profile_cycle(p: &Place<'_>, at: Addr) -> Option<()> {
    const WRAP: u32 = 3 * (2 << 24);
    holds(at.0.is_multiple_of(4) && p.u32(at)? >> 1 < WRAP)
}

/// A table that the kernel gave, or none yet.
pub(super) fn profile_table(p: &Place<'_>, at: Addr) -> Option<()> {
    holds(at.0.is_multiple_of(8) && p.u64(at)?.is_multiple_of(SYSTEM_PAGE))
}

/// Bytes between two samples.
pub(super) fn profile_rate(p: &Place<'_>, at: Addr) -> Option<()> {
    holds(p.u64(at)? < MAX_BYTES)
}

/// A release.
pub(super) fn build_version(p: &Place<'_>, at: Addr) -> Option<()> {
    let text = p.text(at)?;
    holds(text.starts_with(b"go1") || text.starts_with(b"devel"))
}

/// A list of pools, which are used by processors.
pub(super) fn pools(p: &Place<'_>, at: Addr) -> Option<()> {
    let list = p.slice(at)?;
    for pool in p.first(&list).unwrap_or_default() {
        holds(p.word(pool, "sync.Pool", "localSize")? < MAX_ENTRIES)?;
    }
    Some(())
}
