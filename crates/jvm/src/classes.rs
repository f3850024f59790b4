//! The classes of a dump: names, ancestors, and where references lie in the bytes of an instance.

use rustc_hash::FxHashMap;

use crate::hprof::bytes::{OBJECT, width};
use crate::hprof::class::RawClass;
use crate::hprof::tables::Tables;
use crate::kind::MAX_CLASSES;
use crate::spelling::java_name;

/// Ancestors that a class may have: compilers and people stay far below.
const MAX_ANCESTORS: usize = 1 << 7;
/// Fields of all classes, inherited ones counted for each: a hundred times what large servers have. Without a limit a
/// small file could have many classes inherit the same 65,535 fields.
const MAX_FIELDS: usize = 1 << 23;

/// Fields whose values say something about the runtime's own structures. No content of a user's object is among them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) enum Field {
    /// Number of entries of a collection.
    Size,
    /// Part of that number, in an object of its own.
    Counter,
    /// First place of a ring.
    Head,
    /// Place behind the last of a ring.
    Tail,
    /// State of a thread as JVMTI defines it.
    ThreadStatus,
    /// State of a virtual thread.
    VirtualState,
    /// Number of a thread.
    ThreadId,
    /// Whether a map keeps its entries in the order of their use.
    AccessOrder,
    /// The most that a queue or cache may hold, as it says itself.
    Limit,
}

/// `(declaring class, field, what it is)`. Sources: the classes of `java.base`, JDK 8 to 25.
const WANTED: &[(&str, &str, Field)] = &[
    ("java/util/HashMap", "size", Field::Size),
    ("java/util/Hashtable", "count", Field::Size),
    ("java/util/IdentityHashMap", "size", Field::Size),
    ("java/util/WeakHashMap", "size", Field::Size),
    ("java/util/TreeMap", "size", Field::Size),
    ("java/util/ArrayList", "size", Field::Size),
    ("java/util/Vector", "elementCount", Field::Size),
    ("java/util/LinkedList", "size", Field::Size),
    ("java/util/PriorityQueue", "size", Field::Size),
    ("java/util/ArrayDeque", "head", Field::Head),
    ("java/util/ArrayDeque", "tail", Field::Tail),
    (
        "java/util/concurrent/PriorityBlockingQueue",
        "size",
        Field::Size,
    ),
    (
        "java/util/concurrent/ArrayBlockingQueue",
        "count",
        Field::Size,
    ),
    (
        "java/util/concurrent/LinkedBlockingDeque",
        "count",
        Field::Size,
    ),
    (
        "java/util/concurrent/ConcurrentHashMap",
        "baseCount",
        Field::Size,
    ),
    (
        "java/util/concurrent/ConcurrentHashMap$CounterCell",
        "value",
        Field::Counter,
    ),
    ("java/lang/Thread", "threadStatus", Field::ThreadStatus),
    (
        "java/lang/Thread$FieldHolder",
        "threadStatus",
        Field::ThreadStatus,
    ),
    ("java/lang/VirtualThread", "state", Field::VirtualState),
    ("java/lang/Thread", "tid", Field::ThreadId),
    ("java/util/LinkedHashMap", "accessOrder", Field::AccessOrder),
    (
        "java/util/concurrent/LinkedBlockingQueue",
        "capacity",
        Field::Limit,
    ),
    (
        "java/util/concurrent/LinkedBlockingDeque",
        "capacity",
        Field::Limit,
    ),
    (
        "com/google/common/cache/LocalCache",
        "maxWeight",
        Field::Limit,
    ),
    (
        "com/google/common/collect/EvictingQueue",
        "maxSize",
        Field::Limit,
    ),
    (
        "org/apache/commons/collections4/map/LRUMap",
        "maxSize",
        Field::Limit,
    ),
];

/// What the collector does with the referent of a reference object.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Referent {
    /// Keeps it while there is memory enough.
    Soft,
    /// Does not keep it.
    Weak,
    /// Does not keep it.
    Phantom,
    /// Keeps it until its finalizer has run.
    Final,
}

