//! The JVM's heap, read from an HPROF dump: objects, classes, references, roots, threads and collections.
//!
//! A dump lists objects, but not how large they were nor where the JVM's own fields lie: the layout that explains where
//! objects begin is found out. Everything that a dump says is a claim: what does not fit is a counted gap.

mod bounds;
mod classes;
mod collections;
mod columns;
mod contents;
mod error;
mod gaps;
mod growth;
mod heap;
mod hprof;
mod index;
mod kind;
mod layout;
mod locals;
mod names;
mod packed;
mod read;
mod roots;
mod sizes;
mod soft;
mod spelling;
mod threads;
mod types;

pub use bounds::Bound;
pub use collections::{Collection, Way};
pub use error::Error;
pub use gaps::{Gap, Gaps};
pub use growth::Shape;
pub use heap::{Amount, JvmHeap, LayoutFound, Totals};
pub use hprof::header::Header;
pub use layout::Layout;
pub use names::Names;
pub use packed::{Packing, unpack};
pub use read::Input;
pub use roots::{Group, Groups, ThreadRoot};
pub use spelling::{java_name, package_of};
pub use threads::{Frame, Thread};
