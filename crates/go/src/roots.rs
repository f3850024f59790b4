//! Roots: everything the collector starts marking from (mgcmark.go, `markroot`), and, kept apart, words that only may
//! be pointers.

use leakscope_target::{Addr, Fault, Image, Memory, Thread};

use crate::coverage::Gaps;
use crate::goroutines::{self, Goroutines};
use crate::heapbits::{Masks, PointerReader};
use crate::layouts::Layouts;
use crate::moduledata::BitVector;
use crate::objects::Objects;
use crate::program::Program;
use crate::specials::{SpecialKind, Specials};

/// Most blocks of queued finalizers or cleanups that are followed.
const MAX_BLOCKS: usize = 1 << 18;
/// Most processors (`GOMAXPROCS` is capped far below).
const MAX_PROCESSORS: u64 = 1 << 16;

/// What holds an object, besides other objects.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RootKind {
    /// A word of a package variable, at this address.
    Global {
        /// Address of the word in the target.
        at: Addr,
    },
    /// A pointer in a goroutine's frame.
    Stack {
        /// Index of the goroutine.
        goroutine: u32,
        /// Index of the frame in all frames.
        frame: u32,
        /// Address of the word.
        slot: Addr,
    },
    /// A word of a frame that was stopped anywhere: it may be a pointer.
    Conservative {
        /// Index of the goroutine.
        goroutine: u32,
        /// Index of the frame in all frames.
        frame: u32,
        /// Address of the word.
        slot: Addr,
    },
    /// A register of a running goroutine: it may hold a pointer.
    Register {
        /// Index of the goroutine.
        goroutine: u32,
        /// Index into the captured general registers.
        register: u8,
    },
    /// What a goroutine is about to run, or has deferred.
    Goroutine {
        /// Index of the goroutine.
        goroutine: u32,
    },
    /// A word on a thread's system stack, which the collector does not look at.
    SystemStack {
        /// Thread id.
        tid: i32,
        /// Address of the word.
        slot: Addr,
    },
    /// The function of a finalizer.
    Finalizer {
        /// The object it is set on.
        on: u32,
    },
    /// Held by an object with a finalizer, which may still run.
    FinalizerReach {
        /// The object it is set on.
        on: u32,
    },
    /// Waiting for its finalizer to be run.
    FinalizerQueue,
    /// What a cleanup will run, and on what.
    Cleanup {
        /// The object it is set on.
        on: u32,
    },
    /// A cleanup that is due.
    CleanupQueue,
    /// The handle of a weak pointer.
    WeakHandle {
        /// The object it refers to.
        on: u32,
    },
    /// The block that a processor takes tiny objects from, while a collection marks.
    TinyBlock,
}

impl RootKind {
    /// Whether the collector would not, or not for sure, start from it.
    pub fn is_weak(self) -> bool {
        matches!(
            self,
            Self::Conservative { .. } | Self::Register { .. } | Self::SystemStack { .. }
        )
    }
}

/// One root.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Root {
    /// The pointer; it may lie inside the object.
    pub value: u64,
    /// The object it points to.
    pub obj: u32,
    /// What holds it.
    pub kind: RootKind,
}

/// Everything that is read besides the objects themselves.
pub struct Roots {
    /// All roots, in the order found: globals, specials, queues, goroutines, threads.
    pub roots: Vec<Root>,
    /// Finalizers, cleanups, weak handles, allocation sites.
    pub specials: Specials,
    /// Calls that the runtime will make: finalizers and cleanups, due or not.
    pub calls: Vec<Call>,
    /// Number of finalizers that are due.
    pub due_finalizers: u64,
    /// Number of cleanups that are due, where they have a queue of their own.
    pub due_cleanups: u64,
    /// Goroutines that are not dead.
    pub goroutines: Goroutines,
}

/// A finalizer's or a cleanup's call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Call {
    /// The function value.
    pub func: Addr,
    /// What it is for.
    pub argument: Argument,
}

/// What a [`Call`] passes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Argument {
    /// A finalizer's pointer, and the descriptor of its type (mfinal.go, `finalizer.ot`).
    Object {
        /// The pointer.
        at: Addr,
        /// Descriptor of the pointer's type.
        pointer_type: Addr,
    },
    /// A cleanup's that was stored (mcleanup.go, `cleanupFn`; 1.26 on).
    Stored {
        /// Where.
        at: Addr,
        /// The function value that passes it.
        runs: Addr,
    },
    /// The function value captured it (mcleanup.go, `AddCleanup`; up to 1.25).
    Captured,
}

/// What roots are read from.
#[derive(Clone, Copy)]
pub struct RootSource<'a> {
    /// The target's bytes.
    pub image: &'a Image,
    /// The program in it.
    pub program: &'a Program,
    /// Its runtime's layouts.
    pub layouts: &'a Layouts,
    /// Its objects.
    pub objects: &'a Objects,
    /// Its threads, as captured.
    pub threads: &'a [Thread],
    /// Pointer masks of types.
    pub masks: &'a dyn Masks,
}

