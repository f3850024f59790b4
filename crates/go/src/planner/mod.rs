//! What to copy of a Go process while it is stopped.
//!
//! The walk that finds it out runs twice: on the running process, to learn how much there is, and inside the stop,
//! where it must be fast and may not allocate. It reads the runtime's records of spans and goroutines in windows of
//! thousands, each with one system call: `allspans` lists the records in the order in which they were made, which is
//! nearly the order in which they lie in memory (mheap.go, `recordspan`).

mod arenas;
mod tables;
mod window;

use leakscope_target::{Addr, AddrRange, CopyPlan, CopyPlanner, Fault, Memory, PlanError};

use crate::layouts::Layouts;
use crate::program::Program;
use crate::spans::{RawSpan, Sweep, all_spans};
use arenas::ArenaParts;
use window::Window;

/// Most blocks of any of the runtime's own allocators that are followed: 2^18 of 64 KiB are 16 GiB of bookkeeping.
const MAX_BLOCKS: usize = 1 << 18;
/// Most threads followed.
const MAX_MACHINES: usize = 1 << 16;
/// Most goroutines looked at.
const MAX_GOROUTINES: u64 = 1 << 24;
/// Largest stack copied: the runtime ends a goroutine at 1 GB unless told otherwise.
const MAX_STACK: u64 = 4 << 30;
/// What is copied of a system stack below where the runtime left it, and of a signal stack from its base: C code and
/// signal handlers may go deeper, but nothing of the heap should hang there.
const SYSTEM_STACK: u64 = 16 << 10;
/// Room for a type descriptor in front of its unrolled mask (48 bytes in all releases).
const UNROLLED_TYPE: u64 = 128;
/// Most bytes copied of a plugin's constants.
const MAX_CONSTANTS: u64 = 64 << 20;
/// Bytes copied of a moduledata (about 600 in all releases).
const MODULE: u64 = 1 << 10;

/// Which spans without pointers are worth copying. Their objects are counted all the same; contents matter only where
/// they are part of a map.
pub type NoscanWanted = Box<dyn Fn(NoscanSpan) -> bool + Send>;

/// A span without pointers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NoscanSpan {
    /// Size class, 0 for a large object.
    pub size_class: u8,
    /// Bytes of one slot.
    pub elem_size: u64,
    /// Bytes that were asked for, of a large object; else as `elem_size`.
    pub requested: u64,
}

/// Plans the copy of a Go process.
pub struct GoPlanner {
    layouts: Layouts,
    /// What changes while the program runs, and what the loader changed when it started.
    fixed: Vec<AddrRange>,
    noscan: Option<NoscanWanted>,
    window: Window,
    arenas: ArenaParts,
}

/// Where ranges go: into a plan of fixed room, or into a list that grows.
type Push<'a> = &'a mut dyn FnMut(AddrRange) -> Result<(), PlanError>;

impl GoPlanner {
    /// A planner for `program`, whose runtime has these layouts. Copies every span that holds objects.
    pub fn new(program: &Program, layouts: Layouts) -> Self {
        let mut fixed = Vec::new();
        // Writable segments hold, besides variables, what a position independent program has relocated.
        for segment in program.exe().segments().iter().filter(|s| s.writable) {
            fixed.push(range(
                Addr(segment.start.wrapping_add(program.bias())),
                segment.file_size,
            ));
        }
        for module in program.modules() {
            fixed.push(range(module.at, MODULE));
            fixed.extend([module.noptrdata, module.data, module.bss, module.noptrbss]);
            let masks = [module.data_mask, module.bss_mask];
            fixed.extend(masks.map(|m| range(m.at, m.bits.div_ceil(8))));
        }
        for plugin in program.modules().iter().skip(1) {
            // Its file is not at hand, so its constants are copied: descriptors of types, and pointer masks.
            let from = plugin.rodata.min(plugin.types.start);
            let len = plugin.types.end.0.saturating_sub(from.0);
            fixed.push(range(from, len.min(MAX_CONSTANTS)));
        }
        Self {
            layouts,
            fixed,
            noscan: None,
            window: Window::new(),
            arenas: ArenaParts::new(),
        }
    }

    /// Copies spans without pointers only where `wanted` says so.
    pub fn noscan_where(mut self, wanted: NoscanWanted) -> Self {
        self.noscan = Some(wanted);
        self
    }

    fn walk(&mut self, memory: &dyn Memory, push: Push<'_>) -> Result<(), PlanError> {
        for range in &self.fixed {
            push(*range)?;
        }
        self.persistent_chunks(memory, push)?;
        self.gc_bits(memory, push)?;
        tables::push(memory, &self.layouts, push)?;
        self.spans(memory, push)?;
        self.goroutines(memory, push)?;
        self.threads(memory, push)
    }

