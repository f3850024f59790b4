//! Collections: which objects are their machinery, how full they are, what they cost.

mod table;

use std::cell::Cell;

use leakscope_graph::{Columns, TypeIx};
use rustc_hash::FxHashMap;

pub use self::table::Way;
pub(crate) use self::table::is_machinery;

use self::table::{HEADS, Head};
use crate::classes::{ClassTable, Field};
use crate::columns::{Aside, objects_of};
use crate::hprof::tables::Tables;
use crate::layout::Layout;
use crate::sizes::Sizing;
use crate::types::{Sort, Types};

/// What makes instances of a class a collection, if they are one.
pub(crate) fn head_of(classes: &ClassTable, number: u32) -> Option<&'static Head> {
    let mut ancestors = classes.ancestors(number);
    ancestors.find_map(|n| {
        let internal = classes.get(n).internal.as_str();
        HEADS.iter().find(|head| head.class == internal)
    })
}

/// A collection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Collection {
    /// Its head.
    pub object: u32,
    /// How it keeps its entries.
    pub way: Way,
    /// Entries.
    pub len: u64,
    /// Entries there is room for; 0 where that is no question.
    pub capacity: u64,
    /// Head, tables and nodes, in bytes.
    pub bytes: u64,
    /// What one freshly made for as many entries takes.
    pub rebuilt_bytes: u64,
}

/// A class of collections: how to read them.
struct Reading {
    head: &'static Head,
    store: Option<u32>,
    inside: Vec<u32>,
    /// Where a concurrent map keeps parts of its count.
    counters: Option<u32>,
    node: u64,
}

/// All collections.
pub(crate) struct Census<'a> {
    pub(crate) classes: &'a ClassTable,
    pub(crate) tables: &'a Tables,
    pub(crate) aside: &'a Aside,
    pub(crate) sizing: &'a Sizing,
    /// Nodes and their references that may be looked at where collections do not say how many entries they have: as
    /// many as there are.
    pub(crate) steps: Cell<u64>,
}

