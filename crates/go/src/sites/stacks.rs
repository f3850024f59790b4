//! Stacks of allocations as functions and lines.

use leakscope_target::Addr;
use rustc_hash::FxHashMap;

use crate::pclntab::{Functions, SourceFrame};

/// Functions of these packages are the allocator's own where they come first, and say nothing of who allocated
/// (runtime/pprof/protomem.go, `hideRuntime`).
const HIDDEN: [&str; 2] = ["runtime.", "internal/runtime/"];

/// One function of a stack.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Frame<'a> {
    /// The function's full name; `?` where no function of the program holds the address.
    pub function: &'a str,
    /// The source file, `?` where unknown.
    pub file: &'a str,
    /// The line of the call, 0 where unknown.
    pub line: u32,
}

/// Tells return addresses as functions, each address once.
pub struct Stacks<'a> {
    functions: &'a Functions,
    known: FxHashMap<u64, Frame<'a>>,
}

impl<'a> Stacks<'a> {
    /// Of this program.
    pub fn new(functions: &'a Functions) -> Self {
        Self {
            functions,
            known: FxHashMap::default(),
        }
    }

    /// The functions of a stack, as `runtime.CallersFrames` tells them: one for each address, for the runtime has written
    /// one for each inlined function too (traceback.go, `tracebackPCs`).
    pub fn frames(&mut self, stack: &[u64]) -> Vec<Frame<'a>> {
        stack.iter().map(|pc| self.frame(*pc)).collect()
    }

    /// The same from the first function on that is not the runtime's; all where each is.
    pub fn visible(&mut self, stack: &[u64]) -> Vec<Frame<'a>> {
        let mut frames = self.frames(stack);
        let first = (frames.iter()).position(|f| !HIDDEN.iter().any(|h| f.function.starts_with(h)));
        frames.drain(..first.unwrap_or(0));
        frames
    }

    /// symtab.go, `Frames.Next`: an address is that behind the call, unless it is the function's first.
    fn frame(&mut self, pc: u64) -> Frame<'a> {
        let functions = self.functions;
        *self.known.entry(pc).or_insert_with(|| {
            let found = functions.find(Addr(pc)).and_then(|function| {
                let call = if pc > function.entry().0 { pc - 1 } else { pc };
                function.frames(Addr(call)).first().copied()
            });
            found.map_or(
                Frame {
                    function: "?",
                    file: "?",
                    line: 0,
                },
                |SourceFrame {
                     function,
                     file,
                     line,
                     ..
                 }| Frame {
                    function,
                    file,
                    line,
                },
            )
        })
    }
}
