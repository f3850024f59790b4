//! Values that the linker laid out and that have no name of their own: what `var server = &Server{}` points to.

use leakscope_target::Addr;

use crate::types::TypeId;

use super::Typing;
use super::offer::Claim;
use super::programs::Program;
use super::shapes::Shape;
use super::walk::word;

/// Largest unnamed value followed: no literal in a source file is larger.
const MAX_LEN: u64 = 1 << 30;

/// A value without a name among the package variables.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Static {
    /// Its first byte.
    pub(crate) at: Addr,
    /// Its length in bytes.
    pub(crate) len: u64,
    /// Its type, or that of its elements.
    pub(crate) type_: TypeId,
    /// Bytes of an element, where it is the array behind a slice.
    pub(crate) stride: Option<u64>,
    /// The word among the package variables that points to it; nil where only the heap does.
    pub(crate) holder: Addr,
}

/// Package variables being walked: where they lie in the target and here.
#[derive(Clone, Copy)]
pub(super) struct Window {
    at: Addr,
    here: usize,
}

impl Typing<'_> {
    /// Follows the pointers of values among the package variables, which start at `at` with `bytes`.
    pub(super) fn statics(&mut self, program: Program, at: Addr, bytes: &[u8]) {
        let here = bytes.as_ptr() as usize;
        self.window = Some(Window { at, here });
        self.values(program, bytes);
        self.window = None;
        self.drain_if_long();
    }

    /// A claim about something among the package variables.
    #[cold]
    pub(super) fn claim_static(&mut self, at: u64, shape: u32, claim: Claim, rest: &[u8]) {
        let info = *self.shapes.get(shape);
        let (Shape::Value(type_) | Shape::Array(type_)) = info.shape else {
            return;
        };
        if !info.pointers || !self.static_seen.insert((at, shape)) {
            return;
        }
        let (len, stride) = match claim {
            Claim::Slice => {
                let capacity = word(rest, 16).unwrap_or(0);
                (capacity.saturating_mul(info.size), Some(info.size))
            }
            Claim::Value | Claim::Boxed => (info.size, None),
        };
        // Variables with a name are walked as what they are declared to be.
        if len > MAX_LEN || self.program.global_at(Addr(at)).is_some() {
            return;
        }
        let holder = self.window.map_or(0, |w| {
            let offset = (rest.as_ptr() as usize).wrapping_sub(w.here);
            w.at.0.wrapping_add(offset as u64)
        });
        self.static_todo.push(Static {
            at: Addr(at),
            len,
            type_,
            stride,
            holder: Addr(holder),
        });
    }

    /// Walks the unnamed values found so far, and those they lead to.
    pub(super) fn drain_statics(&mut self) {
        while let Some(found) = self.static_todo.pop() {
            let Ok(bytes) = self.image.bytes(found.at, found.len) else {
                continue;
            };
            self.static_values.push(found);
            let program = self.programs.of(self.types, found.type_);
            let stride = found.stride.unwrap_or(found.len).max(1);
            let mut at = found.at;
            for value in bytes.chunks_exact(stride as usize) {
                self.statics(program, at, value);
                at = Addr(at.0 + stride);
            }
        }
    }
}
