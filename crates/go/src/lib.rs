//! Go's runtime from the outside: executable, layouts, spans, roots, goroutines, types, maps. Builds a heap graph.

pub mod binary;
pub mod coverage;
pub mod dwarf;
pub mod error;
pub mod heap;
pub mod maps;
pub mod types;
