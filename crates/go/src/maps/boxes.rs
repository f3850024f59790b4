//! What values cost that maps hold behind interfaces.
//!
//! An interface is two words, an itab or a type and a pointer to the value. Values that are pointers themselves lie in the second
//! word; of any other, it leads to a copy in an object of its own: the box (`convT`, `convT16` to `convT64`, `convTstring`,
//! `convTslice` in `runtime/iface.go`, Go 1.21 to 1.27). No box is made for integers below 256, which lie in
//! `runtime.staticuint64s`, nor for empty strings and nil slices, values without bytes, and constants.

use leakscope_goabi::AllocRules;
use leakscope_graph::ObjIx;
use leakscope_target::{Addr, Image};
use rustc_hash::FxHashMap;

use crate::coverage::Gaps;
use crate::heap::GoHeap;
use crate::objects::{Hit, Objects};
use crate::types::{Kind, TypeId, TypeTable};
use crate::typing::TINY_BLOCK;

use super::census::{budget, walk_map};
use super::walk::{Part, Visitor, Walk, word};
use super::{MapInfo, MapKind, Structure};

/// Maps of fewer entries are passed over: their boxes are no more than a large program's noise, and a heap may have millions of
/// them.
const LEAST_ENTRIES: u64 = 512;
/// Of maps whose boxes take fewer bytes nothing is kept.
const LEAST_BYTES: u64 = 64 << 10;

/// A map with boxes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BoxedMap {
    /// Its index in the heap's maps.
    pub map: usize,
    /// Types of its elems, the one of most entries first. Not elems that are nil, or of a type that is not known.
    pub types: Vec<Dynamic>,
    /// Objects in which values lie, and keys too: blocks of the tiny allocator.
    pub with_keys: u64,
}

/// A dynamic type of a map's elems.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Dynamic {
    /// The type.
    pub type_: TypeId,
    /// Bytes of a value.
    pub size: u64,
    /// Values hold pointers.
    pub pointers: bool,
    /// Entries of this type.
    pub entries: u64,
    /// Of these, entries whose value lies in the interface itself, or in no object.
    pub unboxed: u64,
    /// Objects that hold the values of the others, ascending: each once, with the first type that has values in it, and without
    /// those of [`BoxedMap::with_keys`].
    pub boxes: Box<[ObjIx]>,
}

/// The census of boxes.
pub(crate) struct BoxCensus<'a> {
    image: &'a Image,
    objects: &'a Objects,
    alloc: AllocRules,
    types: &'a mut TypeTable,
    /// By the address of an itab.
    itabs: FxHashMap<u64, Option<Tag>>,
    /// By the address of a type's descriptor.
    descriptors: FxHashMap<u64, Option<Tag>>,
}

/// What the first word of an interface says.
#[derive(Clone, Copy)]
struct Tag {
    type_: TypeId,
    direct: bool,
}

impl<'a> BoxCensus<'a> {
    /// Counts the boxes of `maps`; `kind` tells the kind of a map. Those that are being written or grow are left out: their cells
    /// are on the way from one array to another.
    pub(crate) fn run(
        image: &'a Image,
        objects: &'a Objects,
        alloc: AllocRules,
        types: &'a mut TypeTable,
        maps: &[MapInfo],
        kind: impl Fn(&MapInfo) -> Option<MapKind>,
    ) -> Vec<BoxedMap> {
        let mut census = Self {
            image,
            objects,
            alloc,
            types,
            itabs: FxHashMap::default(),
            descriptors: FxHashMap::default(),
        };
        let mut budget = budget(objects);
        let mut boxed = Vec::new();
        let large = maps.iter().enumerate().filter(|(_, m)| is_settled(m));
        for (index, map) in large.filter(|(_, m)| m.len >= LEAST_ENTRIES) {
            let Some(kind) = kind(map) else { continue };
            if let Kind::Interface { empty } = census.types.kind(kind.elem) {
                boxed.extend(census.map(index, map, &kind, empty, &mut budget));
            }
        }
        boxed
    }

