//! The pass from its seeds to the end.

use std::collections::VecDeque;

use leakscope_goabi::AllocRules;
use leakscope_graph::TypeIx;
use leakscope_target::{Addr, AddrRange, Image};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::coverage::Gaps;
use crate::maps::{Census, MapKind};
use crate::objects::Objects;
use crate::program::Program;
use crate::roots::Roots;
use crate::syncmap;
use crate::types::{Slot, SlotKind, TypeId, TypeTable};

use super::cells::Cells;
use super::chan::ChanLayout;
use super::code::ItabLayout;
use super::interfaces::Boxes;
use super::offer::{SHAPE_MASK, SpanFacts, Sure};
use super::programs::{Program as Steps, Programs};
use super::shapes::{Shape, ShapeInfo, Shapes, UNTYPED_NOSCAN, UNTYPED_SCAN};
use super::{Fixed, LocalNames, MapFacts, NONE, Static, Typing};

/// What every object is.
pub(crate) struct Typed {
    /// Per object the number of its shape.
    pub(crate) type_of: Vec<u32>,
    /// The shapes.
    pub(crate) shapes: Shapes,
    /// The map types met.
    pub(crate) kinds: FxHashMap<TypeId, MapKind>,
    /// Values without a name among the package variables, by address.
    pub(crate) statics: Vec<Static>,
    /// What live pointers on stacks belong to.
    pub(crate) local_names: LocalNames,
}

impl<'a> Typing<'a> {
    /// Types all of `objects`, and takes the census of all maps met on the way.
    pub(crate) fn run(
        image: &'a Image,
        objects: &'a Objects,
        types: &'a mut TypeTable,
        program: &'a Program,
        roots: &Roots,
        census: &mut Census<'_>,
    ) -> Typed {
        if let Some(facts) = program.code() {
            types.join(image, facts.types());
        }
        let mut typing = Self::new(image, objects, types, program, census.alloc);
        if let Some(chan) = typing.chan {
            typing.sudog = typing.of_type(chan.sudog).value;
        }
        typing.timer_part = typing.timer_part();
        typing.check_spans(census.gaps);
        typing.seed_headers(census.gaps);
        typing.seed_globals(census.gaps);
        typing.seed_pools(census.gaps);
        typing.seed_funcs(&roots.roots);
        typing.seed_calls(&roots.calls);
        typing.seed_locals(roots, census.gaps);
        typing.seed_code(roots, census.gaps);
        loop {
            typing.drain();
            if !typing.static_todo.is_empty() {
                typing.drain_statics();
            } else if typing.drain_sudogs() {
                continue;
            } else if let Some((at, map)) = typing.maps.pop_front() {
                typing.walk_map(at, map, census);
            } else if typing.seed_nameless() {
                continue;
            } else if let Some(hit) = typing.headed_cells.pop() {
                let number = typing.type_of[hit.obj as usize] & SHAPE_MASK;
                if typing.shapes.get(number).map_cells {
                    typing.push(hit);
                }
            } else {
                break;
            }
        }
        typing.finish()
    }

    fn new(
        image: &'a Image,
        objects: &'a Objects,
        types: &'a mut TypeTable,
        program: &'a Program,
        alloc: AllocRules,
    ) -> Self {
        let modules = program.modules().iter();
        let data = AddrRange {
            start: modules
                .clone()
                .map(|m| m.data.start)
                .min()
                .unwrap_or_default(),
            end: modules.map(|m| m.bss.end).max().unwrap_or_default(),
        };
        let chan = ChanLayout::resolve(program.debug(), types);
        let tries = syncmap::tries(program.debug(), types);
        let mut shapes = Shapes::new();
        let mut plain = |shape, pointers| shapes.number(ShapeInfo::plain(shape, pointers));
        let fixed = Fixed {
            string: plain(Shape::StringData, false),
            func: plain(Shape::FuncValue, false),
            table: plain(Shape::MapTable, true),
            directory: plain(Shape::MapDirectory, true),
            extra: plain(Shape::MapExtra, true),
            overflow_list: plain(Shape::MapOverflowList, true),
            overflow_array: plain(Shape::MapOverflowArray, true),
        };
        let spans = objects.spans().iter().map(|span| {
            let len = if span.size_class == 0 {
                span.usable()
            } else {
                span.bytes
            };
            let bytes = image.bytes(span.start, len).unwrap_or_default();
            (span.start.0, bytes)
        });
        let facts = objects.spans().iter().map(|span| SpanFacts {
            elem_size: span.elem_size,
            usable: span.usable(),
            header: span.header() as u8,
            noscan: span.noscan,
        });
        Self {
            image,
            objects,
            program,
            types,
            alloc,
            shapes,
            fixed,
            of_type: Vec::new(),
            programs: Programs::new(tries),
            spans: spans.collect(),
            type_of: vec![0; objects.len() as usize],
            facts: facts.collect(),
            todo: Vec::new(),
            pending: Vec::new(),
            found: Vec::new(),
            headed_cells: Vec::new(),
            maps: VecDeque::new(),
            outside_maps: FxHashSet::default(),
            data,
            window: None,
            static_seen: FxHashSet::default(),
            static_todo: Vec::new(),
            static_values: Vec::new(),
            boxes: Boxes::default(),
            closures: FxHashMap::default(),
            nameless: false,
            itab: ItabLayout::resolve(program.debug()),
            chan,
            sudog: NONE,
            timer_part: None,
            sudogs: Vec::new(),
            map_facts: FxHashMap::default(),
            local_names: LocalNames::default(),
        }
    }

