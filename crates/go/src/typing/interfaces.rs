//! Interface values: the type word says exactly what the data word is.

use leakscope_target::Addr;
use rustc_hash::FxHashMap;

use crate::types::TypeId;

use super::offer::Claim;
use super::programs::Program;
use super::walk::word;
use super::{NONE, Typing};

/// What a type word means.
#[derive(Clone, Copy)]
enum Boxed {
    /// The data word points to a value of this shape.
    Pointer { shape: u32 },
    /// The data word is the value.
    Direct { program: Program },
    /// No type lies there.
    Unknown,
}

/// Type words seen so far.
#[derive(Default)]
pub(crate) struct Boxes {
    /// By the address of the itab.
    itabs: FxHashMap<u64, Boxed>,
    /// By the address of the type descriptor.
    types: FxHashMap<u64, Boxed>,
    /// The last type word and its meaning: neighbours mostly hold the same type.
    last: Option<(u64, Boxed)>,
}

impl Typing<'_> {
    /// An interface value whose first word is `tag`: an itab, or the type itself for `interface {}`. `data` starts with
    /// its second word.
    pub(super) fn boxed(&mut self, itab: bool, tag: u64, data: &[u8]) {
        let boxed = match self.boxes.last {
            Some((last, boxed)) if last == tag => boxed,
            _ => self.boxed_by(itab, tag),
        };
        match boxed {
            Boxed::Pointer { shape } => {
                if let Some(at) = word(data, 0) {
                    self.claim(at, shape, Claim::Boxed, data);
                }
            }
            Boxed::Direct { program } => self.values(program, data),
            Boxed::Unknown => {}
        }
    }

    fn boxed_by(&mut self, itab: bool, tag: u64) -> Boxed {
        let known = if itab {
            &self.boxes.itabs
        } else {
            &self.boxes.types
        };
        let boxed = match known.get(&tag) {
            Some(boxed) => *boxed,
            None => self.read_tag(itab, tag),
        };
        self.boxes.last = Some((tag, boxed));
        boxed
    }

    fn read_tag(&mut self, itab: bool, tag: u64) -> Boxed {
        let type_ = if itab {
            self.types.from_itab(self.image, Addr(tag))
        } else {
            self.types.from_rtype(self.image, Addr(tag))
        };
        let boxed = type_.map_or(Boxed::Unknown, |t| self.meaning(t));
        let known = if itab {
            &mut self.boxes.itabs
        } else {
            &mut self.boxes.types
        };
        known.insert(tag, boxed);
        boxed
    }

    fn meaning(&mut self, type_: TypeId) -> Boxed {
        if self.types.is_direct_interface(type_) {
            let program = self.programs.of(self.types, type_);
            return Boxed::Direct { program };
        }
        match self.of_type(type_).value {
            NONE => Boxed::Unknown,
            shape => Boxed::Pointer { shape },
        }
    }
}
