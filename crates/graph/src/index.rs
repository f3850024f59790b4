//! Dense ids. All are `u32`: a heap of more than 2^32 - 2 objects is refused when the graph is built.

macro_rules! dense_index {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
        #[repr(transparent)]
        pub struct $name(pub u32);

        impl $name {
            /// As an index of a column.
            pub fn index(self) -> usize {
                self.0 as usize
            }
        }
    };
}

dense_index! {
    /// One object: an allocated slot of the target's heap. Ids follow address order.
    ObjIx
}
dense_index! {
    /// One type as the runtime reader numbers them.
    TypeIx
}
dense_index! {
    /// One root: an entry of [`crate::HeapGraph::roots`].
    RootIx
}
dense_index! {
    /// One group of roots: an entry of [`crate::RootGroups`].
    GroupIx
}
dense_index! {
    /// One way of types and fields from a root: an entry of [`crate::TypePaths`].
    ClassIx
}
