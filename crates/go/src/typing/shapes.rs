//! What a heap object can be: a value of a type, an array of values, or a part of a runtime structure.

use rustc_hash::FxHashMap;

use crate::types::TypeId;

use super::programs::Program;

/// What an object is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Shape {
    /// Nothing says what it is; the runtime scans it for pointers.
    UntypedScan,
    /// Nothing says what it is; it holds no pointers.
    UntypedNoscan,
    /// One value.
    Value(TypeId),
    /// Values one after the other: the array behind a slice.
    Array(TypeId),
    /// Bytes of a string.
    StringData,
    /// The header of a map of this type: `runtime.hmap` or `maps.Map`.
    MapHeader(TypeId),
    /// Buckets or groups of a map of this type.
    MapCells(TypeId),
    /// A table of a Swiss map.
    MapTable,
    /// The directory of a Swiss map.
    MapDirectory,
    /// `mapextra` of a classic map.
    MapExtra,
    /// The slice header through which a classic map keeps its overflow buckets.
    MapOverflowList,
    /// That slice's array.
    MapOverflowArray,
    /// A channel of this channel type, with its buffer where that has no pointers.
    Chan(TypeId),
    /// A function value whose captured variables hold no pointers.
    FuncValue,
    /// A function value whose code starts at this address.
    Closure(u64),
}

/// A shape with what walking it needs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ShapeInfo {
    pub(crate) shape: Shape,
    /// Bytes of one value, 0 where values have no fixed size.
    pub(crate) size: u64,
    /// Bytes of the slot that the allocator takes for one value; 0 where values have no fixed size.
    pub(crate) slot: u64,
    /// The object holds pointers.
    pub(crate) pointers: bool,
    /// Values repeat to the end of the object.
    pub(crate) tiled: bool,
    /// Where the pointers of one value are.
    pub(crate) program: Program,
    /// Walked by whoever found it, not by the worklist.
    pub(crate) machinery: bool,
    /// Groups or buckets, known only by their malloc header: walked as part of their map, or after all maps.
    pub(crate) map_cells: bool,
}

impl ShapeInfo {
    /// A shape without values of a fixed size, which the worklist does not walk.
    pub(crate) fn plain(shape: Shape, pointers: bool) -> Self {
        Self {
            shape,
            size: 0,
            slot: 0,
            pointers,
            tiled: false,
            program: Program::default(),
            machinery: true,
            map_cells: false,
        }
    }
}

/// Numbers shapes densely.
pub(crate) struct Shapes {
    infos: Vec<ShapeInfo>,
    by_shape: FxHashMap<Shape, u32>,
}

/// Number of [`Shape::UntypedScan`].
pub(crate) const UNTYPED_SCAN: u32 = 0;
/// Number of [`Shape::UntypedNoscan`].
pub(crate) const UNTYPED_NOSCAN: u32 = 1;

impl Shapes {
    pub(crate) fn new() -> Self {
        let mut shapes = Self {
            infos: Vec::new(),
            by_shape: FxHashMap::default(),
        };
        for (shape, pointers) in [(Shape::UntypedScan, true), (Shape::UntypedNoscan, false)] {
            shapes.number(ShapeInfo::plain(shape, pointers));
        }
        shapes
    }

    /// The number of `info.shape`, a new one where it has none yet.
    pub(crate) fn number(&mut self, info: ShapeInfo) -> u32 {
        *self.by_shape.entry(info.shape).or_insert_with(|| {
            self.infos.push(info);
            self.infos.len() as u32 - 1
        })
    }

    /// The shape of this number.
    pub(crate) fn get(&self, number: u32) -> &ShapeInfo {
        &self.infos[number as usize]
    }

    /// All of them, by number.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &ShapeInfo> {
        self.infos.iter()
    }
}
