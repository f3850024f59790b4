//! Heap dumps of made-up heaps, with the truth beside them: every kind of reference, loader and root, in many shapes.
//!
//! All fields that are listed are four bytes wide, so that sizes need no knowledge of how JVMs order fields: header and
//! fields, aligned.

use crate::Random;
use crate::hprof_emit::emit;
use crate::hprof_writer::HprofType;

/// How a made-up heap is written.
#[derive(Debug, Clone, Copy)]
pub struct HprofShape {
    /// `1.0.1` (one heap record) or `1.0.2` (segments).
    pub version: &'static str,
    /// Width of ids: 4 or 8.
    pub id_size: u8,
    /// Bytes of an object's header: 12, or 8 as with compact headers and on 32-bit machines.
    pub header: u64,
    /// What objects are aligned to.
    pub alignment: u64,
    /// Sub-records in the order that JVMs write with one thread (classes, objects, roots), or in any order.
    pub in_order: bool,
    /// Whether roots are written, which a dump that ends early lacks.
    pub roots: bool,
}

/// An object of a made-up heap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HprofObject {
    /// Its id: where it lies.
    pub id: u64,
    /// Its class as Java spells it.
    pub class: String,
    /// Bytes it takes.
    pub size: u64,
    /// Ids of what it keeps. A class object keeps static fields only where its loader may go.
    pub strong: Vec<u64>,
    /// What it keeps while memory lasts.
    pub soft: Option<u64>,
    /// What it has a finalizer to run for.
    pub finalizes: Option<u64>,
}

/// A made-up heap, written and told.
#[derive(Debug, Clone)]
pub struct RandomHprof {
    /// The dump.
    pub file: Vec<u8>,
    /// Every object, class objects included.
    pub objects: Vec<HprofObject>,
    /// Ids that are kept from outside: roots, static fields of classes that stay, thread locals of threads that run.
    pub roots: Vec<u64>,
}

/// A class: its object is that of the same number.
pub(crate) struct Class {
    pub(crate) name: String,
    pub(crate) parent: Option<usize>,
    /// The loader's object; none for the boot loader's.
    pub(crate) loader: Option<usize>,
    /// Whether its loader may go.
    pub(crate) passing: bool,
    pub(crate) fields: Vec<(&'static str, HprofType)>,
    pub(crate) statics: Vec<(&'static str, Option<usize>)>,
}

/// What an object consists of.
pub(crate) enum Body {
    Class,
    /// Values of references and ints by turns of the class's fields, its own first.
    Instance(usize, Vec<(HprofType, Option<usize>)>),
    Array(usize, Vec<Option<usize>>),
    /// Basic type, bytes of an element, elements.
    Primitives(u8, u64, u32),
}

/// A heap before it is written.
pub(crate) struct Heap {
    pub(crate) classes: Vec<Class>,
    pub(crate) objects: Vec<Body>,
    pub(crate) ids: Vec<u64>,
    pub(crate) threads: Vec<usize>,
    /// Objects that other roots lead to.
    pub(crate) held: Vec<usize>,
    /// Entries of the thread locals of running threads, and what they hold.
    pub(crate) locals: Vec<(usize, Option<usize>)>,
}

use HprofType::{Int, Object};

/// `(name, parent, fields)` of the JDK's classes; array classes have none.
type Known = (
    &'static str,
    Option<usize>,
    &'static [(&'static str, HprofType)],
);
const OBJECT: usize = 0;
const SOFT: usize = 3;
const WEAK: usize = 4;
const PHANTOM: usize = 5;
const FINALIZER: usize = 7;
const THREAD: usize = 8;
const LOCAL: usize = 9;
const MAP: usize = 10;
const ENTRY: usize = 11;
const ENTRIES: usize = 12;
/// Has a word that the JVM adds and no dump lists.
const CLASS_LOADER: usize = 13;
const APP_LOADER: usize = 14;
const OBJECTS: usize = 15;
const JDK: &[Known] = &[
    ("java/lang/Object", None, &[]),
    ("java/lang/Class", Some(OBJECT), &[("hash", Int); 21]),
    (
        "java/lang/ref/Reference",
        Some(OBJECT),
        &[("referent", Object), ("queue", Object)],
    ),
    ("java/lang/ref/SoftReference", Some(2), &[("clock", Int)]),
    ("java/lang/ref/WeakReference", Some(2), &[]),
    ("java/lang/ref/PhantomReference", Some(2), &[]),
    ("java/lang/ref/FinalReference", Some(2), &[]),
    ("java/lang/ref/Finalizer", Some(6), &[("next", Object)]),
    (
        "java/lang/Thread",
        Some(OBJECT),
        &[("threadLocals", Object), ("target", Object), ("id", Int)],
    ),
    ("java/lang/ThreadLocal", Some(OBJECT), &[("hash", Int)]),
    (
        "java/lang/ThreadLocal$ThreadLocalMap",
        Some(OBJECT),
        &[("table", Object)],
    ),
    (
        "java/lang/ThreadLocal$ThreadLocalMap$Entry",
        Some(WEAK),
        &[("value", Object)],
    ),
    (
        "[Ljava/lang/ThreadLocal$ThreadLocalMap$Entry;",
        Some(OBJECT),
        &[],
    ),
    (
        "java/lang/ClassLoader",
        Some(OBJECT),
        &[("parent", Object), ("classes", Object)],
    ),
    (
        "jdk/internal/loader/ClassLoaders$AppClassLoader",
        Some(CLASS_LOADER),
        &[],
    ),
    ("[Ljava/lang/Object;", Some(OBJECT), &[]),
];
/// Own fields of the program's classes are the first so many of these.
const OWN: &[(&str, HprofType)] = &[
    ("left", Object),
    ("count", Int),
    ("right", Object),
    ("more", Object),
    ("rest", Int),
];
const STATICS: &[&str] = &["CACHE", "STATE", "<resolved_references>"];
/// The program's own loader of plugins: a loader that may go.
const PLUGIN_LOADER: &str = "com/acme/PluginLoader";

