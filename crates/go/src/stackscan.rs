//! Scanning one goroutine's stack for pointers (mgcmark.go, `scanstack`; mgcstack.go).

use leakscope_target::{Addr, AddrRange, Image, Memory};

use crate::layouts::Layouts;
use crate::program::Program;
use crate::roots::{Found as Roots, RootKind};
use crate::stackmaps::{Found, StackMaps, StackObject};
use crate::unwind::{Frame, PhysicalFrame, StackBytes, Start, UnwindEnd, Unwinder};

/// Most deferred calls of one goroutine that are followed.
const MAX_DEFERS: usize = 1 << 20;
/// Most bytes of a stack scanned word by word where its frames are not known.
const MAX_BLIND: u64 = 1 << 20;
/// Pieces in which memory that may have holes is read.
const PIECE: u64 = 4096;

/// One goroutine being scanned.
pub(crate) struct Scan<'a, 'b> {
    pub(crate) goroutine: u32,
    pub(crate) stack: AddrRange,
    /// Index of its innermost frame in all frames.
    pub(crate) first_frame: u32,
    pub(crate) found: &'a mut Roots<'b>,
}

/// A stack object not scanned yet, with the frame it belongs to.
struct Waiting {
    object: StackObject,
    frame: u32,
    scanned: bool,
}

/// Pointers into the stack itself, to be followed to the stack objects they keep live.
#[derive(Default)]
struct Queues {
    precise: Vec<u64>,
    maybe: Vec<u64>,
}

/// Scans stacks; keeps its buffers and what it has learned about functions.
pub(crate) struct StackScanner<'a> {
    image: &'a Image,
    layouts: &'a Layouts,
    maps: StackMaps<'a>,
    objects: Vec<Waiting>,
    queues: Queues,
    scratch: Vec<u8>,
}

impl<'a> StackScanner<'a> {
    pub(crate) fn new(image: &'a Image, layouts: &'a Layouts, program: &'a Program) -> Self {
        Self {
            image,
            layouts,
            maps: StackMaps::new(image, layouts, program),
            objects: Vec::new(),
            queues: Queues::default(),
            scratch: Vec::new(),
        }
    }

    /// Takes the value of a register of a running goroutine.
    pub(crate) fn register(&mut self, value: u64, register: u8, scan: &mut Scan<'_, '_>) {
        let kind = RootKind::Register {
            goroutine: scan.goroutine,
            register,
        };
        self.queues.take(value, true, kind, scan);
    }

    /// What the goroutine holds outside its frames: the context of the function it will resume, deferred calls, its
    /// panic, and the vector registers saved when it was preempted.
    pub(crate) fn goroutine_fields(&mut self, g: Addr, record: &[u8], scan: &mut Scan<'_, '_>) {
        let layouts = self.layouts;
        let kind = RootKind::Goroutine {
            goroutine: scan.goroutine,
        };
        let field = |offset: u32| record.get(offset as usize..).unwrap_or_default();
        let ctxt = layouts.gobuf.ctxt.get(field(layouts.g.sched.offset));
        self.queues.take(ctxt, false, kind, scan);
        let panic = layouts.g.panic.get(record);
        if scan.stack.contains(Addr(panic)) {
            self.queues.precise.push(panic);
        }
        let mut at = Addr(layouts.g.defers.get(record));
        for _ in 0..MAX_DEFERS {
            if at.is_nil() {
                break;
            }
            let Ok(defer) = self.image.bytes(at, layouts.defer.size.into()) else {
                scan.found.gaps.add("deferred call that cannot be read", at);
                break;
            };
            let link = layouts.defer.link.get(defer);
            self.queues
                .take(layouts.defer.func.get(defer), false, kind, scan);
            self.queues.take(link, false, kind, scan);
            if layouts.defer.heap.get(defer) != 0 {
                self.queues.take(at.0, false, kind, scan);
            }
            at = Addr(link);
        }
        let (Some(x_regs), Some(state)) = (layouts.g.x_regs, &layouts.x_reg_state) else {
            return;
        };
        if layouts.g.async_safe_point.get(record) != 0 {
            let at = state.regs.at(Addr(x_regs.get(record)));
            let Ok(bytes) = self.image.bytes(at, state.regs.size.into()) else {
                return scan.found.gaps.add(
                    "vector registers of a preempted goroutine that cannot be read",
                    g,
                );
            };
            for (i, word) in bytes.chunks_exact(8).enumerate() {
                let slot = Addr(at.0 + i as u64 * 8);
                let kind = RootKind::Conservative {
                    goroutine: scan.goroutine,
                    frame: scan.first_frame,
                    slot,
                };
                self.queues.take(
                    word.try_into().map_or(0, u64::from_le_bytes),
                    true,
                    kind,
                    scan,
                );
            }
        }
    }