impl Roots {
    /// Collects every root. What cannot be read is counted in `gaps`.
    pub fn read(source: RootSource<'_>, gaps: &mut Gaps) -> Self {
        let mut found = Found {
            objects: source.objects,
            roots: Vec::new(),
            calls: Vec::new(),
            due: (0, 0),
            gaps,
        };
        globals(&source, &mut found);
        let specials = Specials::read(source.image, source.layouts, source.objects, found.gaps);
        special_roots(&source, &specials, &mut found);
        if let Err(fault) = finalizer_queue(&source, &mut found) {
            found
                .gaps
                .add("queue of finalizers that cannot be read", at_of(fault));
        }
        if let Err(fault) = cleanup_queue(&source, &mut found) {
            found
                .gaps
                .add("queue of cleanups that cannot be read", at_of(fault));
        }
        if let Err(fault) = tiny_blocks(&source, &mut found) {
            found
                .gaps
                .add("processor that cannot be read", at_of(fault));
        }
        let goroutines = goroutines::read(&source, &mut found);
        let Found {
            roots, calls, due, ..
        } = found;
        Self {
            roots,
            calls,
            due_finalizers: due.0,
            due_cleanups: due.1,
            specials,
            goroutines,
        }
    }
}

/// Collects roots.
pub(crate) struct Found<'a> {
    pub(crate) objects: &'a Objects,
    roots: Vec<Root>,
    calls: Vec<Call>,
    /// Finalizers and cleanups that are due.
    due: (u64, u64),
    pub(crate) gaps: &'a mut Gaps,
}

impl Found<'_> {
    /// Adds a root, if the value points to an object.
    #[inline]
    pub(crate) fn add(&mut self, value: u64, kind: RootKind) {
        if value == 0 {
            return;
        }
        match self.objects.find(value) {
            Some(hit) => self.roots.push(Root {
                value,
                obj: hit.obj,
                kind,
            }),
            None if !kind.is_weak() && self.objects.in_span(value) => {
                self.gaps
                    .add("root that points to a free slot", Addr(value));
            }
            None => {}
        }
    }
}

fn at_of(fault: Fault) -> Addr {
    match fault {
        Fault::Unmapped(at) | Fault::NotInImage(at) | Fault::Denied(at) | Fault::Os { at, .. } => {
            at
        }
        _ => Addr(0),
    }
}

/// The words of data and bss that their masks call pointers (mgcmark.go, `markrootBlock`).
fn globals(source: &RootSource<'_>, found: &mut Found<'_>) {
    for module in source.program.modules() {
        for (range, mask) in [
            (module.data, module.data_mask),
            (module.bss, module.bss_mask),
        ] {
            if global_range(source.image, range.start, range.len() / 8, mask, found).is_none() {
                found
                    .gaps
                    .add("package variables that cannot be read", range.start);
            }
        }
    }
}

fn global_range(
    image: &Image,
    at: Addr,
    words: u64,
    mask: BitVector,
    found: &mut Found<'_>,
) -> Option<()> {
    if words == 0 {
        return Some(());
    }
    let words = words.min(mask.bits);
    let bits = image.bytes(mask.at, words.div_ceil(8)).ok()?;
    let bytes = image.bytes(at, words * 8).ok()?;
    for (i, byte) in bits.iter().enumerate() {
        let mut byte = *byte;
        while byte != 0 {
            let word = i * 8 + byte.trailing_zeros() as usize;
            byte &= byte - 1;
            if let Some(value) = bytes
                .get(word * 8..word * 8 + 8)
                .and_then(|b| b.try_into().ok())
            {
                found.add(
                    u64::from_le_bytes(value),
                    RootKind::Global {
                        at: Addr(at.0 + word as u64 * 8),
                    },
                );
            }
        }
    }
    Some(())
}

/// What specials keep alive (mgcmark.go, `markrootSpans`).
fn special_roots(source: &RootSource<'_>, specials: &Specials, found: &mut Found<'_>) {
    let mut reader = PointerReader::new(source.image, source.objects, source.masks);
    for special in specials.iter() {
        let on = special.obj;
        match special.kind {
            SpecialKind::Finalizer => {
                found.add(special.payload.0, RootKind::Finalizer { on });
                let pointer_type = source.layouts.special_finalizer.pointer_type;
                if let Ok(pointer_type) = source.image.ptr(pointer_type.at(special.at)) {
                    found.calls.push(Call {
                        func: special.payload,
                        argument: Argument::Object {
                            at: special.value,
                            pointer_type,
                        },
                    });
                }
                // Not the object itself: it would never be collected.
                reader.for_each_of(on, |_, value| {
                    found.add(value, RootKind::FinalizerReach { on })
                });
            }
            SpecialKind::WeakHandle => found.add(special.payload.0, RootKind::WeakHandle { on }),
            SpecialKind::Cleanup => {
                let Some(layout) = &source.layouts.special_cleanup else {
                    continue;
                };
                let at = layout.func.at(special.at);
                if let Ok(record) = source.image.bytes(at, layout.func.size.into()) {
                    cleanup(source.layouts, record, RootKind::Cleanup { on }, found);
                }
            }
            SpecialKind::Profile | SpecialKind::Other => {}
        }
    }
    for gap in reader.into_gaps().iter() {
        found
            .gaps
            .add_many(gap.reason, gap.count, gap.examples.first().copied());
    }
}

