//! Go's runtime from the outside: executable, layouts, spans, roots, goroutines, types, maps. Builds a heap graph.

pub mod binary;
pub mod coverage;
pub mod dwarf;
pub mod error;
pub mod goroutines;
pub mod heap;
pub mod heapbits;
pub mod layouts;
pub mod maps;
pub mod moduledata;
pub mod objects;
mod pages;
pub mod pclntab;
pub mod program;
pub mod roots;
pub mod spans;
pub mod specials;
mod stackmaps;
mod stackscan;
mod threads;
pub mod types;
pub mod unwind;
