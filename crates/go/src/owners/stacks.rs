//! Roots of goroutines as expressions: `goroutine 18 (main.worker:42) local req.body`.

use leakscope_target::Addr;
use rustc_hash::FxHashMap;

use super::MAYBE;
use crate::goroutines::{Goroutine, Goroutines};
use crate::pclntab::Func;
use crate::program::Program;
use crate::roots::RootKind;
use crate::typing::LocalNames;

/// What every goroutine returns to.
const GOEXIT: &str = "runtime.goexit";
/// What the main goroutine is started with, and what people call it.
const RUNTIME_MAIN: &str = "runtime.main";
const MAIN: &str = "main.main";
/// Outermost frames in which the function behind one of the compiler's own is looked for.
const OUTERMOST: usize = 4;
/// No frame is known.
const NOWHERE: u32 = u32::MAX;

/// A root of a goroutine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct StackRoot {
    /// Index of the goroutine.
    pub(super) goroutine: u32,
    /// Number of the instruction that its frame is at, or [`NOWHERE`].
    place: u32,
    holds: Holds,
}

/// What of a goroutine holds something.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Holds {
    /// The variable, or field of one, whose name has this number.
    Local(u32),
    /// A word of a frame that no name is known of.
    Stack,
    /// A word of a frame that may be no pointer.
    MaybeStack,
    /// A register of a running one.
    MaybeRegister,
    /// What it is about to call, or has deferred.
    Call,
}

struct Name {
    id: u64,
    /// What it was started with.
    function: String,
}

/// What goroutines and their roots are called.
#[derive(Default)]
pub(crate) struct Stacks {
    goroutines: Vec<Name>,
    /// Instructions that frames with roots are at.
    places: Vec<Addr>,
    numbers: FxHashMap<Addr, u32>,
    locals: Vec<String>,
}

impl Stacks {
    pub(super) fn new(program: &Program, goroutines: &Goroutines) -> Self {
        let wrapper = wrapper_id(program);
        let name = |g: &Goroutine| Name {
            id: g.id,
            function: started_with(program, wrapper, goroutines, g).to_owned(),
        };
        Self {
            goroutines: goroutines.iter().map(name).collect(),
            ..Self::default()
        }
    }

    /// The root of this kind; `None` where it is not one of a goroutine.
    pub(super) fn root(
        &mut self,
        goroutines: &Goroutines,
        locals: &LocalNames,
        kind: RootKind,
    ) -> Option<StackRoot> {
        let (goroutine, frame, holds) = match kind {
            RootKind::Stack {
                goroutine,
                frame,
                slot,
            } => {
                let local = locals.find(slot).map_or(Holds::Stack, Holds::Local);
                (goroutine, Some(frame), local)
            }
            RootKind::Conservative {
                goroutine, frame, ..
            } => (goroutine, Some(frame), Holds::MaybeStack),
            RootKind::Register { goroutine, .. } => {
                let innermost = goroutines.get(goroutine).map(|g| g.frames.start);
                (goroutine, innermost, Holds::MaybeRegister)
            }
            RootKind::Goroutine { goroutine } => (goroutine, None, Holds::Call),
            _ => return None,
        };
        // Words beyond an unwind that failed carry the index of the frame after the last one, which is another's.
        let own = goroutines.get(goroutine)?.frames.clone();
        let frame = frame.filter(|f| own.contains(f));
        let place = frame.and_then(|f| goroutines.frame(f)).map(|frame| {
            let pc = frame.lookup_pc();
            *self.numbers.entry(pc).or_insert_with(|| {
                self.places.push(pc);
                self.places.len() as u32 - 1
            })
        });
        Some(StackRoot {
            goroutine,
            place: place.unwrap_or(NOWHERE),
            holds,
        })
    }

    /// Takes the names of variables once all roots are known.
    pub(super) fn set_locals(&mut self, locals: LocalNames) {
        self.locals = locals.into_names();
        self.numbers = FxHashMap::default();
    }

    /// What a goroutine was started with.
    pub(crate) fn function(&self, goroutine: u32) -> &str {
        let name = self.goroutines.get(goroutine as usize);
        name.map_or("", |n| &n.function)
    }

    /// `goroutine 18 (main.worker)`.
    pub(crate) fn goroutine(&self, goroutine: u32) -> String {
        let id = self.goroutines.get(goroutine as usize).map_or(0, |n| n.id);
        format!("goroutine {id} ({})", self.function(goroutine))
    }

    /// The root without numbers: the same in every run of the same code.
    pub(super) fn key(&self, root: &StackRoot) -> String {
        format!("goroutine {} stack", self.function(root.goroutine))
    }

    /// The root as an expression.
    pub(super) fn name(&self, program: &Program, root: &StackRoot) -> String {
        let id = self
            .goroutines
            .get(root.goroutine as usize)
            .map_or(0, |n| n.id);
        let place = self.places.get(root.place as usize);
        let at = place.and_then(|pc| {
            let function = program.functions().find(*pc)?;
            // The last is the function itself, those before are inlined into it.
            let frames = function.frames(*pc);
            let line = frames.last().map(|f| f.line).filter(|line| *line > 0);
            let line = line.map_or(String::new(), |line| format!(":{line}"));
            Some(format!("{}{line}", function.name()))
        });
        let at = at.unwrap_or_else(|| self.function(root.goroutine).to_owned());
        let (maybe, what) = match root.holds {
            Holds::Local(number) => {
                let name = self.locals.get(number as usize);
                ("", format!("local {}", name.map_or("", |n| n)))
            }
            Holds::Stack => ("", "stack".to_owned()),
            Holds::MaybeStack => (MAYBE, "stack".to_owned()),
            Holds::MaybeRegister => (MAYBE, "register".to_owned()),
            Holds::Call => ("", "call".to_owned()),
        };
        format!("goroutine {id} ({at}) {maybe}{what}")
    }
}

/// The function a goroutine was started with; of the main goroutine not the runtime's own. Where the compiler put a
/// function of its own in between, to pass arguments on, it is the one that this calls.
fn started_with<'a>(
    program: &'a Program,
    wrapper: Option<u8>,
    goroutines: &Goroutines,
    goroutine: &Goroutine,
) -> &'a str {
    let functions = program.functions();
    let is_wrapper = |f: &Func<'_>| Some(f.func_id()) == wrapper;
    let started = functions.find(goroutine.start_pc);
    if let Some(started) = started.filter(|f| !is_wrapper(f)) {
        return match started.name() {
            RUNTIME_MAIN => MAIN,
            name => name,
        };
    }
    let frames = goroutines.frames(goroutine).iter().rev();
    let mut names = frames.take(OUTERMOST).filter_map(|frame| {
        let pc = frame.lookup_pc();
        let function = functions.find(pc).filter(|f| f.name() != GOEXIT)?;
        // The last is the function itself, those before are inlined into it.
        let frames = function.frames(pc);
        let mut names = frames.iter().rev().map(|f| f.function);
        if is_wrapper(&function) {
            names.next();
        }
        names.next()
    });
    let called = names.next().or(started.map(|f| f.name()));
    called.unwrap_or("")
}

/// `abi.FuncIDWrapper`, which functions of the compiler's own have. Without debug information it is known as the number
/// behind the last of the others (internal/abi/symtab.go, the same from 1.21 to 1.27).
fn wrapper_id(program: &Program) -> Option<u8> {
    let debug = program.debug();
    let behind = || Some(debug.constant("internal/abi.FuncID_systemstack_switch")? + 1);
    let stated = debug.constant("internal/abi.FuncIDWrapper");
    u8::try_from(stated.or_else(behind)?).ok()
}