impl RandomHprof {
    /// The heap of this seed with about so many objects.
    pub fn new(seed: u64, objects: usize, shape: &HprofShape) -> Self {
        let mut random = Random::new(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let mut heap = Heap::with_classes(&mut random);
        heap.fill(objects, &mut random);
        heap.lay_out(shape, &mut random);
        let file = emit(&heap, shape, &mut random);
        Self {
            file,
            objects: (0..heap.objects.len())
                .map(|o| heap.told(o, shape))
                .collect(),
            roots: heap.roots(shape),
        }
    }
}

impl Heap {
    fn with_classes(random: &mut Random) -> Self {
        let known = |(name, parent, fields): &Known| Class {
            name: (*name).to_owned(),
            parent: *parent,
            loader: None,
            passing: false,
            fields: fields.to_vec(),
            statics: Vec::new(),
        };
        let mut classes: Vec<Class> = JDK.iter().map(known).collect();
        let plugin_loader = classes.len();
        classes.push(Class {
            name: PLUGIN_LOADER.to_owned(),
            parent: Some(CLASS_LOADER),
            ..known(&JDK[OBJECT])
        });
        let program = classes.len();
        let (own, plugins) = (2 + random.index(5), 1 + random.index(4));
        let loaders = program + own + plugins + 1;
        classes[plugin_loader].loader = Some(loaders);
        for n in 0..own + plugins {
            let passing = n >= own;
            let parents = classes.len() - program;
            let parent = match random.index(parents + 2) {
                0 => OBJECT,
                1 if passing => OBJECT,
                1 => [WEAK, SOFT, THREAD][random.index(3)],
                p => program + p - 2,
            };
            let package = if passing { "plugin/P" } else { "com/acme/C" };
            classes.push(Class {
                name: format!("{package}{n}"),
                parent: Some(parent),
                loader: Some(loaders + usize::from(passing)),
                passing,
                fields: OWN[..random.index(OWN.len() + 1)].to_vec(),
                statics: STATICS[..random.index(STATICS.len() + 1)]
                    .iter()
                    .map(|name| (*name, None))
                    .collect(),
            });
        }
        let element = classes[program + own].name.clone();
        classes.push(Class {
            name: format!("[L{element};"),
            loader: Some(loaders + 1),
            passing: true,
            ..known(&JDK[OBJECTS])
        });
        let mut heap = Self {
            objects: classes.iter().map(|_| Body::Class).collect(),
            classes,
            ids: Vec::new(),
            threads: Vec::new(),
            held: Vec::new(),
            locals: Vec::new(),
        };
        let of_loader = |heap: &Self, passing| -> Vec<Option<usize>> {
            let all = 0..heap.classes.len();
            all.filter(|c| heap.classes[*c].loader.is_some() && heap.classes[*c].passing == passing)
                .map(Some)
                .collect()
        };
        let (app, plugin) = (of_loader(&heap, false), of_loader(&heap, true));
        let lists = heap.objects.len() + 2;
        heap.instance(APP_LOADER, |_| Some(lists));
        heap.instance(plugin_loader, |field| {
            Some(if field == "parent" {
                loaders
            } else {
                lists + 1
            })
        });
        heap.objects.push(Body::Array(OBJECTS, app));
        heap.objects.push(Body::Array(OBJECTS, plugin));
        heap.held.push(loaders);
        heap
    }

