//! How the JVM that wrote a dump laid objects out, and so how large they were: a dump does not say.

mod detect;
mod fields;
mod injected;

pub(crate) use self::detect::{Detected, Sample, detect, instance, instance_behind};

/// A layout: what the sizes of objects follow from.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Layout {
    /// Bytes before the first field.
    pub header: u32,
    /// Bytes before the first element of an array of small elements.
    pub array_base: u32,
    /// Width of a reference.
    pub reference: u32,
    /// Objects begin at multiples of this.
    pub alignment: u32,
    /// Whether fields are laid out as JDK 15 and later do (`fieldLayoutBuilder.cpp`); before, as `classFileParser.cpp` did.
    pub gaps_filled: bool,
}

impl Layout {
    fn align(&self, bytes: u64) -> u64 {
        bytes.next_multiple_of(u64::from(self.alignment))
    }

    /// Width of a value of a basic type.
    fn width(&self, type_: u8) -> u32 {
        match type_ {
            4 | 8 => 1,
            5 | 9 => 2,
            6 | 10 => 4,
            7 | 11 => 8,
            _ => self.reference,
        }
    }

    /// Size of an array: `None` of references, or of a basic type.
    pub(crate) fn array(&self, type_: Option<u8>, length: u32) -> u64 {
        let width = type_.map_or(self.reference, |t| self.width(t));
        // Elements of 8 bytes begin at a multiple of that.
        let base = if width == 8 {
            self.array_base.next_multiple_of(8)
        } else {
            self.array_base
        };
        self.align(u64::from(base) + u64::from(width) * u64::from(length))
    }

    /// Size of an instance whose classes, the root of all first, declare fields of these types.
    pub(crate) fn instance(&self, classes: &[Vec<u8>]) -> u64 {
        let mut fields = fields::Fields::new(self);
        for own in classes {
            fields.add(own);
        }
        self.align(fields.end().into())
    }
}
