//! Kinds of types, as the runtime numbers them (`internal/abi/type.go`, unchanged from Go 1.21 to 1.27).

use super::TypeId;

pub(crate) const KIND_BOOL: u8 = 1;
pub(crate) const KIND_INT: u8 = 2;
pub(crate) const KIND_INT64: u8 = 6;
pub(crate) const KIND_UINT: u8 = 7;
pub(crate) const KIND_UINT64: u8 = 11;
pub(crate) const KIND_UINTPTR: u8 = 12;
pub(crate) const KIND_FLOAT32: u8 = 13;
pub(crate) const KIND_FLOAT64: u8 = 14;
pub(crate) const KIND_COMPLEX64: u8 = 15;
pub(crate) const KIND_COMPLEX128: u8 = 16;
pub(crate) const KIND_ARRAY: u8 = 17;
pub(crate) const KIND_CHAN: u8 = 18;
pub(crate) const KIND_FUNC: u8 = 19;
pub(crate) const KIND_INTERFACE: u8 = 20;
pub(crate) const KIND_MAP: u8 = 21;
pub(crate) const KIND_POINTER: u8 = 22;
pub(crate) const KIND_SLICE: u8 = 23;
pub(crate) const KIND_STRING: u8 = 24;
pub(crate) const KIND_STRUCT: u8 = 25;
pub(crate) const KIND_UNSAFE_POINTER: u8 = 26;

/// What sort of value a type describes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// `bool`
    Bool,
    /// A signed integer; its width is the type's size.
    Int,
    /// An unsigned integer; its width is the type's size.
    Uint,
    /// `uintptr`: an address that keeps nothing alive.
    Uintptr,
    /// A floating-point number.
    Float,
    /// A complex number.
    Complex,
    /// A string header.
    String,
    /// A pointer to a value of this type.
    Pointer(TypeId),
    /// `unsafe.Pointer`
    UnsafePointer,
    /// A slice header; its elements are of this type.
    Slice(TypeId),
    /// Elements of one type, one after the other.
    Array {
        /// Their type.
        elem: TypeId,
        /// How many.
        len: u64,
    },
    /// Fields; see [`TypeTable::fields`](super::TypeTable::fields).
    Struct,
    /// A pointer to a map's header.
    Map {
        /// Type of the keys.
        key: TypeId,
        /// Type of the elems.
        elem: TypeId,
    },
    /// A pointer to a channel's header; its elements are of this type.
    Chan(TypeId),
    /// A pointer to a function value.
    Func,
    /// A type word and a data word.
    Interface {
        /// Without methods: the first word is the type itself instead of an itab.
        empty: bool,
    },
    /// Nothing is known of it.
    Unknown,
}

impl Kind {
    /// The kind with this number, of those that have no parts.
    pub(super) fn scalar(number: u8) -> Self {
        match number {
            KIND_BOOL => Self::Bool,
            KIND_INT..=KIND_INT64 => Self::Int,
            KIND_UINT..=KIND_UINT64 => Self::Uint,
            KIND_UINTPTR => Self::Uintptr,
            KIND_FLOAT32 | KIND_FLOAT64 => Self::Float,
            KIND_COMPLEX64 | KIND_COMPLEX128 => Self::Complex,
            KIND_STRING => Self::String,
            KIND_FUNC => Self::Func,
            KIND_UNSAFE_POINTER => Self::UnsafePointer,
            _ => Self::Unknown,
        }
    }
}
