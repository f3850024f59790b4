//! One JVM heap, rebuilt from a dump: the graph with its types, collections, threads, totals and what they rest on.

use std::cell::{Cell, RefCell};

use leakscope_graph::{Columns, HeapGraph, Histogram, ObjIx, Path, Reach, Resolver, TypeRow};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::bounds::{Bound, bounds};
use crate::classes::ClassTable;
use crate::collections::{Census, Collection};
use crate::columns::{Plan, objects_of};
use crate::contents::{Again, contents};
use crate::error::Error;
use crate::gaps::Gaps;
use crate::hprof::header::Header;
use crate::hprof::scan::Scanned;
use crate::hprof::sub::RawRoot;
use crate::index::Index;
use crate::kind::Parts;
use crate::layout::Layout;
use crate::locals::thread_locals;
use crate::names::Names;
use crate::packed::Packed;
use crate::read::{Dump, Input, read_bytes, read_stream};
use crate::roots::{
    Loader, RootNames, Sources as RootSources, is_soft, loader_of_class, static_fields,
};
use crate::sizes::{NOT_STATICS, Sizing};
use crate::soft::forget_garbage;
use crate::threads::{Sources as ThreadSources, Thread, Threads, text};
use crate::types::{Sort, Types};

/// References of a path that are spelled out; of longer ones the last this many.
const MAX_STEPS: usize = 24;

/// A number of objects and their shallow bytes.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Amount {
    /// Number of objects.
    pub objects: u64,
    /// Sum of their shallow sizes.
    pub bytes: u64,
}

impl Amount {
    fn add(&mut self, bytes: u64) {
        self.objects += 1;
        self.bytes = self.bytes.saturating_add(bytes);
    }
}

/// Sums over the heap.
#[derive(Clone, Debug, Default)]
pub struct Totals {
    /// Everything in the dump.
    pub allocated: Amount,
    /// Reached over strong references from roots.
    pub reachable: Amount,
    /// Reached only from what soft references refer to: kept while memory lasts.
    pub softly_reachable: Amount,
    /// Reached by none of these: garbage, or what only weak references lead to.
    pub unreachable: Amount,
    /// Of these, what a finalizer is to run for.
    pub finalizable: Amount,
}

/// How well the layout explains the dump.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LayoutFound {
    /// The layout.
    pub layout: Layout,
    /// Objects looked at whose size is the distance to the next one.
    pub exact: u64,
    /// Objects that would reach into the next one.
    pub overlapping: u64,
}

/// A rebuilt heap. Owns everything it answers from; the dump is not needed any more.
pub struct JvmHeap {
    /// Objects, references and roots.
    pub graph: HeapGraph,
    /// What the roots reach, and over which reference first.
    pub reach: Reach,
    /// Objects by type, those no root reaches apart.
    pub histogram: Histogram,
    /// Every collection, by its head.
    pub collections: Vec<Collection>,
    /// What has a bound, by object.
    pub bounds: Vec<(u32, Bound)>,
    /// Threads, those of the dump's roots first.
    pub threads: Vec<Thread>,
    /// Sums.
    pub totals: Totals,
    /// How objects were laid out.
    pub layout: LayoutFound,
    /// What the dump says about itself.
    pub header: Header,
    /// What could not be read or made sense of.
    pub gaps: Gaps,
    /// Where the dump ends before it should, as an offset in the unpacked file.
    pub cut: Option<u64>,
    /// Names of types, roots and references.
    pub names: Names,
    index: Index,
}

