//! Go's maps as executable models: what each release from 1.21 to 1.27 does to memory, step by step.
//!
//! A model is the map without the bytes of keys and elems: numbers stand for them. Hashes and random numbers come from a
//! [`World`]. With those of a real program a model goes through exactly the states of that program's map, which
//! `tests/differential.rs` checks in real programs of every release; with a [`Seeded`] one it is a simulation.
//!
//! Not modelled: keys that do not equal themselves (NaN), whose hash is random at every look, and maps that several goroutines
//! write to at once.

mod chains;
mod classic;
mod expect;
mod map;
mod release;
pub mod scenario;
mod shape;
mod swiss;
mod trace;
mod world;

pub use chains::Chains;
pub use classic::{
    Classic, ClassicGrowth, ClassicHeader, ClassicIter, FLAG_ITERATOR, FLAG_OLD_ITERATOR,
    FLAG_SAME_SIZE,
};
pub use expect::{Expectation, classic_chains, swiss_probes};
pub use map::{Iter, Map, Memory, NextGrowth, NilMap};
pub use release::{ClassicRules, ClearRule, Clearing, RELEASES, Release, Rules, SwissRules};
pub use shape::{Algorithm, AssignPath, MAX_INLINE, Part, Shape, ShapeError};
pub use swiss::{Swiss, SwissGrowth, SwissHeader, SwissIter, TableHeader};
pub use trace::{Curve, MAX_KEY, MAX_STEPS, Op, Point, Trace, TraceError};
pub use world::{Elem, Key, Seeded, World};
