//! Iterators that hold what their maps have outgrown.
//!
//! An iterator keeps the array of buckets, or the table, that its map had when it got there, so that it can go on in the same order
//! after the map has grown (`mapiterinit` and `mapiternext` in `runtime/map.go`, Go 1.21 to 1.23, and `runtime/map_noswiss.go`;
//! `Iter.Next` in `internal/runtime/maps/table.go`, Go 1.24 to 1.27). It lies in the frame of a `range` loop or in a `reflect.MapIter`, and is known by what
//! surrounds its pointer to the map: the map's own type before it, what the map had after it.

use leakscope_goabi::GROUP_SLOTS;
use leakscope_graph::ObjIx;
use leakscope_target::{Addr, Image, Memory};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::dwarf::DebugInfo;
use crate::objects::{Hit, Objects};
use crate::roots::{Root, RootKind};
use crate::types::{TypeId, TypeTable};
use crate::typing::{Shape, ShapeInfo, Typed};

use super::layouts::{ClassicIterator, ClassicLayout, MapLayouts, SwissIterator, SwissLayout};
use super::{Generation, MapInfo};

/// An iterator over a map that has grown since.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OldIterator {
    /// Its address.
    pub at: Addr,
    /// The map's index in the heap's maps.
    pub map: usize,
    /// What it holds of what the map no longer has: an array of buckets with its list of overflow buckets, or a table.
    pub holds: Vec<ObjIx>,
}

/// Finds them by the pointers to headers of maps.
pub(crate) struct IteratorFinder<'a> {
    objects: &'a Objects,
    types: &'a TypeTable,
    typed: &'a Typed,
    maps: &'a [MapInfo],
    /// By the object of the header, the index of each map that has grown.
    by_header: FxHashMap<u32, u32>,
    /// Per span, whether such headers are in it.
    with_headers: Vec<bool>,
    /// Arrays of buckets, lists of overflow buckets and tables that these maps have: by address.
    present: FxHashSet<u64>,
    classic: Option<(ClassicLayout, ClassicIterator)>,
    swiss: Option<(SwissLayout, SwissIterator)>,
    /// The type of tables.
    table: Option<TypeId>,
    found: Vec<OldIterator>,
}

impl<'a> IteratorFinder<'a> {
    /// A finder for iterators over `maps`. Reads the maps themselves: `image` must still have them all.
    pub(crate) fn new(
        image: &Image,
        debug: &DebugInfo,
        objects: &'a Objects,
        types: &'a TypeTable,
        typed: &'a Typed,
        maps: &'a [MapInfo],
    ) -> Self {
        let layouts = MapLayouts::resolve(debug);
        // Maps that never had more than one bucket or group have outgrown nothing worth telling; what a map has that could not be
        // walked to the end is not known.
        let grown = (0u32..)
            .zip(maps)
            .filter(|(_, map)| map.slots > GROUP_SLOTS && !map.incomplete);
        let mut by_header = FxHashMap::default();
        let mut with_headers = vec![false; objects.spans().len()];
        for (index, map) in grown {
            let Some(header) = map.object else {
                continue;
            };
            by_header.insert(header.0, index);
            if let Some(span) = with_headers.get_mut(objects.span_of(header.0) as usize) {
                *span = true;
            }
        }
        let mut finder = Self {
            objects,
            types,
            typed,
            maps,
            by_header,
            with_headers,
            present: FxHashSet::default(),
            classic: layouts.classic.and_then(|l| Some((l, l.iterator?))),
            swiss: layouts.swiss.and_then(|l| Some((l, l.iterator?))),
            table: (debug.type_named("internal/runtime/maps.table"))
                .and_then(|die| types.from_dwarf(die)),
            found: Vec::new(),
        };
        let grown = maps.iter().filter(|map| map.slots > GROUP_SLOTS);
        finder.present = grown.flat_map(|map| finder.parts(image, map)).collect();
        finder
    }

    /// What a map has.
    fn parts(&self, image: &Image, map: &MapInfo) -> Vec<u64> {
        let word = |at: u64, offset: u64| image.u64(Addr(at.checked_add(offset)?)).ok();
        let of_map = |offset: u64| word(map.address.0, offset);
        match (map.generation(), &self.classic, &self.swiss) {
            (Generation::Classic, Some((header, _)), _) => {
                let extra = of_map(header.extra).filter(|extra| *extra != 0);
                let of_extra = |offset: u64| word(extra?, offset);
                let own = [of_map(header.buckets), of_map(header.oldbuckets)];
                let lists = [of_extra(header.overflow), of_extra(header.oldoverflow)];
                own.into_iter().chain(lists).flatten().collect()
            }
            (Generation::Swiss, _, Some((header, _))) => {
                let directory = of_map(header.dir_ptr).and_then(|at| self.objects.find(at));
                let Some(directory) = directory else {
                    return Vec::new();
                };
                let most = self.objects.size(directory.obj) / 8;
                let tables = of_map(header.dir_len).unwrap_or(0).min(most);
                let start = of_map(header.dir_ptr).unwrap_or(0);
                (0..tables).filter_map(|i| word(start, i * 8)).collect()
            }
            _ => Vec::new(),
        }
    }

    /// A reference to `hit`, in word `word` of the data of `from`, before which its slot has so many words of header.
    #[inline]
    pub(crate) fn reference(
        &mut self,
        image: &Image,
        (from, header): (u32, u32),
        word: u32,
        hit: Hit,
    ) {
        if self.wants(hit) {
            let words = u64::from(word) + u64::from(header);
            let at = self.objects.base(from).0.saturating_add(words * 8);
            self.pointer(image, Addr(at), hit);
        }
    }