/// Classes that make references weaker, the nearest ancestor first.
const REFERENTS: &[(&str, Referent)] = &[
    ("java/lang/ref/SoftReference", Referent::Soft),
    ("java/lang/ref/WeakReference", Referent::Weak),
    ("java/lang/ref/PhantomReference", Referent::Phantom),
    ("java/lang/ref/FinalReference", Referent::Final),
    (REFERENCE, Referent::Weak),
];
const REFERENCE: &str = "java/lang/ref/Reference";

/// Where things lie in the bytes that a dump has of an instance.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(crate) struct Shape {
    /// How many bytes there are.
    pub(crate) bytes: u32,
    /// Offsets of references; a slot of the graph is an index of this.
    pub(crate) references: Vec<u32>,
    /// Offset of the reference that is not followed as others are.
    pub(crate) referent: Option<u32>,
    /// Values that are wanted: which, its offset, its type.
    pub(crate) captured: Vec<(Field, u32, u8)>,
}

/// One class.
#[derive(Debug)]
pub(crate) struct Class {
    /// The address of its `java.lang.Class` object.
    pub(crate) id: u64,
    /// As the class file spells it: `java/util/Map$Entry`, `[I`.
    pub(crate) internal: String,
    /// As people do: `java.util.Map$Entry`, `int[]`.
    pub(crate) name: String,
    pub(crate) superclass: Option<u32>,
    /// What the dump says about it; `None` of one that is only named.
    pub(crate) raw: Option<RawClass>,
    pub(crate) shape: Shape,
    /// Whether all ancestors are known, and with them the shape.
    complete: bool,
    /// For each reference of the shape the class that declares it, and the id of its name.
    pub(crate) slots: Vec<(u32, u64)>,
    pub(crate) referent: Option<Referent>,
}

/// All classes.
#[derive(Default)]
pub(crate) struct ClassTable {
    classes: Vec<Class>,
    by_id: FxHashMap<u64, u32>,
    /// Fields of those whose shape is known, inherited ones counted for each.
    fields: usize,
    /// Classes left out because there are too many fields.
    pub(crate) too_large: u64,
}

impl ClassTable {
    /// Adds classes; one that was only named becomes described. The first description counts.
    pub(crate) fn add<const W: usize>(&mut self, raw: Vec<RawClass>, tables: &Tables) {
        for raw in raw {
            let number = self.number(raw.id, tables);
            if let Some(class) = number.and_then(|n| self.classes.get_mut(n as usize)) {
                class.raw.get_or_insert(raw);
            }
        }
        for id in tables.loaded() {
            self.number(id, tables);
        }
        self.work_out::<W>(tables);
    }

    fn number(&mut self, id: u64, tables: &Tables) -> Option<u32> {
        if let Some(number) = self.by_id.get(&id) {
            return Some(*number);
        }
        if self.classes.len() >= MAX_CLASSES as usize {
            return None;
        }
        let number = self.classes.len() as u32;
        let internal = tables.class_name(id);
        self.classes.push(Class {
            id,
            name: java_name(&internal),
            internal,
            superclass: None,
            raw: None,
            shape: Shape::default(),
            complete: false,
            slots: Vec::new(),
            referent: None,
        });
        self.by_id.insert(id, number);
        Some(number)
    }

    /// Works out ancestors and shapes of those that have none yet.
    fn work_out<const W: usize>(&mut self, tables: &Tables) {
        for number in 0..self.classes.len() {
            let raw = self.classes[number].raw.as_ref();
            self.classes[number].superclass = raw.and_then(|raw| self.find(raw.superclass));
            if self.classes[number].internal.is_empty() {
                let id = self.classes[number].id;
                let internal = tables.class_name(id);
                self.classes[number].name = java_name(&internal);
                self.classes[number].internal = internal;
            }
        }
        self.too_large = 0;
        for number in 0..self.classes.len() as u32 {
            if self.classes[number as usize].complete {
                continue;
            }
            let Some(chain) = self.chain(number) else {
                // Without all of them, or with no end of them, they say nothing.
                self.classes[number as usize].superclass = None;
                continue;
            };
            let raw = chain.iter().filter_map(|c| self.get(*c).raw.as_ref());
            let fields = self.fields + raw.map(|raw| raw.fields.len()).sum::<usize>();
            if fields > MAX_FIELDS {
                self.too_large += 1;
                self.classes[number as usize].superclass = None;
                continue;
            }
            self.fields = fields;
            let (shape, slots) = self.shape_of::<W>(&chain, tables);
            let referent = chain.iter().find_map(|c| {
                let internal = self.classes[*c as usize].internal.as_str();
                REFERENTS.iter().find(|(name, _)| *name == internal)
            });
            let referent = referent.map(|(_, referent)| *referent);
            let class = &mut self.classes[number as usize];
            class.shape = shape;
            class.slots = slots;
            class.referent = referent;
            class.complete = true;
        }
    }

