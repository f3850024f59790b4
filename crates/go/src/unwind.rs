//! Unwinding goroutine stacks by the program's own tables, the way the runtime does (traceback.go, `unwinder`,
//! Go 1.21 to 1.27, amd64).

use leakscope_target::Addr;
use rustc_hash::FxHashMap;

use crate::layouts::UnwindFacts;
use crate::pclntab::{Func, Functions};

/// Most frames of one stack: a stack of 1 GB (the runtime's own limit) full of small frames has fewer.
const MAX_FRAMES: u32 = 1 << 24;
const WORD: u64 = 8;
/// No stack begins below.
pub(crate) const LOWEST_STACK: u64 = 4096;

/// The readable part of a stack.
#[derive(Clone, Copy)]
pub(crate) struct StackBytes<'a> {
    /// Address of the first byte.
    pub(crate) from: u64,
    pub(crate) bytes: &'a [u8],
}

impl StackBytes<'_> {
    /// The word at `at`.
    #[inline]
    pub(crate) fn word(&self, at: u64) -> Option<u64> {
        let from = usize::try_from(at.checked_sub(self.from)?).ok()?;
        let word = self.bytes.get(from..from.checked_add(8)?)?;
        Some(u64::from_le_bytes(word.try_into().ok()?))
    }

    /// One past the last byte.
    pub(crate) fn end(&self) -> u64 {
        self.from + self.bytes.len() as u64
    }
}

/// One frame of a goroutine's stack. It ends where the next one out begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Frame {
    /// Where execution will go on in this frame: the return address of the call it is in, or for the innermost frame
    /// the instruction it stopped at.
    pub pc: Addr,
    /// The stack pointer there.
    pub sp: Addr,
    /// Whether `pc` is an instruction that trapped, was interrupted or has not begun, rather than the one after a call.
    pub exact: bool,
}

impl Frame {
    /// The address whose function and source line this frame is at: for a return address, the call before it.
    pub fn lookup_pc(&self) -> Addr {
        if self.exact {
            self.pc
        } else {
            Addr(self.pc.0.saturating_sub(1))
        }
    }
}

/// Where an unwind begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Start {
    pub(crate) pc: u64,
    pub(crate) sp: u64,
    pub(crate) kind: StartKind,
}

/// How the goroutine came to stand still.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum StartKind {
    /// At a safe point: the tables describe every frame.
    Parked,
    /// In a system call; the innermost function may have moved the stack pointer since.
    Syscall,
    /// Anywhere: the innermost frame has to be taken conservatively.
    Interrupted,
}

/// How an unwind ended.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum UnwindEnd {
    /// At the outermost function of a stack: `runtime.goexit`, or `mstart` and `rt0_go` of system stacks.
    Complete,
    /// Not begun: nothing says where the goroutine is.
    NoStart,
    /// The stack's memory is not in the image.
    Unreadable,
    /// An address that is in no function.
    UnknownPc,
    /// A function without a frame table.
    NoFrameTable,
    /// A frame that would lie outside the stack, or not grow towards its base.
    BadFrame,
    /// A function further out that moves the stack pointer in a way its table does not show.
    SpWrite,
    /// More frames than any stack can have.
    TooDeep,
}

impl UnwindEnd {
    /// The gap to count, if the unwind did not reach the end of the stack.
    pub fn gap(self) -> Option<&'static str> {
        Some(match self {
            Self::Complete => return None,
            Self::NoStart => "stack of a running goroutine whose thread is not known",
            Self::Unreadable => "stack that is not in the image",
            Self::UnknownPc => "stack with a return address in no known function",
            Self::NoFrameTable => "stack with a function that has no frame table",
            Self::BadFrame => "stack with a frame outside it",
            Self::SpWrite => "stack with a function that moves the stack pointer freely",
            Self::TooDeep => "stack with more frames than it can hold",
        })
    }
}

/// A frame with what scanning it for pointers needs.
#[derive(Clone, Copy)]
pub(crate) struct PhysicalFrame<'a> {
    pub(crate) func: Func<'a>,
    pub(crate) pc: u64,
    /// Where execution would go on, for looking up liveness; 0 where it never will.
    pub(crate) continue_pc: u64,
    pub(crate) sp: u64,
    /// Start of the caller's frame; this one's arguments lie there.
    pub(crate) fp: u64,
    /// Top of the local variables.
    pub(crate) varp: u64,
    /// Whether this is the innermost frame, stopped anywhere rather than at a safe point.
    pub(crate) interrupted: bool,
}

/// Unwinds stacks; remembers what it has looked up, as blocked goroutines stand in few places.
pub(crate) struct Unwinder<'a> {
    functions: &'a Functions,
    facts: &'a UnwindFacts,
    /// Function and frame size by program counter.
    known: FxHashMap<u64, Option<(Func<'a>, Option<i32>)>>,
}