    /// Adds an instance; `value` says where its references lead.
    fn instance(&mut self, class: usize, mut value: impl FnMut(&str) -> Option<usize>) -> usize {
        let mut values = Vec::new();
        for of in self.chain(class) {
            for (name, kind) in &self.classes[of].fields {
                let to = if *kind == Object { value(name) } else { None };
                values.push((*kind, to));
            }
        }
        self.objects.push(Body::Instance(class, values));
        self.objects.len() - 1
    }

    fn chain(&self, class: usize) -> impl Iterator<Item = usize> + '_ {
        std::iter::successors(Some(class), |c| self.classes[*c].parent)
    }

    fn is_a(&self, class: usize, ancestor: usize) -> bool {
        self.chain(class).any(|c| c == ancestor)
    }

    fn fill(&mut self, objects: usize, random: &mut Random) {
        let first = self.objects.len();
        let all = first + objects;
        // Some point at objects made later, most at what is near.
        let pick = |random: &mut Random| match random.below(8) {
            0 | 1 => None,
            2 => Some(random.index(all)),
            _ => Some(first + random.index(objects)),
        };
        while self.objects.len() < all {
            let left = all - self.objects.len();
            match random.below(12) {
                0 => {
                    let elements = (0..random.index(7)).map(|_| pick(random)).collect();
                    self.objects.push(Body::Array(OBJECTS, elements));
                }
                1 => {
                    let elements = (0..random.index(4)).map(|_| pick(random)).collect();
                    let class = self.classes.len() - 1;
                    self.objects.push(Body::Array(class, elements));
                }
                2 => {
                    let (kind, width) = [(8, 1), (5, 2), (10, 4), (11, 8)][random.index(4)];
                    let len = random.below(40) as u32;
                    self.objects.push(Body::Primitives(kind, width, len));
                }
                3 if left >= 6 => self.thread(random, &pick),
                4 => {
                    let class = [SOFT, WEAK, PHANTOM, FINALIZER][random.index(4)];
                    self.instance(class, |_| pick(random));
                }
                _ => {
                    let classes = self.classes.len() - 1 - JDK.len();
                    let class = JDK.len() + random.index(classes);
                    // What a thread or a loader keeps for itself has a structure of its own.
                    self.instance(class, |field| match field {
                        "threadLocals" | "classes" | "parent" => None,
                        _ => pick(random),
                    });
                }
            }
        }
        for class in &mut self.classes {
            for (_, value) in &mut class.statics {
                *value = pick(random);
            }
        }
        for _ in 0..=random.index(3) {
            self.held.extend(pick(random));
        }
    }

    /// A thread with two thread locals, one of which may be stale; it may run, or be garbage.
    fn thread(&mut self, random: &mut Random, pick: &dyn Fn(&mut Random) -> Option<usize>) {
        let at = self.objects.len();
        let target = pick(random);
        self.instance(THREAD, |field| match field {
            "threadLocals" => Some(at + 1),
            _ => target,
        });
        self.instance(MAP, |_| Some(at + 2));
        let table = vec![Some(at + 3), None, Some(at + 4)];
        self.objects.push(Body::Array(ENTRIES, table));
        let values = [pick(random), pick(random)];
        for (nth, value) in values.into_iter().enumerate() {
            let key = (random.below(4) > 0).then_some(at + 5);
            self.instance(ENTRY, |field| match field {
                "value" => value,
                "referent" => key,
                _ => None,
            });
            if nth == 1 {
                self.instance(LOCAL, |_| None);
            }
        }
        if random.below(2) == 0 {
            self.threads.push(at);
            self.locals.extend([at + 3, at + 4].into_iter().zip(values));
        }
    }