    /// The class and its ancestors; `None` where one of them is not described, or there is no end of them.
    fn chain(&self, number: u32) -> Option<Vec<u32>> {
        let mut chain = Vec::new();
        let mut at = number;
        loop {
            chain.push(at);
            let class = &self.classes[at as usize];
            let raw = class.raw.as_ref()?;
            if raw.superclass == 0 {
                return Some(chain);
            }
            at = class.superclass?;
            if chain.len() >= MAX_ANCESTORS {
                return None;
            }
        }
    }

    fn shape_of<const W: usize>(&self, chain: &[u32], tables: &Tables) -> (Shape, Vec<(u32, u64)>) {
        let mut shape = Shape::default();
        let mut slots = Vec::new();
        for number in chain {
            let class = &self.classes[*number as usize];
            for field in class.raw.iter().flat_map(|raw| &raw.fields) {
                let at = shape.bytes;
                if field.type_ == OBJECT {
                    shape.references.push(at);
                    slots.push((*number, field.name));
                    if class.internal == REFERENCE && tables.is(field.name, "referent") {
                        shape.referent = Some(at);
                    }
                } else {
                    let wanted = WANTED.iter().find(|(declaring, name, _)| {
                        *declaring == class.internal && tables.is(field.name, name)
                    });
                    shape
                        .captured
                        .extend(wanted.map(|(_, _, which)| (*which, at, field.type_)));
                }
                let width = width::<W>(field.type_).unwrap_or_default() as u32;
                shape.bytes = shape.bytes.saturating_add(width);
            }
        }
        (shape, slots)
    }

    /// The class whose `java.lang.Class` object has this id.
    pub(crate) fn find(&self, id: u64) -> Option<u32> {
        self.by_id.get(&id).copied()
    }

    /// The first class of this name as class files spell it.
    pub(crate) fn named(&self, internal: &str) -> Option<u32> {
        let found = self.classes.iter().position(|c| c.internal == internal);
        found.map(|n| n as u32)
    }

    pub(crate) fn get(&self, number: u32) -> &Class {
        &self.classes[number as usize]
    }

    pub(crate) fn len(&self) -> u32 {
        self.classes.len() as u32
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &Class)> {
        self.classes.iter().enumerate().map(|(n, c)| (n as u32, c))
    }

    pub(crate) fn shape(&self, number: u32) -> &Shape {
        &self.classes[number as usize].shape
    }

    pub(crate) fn is_complete(&self, number: u32) -> bool {
        self.classes[number as usize].complete
    }

    /// The class and its known ancestors, itself first.
    pub(crate) fn ancestors(&self, number: u32) -> impl Iterator<Item = u32> + '_ {
        let above = |n: &u32| self.classes[*n as usize].superclass;
        std::iter::successors(Some(number), above).take(MAX_ANCESTORS)
    }

    /// Whether the class or an ancestor has this name as class files spell it.
    pub(crate) fn is_a(&self, number: u32, internal: &str) -> bool {
        self.ancestors(number)
            .any(|n| self.classes[n as usize].internal == internal)
    }

    /// The slot of the reference field `name` of instances of this class.
    pub(crate) fn slot(&self, number: u32, name: &str, tables: &Tables) -> Option<u32> {
        let slots = &self.classes[number as usize].slots;
        let found = slots.iter().position(|(_, field)| tables.is(*field, name));
        found.map(|s| s as u32)
    }
}
