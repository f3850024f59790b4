//! Ways from the roots told by types and fields instead of objects: what a million objects have in common.

mod classes;
mod distinct;
mod incoming;
mod merge;

pub use classes::{TypePath, TypePaths, TypeStep};
pub use distinct::DistinctPath;
pub use merge::{Merged, MergedPath};
