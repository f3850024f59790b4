//! Threads as the runtime knows them (`runtime.m`), joined with the captured ones.

use leakscope_target::{Addr, AddrRange, Image, Memory, Registers, Thread};

use crate::coverage::Gaps;
use crate::layouts::Layouts;
use crate::spans::MAX_ADDRESS;
use crate::unwind::{LOWEST_STACK, StackBytes};

/// Most threads followed: the runtime refuses to make more than 10,000 unless told otherwise.
const MAX_MACHINES: usize = 1 << 16;
/// Registers in the order of the kernel's `sigcontext` on x86-64, as indices into [`Registers::general`]: r8 to r15,
/// rdi, rsi, rbp, rbx, rdx, rax, rcx. rsp and rip follow.
const SIGCONTEXT_ORDER: [usize; 15] = [7, 8, 9, 10, 11, 12, 13, 14, 5, 4, 6, 1, 3, 0, 2];
/// The kernel's signal frame lies within this many bytes of the stack's end: registers and state of vector units, up to
/// 11 KiB with all that x86-64 has.
const SIGNAL_FRAME: u64 = 16 << 10;
/// Offsets in the kernel's `ucontext` on x86-64: the signal stack (start, flags, size), and those registers.
const UC_STACK: u64 = 16;
const UC_REGISTERS: u64 = 40;

/// One `runtime.m`.
#[derive(Clone, Debug)]
pub(crate) struct Machine {
    /// The goroutine it runs, nil if none.
    pub(crate) curg: Addr,
    /// Its system stack, and how far up that was in use when it was last left.
    pub(crate) g0: AddrRange,
    pub(crate) g0_sp: u64,
    /// The stack its signal handlers run on.
    pub(crate) gsignal: AddrRange,
    /// Where it left Go for the vDSO, if it is there.
    pub(crate) vdso: Option<(u64, u64)>,
    /// The thread as captured.
    pub(crate) thread: Option<Thread>,
    procid: u64,
    tls: AddrRange,
}

/// All threads of the runtime.
#[derive(Default)]
pub(crate) struct Machines {
    list: Vec<Machine>,
}

