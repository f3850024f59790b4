//! Go's runtime from the outside: executable, layouts, spans, roots, goroutines, types, maps. Builds a heap graph.

pub mod coverage;
pub mod heap;
pub mod maps;
