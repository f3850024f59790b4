//! Names for what the graph only numbers.

use std::borrow::Cow;

use crate::{ObjIx, RootIx, TypeIx};

/// Names of types, roots and references. Implemented by the runtime readers.
pub trait Resolver {
    /// The type as the program's own language spells it.
    fn type_name(&self, type_: TypeIx) -> Cow<'_, str>;

    /// The package that declares the type; empty for types that none declares.
    fn package(&self, type_: TypeIx) -> Cow<'_, str>;

    /// The root as an expression: a global's name, a goroutine with its function.
    fn root_name(&self, root: RootIx) -> Cow<'_, str>;

    /// Appends the reference in word `slot` of `holder` to an expression that stands for `holder`: `.field`, `[…]`,
    /// or nothing where the reference is inside a collection's own machinery.
    fn push_step(&self, holder: ObjIx, type_: TypeIx, slot: u32, expression: &mut String);

    /// Whether objects of this type are machinery between the head of a collection and its entries: tables, groups and
    /// buckets of a map. They are looked through; the head itself is an object of its own.
    fn is_internal(&self, _type: TypeIx) -> bool {
        false
    }

    /// The word that stands for `slot` where only the field matters: in an array of values, the same field of the first
    /// of them; in a cell of a map, the key or the elem.
    fn field(&self, _type: TypeIx, slot: u32) -> u32 {
        slot
    }

    /// Appends the reference without indices, addresses and counts: the same in every run of the same code.
    fn push_field(&self, type_: TypeIx, slot: u32, text: &mut String) {
        self.push_step(ObjIx(0), type_, self.field(type_, slot), text);
    }

    /// The root without numbers and addresses, the same in every run of the same code: a global's name, the function a
    /// goroutine was started with.
    fn root_key(&self, root: RootIx) -> Cow<'_, str> {
        self.root_name(root)
    }
}