impl JvmHeap {
    /// Rebuilds the heap of a dump, as far as it goes. Peak memory is 45 bytes per object and 12 per reference, the
    /// dump itself aside.
    pub fn build(input: Input<'_>) -> Result<Self, Error> {
        let packed;
        let (mut dump, again) = match input {
            Input::Bytes { bytes, done } => {
                (read_bytes(bytes, done)?, Some(Again::Bytes(bytes, done)))
            }
            Input::Packed {
                packing,
                bytes,
                done,
            } => {
                packed = Packed::new(packing, bytes, done);
                (read_stream(packed.whole()?)?, Some(Again::Packed(&packed)))
            }
            Input::Stream(stream) => (read_stream(stream)?, None),
        };
        let mut gaps = std::mem::take(&mut dump.gaps);
        let pieces = std::mem::take(&mut dump.pieces);
        let not_statics: FxHashSet<u64> = dump.tables.ids_of(NOT_STATICS);
        let is_static = |name: u64| !not_statics.contains(&name);
        let mirrors: Vec<u64> = described(&dump.classes).collect();
        let addresses = pieces.iter().map(|p| p.address.as_slice());
        let addresses: Vec<&[u64]> = addresses.chain([mirrors.as_slice()]).collect();
        let index = Index::of(&addresses).ok_or(leakscope_graph::TooLarge { what: "objects" })?;
        let sizing = Sizing::of(
            &dump.classes,
            &pieces,
            &index,
            dump.header.id_size,
            &is_static,
        );
        let mut types = Types::of(&dump.classes);
        let loaders = loaders(&dump.classes, &pieces);
        let raw_roots: Vec<RawRoot> = pieces.iter().flat_map(|p| &p.roots).copied().collect();
        let passing: Vec<bool> = loaders.iter().map(|l| *l == Loader::Passing).collect();
        let plan = Plan {
            classes: &dump.classes,
            index: &index,
            sizing: &sizing,
            types: &types,
            kept_by_instances: &passing,
            own_statics: &passing,
        };
        let (mut columns, aside) = plan.columns(pieces, &mut gaps)?;
        let census = Census {
            classes: &dump.classes,
            tables: &dump.tables,
            aside: &aside,
            sizing: &sizing,
            steps: Cell::new((columns.types.len() + columns.edge_to.len()) as u64),
        };
        let class_of = classes_of_types(&types);
        let bounds = bounds(&dump.classes, &aside, &columns, &class_of);
        let collections = census.take(&mut columns, &mut types);
        let class_of_type = |type_: u32| class_of.get(type_ as usize).copied().flatten();
        let source = ThreadSources {
            classes: &dump.classes,
            tables: &dump.tables,
            index: &index,
            columns: &columns,
            aside: &aside,
            class_of: &class_of_type,
            slots: RefCell::default(),
            frames: Cell::default(),
        };
        let mut threads = Threads::read(&raw_roots, &source);
        let running = threads.list.len();
        let listed = running > 0;
        threads.add_unlisted(&thread_objects(&source, &class_of), &source);
        name_threads(&mut threads.list, &source, &dump, again);
        let statics = static_fields(
            &dump.classes,
            &index,
            &loaders,
            |name| dump.tables.text(name),
            is_static,
        );
        // Threads that only the heap shows are kept by it, or garbage: so is what they keep.
        let holding = if listed { running } else { threads.list.len() };
        let (locals, edges) = thread_locals(&threads.list[..holding], &statics, &source);
        let weak = |kind: fn(Option<crate::classes::Referent>) -> bool| -> Vec<(u32, u32)> {
            let of_kind = |o: &u32| {
                source
                    .class(*o)
                    .is_some_and(|c| kind(dump.classes.get(c).referent))
            };
            let found = aside.weak.iter().filter(|(o, _)| of_kind(o));
            found.copied().collect()
        };
        let soft = weak(is_soft);
        let finalizable = weak(|r| r == Some(crate::classes::Referent::Final));
        let (mut root_names, roots, missing) = RootNames::new(RootSources {
            raw: &raw_roots,
            index: &index,
            threads: &threads,
            statics,
            locals,
            soft: soft.iter().map(|(_, referent)| *referent).collect(),
            listed,
        });
        gaps.add_many("roots that lead to no object of the dump", missing, []);
        if !listed && threads.list.iter().any(|t| t.object.is_some()) {
            gaps.add(
                "no thread among the dump's roots: every thread in its heap is taken for one",
                0,
            );
        }
        root_names.name_threads(&threads.list);
        let names = Names::new(&types, &dump.classes, &dump.tables, root_names);
        detach(&mut columns, edges);
        let mut graph = columns.finish(roots)?;
        let mut reach = Reach::of(&graph);
        forget_garbage(&mut graph, &mut reach, &soft);
        let histogram = Histogram::of(&graph, &reach);
        let detected = sizing.detected;
        Ok(Self {
            totals: totals(&graph, &reach, &histogram, &finalizable),
            graph,
            reach,
            histogram,
            collections,
            bounds,
            threads: threads.list,
            layout: LayoutFound {
                layout: detected.layout,
                exact: detected.exact,
                overlapping: detected.overlapping,
            },
            header: dump.header,
            gaps,
            cut: dump.cut,
            names,
            index,
        })
    }

    /// Where an object lay: its id in the dump.
    pub fn address(&self, object: ObjIx) -> u64 {
        self.index.address(object.0)
    }

    /// The object of this address.
    pub fn find(&self, address: u64) -> Option<ObjIx> {
        self.index.find(address).map(ObjIx)
    }

    /// The way to an object from the root that people know best; empty where no root reaches it.
    pub fn owner_of(&self, object: ObjIx) -> String {
        Path::to(&self.graph, &self.reach, object, MAX_STEPS).map_or(String::new(), |path| {
            path.expression(&self.graph, &self.names)
        })
    }

    /// The collection whose head this object is.
    pub fn collection(&self, object: ObjIx) -> Option<&Collection> {
        let at = self
            .collections
            .binary_search_by_key(&object.0, |c| c.object);
        at.ok().map(|at| &self.collections[at])
    }