    /// Walks and scans the frames from `start` on; `keep` sees each frame.
    pub(crate) fn frames(
        &mut self,
        unwinder: &mut Unwinder<'_>,
        start: Start,
        scan: &mut Scan<'_, '_>,
        mut keep: impl FnMut(Frame),
    ) -> UnwindEnd {
        let mut scratch = std::mem::take(&mut self.scratch);
        let len = scan.stack.end.0.saturating_sub(start.sp);
        let inside = scan.stack.contains(Addr(start.sp));
        let Some(bytes) = stack_bytes(self.image, start.sp, len, &mut scratch).filter(|_| inside)
        else {
            self.scratch = scratch;
            self.clear();
            return if inside {
                UnwindEnd::Unreadable
            } else {
                UnwindEnd::NoStart
            };
        };
        let stack = StackBytes {
            from: start.sp,
            bytes,
        };
        let mut conservative = false;
        let mut frame_index = scan.first_frame;
        let facts = &self.layouts.unwind;
        let (asyncpreempt, debug_call) = (facts.asyncpreempt, facts.debug_call);
        let (end, reached) = unwinder.unwind(start, stack, |frame, public| {
            // A frame put there by a signal holds the registers of its caller, which was stopped anywhere.
            let injected = [asyncpreempt, debug_call].contains(&frame.func.func_id());
            let blind = conservative || injected || frame.interrupted;
            conservative = injected;
            self.frame(frame, blind, frame_index, stack, scan);
            frame_index += 1;
            keep(public);
        });
        if end != UnwindEnd::Complete {
            for at in (reached.checked_next_multiple_of(8).unwrap_or(stack.end())..stack.end())
                .step_by(8)
                .take((MAX_BLIND / 8) as usize)
            {
                let slot = Addr(at);
                let kind = RootKind::Conservative {
                    goroutine: scan.goroutine,
                    frame: frame_index,
                    slot,
                };
                self.queues
                    .take(stack.word(at).unwrap_or(0), true, kind, scan);
            }
        }
        self.follow(stack, scan);
        self.scratch = scratch;
        end
    }

    /// Takes every word of a stack whose frames are not known as a possible pointer.
    pub(crate) fn all_conservatively(&mut self, from: u64, scan: &mut Scan<'_, '_>) {
        let (goroutine, frame) = (scan.goroutine, scan.first_frame);
        self.words(from, scan.stack.end.0, |slot, value| {
            scan.found.add(
                value,
                RootKind::Conservative {
                    goroutine,
                    frame,
                    slot: Addr(slot),
                },
            );
        });
        self.clear();
    }

    /// Calls `f(address, value)` for the words of `[from, to)` that the image has, up to a cap.
    pub(crate) fn words(&self, from: u64, to: u64, mut f: impl FnMut(u64, u64)) {
        let Some(mut at) = from.checked_next_multiple_of(8) else {
            return;
        };
        let to = to.min(at.saturating_add(MAX_BLIND));
        while at < to {
            let end = (at / PIECE).saturating_add(1).saturating_mul(PIECE).min(to);
            if let Ok(bytes) = self.image.bytes(Addr(at), end - at) {
                for (i, word) in bytes.chunks_exact(8).enumerate() {
                    f(
                        at + i as u64 * 8,
                        word.try_into().map_or(0, u64::from_le_bytes),
                    );
                }
            }
            at = end;
        }
    }

