//! Where headers of slices and strings lie.

use rustc_hash::FxHashMap;

use crate::maps::{CellPart, MapKind};
use crate::types::{SlotKind, TypeId, TypeTable};
use crate::typing::{Shape, ShapeInfo};

/// A header, by what it heads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Header {
    /// A string's: pointer and length.
    String,
    /// A slice's: pointer, length and capacity in elements of so many bytes.
    Slice(u64),
}

/// Looks up what a pointer is by where it stands.
pub(super) struct Headers<'a> {
    pub(super) types: &'a TypeTable,
    pub(super) kinds: &'a FxHashMap<TypeId, MapKind>,
}

impl Headers<'_> {
    /// The header that stands `offset` bytes into the data of an object of this shape; `None` where it is another pointer, or
    /// nobody knows.
    pub(super) fn in_object(&self, info: &ShapeInfo, offset: u64) -> Option<Header> {
        match info.shape {
            Shape::Value(type_) if !info.tiled => self.in_value(type_, offset),
            Shape::Value(type_) | Shape::Array(type_) => {
                self.in_value(type_, offset.checked_rem(info.size)?)
            }
            Shape::MapCells(map) => self.in_cells(self.kinds.get(&map)?, offset),
            _ => None,
        }
    }

    /// The header that stands `offset` bytes into a value of this type.
    pub(super) fn in_value(&self, type_: TypeId, offset: u64) -> Option<Header> {
        let slots = self.types.slots(type_);
        let after = slots.partition_point(|slot| u64::from(slot.offset) <= offset);
        let slot = slots.get(after.checked_sub(1)?)?;
        let inside = offset - u64::from(slot.offset);
        match slot.kind {
            SlotKind::String if inside == 0 => Some(Header::String),
            SlotKind::Slice(elem) if inside == 0 => Some(Header::Slice(self.types.size(elem))),
            SlotKind::Repeat {
                elem,
                stride,
                count,
            } => {
                let index = inside.checked_div(stride.into())?;
                let in_elem = inside.checked_rem(stride.into())?;
                // No type contains itself: each is smaller than the one around it.
                (index < u64::from(count) && self.types.size(elem) < self.types.size(type_))
                    .then(|| self.in_value(elem, in_elem))?
            }
            _ => None,
        }
    }

    /// The header that stands so many bytes into buckets or groups.
    fn in_cells(&self, kind: &MapKind, offset: u64) -> Option<Header> {
        let (part, within) = kind.part_of_cell(offset)?;
        let (type_, indirect) = match part {
            CellPart::Key => (kind.key, kind.indirect_key),
            CellPart::Elem => (kind.elem, kind.indirect_elem),
        };
        (!indirect).then(|| self.in_value(type_, within))?
    }
}
