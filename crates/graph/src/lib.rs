//! The heap graph: objects, edges and roots of one captured heap, whatever runtime it came from.
//!
//! Pure data and algorithms. An object is a dense `u32`; what it is called, and where it lay in memory, only the
//! [`Resolver`] knows. Columns are flat vectors: per object one type, one row start of the edge table, and what a
//! traversal adds. Sizes are stored once per run of equal objects.

mod builder;
mod dominators;
mod fingerprint;
mod groups;
mod growth;
mod heap;
mod held_set;
mod histogram;
mod index;
mod path;
mod paths;
mod reach;
mod resolver;
mod retained;
mod sizes;
mod suspects;

pub use builder::{Columns, GraphBuilder};
pub use dominators::{Dominators, Held, Node};
pub use fingerprint::Fingerprint;
pub use groups::RootGroups;
pub use growth::{GrowthRow, growth};
pub use heap::{Edge, HeapGraph, Root, TooLarge};
pub use held_set::HeldSet;
pub use histogram::{Histogram, PackageRow, TypeRow};
pub use index::{ClassIx, GroupIx, ObjIx, RootIx, TypeIx};
pub use path::{Omitted, Path, Step};
pub use paths::{DistinctPath, Merged, MergedPath, TypePath, TypePaths, TypeStep};
pub use reach::{Reach, Strength};
pub use resolver::Resolver;
pub use retained::{NamedSetRow, SetRow, freed_without};
pub use sizes::{SizeRun, Sizes};
pub use suspects::{Entries, EntryKind, Suspect, Threshold, suspects};
