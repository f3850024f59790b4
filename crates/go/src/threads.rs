//! Threads as the runtime knows them (`runtime.m`), joined with the captured ones.

use leakscope_target::{Addr, AddrRange, Image, Memory, Registers, Thread};

use crate::coverage::Gaps;
use crate::layouts::Layouts;
use crate::unwind::{StackBytes, Start, StartKind, Unwinder};

/// Most threads followed: the runtime refuses to make more than 10,000 unless told otherwise.
const MAX_MACHINES: usize = 1 << 16;
/// Registers in the order of the kernel's `sigcontext` on x86-64, as indices into [`Registers::general`]: r8 to r15,
/// rdi, rsi, rbp, rbx, rdx, rax, rcx. rsp and rip follow.
const SIGCONTEXT_ORDER: [usize; 15] = [7, 8, 9, 10, 11, 12, 13, 14, 5, 4, 6, 1, 3, 0, 2];
/// Offset of those registers in `ucontext` (x86-64: flags, link, and the stack's three words).
const SIGCONTEXT_AT: u64 = 40;

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
    let sched_sp = Addr(
        layouts
            .g
            .sched
            .at(g0)
            .0
            .wrapping_add(layouts.gobuf.sp.offset.into()),
    );
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

/// The bounds of a goroutine's stack; empty where they cannot be read.
fn stack_of(image: &Image, layouts: &Layouts, g: Addr) -> AddrRange {
    if g.is_nil() {
        return AddrRange::default();
    }
    let stack = layouts.g.stack.at(g);
    let bound = |f: crate::layouts::Field| image.ptr(f.at(stack)).unwrap_or_default();
    AddrRange {
        start: bound(layouts.stack.lo),
        end: bound(layouts.stack.hi),
    }
}

/// Where a thread that stands in a signal handler was interrupted: the kernel has put its registers on the signal
/// stack, above the frame of the runtime's trampoline (sys_linux_amd64.s, `sigtramp`).
pub(crate) fn interrupted_registers(
    image: &Image,
    unwinder: &mut Unwinder<'_>,
    machine: &Machine,
    registers: &Registers,
) -> Option<Registers> {
    let sp = registers.sp.0;
    let bytes = image
        .bytes(registers.sp, machine.gsignal.end.0.checked_sub(sp)?)
        .ok()?;
    let stack = StackBytes { from: sp, bytes };
    let mut context = None;
    let start = Start {
        pc: registers.pc.0,
        sp,
        kind: StartKind::Interrupted,
    };
    unwinder.unwind(start, stack, |frame, _| match frame.func.name() {
        "runtime.sigtramp" => context = Some(frame.fp),
        // The handler has returned, and the stack pointer stands where the context begins.
        "runtime.sigreturn__sigaction" => context = Some(frame.sp),
        _ => {}
    });
    let at = context?.checked_add(SIGCONTEXT_AT)?;
    let word = |i: u64| stack.word(at.checked_add(i * 8)?);
    let mut general = [0; 15];
    for (i, register) in SIGCONTEXT_ORDER.into_iter().enumerate() {
        *general.get_mut(register)? = word(i as u64)?;
    }
    Some(Registers {
        pc: Addr(word(16)?),
        sp: Addr(word(15)?),
        fs_base: registers.fs_base,
        general,
    })
}