impl Machines {
    /// Follows `runtime.allm` and finds each one's thread among `threads`.
    pub(crate) fn read(
        image: &Image,
        layouts: &Layouts,
        threads: &[Thread],
        gaps: &mut Gaps,
    ) -> Self {
        let mut list = Vec::new();
        let mut at = image.ptr(layouts.globals.allm).unwrap_or_default();
        while !at.is_nil() && list.len() < MAX_MACHINES {
            let Ok(record) = image.bytes(at, layouts.m.size.into()) else {
                gaps.add("thread of the runtime that cannot be read", at);
                break;
            };
            list.push(machine(image, layouts, at, record));
            at = Addr(layouts.m.all_link.get(record));
        }
        let mut machines = Self { list };
        machines.join(image, layouts, threads);
        machines
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Machine> {
        self.list.iter()
    }

    /// The machine that runs the goroutine at `g`.
    pub(crate) fn running(&self, g: Addr) -> Option<&Machine> {
        self.list.iter().find(|m| m.curg == g)
    }

    /// Joins threads and machines. The stack a thread stands on tells them apart for sure; thread ids are those of
    /// the target's own PID namespace and come second; then the thread-local storage, which lies in the machine
    /// itself unless C is linked in.
    fn join(&mut self, image: &Image, layouts: &Layouts, threads: &[Thread]) {
        let mut stacks: Vec<(AddrRange, usize)> = Vec::new();
        for (i, m) in self.list.iter().enumerate() {
            let curg = stack_of(image, layouts, m.curg);
            stacks.extend(
                [m.g0, m.gsignal, curg]
                    .into_iter()
                    .filter(|s| !s.is_empty())
                    .map(|s| (s, i)),
            );
        }
        stacks.sort_unstable_by_key(|(s, i)| (s.start, *i));
        let mut rest = Vec::new();
        for thread in threads {
            let sp = thread.registers.sp;
            let before = stacks.partition_point(|(s, _)| s.start <= sp);
            let on = before
                .checked_sub(1)
                .and_then(|i| stacks.get(i))
                .filter(|(s, _)| s.contains(sp));
            match on.and_then(|(_, i)| self.list.get_mut(*i)) {
                Some(m) if m.thread.is_none() => m.thread = Some(thread.clone()),
                _ => rest.push(thread),
            }
        }
        for thread in rest {
            let storage = Addr(thread.registers.fs_base.0.wrapping_sub(8));
            let free = |m: &&mut Machine| m.thread.is_none();
            let by_id = self
                .list
                .iter_mut()
                .filter(free)
                .find(|m| m.procid == thread.tid as u64);
            if let Some(m) = by_id {
                m.thread = Some(thread.clone());
            } else if let Some(m) = self
                .list
                .iter_mut()
                .filter(free)
                .find(|m| m.tls.contains(storage))
            {
                m.thread = Some(thread.clone());
            }
        }
    }
}

fn machine(image: &Image, layouts: &Layouts, at: Addr, record: &[u8]) -> Machine {
    let m = &layouts.m;
    let g0 = Addr(m.g0.get(record));
    let sched_sp = layouts.gobuf.sp.at(layouts.g.sched.at(g0));
    let vdso_sp = m.vdso_sp.get(record);
    Machine {
        curg: Addr(m.curg.get(record)),
        g0: stack_of(image, layouts, g0),
        g0_sp: image.u64(sched_sp).unwrap_or(0),
        gsignal: stack_of(image, layouts, Addr(m.gsignal.get(record))),
        vdso: (vdso_sp != 0).then(|| (m.vdso_pc.get(record), vdso_sp)),
        thread: None,
        procid: m.procid.get(record),
        tls: AddrRange::new(m.tls.at(at), m.tls.size.into()).unwrap_or_default(),
    }
}

/// The bounds of a goroutine's stack; empty where they cannot be read or cannot be.
/// The stack of the goroutine at `g`; empty where it has none.
pub(crate) fn stack_of(image: &Image, layouts: &Layouts, g: Addr) -> AddrRange {
    let record = image.bytes(layouts.g.stack.at(g), layouts.stack.size.into());
    stack_bounds(layouts, record.unwrap_or_default())
}

/// The bounds in a `runtime.stack`; empty where they cannot be.
pub(crate) fn stack_bounds(layouts: &Layouts, stack: &[u8]) -> AddrRange {
    let (lo, hi) = (layouts.stack.lo.get(stack), layouts.stack.hi.get(stack));
    if lo < LOWEST_STACK || hi <= lo || hi > MAX_ADDRESS {
        return AddrRange::default();
    }
    AddrRange {
        start: Addr(lo),
        end: Addr(hi),
    }
}

/// Where a thread that stands in a signal handler was interrupted: the kernel has put its registers near the top of the
/// signal stack, in a `ucontext` that names this very stack (`uc_stack`).
pub(crate) fn interrupted_registers(
    image: &Image,
    machine: &Machine,
    registers: &Registers,
) -> Option<Registers> {
    let stack = machine.gsignal;
    let lowest = stack.end.0.saturating_sub(SIGNAL_FRAME);
    let from = registers.sp.0.max(lowest).checked_next_multiple_of(8)?;
    let bytes = image
        .bytes(Addr(from), stack.end.0.checked_sub(from)?)
        .ok()?;
    let bytes = StackBytes { from, bytes };
    // From the top down: handlers that ask the kernel for their stack keep copies of its answer further down.
    let words = (bytes.bytes.len() / 8) as u32;
    let mut candidates = (0..words).rev().map(|word| from + u64::from(word) * 8);
    let context = |at: u64| {
        let word = |offset: u64| bytes.word(at.checked_add(offset)?);
        let named = word(UC_STACK)? == stack.start.0 && word(UC_STACK + 16)? == stack.len();
        named.then_some(())?;
        let mut general = [0; 15];
        for (i, register) in SIGCONTEXT_ORDER.into_iter().enumerate() {
            *general.get_mut(register)? = word(UC_REGISTERS + i as u64 * 8)?;
        }
        let sp = Addr(word(UC_REGISTERS + 15 * 8)?);
        let pc = Addr(word(UC_REGISTERS + 16 * 8)?);
        (!stack.contains(sp)).then_some(Registers {
            pc,
            sp,
            fs_base: registers.fs_base,
            general,
        })
    };
    candidates.find_map(context)
}
