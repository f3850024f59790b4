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
mod owners;
mod pages;
pub mod pclntab;
pub mod planner;
pub mod program;
pub mod resolver;
pub mod roots;
pub mod spans;
pub mod specials;
mod stackmaps;
mod stackscan;
mod syncmap;
mod threads;
pub mod types;
mod typing;
pub mod unwind;
