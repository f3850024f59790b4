//! Classes of objects: those whose first path from the roots has the same holders' types and fields.

use rustc_hash::FxHashMap;

use super::incoming::Incoming;
use crate::reach::Parent;
use crate::{ClassIx, HeapGraph, ObjIx, Reach, Resolver, RootIx, Strength, TypeIx};

/// Steps up in which a type that occurs again is one recursion: a list, a tree, or one whose nodes are boxed.
const RECURSION: usize = 8;
/// Steps that are kept; of longer ways the last one and the first this many. Only heaps of very many types have them.
const MAX_DEPTH: u32 = 64;
/// Classes that are told apart; what comes later counts as its holder's class.
const MAX_CLASSES: usize = 1 << 20;

const UNKNOWN: u32 = u32::MAX;
const ABOVE_ALL: u32 = u32::MAX;

/// One reference of a [`TypePath`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TypeStep {
    /// Type of the object that holds the reference.
    pub holder: TypeIx,
    /// The word of the field, as [`Resolver::field`] gives it.
    pub slot: u32,
    /// Objects of the holder's type occur again further down: a list, a tree. They are told once.
    pub repeats: bool,
}

/// A way of types and fields.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TypePath {
    /// The first root met that it starts from; others with the same [`Resolver::root_key`] are the same to it.
    pub root: RootIx,
    /// References from the object that the root points to.
    pub steps: Vec<TypeStep>,
    /// Type of the objects at its end.
    pub type_: TypeIx,
    /// Whether objects of that type hold one another.
    pub repeats: bool,
    /// Whether steps before the last are left out.
    pub omitted: bool,
}

struct Class {
    /// The holder's class, or [`ABOVE_ALL`].
    parent: u32,
    /// Of a class that roots point to.
    root: RootIx,
    type_: TypeIx,
    /// The field of the holder.
    slot: u32,
    depth: u32,
    repeats: bool,
    omitted: bool,
}

/// Classes of the objects asked for so far. 8 bytes per object of the heap, and each object on the way to one asked for
/// is looked at once.
pub struct TypePaths<'a> {
    pub(super) graph: &'a HeapGraph,
    pub(super) reach: &'a Reach,
    pub(crate) resolver: &'a dyn Resolver,
    class_of: Vec<u32>,
    depth_of: Vec<u32>,
    classes: Vec<Class>,
    /// `(holder's class, field, type)`; for roots, the number of their name in place of the field.
    known: FxHashMap<(u32, u64, TypeIx), u32>,
    /// Fields of a class that are spelled the same, and lead to the same type.
    spelled: FxHashMap<(u32, TypeIx, String), u32>,
    starts: FxHashMap<RootIx, u64>,
    start_names: FxHashMap<String, u64>,
    path: Vec<(ObjIx, u32)>,
    /// Made when the search for other ways has passed over all references often enough.
    pub(super) incoming: Option<Incoming>,
    pub(super) passes: u32,
}

impl<'a> TypePaths<'a> {
    /// No class yet. Roots with the same [`Resolver::root_key`] are one start.
    pub fn new(graph: &'a HeapGraph, reach: &'a Reach, resolver: &'a dyn Resolver) -> Self {
        let objects = graph.objects() as usize;
        Self {
            graph,
            reach,
            resolver,
            class_of: vec![UNKNOWN; objects],
            depth_of: vec![0; objects],
            classes: Vec::new(),
            known: FxHashMap::default(),
            spelled: FxHashMap::default(),
            starts: FxHashMap::default(),
            start_names: FxHashMap::default(),
            path: Vec::new(),
            incoming: None,
            passes: 0,
        }
    }

    /// The class of an object; `None` where no root reaches it.
    pub fn class(&mut self, object: ObjIx) -> Option<ClassIx> {
        self.path.clear();
        let mut holder = object;
        let mut class = loop {
            match *self.class_of.get(holder.index())? {
                UNKNOWN => {}
                class => break class,
            }
            match self.reach.parent(holder)? {
                Parent::Root(root) => {
                    let class = self.root_class(root, self.graph.type_of(holder));
                    self.class_of[holder.index()] = class;
                    break class;
                }
                Parent::Edge(edge) => {
                    self.path
                        .push((holder, self.graph.edge_slot[edge as usize]));
                    holder = self.graph.source(edge);
                }
            }
        };
        let mut depth = self.depth_of[holder.index()];
        while let Some((object, slot)) = self.path.pop() {
            class = self.step(
                class,
                self.graph.type_of(holder),
                slot,
                self.graph.type_of(object),
            );
            depth += 1;
            self.class_of[object.index()] = class;
            self.depth_of[object.index()] = depth;
            holder = object;
        }
        Some(ClassIx(class))
    }