impl Census<'_> {
    fn readings(&self, types: &Types) -> Vec<Option<Reading>> {
        let reading = |sort: Sort| {
            let Sort::Instances(class) = sort else {
                return None;
            };
            let head = head_of(self.classes, class)?;
            let slot = |field: &&str| self.classes.slot(class, field, self.tables);
            let node = head.node.and_then(|node| self.classes.named(node));
            Some(Reading {
                head,
                store: slot(&head.store),
                inside: head.inside.iter().filter_map(slot).collect(),
                counters: slot(&"counterCells"),
                node: node.map_or(0, |node| self.sizing.of_instance(node)),
            })
        };
        types.iter().map(|(_, type_)| reading(type_.sort)).collect()
    }

    /// Finds every collection, and gives what is inside of one a type of its own, which is machinery. Those inside of
    /// another are told as that one.
    pub(crate) fn take(&self, columns: &mut Columns, types: &mut Types) -> Vec<Collection> {
        let readings = self.readings(types);
        let mut machinery: FxHashMap<TypeIx, TypeIx> = FxHashMap::default();
        let mut found = Vec::new();
        let mut wrapped = Vec::new();
        // Types change on the way, but only of what is inside of a collection: its machinery is none.
        let wanted: Vec<bool> = readings.iter().map(Option::is_some).collect();
        for object in objects_of(columns, &wanted) {
            let type_ = columns.types[object as usize];
            let Some(Some(reading)) = readings.get(type_.index()) else {
                continue;
            };
            let mut store = None;
            for edge in row(columns, object) {
                let slot = columns.edge_slot[edge];
                let to = columns.edge_to[edge];
                if !reading.inside.contains(&slot) {
                    continue;
                }
                if Some(slot) == reading.store {
                    store = Some(to.0);
                }
                let inner = columns.types[to.index()];
                let head_inside = reading.head.way == Way::Wrapped
                    && readings.get(inner.index()).is_some_and(Option::is_some);
                if head_inside {
                    wrapped.push((object, to.0));
                } else if types.get(inner).is_some_and(|t| t.sort == Sort::Objects) {
                    let own = machinery
                        .entry(inner)
                        .or_insert_with(|| types.machinery_of(inner));
                    columns.types[to.index()] = *own;
                }
            }
            if reading.head.way != Way::Wrapped {
                found.push(self.measure(object, store, reading, columns));
            }
        }
        let place = |inner: &u32| found.binary_search_by_key(inner, |c| c.object);
        let places: Vec<_> = wrapped.iter().map(|(_, inner)| place(inner)).collect();
        for ((outer, inner), at) in wrapped.into_iter().zip(places) {
            let type_ = columns.types[inner as usize];
            let own = machinery
                .entry(type_)
                .or_insert_with(|| types.machinery_of(type_));
            if type_ != *own {
                columns.types[inner as usize] = *own;
            }
            if let Ok(at) = at {
                let more = size(columns, outer);
                found[at].object = outer;
                found[at].way = Way::Wrapped;
                found[at].bytes += more;
                found[at].rebuilt_bytes += more;
            }
        }
        found.sort_by_key(|c| c.object);
        found.dedup_by_key(|c| c.object);
        found
    }

    fn measure(
        &self,
        object: u32,
        store: Option<u32>,
        reading: &Reading,
        columns: &Columns,
    ) -> Collection {
        let layout = self.sizing.layout();
        let head = size(columns, object);
        let store_bytes = store.map_or(0, |s| size(columns, s));
        let value = |object, field| self.aside.value(object, field);
        let way = reading.head.way;
        let slots = match way {
            Way::Linked | Way::Wrapped => 0,
            _ => store.map_or(0, |_| elements(layout, store_bytes)),
        };
        let len = match (value(object, Field::Size), way) {
            // Cells may be negative: their sum with the base is not.
            (Some(size), _) => size.wrapping_add(self.counters(object, reading, columns)),
            (None, Way::Ring) => {
                let end = |field| value(object, field).unwrap_or_default();
                let (head, tail) = (end(Field::Head), end(Field::Tail));
                if tail >= head {
                    tail - head
                } else {
                    tail.saturating_add(slots).saturating_sub(head)
                }
            }
            (None, Way::Array) => store.map_or(0, |s| row(columns, s).len() as u64),
            (None, Way::Linked) => store.map_or(0, |s| self.walk(columns, s)),
            (None, _) => 0,
        };
        // A count cannot be larger than the heap: a torn or hostile dump may say anything.
        let len = len.min(columns.types.len() as u64);
        let nodes = reading.node.saturating_mul(len);
        let array = |slots: u64| layout.array(None, u32::try_from(slots).unwrap_or(u32::MAX));
        let (capacity, bytes, rebuilt) = match way {
            // Tables grow at three quarters.
            Way::Hashed => (
                slots,
                head + store_bytes + nodes,
                head + nodes + if len == 0 { 0 } else { array(table_for(len)) },
            ),
            Way::OpenHashed => (
                slots / 2,
                head + store_bytes,
                head + array((len.saturating_mul(3)).next_power_of_two().max(64)),
            ),
            Way::Linked => (0, head + nodes, head + nodes),
            _ => (
                slots,
                head + store_bytes,
                head + if len == 0 { 0 } else { array(len) },
            ),
        };
        Collection {
            object,
            way,
            len,
            capacity,
            bytes,
            rebuilt_bytes: rebuilt.min(bytes),
        }
    }

    /// Counts that a concurrent map keeps apart, so that threads do not wait for each other.
    fn counters(&self, object: u32, reading: &Reading, columns: &Columns) -> u64 {
        let cells = row(columns, object)
            .filter(|e| Some(columns.edge_slot[*e]) == reading.counters)
            .flat_map(|e| row(columns, columns.edge_to[e].0));
        let left = self.steps.get();
        let mut looked = 0;
        let counts = cells.take(usize::try_from(left).unwrap_or(usize::MAX));
        let sum = counts
            .inspect(|_| looked += 1)
            .filter_map(|e| self.aside.value(columns.edge_to[e].0, Field::Counter))
            .fold(0u64, u64::wrapping_add);
        self.steps.set(left.saturating_sub(looked));
        sum
    }

    /// Nodes of a list from its first one: along references to objects of the same type. All lists together are walked
    /// no further than there are objects and references.
    fn walk(&self, columns: &Columns, first: u32) -> u64 {
        let type_ = columns.types[first as usize];
        let (mut at, mut before, mut nodes) = (first, u32::MAX, 0u64);
        let mut left = self.steps.get();
        while left > 0 {
            nodes += 1;
            left = left.saturating_sub(1 + row(columns, at).len() as u64);
            let next = row(columns, at)
                .map(|e| columns.edge_to[e].0)
                .find(|to| columns.types[*to as usize] == type_ && *to != before && *to != at);
            let Some(next) = next.filter(|n| *n != first) else {
                break;
            };
            before = at;
            at = next;
        }
        self.steps.set(left);
        nodes
    }
}

/// Slots of a table that holds `len` entries at a load of three quarters.
fn table_for(len: u64) -> u64 {
    (len * 4).div_ceil(3).next_power_of_two().max(16)
}

/// Elements of an array of references by its size; up to an alignment more than there are.
fn elements(layout: &Layout, bytes: u64) -> u64 {
    bytes.saturating_sub(layout.array_base.into()) / u64::from(layout.reference)
}

fn size(columns: &Columns, object: u32) -> u64 {
    columns.sizes.of(leakscope_graph::ObjIx(object))
}

fn row(columns: &Columns, object: u32) -> std::ops::Range<usize> {
    let first = &columns.first_edge;
    first[object as usize] as usize..first[object as usize + 1] as usize
}
