//! Types for heap objects.
//!
//! Objects of up to 512 bytes carry no type: what they are follows from what points to them. Types spread from typed
//! places (package variables, malloc headers, large objects, interfaces, map types, function values) along typed
//! pointers, in one pass over a worklist with random access to the captured bytes. Objects without pointers are named
//! without looking at their bytes.

mod calls;
mod cells;
mod chan;
mod closures;
mod code;
mod interfaces;
mod locals;
mod offer;
mod parts;
mod pools;
mod programs;
mod run;
mod seeds;
mod shapes;
mod statics;
mod timers;
mod walk;

use std::collections::VecDeque;

use leakscope_goabi::AllocRules;
use leakscope_target::{Addr, AddrRange, Image};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::maps::MapKind;
use crate::objects::{Hit, Objects};
use crate::types::{TypeId, TypeTable};

pub(crate) use code::ANY_POINTER;
pub(crate) use locals::LocalNames;
pub(crate) use offer::TINY_BLOCK;
use offer::{Pending, SpanFacts};
use programs::{Program, Programs};
pub(crate) use run::Typed;
pub(crate) use shapes::{Shape, ShapeInfo, Shapes, UNTYPED_NOSCAN, UNTYPED_SCAN};
pub(crate) use statics::Static;

/// Numbers of the shapes that have no type.
struct Fixed {
    string: u32,
    func: u32,
    table: u32,
    directory: u32,
    extra: u32,
    overflow_list: u32,
    overflow_array: u32,
}

/// Numbers of the two shapes of a type, [`NONE`] until asked for.
#[derive(Clone, Copy)]
struct OfType {
    value: u32,
    array: u32,
}

const NONE: u32 = u32::MAX;

/// An object to walk, from this value on.
#[derive(Clone, Copy, Default)]
struct Todo {
    hit: Hit,
    from: u64,
}

/// The state of the pass.
pub(crate) struct Typing<'a> {
    image: &'a Image,
    objects: &'a Objects,
    program: &'a crate::program::Program,
    types: &'a mut TypeTable,
    alloc: AllocRules,
    shapes: Shapes,
    fixed: Fixed,
    of_type: Vec<OfType>,
    programs: Programs,
    /// Per span its start and its bytes, which are empty where they are not in the image.
    spans: Vec<(u64, &'a [u8])>,
    facts: Vec<SpanFacts>,
    /// Per object its shape and how sure that is.
    type_of: Vec<u32>,
    todo: Vec<Todo>,
    pending: Vec<Pending>,
    found: Vec<(Hit, Pending)>,
    /// Groups and buckets typed by their header, to be walked if no map claims them.
    headed_cells: Vec<Hit>,
    /// Maps found and not walked yet.
    maps: VecDeque<(Addr, TypeId)>,
    /// Headers of maps that lie outside the heap.
    outside_maps: FxHashSet<u64>,
    /// Package variables.
    data: AddrRange,
    /// Package variables being walked.
    window: Option<statics::Window>,
    static_seen: FxHashSet<(u64, u32)>,
    static_todo: Vec<Static>,
    static_values: Vec<Static>,
    boxes: interfaces::Boxes,
    closures: FxHashMap<u64, u32>,
    /// Variables that the debug information leaves out have been followed.
    nameless: bool,
    chan: Option<chan::ChanLayout>,
    itab: Option<code::ItabLayout>,
    /// The shape of `runtime.sudog`.
    sudog: u32,
    timer_part: Option<timers::TimerPart>,
    /// Goroutines in queues, not followed yet.
    sudogs: Vec<Hit>,
    map_facts: FxHashMap<TypeId, Option<MapFacts>>,
    local_names: LocalNames,
}

/// What walking a map of one type needs.
#[derive(Clone, Copy)]
struct MapFacts {
    kind: MapKind,
    header: u32,
    cells: u32,
    key: Program,
    elem: Program,
}
