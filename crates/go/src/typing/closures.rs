//! Function values: the code they start with says which variables they captured.

use leakscope_target::Addr;

use crate::code::passes_over;
use crate::types::{Slot, SlotKind, TypeId, TypeTable};

use super::Typing;
use super::offer::Sure;
use super::shapes::{Shape, ShapeInfo};
use super::walk::word;

/// Bytes of the code pointer in front of captured variables (`runtime.funcval`).
const CODE_POINTER: u32 = 8;

impl Typing<'_> {
    /// A function value. Those without captured variables lie in read-only data, not on the heap.
    pub(super) fn func(&mut self, at: u64) {
        let Some(hit) = self.objects.find(at) else {
            return;
        };
        let span = &self.objects.spans()[hit.span as usize];
        if at - hit.base != span.header() {
            return;
        }
        if span.noscan {
            self.offer(hit, Sure::Exact, self.fixed.func);
            return;
        }
        let Some(code) = word(self.data(hit), 0) else {
            return;
        };
        let known = self.closures.get(&code).copied();
        if let Some(shape) = known.or_else(|| self.closure(code)) {
            self.offer(hit, Sure::Exact, shape);
        }
    }

    /// The shape of function values with this code; `None` where no function starts there.
    fn closure(&mut self, code: u64) -> Option<u32> {
        let function = self.program.functions().find(Addr(code))?;
        if function.entry() != Addr(code) {
            return None;
        }
        let mut slots = Vec::new();
        for capture in self.program.debug().captures(function.name()) {
            let offset = u32::try_from(capture.offset).ok()?.max(CODE_POINTER);
            let Some(type_) = self.types.from_dwarf(capture.type_) else {
                continue;
            };
            slots.extend(self.types.slots(type_).iter().map(|slot| Slot {
                offset: slot.offset.saturating_add(offset),
                kind: slot.kind,
            }));
        }
        if let Some((receiver, pointer)) = receiver(function.name()) {
            let debug = self.program.debug();
            let type_ = debug
                .type_named(&receiver)
                .and_then(|d| self.types.from_dwarf(d));
            slots.extend(
                type_
                    .into_iter()
                    .flat_map(|t| bound(self.types, t, pointer)),
            );
        }
        // The runtime's own closures are made by the runtime's own functions.
        if slots.is_empty()
            && !passes_over(function.name())
            && let Some(captures) = self.captures_by_code(code)
        {
            slots.extend(self.types.slots(captures));
        }
        let program = self.programs.add(self.types, slots.into_iter());
        let shape = self.shapes.number(ShapeInfo {
            program,
            machinery: false,
            ..ShapeInfo::plain(Shape::Closure(code), true)
        });
        self.closures.insert(code, shape);
        Some(shape)
    }
}

impl Typing<'_> {
    /// The struct of a closure's code pointer and captured variables, from the code that makes it.
    fn captures_by_code(&mut self, code: u64) -> Option<TypeId> {
        let at = self.program.closure(Addr(code))?;
        self.types.from_rtype(self.image, at)
    }
}

/// Suffix of the code of method values (`x.Method`), which have no debug information: the receiver is what they capture.
const METHOD_VALUE: &str = "-fm";

/// The type of the receiver of a method value's code, and whether the receiver is a pointer to it.
fn receiver(function: &str) -> Option<(String, bool)> {
    let (type_, _method) = function.strip_suffix(METHOD_VALUE)?.rsplit_once('.')?;
    let pointer = type_.split_once("(*").and_then(|(package, rest)| {
        let name = rest.strip_suffix(')')?;
        Some(format!("{package}{name}"))
    });
    Some(pointer.map_or_else(|| (type_.to_owned(), false), |name| (name, true)))
}

/// The slots of a captured receiver.
fn bound(types: &TypeTable, type_: TypeId, pointer: bool) -> Vec<Slot> {
    if pointer {
        let kind = SlotKind::Pointer(type_);
        return vec![Slot {
            offset: CODE_POINTER,
            kind,
        }];
    }
    let slots = types.slots(type_).iter();
    slots
        .map(|s| Slot {
            offset: s.offset.saturating_add(CODE_POINTER),
            kind: s.kind,
        })
        .collect()
}