    /// Reached objects whose class is not in the dump.
    pub fn unknown_class(&self) -> Amount {
        let mut sum = Amount::default();
        for row in &self.histogram.reachable {
            if self.names.is_unknown(row.type_) {
                sum.objects += row.count;
                sum.bytes = sum.bytes.saturating_add(row.bytes);
            }
        }
        sum
    }

    /// The class an object is of, as Java spells it.
    pub fn type_name(&self, object: ObjIx) -> std::borrow::Cow<'_, str> {
        self.names.type_name(self.graph.type_of(object))
    }
}

/// Ids of the `java.lang.Class` objects that the dump describes.
fn described(classes: &ClassTable) -> impl Iterator<Item = u64> {
    let described = classes.iter().filter(|(_, class)| class.raw.is_some());
    described.map(|(_, class)| class.id)
}

/// Who defined each class.
fn loaders(classes: &ClassTable, pieces: &[Scanned]) -> Vec<Loader> {
    let is_loader: Vec<bool> = (0..classes.len())
        .map(|class| classes.is_a(class, "java/lang/ClassLoader"))
        .collect();
    let mut class_of: FxHashMap<u64, u32> = FxHashMap::default();
    for piece in pieces {
        for (address, kind) in piece.address.iter().zip(&piece.kind) {
            if let Parts::Instance(Some(class)) = kind.parts()
                && is_loader[class as usize]
            {
                class_of.insert(*address, class);
            }
        }
    }
    let loader = |class: &crate::classes::Class| {
        let loader = class.raw.as_ref().map_or(0, |raw| raw.loader);
        if loader == 0 {
            return Loader::Jdk;
        }
        let class = class_of.get(&loader).map(|class| classes.get(*class));
        loader_of_class(class.map(|class| class.internal.as_str()))
    };
    classes.iter().map(|(_, class)| loader(class)).collect()
}

/// For each type the class that its objects are instances of.
fn classes_of_types(types: &Types) -> Vec<Option<u32>> {
    let class = |sort: Sort| match sort {
        Sort::Instances(class) => Some(class),
        _ => None,
    };
    types.iter().map(|(_, type_)| class(type_.sort)).collect()
}

/// Instances of `java.lang.Thread` and its subclasses.
fn thread_objects(source: &ThreadSources<'_>, class_of: &[Option<u32>]) -> Vec<u32> {
    let threads: Vec<bool> = (0..source.classes.len())
        .map(|class| source.classes.is_a(class, "java/lang/Thread"))
        .collect();
    let of_class = |class: &Option<u32>| class.is_some_and(|class| threads[class as usize]);
    let wanted: Vec<bool> = class_of.iter().map(of_class).collect();
    objects_of(source.columns, &wanted)
}

/// Looks the names of threads up in the dump.
fn name_threads(
    threads: &mut [Thread],
    source: &ThreadSources<'_>,
    dump: &Dump,
    again: Option<Again<'_>>,
) {
    let Some(again) = again else { return };
    let mut wanted: FxHashMap<u64, u32> = FxHashMap::default();
    for (at, thread) in threads.iter().enumerate() {
        let array = thread.object.and_then(|o| source.name_array(o));
        if let Some(array) = array {
            wanted.insert(source.index.address(array), at as u32);
        }
    }
    for (at, type_, bytes) in contents(&again, dump, &wanted) {
        threads[at as usize].name = text(type_, &bytes);
    }
}

/// Takes references out of the graph: what they lead to has roots of its own.
fn detach(columns: &mut Columns, edges: Vec<(u32, usize)>) {
    for (object, edge) in edges {
        // A reference of an object to itself keeps nothing.
        columns.edge_to[edge] = ObjIx(object);
    }
}

fn totals(
    graph: &HeapGraph,
    reach: &Reach,
    histogram: &Histogram,
    finalizable: &[(u32, u32)],
) -> Totals {
    let sum = |rows: &[TypeRow]| Amount {
        objects: rows.iter().map(|row| row.count).sum(),
        bytes: rows
            .iter()
            .fold(0, |sum, row| sum.saturating_add(row.bytes)),
    };
    let reached = sum(&histogram.reachable);
    let mut totals = Totals {
        unreachable: sum(&histogram.unreachable),
        ..Totals::default()
    };
    for object in reach.conservative() {
        totals.softly_reachable.add(graph.size(object));
    }
    totals.reachable = Amount {
        objects: (reached.objects).saturating_sub(totals.softly_reachable.objects),
        bytes: (reached.bytes).saturating_sub(totals.softly_reachable.bytes),
    };
    totals.allocated = Amount {
        objects: reached.objects + totals.unreachable.objects,
        bytes: (reached.bytes).saturating_add(totals.unreachable.bytes),
    };
    let mut awaited: Vec<u32> = finalizable.iter().map(|(_, referent)| *referent).collect();
    awaited.sort_unstable();
    awaited.dedup();
    for object in awaited.into_iter().map(ObjIx) {
        if !reach.is_reached(object) {
            totals.finalizable.add(graph.size(object));
        }
    }
    totals
}
