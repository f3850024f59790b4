//! Goroutines: what each one is doing, its frames, and the pointers these hold.

use std::ops::Range;

use leakscope_target::{Addr, AddrRange, Image, Memory};

use crate::budget;
use crate::layouts::Layouts;
use crate::roots::{Found, RootKind, RootSource};
use crate::stackscan::{Scan, StackScanner};
use crate::threads::{Machine, Machines, interrupted_registers, stack_bounds};
use crate::unwind::{Frame, Start, StartKind, UnwindEnd, Unwinder};

/// Most frames kept of all goroutines together.
const MAX_KEPT_FRAMES: usize = 1 << 26;
/// Most wait reasons, and the longest text of one (there are about 50, of at most 40 bytes).
const MAX_REASONS: u64 = 256;
const MAX_REASON_LEN: u64 = 256;

/// One goroutine that is not dead.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Goroutine {
    /// Its `runtime.g`.
    pub at: Addr,
    /// Its number.
    pub id: u64,
    /// What it does: runnable, running, syscall, waiting, ...
    pub status: &'static str,
    /// Index into [`Goroutines::wait_reasons`], of a blocked one.
    pub wait_reason: Option<u8>,
    /// Since when it has been blocked as far as the collector noticed, in the runtime's nanoseconds; 0 if not noticed.
    pub wait_since: u64,
    /// The `go` statement that started it.
    pub created_at: Addr,
    /// The function it was started with.
    pub start_pc: Addr,
    /// The goroutine that started it, 0 where not recorded.
    pub parent: u64,
    /// Bounds of its stack.
    pub stack: AddrRange,
    /// The thread that runs it, where known.
    pub tid: Option<i32>,
    /// Its frames, innermost first: indices into [`Goroutines::frames`].
    pub frames: Range<u32>,
    /// How unwinding it ended.
    pub end: UnwindEnd,
}

/// All goroutines that are not dead, in the runtime's order.
#[derive(Clone, Debug, Default)]
pub struct Goroutines {
    list: Vec<Goroutine>,
    frames: Vec<Frame>,
    wait_reasons: Vec<String>,
    clock: u64,
}

impl Goroutines {
    /// A moment that had passed when the target was captured, in the runtime's nanoseconds: the latest one that the
    /// runtime noted anywhere it is looked for. 0 where none was found.
    pub fn clock(&self) -> u64 {
        self.clock
    }

    /// How long a goroutine has waited at least, nanoseconds; `None` until a collection has seen it wait.
    pub fn waited(&self, goroutine: &Goroutine) -> Option<u64> {
        let blocked = goroutine.wait_reason.is_some() && goroutine.wait_since > 0;
        blocked.then(|| self.clock.saturating_sub(goroutine.wait_since))
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Goroutine> {
        self.list.iter()
    }

    /// The goroutine of this index.
    pub fn get(&self, index: u32) -> Option<&Goroutine> {
        self.list.get(index as usize)
    }

    /// Number of goroutines.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Frames of a goroutine, innermost first.
    pub fn frames(&self, goroutine: &Goroutine) -> &[Frame] {
        self.frames
            .get(goroutine.frames.start as usize..goroutine.frames.end as usize)
            .unwrap_or_default()
    }

    /// The frame of this index.
    pub fn frame(&self, index: u32) -> Option<&Frame> {
        self.frames.get(index as usize)
    }

    /// The runtime's words for why a goroutine waits, by number. Raw text of the target.
    pub fn wait_reasons(&self) -> &[String] {
        &self.wait_reasons
    }
}

/// Reads every goroutine of `runtime.allgs`, unwinds and scans its stack, then the system stacks of threads.
pub(crate) fn read(source: &RootSource<'_>, found: &mut Found<'_>) -> Goroutines {
    let RootSource { image, layouts, .. } = source;
    let machines = Machines::read(image, layouts, source.threads, found.gaps);
    let mut reader = Reader {
        image,
        layouts,
        machines: &machines,
        unwinder: Unwinder::new(source.program.functions(), &layouts.unwind),
        scanner: StackScanner::new(image, layouts, source.program),
        stack_bytes: budget::held(image),
        out: Goroutines {
            wait_reasons: wait_reasons(image, layouts),
            ..Goroutines::default()
        },
    };
    let allgs = layouts.globals.allgs;
    let all = image.ptr(allgs).and_then(|at| {
        let len = image
            .u64(Addr(allgs.0.wrapping_add(8)))?
            .min(budget::most_records(image, layouts.g.size));
        image.bytes(at, len * 8)
    });
    match all {
        Ok(all) => {
            for word in all.chunks_exact(8) {
                let g = Addr(word.try_into().map_or(0, u64::from_le_bytes));
                reader.goroutine(g, found);
            }
        }
        Err(_) => found
            .gaps
            .add("list of goroutines that cannot be read", allgs),
    }
    for machine in machines.iter() {
        reader.system_stack(machine, found);
    }
    let seen = reader.out.list.iter().map(|g| g.wait_since);
    reader.out.clock = seen.chain(noted_moments(source)).max().unwrap_or(0);
    reader.out
}

/// Moments that the runtime notes as it works, in its nanoseconds: when the network was last polled (proc.go,
/// `sched.lastpoll`), and the last collection's end (mstats.go, `memstats.last_gc_nanotime`).
fn noted_moments<'a>(source: &RootSource<'a>) -> impl Iterator<Item = u64> + 'a {
    let (image, program) = (source.image, source.program);
    [
        ("runtime.sched", "lastpoll"),
        ("runtime.memstats", "last_gc_nanotime"),
    ]
    .into_iter()
    .filter_map(move |(global, field)| {
        let debug = program.debug();
        let found = debug.global(global)?;
        let offset = debug.field_of(found.type_, field)?.offset;
        let at = found.addr.checked_add(offset)?.wrapping_add(program.bias());
        image.u64(Addr(at)).ok()
    })
    // Beyond a hundred years of uptime it is no moment.
    .filter(|moment| *moment < 100 * 365 * 24 * 3600 * 1_000_000_000)
}

