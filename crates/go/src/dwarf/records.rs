//! What is kept of the entries of the debug information.

use super::names::Name;

/// What sort of entry describes a type.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Tag {
    Base,
    Array,
    Typedef,
    Function,
    Pointer,
    Struct,
    Unspecified,
}

/// A type entry as read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TypeRec {
    /// Offset of the entry in the section.
    pub(super) offset: u32,
    pub(super) name: Name,
    pub(crate) tag: Tag,
    /// `abi.Kind`, 0 where not stated.
    pub(crate) go_kind: u8,
    pub(crate) size: u64,
    /// Length of an array.
    pub(crate) count: u64,
    /// `DW_AT_type`, `DW_AT_go_key`, `DW_AT_go_elem`: offsets of entries, [`NONE`] where not stated.
    pub(super) target: u32,
    pub(super) key: u32,
    pub(super) elem: u32,
    /// `DW_AT_go_runtime_type`: offset from `moduledata.types`, 0 where not stated.
    pub(crate) runtime_type: u64,
    pub(super) first_member: u32,
    pub(super) members: u32,
}

/// Offset that no entry has.
pub(super) const NONE: u32 = u32::MAX;

/// A field of a struct, or a parameter or result of a function type.
#[derive(Clone, Copy, Debug)]
pub(super) struct MemberRec {
    pub(super) name: Name,
    pub(super) offset: u64,
    pub(super) type_: u32,
    /// Embedded field; result of a function type.
    pub(super) flag: bool,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct GlobalRec {
    pub(super) name: Name,
    pub(super) addr: u64,
    pub(super) type_: u32,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct CaptureRec {
    pub(super) function: Name,
    pub(super) name: Name,
    pub(super) offset: u64,
    pub(super) type_: u32,
}