    /// Blocks of the runtime's allocator for what lives for ever: records of spans and specials, itabs made at run
    /// time, profile buckets, queued finalizers and cleanups (malloc.go, `persistentalloc`; chained through their
    /// first word).
    fn persistent_chunks(&self, memory: &dyn Memory, push: Push<'_>) -> Result<(), PlanError> {
        const WHAT: &str = "runtime.persistentChunks";
        let mut at = memory
            .ptr(self.layouts.globals.persistent_chunks)
            .map_err(unreadable(WHAT))?;
        for _ in 0..MAX_BLOCKS {
            if at.is_nil() {
                break;
            }
            push(range(at, self.layouts.heap.persistent_chunk))?;
            at = memory.ptr(at).map_err(unreadable(WHAT))?;
        }
        Ok(())
    }

    /// Blocks of mark and allocation bits in use (mheap.go, `gcBitsArenas`).
    fn gc_bits(&self, memory: &dyn Memory, push: Push<'_>) -> Result<(), PlanError> {
        const WHAT: &str = "runtime.gcBitsArenas";
        let arena = &self.layouts.gc_bits_arena;
        let header = u64::from(arena.bits.offset);
        let [_free, in_use @ ..] = self.layouts.globals.gc_bits_arenas;
        for head in in_use {
            let mut at = memory.ptr(head).map_err(unreadable(WHAT))?;
            for _ in 0..MAX_BLOCKS {
                if at.is_nil() {
                    break;
                }
                let used = memory.u64(arena.free.at(at)).map_err(unreadable(WHAT))?;
                let room = self.layouts.heap.gc_bits_chunk.saturating_sub(header);
                push(range(at, header + used.min(room)))?;
                at = memory.ptr(arena.next.at(at)).map_err(unreadable(WHAT))?;
            }
        }
        Ok(())
    }

    fn spans(&mut self, memory: &dyn Memory, push: Push<'_>) -> Result<(), PlanError> {
        let Self {
            layouts,
            window,
            noscan,
            arenas,
            ..
        } = self;
        let (array, len) =
            all_spans(memory, layouts).map_err(unreadable("runtime.mheap_.allspans"))?;
        push(range(array, len.saturating_mul(8)))?;
        let sweepgen = memory
            .u32(layouts.mheap.sweepgen.at(layouts.globals.mheap))
            .map_err(unreadable("runtime.mheap_.sweepgen"))?;
        let mut result = Ok(());
        arenas.start();
        window.for_each(memory, array, len, layouts.mspan.size, |_, record| {
            if result.is_ok() && layouts.mspan.state.get(record) == layouts.heap.span_in_use {
                let raw = RawSpan::decode(&layouts.mspan, record);
                result = span_ranges(&raw, layouts, sweepgen, noscan.as_deref(), push);
                if let Some(bits) = layouts.heap.arena_bits.filter(|_| raw.has_pointers())
                    && let Ok(bytes) = raw.check(&layouts.heap)
                {
                    arenas.note(memory, layouts, bits, range(Addr(raw.start), bytes));
                }
            }
        })?;
        result?;
        arenas.push(push)
    }

    /// The used part of each goroutine's stack; all of it where the goroutine runs.
    fn goroutines(&mut self, memory: &dyn Memory, push: Push<'_>) -> Result<(), PlanError> {
        const WHAT: &str = "runtime.allgs";
        let Self {
            layouts, window, ..
        } = self;
        let allgs = layouts.globals.allgs;
        let array = memory.ptr(allgs).map_err(unreadable(WHAT))?;
        let len = memory
            .u64(Addr(allgs.0.wrapping_add(8)))
            .map_err(unreadable(WHAT))?
            .min(MAX_GOROUTINES);
        let g = &layouts.g;
        let ends = [g.stack, g.sched, g.syscallsp, g.atomicstatus]
            .map(|f| f.offset.saturating_add(f.size));
        let prefix = ends.into_iter().max().unwrap_or(g.size).min(g.size);
        let mut result = Ok(());
        window.for_each(memory, array, len, prefix, |_, record| {
            if result.is_ok() {
                result = push(stack_range(record, layouts));
            }
        })?;
        result
    }

    /// System stacks, and the signal stacks of threads that run Go: one of them may be in a signal handler.
    fn threads(&self, memory: &dyn Memory, push: Push<'_>) -> Result<(), PlanError> {
        const WHAT: &str = "runtime.allm";
        let m = &self.layouts.m;
        let mut at = memory
            .ptr(self.layouts.globals.allm)
            .map_err(unreadable(WHAT))?;
        for _ in 0..MAX_MACHINES {
            if at.is_nil() {
                break;
            }
            let field = |f: crate::layouts::Field| memory.ptr(f.at(at)).map_err(unreadable(WHAT));
            let g0 = field(m.g0)?;
            if let Ok((stack, sp)) = self.stack_of(memory, g0) {
                let left = sp.clamp(stack.start.0, stack.end.0);
                let from = left.saturating_sub(SYSTEM_STACK).max(stack.start.0);
                push(AddrRange {
                    start: Addr(from),
                    end: stack.end,
                })?;
            }
            if !field(m.curg)?.is_nil()
                && let Ok((stack, _)) = self.stack_of(memory, field(m.gsignal)?)
            {
                let from = stack.end.0.saturating_sub(SYSTEM_STACK).max(stack.start.0);
                push(AddrRange {
                    start: Addr(from),
                    end: stack.end,
                })?;
            }
            at = field(m.all_link)?;
        }
        Ok(())
    }