    /// References between a root and an object whose class is known.
    pub(super) fn depth(&self, object: ObjIx) -> u32 {
        self.depth_of[object.index()]
    }

    /// The class of what a root points to.
    pub(super) fn root_class(&mut self, root: RootIx, type_: TypeIx) -> u32 {
        let start = match self.starts.get(&root) {
            Some(start) => *start,
            None => {
                let next = self.start_names.len() as u64;
                let name = self.resolver.root_key(root).into_owned();
                let start = *self.start_names.entry(name).or_insert(next);
                self.starts.insert(root, start);
                start
            }
        };
        let key = (ABOVE_ALL, start, type_);
        if let Some(class) = self.known.get(&key) {
            return *class;
        }
        let class = self.add(Class {
            parent: ABOVE_ALL,
            root,
            type_,
            slot: 0,
            depth: 0,
            repeats: false,
            omitted: false,
        });
        self.known.insert(key, class);
        class
    }

    /// The class of what objects of `holder`, which are of class `from`, refer to in `slot`.
    pub(super) fn step(&mut self, from: u32, holder: TypeIx, slot: u32, type_: TypeIx) -> u32 {
        let slot = self.resolver.field(holder, slot);
        let key = (from, u64::from(slot), type_);
        if let Some(class) = self.known.get(&key) {
            return *class;
        }
        let class = match self.recursion(from, type_) {
            Some(class) => {
                self.classes[class as usize].repeats = true;
                class
            }
            None => self.spelled_alike(from, holder, slot, type_),
        };
        self.known.insert(key, class);
        class
    }

    /// The class of a field that is spelled the same, such as another element of an array in a struct; else a new one.
    fn spelled_alike(&mut self, from: u32, holder: TypeIx, slot: u32, type_: TypeIx) -> u32 {
        // Keys and elems of a map are spelled the same, but are not.
        let spelled = (!self.resolver.is_internal(holder)).then(|| {
            let mut field = String::new();
            self.resolver.push_field(holder, slot, &mut field);
            (from, type_, field)
        });
        if let Some(class) = spelled.as_ref().and_then(|key| self.spelled.get(key)) {
            return *class;
        }
        if self.classes.len() >= MAX_CLASSES {
            return from;
        }
        let above = &self.classes[from as usize];
        let deep = above.depth >= MAX_DEPTH && above.parent != ABOVE_ALL;
        let parent = if deep { above.parent } else { from };
        let omitted = deep || above.omitted;
        let depth = self.classes[parent as usize].depth + 1;
        let root = self.classes[parent as usize].root;
        let class = self.add(Class {
            parent,
            root,
            type_,
            slot,
            depth,
            repeats: false,
            omitted,
        });
        if let Some(key) = spelled {
            self.spelled.insert(key, class);
        }
        class
    }

    fn recursion(&self, from: u32, type_: TypeIx) -> Option<u32> {
        let mut at = from;
        for _ in 0..RECURSION {
            let class = self.classes.get(at as usize)?;
            if class.type_ == type_ {
                return Some(at);
            }
            at = class.parent;
        }
        None
    }

    fn add(&mut self, class: Class) -> u32 {
        self.classes.push(class);
        self.classes.len() as u32 - 1
    }

    /// The class spelled out.
    pub fn type_path(&self, class: ClassIx) -> TypePath {
        let last = &self.classes[class.index()];
        let mut steps = Vec::new();
        let mut at = last;
        while let Some(above) = self.classes.get(at.parent as usize) {
            steps.push(TypeStep {
                holder: above.type_,
                slot: at.slot,
                repeats: above.repeats,
            });
            at = above;
        }
        steps.reverse();
        TypePath {
            root: last.root,
            steps,
            type_: last.type_,
            repeats: last.repeats,
            omitted: last.omitted,
        }
    }

    /// Roots that people know best come first.
    pub(crate) fn start_order(&self, root: RootIx) -> (Strength, u8) {
        let root = self.graph.root(root);
        (root.strength, root.rank)
    }

    pub(super) fn root_of(&self, class: u32) -> RootIx {
        self.classes[class as usize].root
    }
}
