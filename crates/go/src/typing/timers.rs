//! Timers of package `time`: the runtime's own part lies inside of them, and the runtime keeps pointers to that part.

use crate::types::TypeId;

use super::Typing;

/// Types of package `time` that are declared shorter than they are (`runtime/time.go`, `newTimer`, 1.23 and later).
const DECLARED_SHORT: [&str; 2] = ["time.Timer", "time.Ticker"];
/// What they are (to the runtime, and so to the debug information).
const WHOLE: &str = "runtime.timeTimer";
/// The runtime's part.
const PART: &str = "runtime.timer";
/// A struct that [`PART`] is embedded in, and the field: from 1.23 on, and before (`time/sleep.go`, `Timer`).
const EMBEDDED_IN: [(&str, &str); 2] = [(WHOLE, "timer"), ("time.Timer", "r")];

/// What a pointer to the runtime's part of a timer says of the object.
#[derive(Clone, Copy)]
pub(super) struct TimerPart {
    /// The shape of such a pointer's claim.
    pub(super) part: u32,
    /// Where the part lies in the whole, bytes.
    pub(super) offset: u64,
    /// The shape of the whole.
    pub(super) whole: u32,
}

impl Typing<'_> {
    /// The type that values of package `time`'s `type_` are allocated as.
    pub(super) fn allocated_as(&self, type_: TypeId) -> TypeId {
        let name = self.types.name(type_);
        let whole = DECLARED_SHORT
            .contains(&name)
            .then(|| {
                self.types
                    .from_dwarf(self.program.debug().type_named(WHOLE)?)
            })
            .flatten();
        whole.unwrap_or(type_)
    }

    /// The rule for pointers to the runtime's part of a timer; `None` where the program has no timers.
    pub(super) fn timer_part(&mut self) -> Option<TimerPart> {
        let debug = self.program.debug();
        let part = self.types.from_dwarf(debug.type_named(PART)?)?;
        let offset = EMBEDDED_IN.iter().find_map(|(whole, field)| {
            let field = debug.field_of(debug.type_named(whole)?, field)?;
            Some(field.offset)
        })?;
        let whole = self
            .types
            .from_dwarf(debug.type_named(DECLARED_SHORT[0])?)?;
        Some(TimerPart {
            part: self.of_type(part).value,
            offset,
            whole: self.of_type(whole).value,
        })
    }
}