    /// The bounds of a goroutine's stack, and where its stack pointer was saved.
    fn stack_of(&self, memory: &dyn Memory, at: Addr) -> Result<(AddrRange, u64), Fault> {
        let g = &self.layouts.g;
        let stack = g.stack.at(at);
        let lo = memory.ptr(self.layouts.stack.lo.at(stack))?;
        let hi = memory.ptr(self.layouts.stack.hi.at(stack))?;
        let sp = memory.u64(self.layouts.gobuf.sp.at(g.sched.at(at)))?;
        if lo >= hi || hi.0 - lo.0 > MAX_STACK {
            return Err(Fault::Unmapped(lo));
        }
        Ok((AddrRange { start: lo, end: hi }, sp))
    }
}

impl CopyPlanner for GoPlanner {
    fn rehearse(&mut self, running: &dyn Memory) -> Result<CopyPlan, PlanError> {
        let mut ranges: Vec<AddrRange> = Vec::new();
        self.walk(running, &mut |range| {
            match ranges.last_mut() {
                Some(last) if last.end == range.start => last.end = range.end,
                _ if range.is_empty() => {}
                _ => ranges.push(range),
            }
            Ok(())
        })?;
        self.arenas.settle();
        // Room for what the heap grows by until the stop: a quarter, and some for small heaps.
        let mut plan = CopyPlan::with_capacity(ranges.len() + ranges.len() / 4 + 4096);
        for range in ranges {
            plan.push(range)?;
        }
        plan.normalise();
        Ok(plan)
    }

    fn plan(&mut self, stopped: &dyn Memory, plan: &mut CopyPlan) -> Result<(), PlanError> {
        self.walk(stopped, &mut |range| plan.push(range))?;
        plan.normalise();
        Ok(())
    }
}

/// What of a span in use is needed: nothing where no slot is allocated, the slots and the bits behind them where there
/// are pointers, and of others what is wanted of them.
fn span_ranges(
    raw: &RawSpan,
    layouts: &Layouts,
    sweepgen: u32,
    noscan: Option<&(dyn Fn(NoscanSpan) -> bool + Send)>,
    push: Push<'_>,
) -> Result<(), PlanError> {
    let rules = &layouts.heap;
    // What makes no sense is left out; the analysis counts it.
    let Ok(bytes) = raw.check(rules) else {
        return Ok(());
    };
    if raw.alloc_count == 0 {
        return Ok(());
    }
    let start = Addr(raw.start);
    let large = raw.size_class() == 0;
    let requested = if large {
        raw.limit - raw.start
    } else {
        raw.elem_size
    };
    let held = if large {
        requested.next_multiple_of(8).min(bytes)
    } else {
        bytes
    };
    if !raw.noscan() {
        let own_pages = raw.large_type.0.is_multiple_of(rules.page_size);
        if large && own_pages && !raw.large_type.is_nil() {
            // A type made for this one object, in pages of its own: up to 1.23, the pointer program of a large type
            // is unrolled behind it, a bit per word (mbitmap.go, `heapSetType`).
            push(range(raw.large_type, UNROLLED_TYPE + bytes / 64))?;
        }
        return push(range(start, held));
    }
    let span = NoscanSpan {
        size_class: raw.size_class(),
        elem_size: raw.elem_size,
        requested,
    };
    if noscan.is_none_or(|wanted| wanted(span)) {
        return push(range(start, held));
    }
    // Marks that the sweep has not taken out of the span yet.
    let inline = if large {
        None
    } else {
        rules.inline_marks(raw.elem_size)
    };
    match inline {
        Some(marks) if raw.sweep(sweepgen) != Ok(Sweep::Swept) => push(range(
            Addr(raw.start + rules.page_size - marks.reserve),
            marks.reserve,
        )),
        _ => Ok(()),
    }
}

/// The used part of a stack, from the record of its goroutine.
fn stack_range(record: &[u8], layouts: &Layouts) -> AddrRange {
    let g = &layouts.g;
    let status = g.atomicstatus.get(record) & !layouts.statuses.scan;
    let inner = |offset: u32| record.get(offset as usize..).unwrap_or_default();
    let stack = inner(g.stack.offset);
    let (lo, hi) = (layouts.stack.lo.get(stack), layouts.stack.hi.get(stack));
    if layouts.statuses.dead.contains(&status) || lo >= hi || hi - lo > MAX_STACK {
        return AddrRange::default();
    }
    let saved = match g.syscallsp.get(record) {
        0 if status == layouts.statuses.running => lo,
        0 => layouts.gobuf.sp.get(inner(g.sched.offset)),
        sp => sp,
    };
    let from = if (lo..hi).contains(&saved) {
        saved & !7
    } else {
        lo
    };
    AddrRange {
        start: Addr(from),
        end: Addr(hi),
    }
}

fn range(at: Addr, len: u64) -> AddrRange {
    AddrRange::new(at, len).unwrap_or_default()
}

fn unreadable(what: &'static str) -> impl Fn(Fault) -> PlanError {
    move |fault| PlanError::Unreadable { what, fault }
}