impl<'a> Unwinder<'a> {
    pub(crate) fn new(functions: &'a Functions, facts: &'a UnwindFacts) -> Self {
        Self {
            functions,
            facts,
            known: FxHashMap::default(),
        }
    }

    /// The function that holds `pc`.
    pub(crate) fn function(&mut self, pc: u64) -> Option<Func<'a>> {
        self.at(pc).map(|(func, _)| func)
    }

    fn at(&mut self, pc: u64) -> Option<(Func<'a>, Option<i32>)> {
        let functions = self.functions;
        *self.known.entry(pc).or_insert_with(|| {
            let func = functions.find(Addr(pc))?;
            Some((func, func.sp_delta(Addr(pc))))
        })
    }

    /// Walks the frames of a stack from `start` outwards. `each` sees every frame with its function; returns how the
    /// walk ended and the stack pointer it got to.
    pub(crate) fn unwind(
        &mut self,
        start: Start,
        stack: StackBytes<'_>,
        mut each: impl FnMut(&PhysicalFrame<'a>, Frame),
    ) -> (UnwindEnd, u64) {
        let Start {
            mut pc,
            mut sp,
            kind,
        } = start;
        // A stack is not in the first page, so that the words below a frame can be named without care.
        if stack.from < LOWEST_STACK || sp < stack.from || sp >= stack.end() {
            return (UnwindEnd::Unreadable, sp);
        }
        if pc == 0 {
            // A call of a nil function: begin in its caller.
            match stack.word(sp) {
                Some(caller) => pc = caller,
                None => return (UnwindEnd::Unreadable, sp),
            }
            sp += WORD;
        }
        let mut callee: Option<Func<'a>> = None;
        for n in 0..MAX_FRAMES {
            let innermost = n == 0;
            let Some((func, delta)) = self.at(pc) else {
                return (UnwindEnd::UnknownPc, sp);
            };
            let Some(delta) = delta else {
                return (UnwindEnd::NoFrameTable, sp);
            };
            let Some(fp) = sp
                .checked_add_signed(i64::from(delta) + 8)
                .filter(|fp| *fp > sp && *fp <= stack.end())
            else {
                return (UnwindEnd::BadFrame, sp);
            };
            let top = func.flag() & self.facts.flag_top_frame != 0;
            // cgocallback writes the stack pointer, but keeps both stacks fit for unwinding; a function in a system
            // call did so after its state was saved.
            let sp_write = func.flag() & self.facts.flag_sp_write != 0
                && func.func_id() != self.facts.cgocallback
                && !(innermost && kind == StartKind::Syscall);
            let trapped = callee.is_some_and(|c| self.is_injected(c.func_id()));
            let continue_pc = match callee {
                Some(c) if c.func_id() == self.facts.sigpanic && func.deferreturn() == 0 => 0,
                Some(c) if c.func_id() == self.facts.sigpanic => func
                    .entry()
                    .0
                    .wrapping_add(u64::from(func.deferreturn()) + 1),
                _ => pc,
            };
            // The word below the caller's frame is the return address; below that lies the saved frame pointer, if
            // the function has a frame at all.
            let varp = if fp - WORD > sp {
                fp - 2 * WORD
            } else {
                fp - WORD
            };
            let frame = PhysicalFrame {
                func,
                pc,
                continue_pc,
                sp,
                fp,
                varp,
                interrupted: innermost && kind == StartKind::Interrupted,
            };
            let exact = trapped || frame.interrupted || pc == func.entry().0;
            each(
                &frame,
                Frame {
                    pc: Addr(pc),
                    sp: Addr(sp),
                    exact,
                },
            );
            if top {
                return (UnwindEnd::Complete, fp);
            }
            if sp_write && !innermost && !callee.is_some_and(saves_before_the_switch) {
                return (UnwindEnd::SpWrite, fp);
            }
            let Some(caller) = stack.word(fp - WORD) else {
                return (UnwindEnd::BadFrame, fp);
            };
            callee = Some(func);
            pc = caller;
            sp = fp;
        }
        (UnwindEnd::TooDeep, sp)
    }

    /// Functions whose call a signal handler put on the stack: the caller was interrupted, not calling.
    fn is_injected(&self, id: u8) -> bool {
        let f = self.facts;
        [f.sigpanic, f.asyncpreempt, f.debug_call].contains(&id)
    }
}

/// Whether `callee` is called by its caller only while that still is on its own stack, however freely it moves the stack
/// pointer later: `systemstack` and `asmcgocall` save their state through this function, then switch
/// (`runtime/asm_amd64.s`, 1.21 to 1.27).
fn saves_before_the_switch(callee: Func<'_>) -> bool {
    callee.name() == "gosave_systemstack_switch"
}