    fn size(&self, object: usize, shape: &HprofShape) -> u64 {
        let align = |bytes: u64| bytes.next_multiple_of(shape.alignment);
        let instance = |class: usize| {
            let fields: usize = self
                .chain(class)
                .map(|c| self.classes[c].fields.len())
                .sum();
            let added = match self.is_a(class, CLASS_LOADER) {
                true => u64::from(shape.id_size),
                false => 0,
            };
            align(shape.header + 4 * fields as u64 + added)
        };
        let array = |width: u64, len: u64| {
            let base = (shape.header + 4).next_multiple_of(width.max(4));
            align(base + width * len)
        };
        match &self.objects[object] {
            Body::Class => {
                // The JVM's own references to constants take no room.
                let statics = self.classes[object].statics.iter();
                let own = statics.filter(|(name, _)| !name.starts_with('<')).count();
                align(instance(1) + 4 * own as u64)
            }
            Body::Instance(class, _) => instance(*class),
            Body::Array(_, elements) => array(4, elements.len() as u64),
            Body::Primitives(_, width, len) => array(*width, u64::from(*len)),
        }
    }

    /// Puts objects side by side, in any order, with a few wide gaps.
    fn lay_out(&mut self, shape: &HprofShape, random: &mut Random) {
        let mut order: Vec<usize> = (0..self.objects.len()).collect();
        for n in (1..order.len()).rev() {
            order.swap(n, random.index(n + 1));
        }
        self.ids = vec![0; order.len()];
        let mut at = 0x4000_0000;
        for object in order {
            self.ids[object] = at;
            at += self.size(object, shape);
            if random.below(64) == 0 {
                at += 1 << 16;
            }
        }
    }

    fn told(&self, object: usize, shape: &HprofShape) -> HprofObject {
        let mut strong = Vec::new();
        let (mut soft, mut finalizes) = (None, None);
        let mut class_of = None;
        match &self.objects[object] {
            Body::Class => {
                let class = &self.classes[object];
                strong.extend(class.parent.into_iter().chain(class.loader));
                if class.passing {
                    strong.extend(class.statics.iter().filter_map(|(_, to)| *to));
                }
            }
            Body::Instance(class, values) => {
                class_of = Some(*class);
                let mut values = values.iter();
                for of in self.chain(*class) {
                    for (name, _) in &self.classes[of].fields {
                        let value = values.next().and_then(|(_, to)| *to);
                        if *name != "referent" {
                            strong.extend(value);
                        } else if self.is_a(*class, SOFT) {
                            soft = value;
                        } else if self.is_a(*class, FINALIZER) {
                            finalizes = value;
                        }
                    }
                }
                let is_local = |(entry, _): &&(usize, _)| *entry == object && shape.roots;
                if let Some((_, Some(value))) = self.locals.iter().find(is_local) {
                    // The thread holds it directly, under its name.
                    strong.retain(|to| to != value);
                }
            }
            Body::Array(class, elements) => {
                class_of = Some(*class);
                strong.extend(elements.iter().flatten());
            }
            Body::Primitives(..) => {}
        }
        strong.extend(class_of.filter(|c| self.classes[*c].passing));
        let id = |object: usize| self.ids[object];
        HprofObject {
            id: id(object),
            class: self.spelled(object),
            size: self.size(object, shape),
            strong: strong.into_iter().map(id).collect(),
            soft: soft.map(id),
            finalizes: finalizes.map(id),
        }
    }

    fn spelled(&self, object: usize) -> String {
        match &self.objects[object] {
            Body::Class => "java.lang.Class".to_owned(),
            Body::Primitives(kind, ..) => match kind {
                8 => "byte[]",
                5 => "char[]",
                10 => "int[]",
                _ => "long[]",
            }
            .to_owned(),
            Body::Instance(class, _) => self.classes[*class].name.replace('/', "."),
            Body::Array(class, _) => {
                let name = self.classes[*class].name.replace('/', ".");
                format!("{}[]", &name[2..name.len() - 1])
            }
        }
    }

    fn roots(&self, shape: &HprofShape) -> Vec<u64> {
        let staying = self.classes.iter().filter(|c| !c.passing);
        let statics = staying.flat_map(|c| &c.statics).filter_map(|(_, to)| *to);
        let mut roots: Vec<usize> = statics.collect();
        if shape.roots {
            let jdk = (0..self.classes.len()).filter(|c| self.classes[*c].loader.is_none());
            roots.extend(jdk.chain(self.held.iter().copied()));
            roots.extend(&self.threads);
            roots.extend(self.locals.iter().filter_map(|(_, value)| *value));
        }
        roots.into_iter().map(|o| self.ids[o]).collect()
    }
}
