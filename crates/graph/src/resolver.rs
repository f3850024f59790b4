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
}
