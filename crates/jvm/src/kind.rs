//! What an object is, in 32 bits.

/// An instance of a class, an array of references, an array of a basic type, or the object that stands for a class.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct Kind(u32);

const OBJECTS: u32 = 1 << 31;
const PRIMITIVES: u32 = 1 << 30;
/// Classes that can be numbered.
pub(crate) const MAX_CLASSES: u32 = PRIMITIVES - 2;
const NO_CLASS: u32 = PRIMITIVES - 1;

/// A [`Kind`] taken apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Parts {
    /// An instance of this class; `None` where the class is not known.
    Instance(Option<u32>),
    /// An array of references, whose own class this is.
    Objects(Option<u32>),
    /// An array of this basic type.
    Primitives(u8),
    /// The `java.lang.Class` object of this class.
    Mirror(u32),
}

impl Kind {
    /// An instance of a class that the dump lacks.
    pub(crate) const UNKNOWN: Self = Self(NO_CLASS);

    pub(crate) fn instance(class: u32) -> Self {
        Self(class.min(NO_CLASS))
    }

    pub(crate) fn objects(class: u32) -> Self {
        Self(OBJECTS | class.min(NO_CLASS))
    }

    pub(crate) fn objects_of_unknown() -> Self {
        Self(OBJECTS | NO_CLASS)
    }

    pub(crate) fn primitives(type_: u8) -> Self {
        Self(PRIMITIVES | u32::from(type_))
    }

    pub(crate) fn mirror(class: u32) -> Self {
        Self(OBJECTS | PRIMITIVES | class)
    }

    #[inline]
    pub(crate) fn parts(self) -> Parts {
        let number = self.0 & (PRIMITIVES - 1);
        let class = (number != NO_CLASS).then_some(number);
        match self.0 & (OBJECTS | PRIMITIVES) {
            0 => Parts::Instance(class),
            OBJECTS => Parts::Objects(class),
            PRIMITIVES => Parts::Primitives(number as u8),
            _ => Parts::Mirror(number),
        }
    }

    #[inline]
    pub(crate) fn is_array(self) -> bool {
        matches!(self.0 & (OBJECTS | PRIMITIVES), OBJECTS | PRIMITIVES)
    }
}