    fn frame(
        &mut self,
        frame: &PhysicalFrame<'_>,
        blind: bool,
        index: u32,
        stack: StackBytes<'_>,
        scan: &mut Scan<'_, '_>,
    ) {
        let (queues, objects) = (&mut self.queues, &mut self.objects);
        let mut report = |found| match found {
            Found::Pointer(at) => {
                let kind = RootKind::Stack {
                    goroutine: scan.goroutine,
                    frame: index,
                    slot: Addr(at),
                };
                match stack.word(at) {
                    Some(value) => queues.take(value, false, kind, scan),
                    None => scan
                        .found
                        .gaps
                        .add("pointer map that leaves the stack", Addr(frame.pc)),
                }
            }
            Found::Maybe(at) => {
                let kind = RootKind::Conservative {
                    goroutine: scan.goroutine,
                    frame: index,
                    slot: Addr(at),
                };
                queues.take(stack.word(at).unwrap_or(0), true, kind, scan);
            }
            Found::Object(object) => objects.push(Waiting {
                object,
                frame: index,
                scanned: false,
            }),
            Found::Gap(reason) => scan.found.gaps.add(reason, Addr(frame.pc)),
        };
        if blind {
            self.maps.conservative(frame, stack.end(), &mut report);
        } else {
            self.maps.precise(frame, stack, &mut report);
        }
    }

    /// Scans the stack objects that anything found so far points to, those found precisely first.
    fn follow(&mut self, stack: StackBytes<'_>, scan: &mut Scan<'_, '_>) {
        self.objects.sort_unstable_by_key(|w| w.object.at);
        loop {
            let (pointer, maybe) = match (self.queues.precise.pop(), self.queues.maybe.last()) {
                (Some(p), _) => (p, false),
                (None, Some(p)) => (*p, true),
                (None, None) => break,
            };
            if maybe {
                self.queues.maybe.pop();
            }
            let after = self.objects.partition_point(|w| w.object.at <= pointer);
            let Some(waiting) = after.checked_sub(1).and_then(|i| self.objects.get_mut(i)) else {
                continue;
            };
            if waiting.scanned || pointer - waiting.object.at >= u64::from(waiting.object.size) {
                continue;
            }
            waiting.scanned = true;
            let (object, frame) = (waiting.object, waiting.frame);
            let queues = &mut self.queues;
            self.maps.object_words(&object, |at| {
                let (goroutine, slot) = (scan.goroutine, Addr(at));
                let kind = if maybe {
                    RootKind::Conservative {
                        goroutine,
                        frame,
                        slot,
                    }
                } else {
                    RootKind::Stack {
                        goroutine,
                        frame,
                        slot,
                    }
                };
                queues.take(stack.word(at).unwrap_or(0), maybe, kind, scan);
            });
        }
        self.clear();
    }

    fn clear(&mut self) {
        self.objects.clear();
        self.queues.precise.clear();
        self.queues.maybe.clear();
    }
}

impl Queues {
    /// Takes a word that is (or may be) a pointer: into the stack itself, or to an object.
    #[inline]
    fn take(&mut self, value: u64, maybe: bool, kind: RootKind, scan: &mut Scan<'_, '_>) {
        if value == 0 {
            return;
        }
        if scan.stack.contains(Addr(value)) {
            if maybe {
                self.maybe.push(value)
            } else {
                self.precise.push(value)
            }
        } else {
            scan.found.add(value, kind);
        }
    }
}

/// The bytes of a stack, in place where the image holds them in one piece, else copied to `scratch`.
fn stack_bytes<'a>(
    image: &'a Image,
    at: u64,
    len: u64,
    scratch: &'a mut Vec<u8>,
) -> Option<&'a [u8]> {
    if let Ok(bytes) = image.bytes(Addr(at), len) {
        return Some(bytes);
    }
    if !image.holds(Addr(at), len) {
        return None;
    }
    scratch.resize(len as usize, 0);
    image.read(Addr(at), scratch).ok()?;
    Some(scratch)
}