fn wait_reasons(image: &Image, layouts: &Layouts) -> Vec<String> {
    let (at, bytes) = layouts.globals.wait_reason_strings;
    let text = |i: u64| {
        let entry = Addr(at.0.wrapping_add(i * 16));
        let (text, len) = (
            image.ptr(entry).ok()?,
            image.u64(Addr(entry.0.wrapping_add(8))).ok()?,
        );
        let bytes = image
            .bytes(text, Some(len).filter(|l| *l <= MAX_REASON_LEN)?)
            .ok()?;
        Some(String::from_utf8_lossy(bytes).into_owned())
    };
    (0..(bytes / 16).min(MAX_REASONS))
        .map(|i| text(i).unwrap_or_default())
        .collect()
}

struct Reader<'a> {
    image: &'a Image,
    layouts: &'a Layouts,
    machines: &'a Machines,
    unwinder: Unwinder<'a>,
    scanner: StackScanner<'a>,
    /// How many more bytes of stacks there can be: stacks do not overlap.
    stack_bytes: u64,
    out: Goroutines,
}

/// Where a goroutine stands, and what its registers hold if it was running.
struct Standing {
    start: Start,
    registers: Option<[u64; 15]>,
}

impl Reader<'_> {
    fn goroutine(&mut self, at: Addr, found: &mut Found<'_>) {
        let layouts = self.layouts;
        let g = &layouts.g;
        let Ok(record) = self.image.bytes(at, g.size.into()) else {
            return found.gaps.add("goroutine that cannot be read", at);
        };
        let statuses = &layouts.statuses;
        let status = g.atomicstatus.get(record) & !statuses.scan;
        if statuses.dead.contains(&status) {
            return;
        }
        let Some((_, word)) = statuses.names.iter().find(|(n, _)| *n == status) else {
            return found.gaps.add("goroutine in an unknown state", at);
        };
        let stack = stack_bounds(layouts, inner(record, g.stack.offset));
        let machine = if status == statuses.running {
            self.machines.running(at)
        } else {
            None
        };
        let standing = self.standing(record, status, stack, machine);
        let blocked = status == statuses.waiting || Some(status) == statuses.leaked;
        let index = self.out.list.len() as u32;
        let first = self.out.frames.len();
        let end = self.scan(index, at, record, stack, standing, found);
        if let Some(reason) = end.gap() {
            found.gaps.add(reason, at);
        }
        self.out.list.push(Goroutine {
            at,
            id: g.goid.get(record),
            status: word,
            wait_reason: blocked.then(|| g.waitreason.get(record) as u8),
            wait_since: g.waitsince.get(record),
            created_at: Addr(g.gopc.get(record)),
            start_pc: Addr(g.startpc.get(record)),
            parent: g.parent_goid.map_or(0, |f| f.get(record)),
            stack,
            tid: machine.and_then(|m| m.thread.as_ref()).map(|t| t.tid),
            frames: first as u32..self.out.frames.len() as u32,
            end,
        });
    }

    /// Where the goroutine's innermost Go frame is (traceback.go, `unwinder.initAt`, and for a running one what the
    /// runtime's assembly leaves behind when it switches stacks).
    fn standing(
        &mut self,
        record: &[u8],
        status: u64,
        stack: AddrRange,
        machine: Option<&Machine>,
    ) -> Option<Standing> {
        let g = &self.layouts.g;
        let at = |pc, sp, kind| {
            Some(Standing {
                start: Start { pc, sp, kind },
                registers: None,
            })
        };
        let syscall_sp = g.syscallsp.get(record);
        if syscall_sp != 0 {
            return at(g.syscallpc.get(record), syscall_sp, StartKind::Syscall);
        }
        let sched = inner(record, g.sched.offset);
        let (pc, sp) = (
            self.layouts.gobuf.pc.get(sched),
            self.layouts.gobuf.sp.get(sched),
        );
        if status != self.layouts.statuses.running {
            return at(pc, sp, StartKind::Parked);
        }
        let machine = machine?;
        let mut registers = machine.thread.as_ref()?.registers;
        if machine.gsignal.contains(registers.sp) && !stack.contains(registers.sp) {
            registers = interrupted_registers(self.image, machine, &registers)?;
        }
        if !stack.contains(registers.sp) {
            // On the system stack: the switch saved the goroutine's own state, the vDSO's caller another one.
            let (pc, sp) = machine
                .vdso
                .filter(|(_, sp)| stack.contains(Addr(*sp)))
                .unwrap_or((pc, sp));
            return at(pc, sp, StartKind::Parked);
        }
        let func = self.unwinder.function(registers.pc.0);
        if func.is_some_and(|f| matches!(f.name(), "gogo" | "runtime.gogo")) {
            // Between taking over the goroutine's stack pointer and jumping to where it goes on (asm_amd64.s, `gogo`).
            return at(pc, registers.sp.0, StartKind::Parked);
        }
        let start = Start {
            pc: registers.pc.0,
            sp: registers.sp.0,
            kind: StartKind::Interrupted,
        };
        Some(Standing {
            start,
            registers: Some(registers.general),
        })
    }

    fn scan(
        &mut self,
        goroutine: u32,
        g: Addr,
        record: &[u8],
        stack: AddrRange,
        standing: Option<Standing>,
        found: &mut Found<'_>,
    ) -> UnwindEnd {
        let mut scan = Scan {
            goroutine,
            stack,
            first_frame: self.out.frames.len() as u32,
            found,
        };
        let from = standing.as_ref().map_or(stack.start.0, |s| s.start.sp);
        let left = self
            .stack_bytes
            .checked_sub(stack.end.0.saturating_sub(from));
        let Some(left) = left else {
            return UnwindEnd::Unreadable;
        };
        self.stack_bytes = left;
        let Some(standing) = standing else {
            self.scanner.all_conservatively(stack.start.0, &mut scan);
            return UnwindEnd::NoStart;
        };
        let frames = &mut self.out.frames;
        let keep = |frame| {
            if frames.len() < MAX_KEPT_FRAMES {
                frames.push(frame);
            }
        };
        for (i, value) in standing.registers.iter().flatten().enumerate() {
            self.scanner.register(*value, i as u8, &mut scan);
        }
        self.scanner.goroutine_fields(g, record, &mut scan);
        self.scanner
            .frames(&mut self.unwinder, standing.start, &mut scan, keep)
    }

    /// The system stack of a thread, and its registers: the collector does not look there, and nothing should be held
    /// by them alone, but a stop at any instruction may find it so.
    fn system_stack(&mut self, machine: &Machine, found: &mut Found<'_>) {
        let Some(thread) = &machine.thread else {
            return;
        };
        let mut sp = thread.registers.sp;
        if machine.gsignal.contains(sp) {
            let interrupted = interrupted_registers(self.image, machine, &thread.registers);
            sp = interrupted.map_or(sp, |r| r.sp);
        }
        let from = if machine.g0.contains(sp) {
            sp
        } else {
            Addr(machine.g0_sp)
        };
        if !machine.g0.contains(from) {
            return;
        }
        let tid = thread.tid;
        self.scanner.words(from.0, machine.g0.end.0, |slot, value| {
            found.add(
                value,
                RootKind::SystemStack {
                    tid,
                    slot: Addr(slot),
                },
            );
        });
        if machine.g0.contains(sp) {
            for value in thread.registers.general {
                found.add(value, RootKind::SystemStack { tid, slot: Addr(0) });
            }
        }
    }
}

/// The bytes of a nested struct.
fn inner(record: &[u8], offset: u32) -> &[u8] {
    record.get(offset as usize..).unwrap_or_default()
}
