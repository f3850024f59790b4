//! Where types are known to begin with: package variables, malloc headers and large objects.

use leakscope_target::Addr;

use crate::coverage::Gaps;
use crate::objects::Hit;
use crate::roots::{Root, RootKind};
use crate::spans::PointerBits;
use crate::types::TypeId;

use super::Typing;
use super::offer::Sure;
use super::walk::word;

impl Typing<'_> {
    /// Types every object that carries its type: those with a malloc header, and large ones with pointers.
    pub(super) fn seed_headers(&mut self, gaps: &mut Gaps) {
        let objects = self.objects;
        for (number, span) in objects.spans().iter().enumerate() {
            let large = match span.pointers {
                PointerBits::Header => None,
                PointerBits::LargeType if !span.large_type.is_nil() => Some(span.large_type),
                _ => continue,
            };
            let (_, bytes) = self.spans[number];
            for (obj, slot) in objects.slots(number as u32) {
                if span.in_flight == Some(slot) {
                    continue;
                }
                let offset = u64::from(slot) * span.elem_size;
                let header = large.or_else(|| word(bytes, offset as usize).map(Addr));
                let base = span.start.0 + offset;
                match header.and_then(|h| self.types.from_rtype(self.image, h)) {
                    Some(type_) => {
                        let span = number as u32;
                        self.headed(Hit { obj, span, base }, type_);
                    }
                    None if header.is_some_and(|h| self.types.is_mask_alone(self.image, h)) => {}
                    None => gaps.add("object whose type cannot be read", Addr(base)),
                }
            }
        }
    }

    fn headed(&mut self, hit: Hit, type_: TypeId) {
        let shapes = self.of_type(type_);
        let info = self.shapes.get(shapes.value);
        let one = info.slot == self.objects.spans()[hit.span as usize].elem_size;
        if info.map_cells {
            self.headed_cells.push(hit);
        }
        let shape = if one { shapes.value } else { shapes.array };
        self.offer(hit, Sure::Exact, shape);
    }

    /// What goroutines are about to run.
    pub(super) fn seed_funcs(&mut self, roots: &[Root]) {
        for root in roots {
            if let RootKind::Goroutine { .. } = root.kind {
                self.func(root.value);
            }
        }
    }

    /// Follows every package variable.
    pub(super) fn seed_globals(&mut self, gaps: &mut Gaps) {
        let program = self.program;
        for global in program.debug().globals() {
            let Some(type_) = self.types.from_dwarf(global.type_) else {
                continue;
            };
            let slots = self.programs.of(self.types, type_);
            if slots.is_empty() {
                continue;
            }
            let at = Addr(global.addr.wrapping_add(program.bias()));
            match self.image.bytes(at, self.types.size(type_)) {
                Ok(bytes) => self.statics(slots, at, bytes),
                Err(_) => gaps.add("package variable not in the image", at),
            }
        }
    }
}
