//! Finalizers and cleanups: objects that nothing but the runtime's own records tell the type of.

use leakscope_target::Addr;
use rustc_hash::FxHashMap;

use crate::dwarf::DieRef;
use crate::roots::{Argument, Call};
use crate::types::{Kind, TypeId};

use super::Typing;
use super::walk::word;

/// Start of the name of the function that runs a cleanup, and what it captures (mcleanup.go, `AddCleanup`; up to 1.25).
const RUNS_CLEANUP: &str = "runtime.AddCleanup[";
/// The cleanup that it calls.
const CAPTURED_CLEANUP: &str = "cleanup";
/// What it passes.
const CAPTURED_ARGUMENT: &str = "arg";
/// In front of the names of variables captured by reference.
const BY_REFERENCE: char = '&';

/// A captured variable.
struct Captured {
    /// Where its value lies.
    at: u64,
    /// The function value holds a pointer to it.
    by_reference: bool,
}

impl Typing<'_> {
    /// Follows the function values of `calls`, and types what finalizers are set on.
    pub(super) fn seed_calls(&mut self, calls: &[Call]) {
        for call in calls {
            self.func(call.func.0);
            if let Argument::Stored { runs, .. } = call.argument {
                self.func(runs.0);
            }
            let Argument::Object { at, pointer_type } = call.argument else {
                continue;
            };
            let Some(pointer) = self.types.from_rtype(self.image, pointer_type) else {
                continue;
            };
            if let Kind::Pointer(target) = self.types.kind(pointer) {
                self.pointer(at.0, target, &[]);
            }
        }
    }

    /// Entries of the functions that are cleanups, as linked: their first parameter says what their argument is.
    pub(super) fn cleanup_functions(&self, calls: &[Call]) -> Vec<u64> {
        let mut entries: Vec<u64> = calls
            .iter()
            .filter_map(|call| self.cleanup_code(call))
            .map(|code| code.wrapping_sub(self.program.bias()))
            .collect();
        entries.sort_unstable();
        entries.dedup();
        entries
    }

    /// Types the arguments of cleanups. `first_parameters` is by entry of the function, as linked.
    pub(super) fn seed_cleanups(
        &mut self,
        calls: &[Call],
        first_parameters: &FxHashMap<u64, DieRef>,
    ) {
        for call in calls {
            let type_ = self.cleanup_code(call).and_then(|code| {
                let entry = code.wrapping_sub(self.program.bias());
                self.types.from_dwarf(*first_parameters.get(&entry)?)
            });
            let Some(type_) = type_ else {
                continue;
            };
            match call.argument {
                Argument::Stored { at, .. } => self.pointer(at.0, type_, &[]),
                Argument::Captured => self.captured_argument(call.func, type_),
                Argument::Object { .. } => {}
            }
        }
    }

    /// Code of the function that gets the argument of a cleanup.
    fn cleanup_code(&self, call: &Call) -> Option<u64> {
        match call.argument {
            Argument::Object { .. } => None,
            Argument::Stored { .. } => self.word_at(call.func.0),
            Argument::Captured => {
                let cleanup = self.word_at(self.captured(call.func, CAPTURED_CLEANUP)?.at)?;
                self.word_at(cleanup)
            }
        }
    }

    fn captured_argument(&mut self, runs: Addr, type_: TypeId) {
        let Some(captured) = self.captured(runs, CAPTURED_ARGUMENT) else {
            return;
        };
        if captured.by_reference {
            return self.pointer(captured.at, type_, &[]);
        }
        let program = self.programs.of(self.types, type_);
        if let Ok(bytes) = self.image.bytes(Addr(captured.at), self.types.size(type_)) {
            self.values(program, bytes);
        }
    }

    /// Where the variable called `name` is that a function value which runs a cleanup captured.
    fn captured(&self, runs: Addr, name: &str) -> Option<Captured> {
        let function = self.program.functions().find(Addr(self.word_at(runs.0)?))?;
        if !function.name().starts_with(RUNS_CLEANUP) {
            return None;
        }
        let mut captures = self.program.debug().captures(function.name());
        let capture = captures.find(|c| c.name.trim_start_matches(BY_REFERENCE) == name)?;
        let at = runs.0.checked_add(capture.offset)?;
        let by_reference = capture.name.starts_with(BY_REFERENCE);
        Some(Captured {
            at: if by_reference { self.word_at(at)? } else { at },
            by_reference,
        })
    }

    fn word_at(&self, at: u64) -> Option<u64> {
        word(self.image.bytes(Addr(at), 8).ok()?, 0)
    }
}