    /// Whether an object is the header of a map that has grown.
    #[inline]
    fn wants(&self, hit: Hit) -> bool {
        self.with_headers.get(hit.span as usize) == Some(&true)
            && self.by_header.contains_key(&hit.obj)
    }

    fn pointer(&mut self, image: &Image, at: Addr, hit: Hit) {
        if let Some(&map) = self.by_header.get(&hit.obj) {
            let found = self.look(image, at, map as usize);
            self.found.extend(found);
        }
    }

    /// Looks at everything that is no object and leads to a map.
    pub(crate) fn roots(&mut self, image: &Image, roots: &[Root]) {
        for root in roots {
            if let RootKind::Global { at } | RootKind::Stack { slot: at, .. } = root.kind
                && let Some(hit) = self.objects.find(root.value)
            {
                self.pointer(image, at, hit);
            }
        }
    }

    /// What was found, by address.
    pub(crate) fn finish(mut self) -> Vec<OldIterator> {
        self.found.sort_unstable_by_key(|found| found.at);
        self.found.dedup_by_key(|found| found.at);
        self.found
    }

    /// The iterator around a pointer to a map at `at`, if it holds what the map no longer has.
    fn look(&self, image: &Image, at: Addr, index: usize) -> Option<OldIterator> {
        let map = self.maps.get(index)?;
        let holds = match map.generation() {
            Generation::Classic => self.old_array(image, at, map),
            Generation::Swiss => self.old_table(image, at, map),
        };
        let (at, holds) = holds.filter(|(_, holds)| !holds.is_empty())?;
        Some(OldIterator {
            at,
            map: index,
            holds,
        })
    }

    fn old_array(&self, image: &Image, at: Addr, map: &MapInfo) -> Option<(Addr, Vec<ObjIx>)> {
        let (_, iterator) = self.classic.as_ref()?;
        let start = at.0.checked_sub(iterator.map)?;
        let word = |offset: u64| image.u64(Addr(start.checked_add(offset)?)).ok();
        self.is_type_of(Addr(word(iterator.type_)?), map)
            .then_some(())?;
        let array = self.outgrown(word(iterator.buckets)?)?;
        let buckets = 1u64.checked_shl(u32::from(image.u8(Addr(start + iterator.b)).ok()?))?;
        self.is_array(array, buckets, map).then_some(())?;
        let lists = [iterator.overflow, iterator.oldoverflow].into_iter();
        let lists = lists.filter_map(|offset| self.outgrown(word(offset)?));
        Some((Addr(start), std::iter::once(array).chain(lists).collect()))
    }

    fn old_table(&self, image: &Image, at: Addr, map: &MapInfo) -> Option<(Addr, Vec<ObjIx>)> {
        let (_, iterator) = self.swiss.as_ref()?;
        let start = at.0.checked_sub(iterator.map)?;
        let word = |offset: u64| image.u64(Addr(start.checked_add(offset)?)).ok();
        self.is_type_of(Addr(word(iterator.type_)?), map)
            .then_some(())?;
        let table = self.outgrown(word(iterator.table)?)?;
        self.is_table(table).then_some(())?;
        Some((Addr(start), vec![table]))
    }

    /// The object at `at`, if no map has it.
    fn outgrown(&self, at: u64) -> Option<ObjIx> {
        (!self.present.contains(&at)).then_some(())?;
        self.start_of_object(at)
    }

    /// Whether an object can be an array of so many of the map's buckets.
    fn is_array(&self, object: ObjIx, buckets: u64, map: &MapInfo) -> bool {
        let shapes = &self.typed.shapes;
        let kind = match shapes.get(map.type_.0).shape {
            Shape::MapHeader(type_) => self.typed.kinds.get(&type_),
            _ => None,
        };
        let bytes = kind.and_then(|kind| kind.cell.size.checked_mul(buckets));
        bytes.is_some_and(|bytes| bytes <= self.objects.size(object.0))
            && self.info(object).is_some_and(|info| match info.shape {
                Shape::UntypedScan | Shape::UntypedNoscan | Shape::MapCells(_) => true,
                _ => info.map_cells,
            })
    }

    /// Whether an object can be a table.
    fn is_table(&self, object: ObjIx) -> bool {
        self.info(object).is_some_and(|info| match info.shape {
            Shape::UntypedScan | Shape::MapTable => {
                let size = self.swiss.as_ref().map(|(header, _)| header.table_size);
                size == Some(self.objects.size(object.0))
            }
            Shape::Value(type_) => Some(type_) == self.table,
            _ => false,
        })
    }

    fn info(&self, object: ObjIx) -> Option<&ShapeInfo> {
        let number = self.typed.type_of.get(object.0 as usize)?;
        Some(self.typed.shapes.get(*number))
    }

    /// Whether a descriptor at `at` is that of the map's type.
    fn is_type_of(&self, at: Addr, map: &MapInfo) -> bool {
        let header = self.typed.shapes.get(map.type_.0).shape;
        let type_ = self.types.known_rtype(at);
        matches!(header, Shape::MapHeader(of) if type_ == Some(of))
    }

    fn start_of_object(&self, at: u64) -> Option<ObjIx> {
        let hit = self.objects.find(at)?;
        let span = self.objects.spans().get(hit.span as usize)?;
        (at == hit.base || at == hit.base + span.header()).then_some(ObjIx(hit.obj))
    }
}