    fn check_spans(&self, gaps: &mut Gaps) {
        for (span, (_, bytes)) in self.objects.spans().iter().zip(&self.spans) {
            if !span.noscan && bytes.is_empty() {
                gaps.add("span with pointers not in the image", span.start);
            }
        }
    }

    /// A pointer to the header of a map of type `map`.
    pub(super) fn map(&mut self, at: Addr, map: TypeId) {
        let new = match self.objects.find(at.0) {
            Some(hit) if hit.base == at.0 => {
                let shape = self
                    .shapes
                    .number(ShapeInfo::plain(Shape::MapHeader(map), true));
                self.offer(hit, Sure::Machinery, shape)
            }
            Some(_) => false,
            // A function may keep a map on its stack; a variable of a package never does.
            None => self.outside_maps.insert(at.0),
        };
        if new {
            self.maps.push_back((at, map));
        }
    }

    fn walk_map(&mut self, at: Addr, map: TypeId, census: &mut Census<'_>) {
        let facts = match self.map_facts.get(&map) {
            Some(facts) => *facts,
            None => {
                let facts = self.map_facts_of(map, census);
                self.map_facts.insert(map, facts);
                facts
            }
        };
        let Some(facts) = facts else {
            census.gaps.add("map whose type is not known", at);
            return;
        };
        let type_ = TypeIx(facts.header);
        let mut visitor = Cells {
            typing: self,
            facts,
        };
        census.walk(at, type_, &facts.kind, &mut visitor);
    }

    fn map_facts_of(&mut self, map: TypeId, census: &Census<'_>) -> Option<MapFacts> {
        let mut kind = MapKind::of(self.types, map, &census.layouts, self.alloc)?;
        let key = self.cell_program(kind.key, kind.indirect_key);
        let elem = self.cell_program(kind.elem, kind.indirect_elem);
        kind.cell.visit = !key.is_empty() || !elem.is_empty();
        Some(MapFacts {
            header: self
                .shapes
                .number(ShapeInfo::plain(Shape::MapHeader(map), true)),
            cells: self
                .shapes
                .number(ShapeInfo::plain(Shape::MapCells(map), !kind.cell.noscan)),
            key,
            elem,
            kind,
        })
    }

    /// The program of a key or elem as stored: itself, or a pointer to it.
    fn cell_program(&mut self, type_: TypeId, indirect: bool) -> Steps {
        if indirect {
            let kind = SlotKind::Pointer(type_);
            let slot = Slot { offset: 0, kind };
            self.programs.add(self.types, std::iter::once(slot))
        } else {
            self.programs.of(self.types, type_)
        }
    }

    fn finish(self) -> Typed {
        let mut type_of = self.type_of;
        for entry in &mut type_of {
            *entry &= SHAPE_MASK;
        }
        for span in self.objects.spans().iter().filter(|s| s.noscan) {
            let ids = span.first_obj as usize..(span.first_obj + span.objects) as usize;
            for entry in type_of.get_mut(ids).unwrap_or_default() {
                if *entry == UNTYPED_SCAN {
                    *entry = UNTYPED_NOSCAN;
                }
            }
        }
        let kinds = self.map_facts.iter();
        let mut statics = self.static_values;
        // A struct and its first field start at the same place: the larger one comes first.
        statics.sort_by_key(|s| (s.at, std::cmp::Reverse(s.len), s.holder, s.type_));
        Typed {
            type_of,
            shapes: self.shapes,
            statics,
            local_names: self.local_names,
            kinds: kinds
                .filter_map(|(map, facts)| Some((*map, (*facts)?.kind)))
                .collect(),
        }
    }
}