/// Finalizers that are due (mfinal.go, `finBlock`; all blocks ever made, chained).
fn finalizer_queue(source: &RootSource<'_>, found: &mut Found<'_>) -> Result<(), Fault> {
    let RootSource { image, layouts, .. } = source;
    let (block, entry) = (&layouts.fin_block, &layouts.finalizer);
    let mut at = image.ptr(layouts.globals.allfin)?;
    for _ in 0..MAX_BLOCKS {
        if at.is_nil() {
            break;
        }
        let record = image.bytes(at, block.size.into())?;
        let entries = record
            .get(block.finalizers.offset as usize..)
            .unwrap_or_default();
        let count = block.count.get(record) as usize;
        for finalizer in entries.chunks_exact(entry.size.max(1) as usize).take(count) {
            found.due.0 += 1;
            for field in [entry.func, entry.arg, entry.fint, entry.ot] {
                found.add(field.get(finalizer), RootKind::FinalizerQueue);
            }
            found.calls.push(Call {
                func: Addr(entry.func.get(finalizer)),
                argument: Argument::Object {
                    at: Addr(entry.arg.get(finalizer)),
                    pointer_type: Addr(entry.ot.get(finalizer)),
                },
            });
        }
        at = Addr(block.all_link.get(record));
    }
    Ok(())
}

/// Cleanups that are due (mcleanup.go, `cleanupBlock`, 1.25 on).
fn cleanup_queue(source: &RootSource<'_>, found: &mut Found<'_>) -> Result<(), Fault> {
    let RootSource { image, layouts, .. } = source;
    let (Some((queue, header, block)), Some(gc_cleanups)) =
        (&layouts.cleanup_queue, layouts.globals.gc_cleanups)
    else {
        return Ok(());
    };
    // One function value each in 1.25; from 1.26 on a function with its argument.
    let entry_size = layouts.cleanup_fn.as_ref().map_or(8, |f| f.size.max(8)) as usize;
    let mut at = image.ptr(queue.all.at(gc_cleanups))?;
    for _ in 0..MAX_BLOCKS {
        if at.is_nil() {
            break;
        }
        let record = image.bytes(at, block.size.into())?;
        let entries = record
            .get(block.cleanups.offset as usize..)
            .unwrap_or_default();
        let count = header.count.get(record) as usize;
        for entry in entries.chunks_exact(entry_size).take(count) {
            found.due.1 += 1;
            cleanup(layouts, entry, RootKind::CleanupQueue, found);
        }
        at = Addr(header.all_link.get(record));
    }
    Ok(())
}

/// One cleanup, set or due: `record` is its function value, or from 1.26 on a `cleanupFn`.
fn cleanup(layouts: &Layouts, record: &[u8], kind: RootKind, found: &mut Found<'_>) {
    for word in record.chunks_exact(8) {
        found.add(word.try_into().map_or(0, u64::from_le_bytes), kind);
    }
    let call = match &layouts.cleanup_fn {
        Some(layout) => Call {
            func: Addr(layout.func.get(record)),
            argument: Argument::Stored {
                at: Addr(layout.arg.get(record)),
                runs: Addr(layout.call.get(record)),
            },
        },
        None => Call {
            func: Addr(
                record
                    .first_chunk()
                    .map_or(0, |word| u64::from_le_bytes(*word)),
            ),
            argument: Argument::Captured,
        },
    };
    found.calls.push(call);
}

/// Blocks of tiny objects in use survive a collection under way (mgcmark.go, `gcMarkTinyAllocs`); otherwise the next
/// one drops them.
fn tiny_blocks(source: &RootSource<'_>, found: &mut Found<'_>) -> Result<(), Fault> {
    let RootSource { image, layouts, .. } = source;
    if u64::from(image.u32(layouts.globals.gcphase)?) == layouts.heap.phases.off {
        return Ok(());
    }
    let allp = layouts.globals.allp;
    let (array, len) = (
        image.ptr(allp)?,
        image.u64(Addr(allp.0.wrapping_add(8)))?.min(MAX_PROCESSORS),
    );
    for i in 0..len {
        let p = image.ptr(Addr(array.0.wrapping_add(i * 8)))?;
        let mcache = image.ptr(layouts.p.mcache.at(p))?;
        if !mcache.is_nil() {
            found.add(
                image.u64(layouts.mcache.tiny.at(mcache))?,
                RootKind::TinyBlock,
            );
        }
    }
    Ok(())
}