    /// The boxes of one map, if they are worth telling.
    fn map(
        &mut self,
        index: usize,
        map: &MapInfo,
        kind: &MapKind,
        empty: bool,
        budget: &mut u64,
    ) -> Option<BoxedMap> {
        // What cannot be read has been told by the first walk.
        let mut gaps = Gaps::default();
        let mut walk = Walk {
            image: self.image,
            objects: self.objects,
            gaps: &mut gaps,
            alloc: self.alloc,
            in_heap: map.object.is_some(),
            budget,
        };
        let mut cells = Cells {
            empty,
            // Keys with pointers may lead to blocks of the tiny allocator that hold boxes too.
            keys: !kind.cell.keys_stay && !kind.indirect_key,
            last: None,
            numbers: FxHashMap::default(),
            rows: Vec::new(),
            found: Vec::new(),
            of_keys: Vec::new(),
            census: self,
        };
        let walked = walk_map(&mut walk, kind, &mut cells, map.address)?;
        if walked.incomplete {
            return None;
        }
        let Cells {
            rows,
            mut found,
            mut of_keys,
            ..
        } = cells;
        found.sort_unstable();
        found.dedup_by_key(|(object, _)| *object);
        of_keys.sort_unstable();
        let all = found.len();
        found.retain(|(object, _)| of_keys.binary_search(object).is_err());
        let with_keys = (all - found.len()) as u64;
        let sizes = found.iter().map(|(object, _)| self.objects.size(*object));
        if sizes.sum::<u64>() < LEAST_BYTES {
            return None;
        }
        let mut boxes = vec![Vec::new(); rows.len()];
        for (object, row) in found {
            if let Some(boxes) = boxes.get_mut(row as usize) {
                boxes.push(ObjIx(object));
            }
        }
        let with_boxes = rows.into_iter().zip(boxes);
        let mut types: Vec<Dynamic> = with_boxes
            .map(|(row, boxes)| Dynamic {
                type_: row.type_,
                size: self.types.size(row.type_),
                pointers: !self.types.slots(row.type_).is_empty(),
                entries: row.entries,
                unboxed: row.unboxed,
                boxes: boxes.into(),
            })
            .collect();
        types.sort_by_key(|t| std::cmp::Reverse(t.entries));
        Some(BoxedMap {
            map: index,
            types,
            with_keys,
        })
    }

    /// What the first word of an interface says; `None` where no type lies there.
    fn tag(&mut self, empty: bool, at: u64) -> Option<Tag> {
        let known = if empty {
            &mut self.descriptors
        } else {
            &mut self.itabs
        };
        if let Some(tag) = known.get(&at) {
            return *tag;
        }
        let type_ = if empty {
            self.types.from_rtype(self.image, Addr(at))
        } else {
            self.types.from_itab(self.image, Addr(at))
        };
        let tag = type_.map(|type_| Tag {
            type_,
            direct: self.types.is_direct_interface(type_),
        });
        known.insert(at, tag);
        tag
    }
}

/// Whether a map's cells are all in one array.
fn is_settled(map: &MapInfo) -> bool {
    let grows = matches!(map.structure, Structure::Classic(inside) if inside.growth.is_some());
    !map.torn && !map.incomplete && !grows
}

/// A dynamic type under way.
struct Row {
    type_: TypeId,
    entries: u64,
    unboxed: u64,
}

/// What the cells of one map hold.
struct Cells<'c, 'a> {
    census: &'c mut BoxCensus<'a>,
    /// The interface has no methods.
    empty: bool,
    /// Objects of keys are noted.
    keys: bool,
    /// The last first word of an interface with what it says: neighbours mostly hold the same type.
    last: Option<(u64, Option<(usize, bool)>)>,
    /// Rows by type.
    numbers: FxHashMap<TypeId, usize>,
    rows: Vec<Row>,
    /// Objects that data words lead to, with their row.
    found: Vec<(u32, u32)>,
    /// Blocks of the tiny allocator that keys lead to.
    of_keys: Vec<u32>,
}

impl Cells<'_, '_> {
    /// The number of the row of this first word, and whether values lie in the data word.
    fn row(&mut self, tag: u64) -> Option<(usize, bool)> {
        match self.last {
            Some((last, row)) if last == tag => row,
            _ => {
                let row = self.row_of(tag);
                self.last = Some((tag, row));
                row
            }
        }
    }

    fn row_of(&mut self, tag: u64) -> Option<(usize, bool)> {
        let Tag { type_, direct } = self.census.tag(self.empty, tag)?;
        let number = *self.numbers.entry(type_).or_insert_with(|| {
            self.rows.push(Row {
                type_,
                entries: 0,
                unboxed: 0,
            });
            self.rows.len() - 1
        });
        Some((number, direct))
    }

    fn elem(&mut self, tag: u64, data: u64) {
        let row = if tag == 0 { None } else { self.row(tag) };
        let Some((number, direct)) = row else {
            return;
        };
        let Some(row) = self.rows.get_mut(number) else {
            return;
        };
        row.entries += 1;
        let hit = self.census.objects.find(data).filter(|_| !direct);
        match (hit, u32::try_from(number)) {
            (Some(hit), Ok(number)) => self.found.push((hit.obj, number)),
            _ => row.unboxed += 1,
        }
    }

    fn key(&mut self, at: u64) {
        let objects = self.census.objects;
        let span = |hit: &Hit| objects.spans().get(hit.span as usize);
        let tiny = |hit: &Hit| span(hit).is_some_and(|s| s.noscan && s.elem_size == TINY_BLOCK);
        let block = objects.find(at).filter(tiny);
        self.of_keys.extend(block.map(|hit| hit.obj));
    }
}

impl Visitor for Cells<'_, '_> {
    fn part(&mut self, _: Hit, _: Part) {}

    #[inline]
    fn cell(&mut self, key: &[u8], elem: &[u8]) {
        self.elem(word(elem, 0), word(elem, 8));
        if self.keys {
            for offset in (0..key.len() as u64).step_by(8) {
                self.key(word(key, offset));
            }
        }
    }
}

impl GoHeap {
    /// What a dynamic type is called.
    pub fn dynamic_type_name(&self, of: &Dynamic) -> &str {
        self.names.types_table().name(of.type_)
    }
}
