//! What keeps objects from outside of the heap, by the names people know: static fields, threads, thread locals.

use leakscope_graph::{GroupIx, ObjIx, Root, RootGroups, RootIx, Strength};
use rustc_hash::FxHashMap;

use crate::classes::{ClassTable, Referent};
use crate::hprof::sub::{RawRoot, RootTag};
use crate::index::Index;
use crate::spelling::without_numbers;
use crate::threads::{Thread, Threads};

/// Roots are told from the holder that people know best, in this order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[repr(u8)]
enum Rank {
    /// A static field of the program or of a library.
    OwnStatic,
    /// A value that a thread keeps for itself.
    ThreadLocal,
    /// A static field of the JDK.
    Static,
    /// A thread.
    Thread,
    /// Everything else.
    Machinery,
}

/// What a root is called, by numbers that are looked up when asked.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum RootName {
    Static(u32),
    Thread(u32),
    /// A local variable or JNI reference: the thread, the frame.
    Frame(u32, u32),
    /// The thread, what the thread local is called.
    ThreadLocal(u32, u32),
    Fixed(&'static str),
}

/// Who a group of roots belongs to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Group {
    /// A static field.
    Static(String),
    /// The thread of this index.
    Thread(u32),
    /// All threads whose names differ by numbers only.
    Threads(String),
    /// A `ThreadLocal`, with its values in all threads.
    ThreadLocal(String),
    /// Its value in the thread of this index.
    ThreadLocalOf(u32, String),
    /// Roots of this kind that nothing tells apart.
    Other(&'static str),
}

/// What a root of a thread is to it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ThreadRoot<'a> {
    /// Its object, or something that it holds without a frame.
    Own,
    /// A local variable or JNI reference in the frame of this index, innermost first.
    Frame(u32),
    /// The value of the `ThreadLocal` that is called so.
    Local(&'a str),
}

/// Groups of roots, and who each belongs to.
#[derive(Clone, Debug, Default)]
pub struct Groups {
    /// Which root belongs to which group.
    pub roots: RootGroups,
    /// Who each group belongs to.
    pub of: Vec<Group>,
}

impl Groups {
    fn add(&mut self, parent: Option<GroupIx>, group: Group) -> GroupIx {
        self.of.push(group);
        self.roots.add(parent)
    }
}

/// What static fields with these names hold is the JVM's, not the program's (`heapDumper.cpp`).
const CLASS_DATA: &str = "resolved constants of classes";

/// Roots with their names.
#[derive(Default)]
pub(crate) struct RootNames {
    names: Vec<RootName>,
    statics: Vec<String>,
    threads: Vec<String>,
    /// Method of each frame of each thread, innermost first.
    frames: Vec<Vec<String>>,
    locals: Vec<String>,
}

/// A static field that is a root.
pub(crate) struct StaticField {
    pub(crate) name: String,
    pub(crate) to: u32,
    /// Of a class that the JDK's own loaders define.
    pub(crate) jdk: bool,
    /// One of the JVM's own.
    pub(crate) class_data: bool,
}

/// A value of a `ThreadLocal` in a thread.
pub(crate) struct LocalValue {
    pub(crate) thread: u32,
    /// What the `ThreadLocal` is called.
    pub(crate) name: String,
    pub(crate) value: u32,
}

/// What roots are made from.
pub(crate) struct Sources<'a> {
    pub(crate) raw: &'a [RawRoot],
    pub(crate) index: &'a Index,
    pub(crate) threads: &'a Threads,
    pub(crate) statics: Vec<StaticField>,
    pub(crate) locals: Vec<LocalValue>,
    /// What soft references refer to.
    pub(crate) soft: Vec<u32>,
    /// The dump has roots; without them every thread in its heap is one.
    pub(crate) listed: bool,
}

impl RootNames {
    /// Names for roots, and the roots as the graph wants them; those whose objects are not in the dump are counted.
    pub(crate) fn new(sources: Sources<'_>) -> (Self, Vec<Root>, u64) {
        let mut names = Self {
            frames: (sources.threads.list.iter())
                .map(|t| t.stack.iter().map(|f| f.method.clone()).collect())
                .collect(),
            ..Self::default()
        };
        let mut roots = Vec::new();
        let mut interned: FxHashMap<String, u32> = FxHashMap::default();
        for field in sources.statics {
            if field.class_data {
                let name = RootName::Fixed(CLASS_DATA);
                names.push(&mut roots, field.to, name, Rank::Machinery);
                continue;
            }
            let rank = if field.jdk {
                Rank::Static
            } else {
                Rank::OwnStatic
            };
            let name = RootName::Static(intern(&mut interned, &mut names.statics, field.name));
            names.push(&mut roots, field.to, name, rank);
        }
        let mut interned: FxHashMap<String, u32> = FxHashMap::default();
        for local in sources.locals {
            let name = intern(&mut interned, &mut names.locals, local.name);
            let name = RootName::ThreadLocal(local.thread, name);
            names.push(&mut roots, local.value, name, Rank::ThreadLocal);
        }
        if !sources.listed {
            for (at, thread) in sources.threads.list.iter().enumerate() {
                if let Some(object) = thread.object {
                    names.push(
                        &mut roots,
                        object,
                        RootName::Thread(at as u32),
                        Rank::Thread,
                    );
                }
            }
        }
        let mut missing = 0;
        for root in sources.raw {
            let Some(object) = sources.index.find(root.object) else {
                missing += u64::from(root.object != 0);
                continue;
            };
            let (name, rank) = of_raw(root, sources.threads);
            names.push(&mut roots, object, name, rank);
        }
        for object in sources.soft {
            names.push(
                &mut roots,
                object,
                RootName::Fixed("soft reference"),
                Rank::Machinery,
            );
            if let Some(root) = roots.last_mut() {
                root.strength = Strength::Conservative;
            }
        }
        (names, roots, missing)
    }

    fn push(&mut self, roots: &mut Vec<Root>, to: u32, name: RootName, rank: Rank) {
        self.names.push(name);
        roots.push(Root {
            to: ObjIx(to),
            strength: Strength::Strong,
            rank: rank as u8,
        });
    }

    /// Takes the names of threads, which are found last.
    pub(crate) fn name_threads(&mut self, threads: &[Thread]) {
        self.threads = threads.iter().map(label).collect();
    }

    /// The root as an expression.
    pub(crate) fn name(&self, root: RootIx) -> String {
        match self.names.get(root.index()) {
            Some(RootName::Static(at)) => format!("static {}", self.statics[*at as usize]),
            Some(RootName::Thread(at)) => self.thread(*at).to_owned(),
            Some(RootName::Frame(at, frame)) => {
                format!("{}{}", self.thread(*at), self.frame(*at, *frame))
            }
            Some(RootName::ThreadLocal(thread, name)) => {
                let name = &self.locals[*name as usize];
                format!("thread local {name} of {}", self.thread(*thread))
            }
            Some(RootName::Fixed(name)) => (*name).to_owned(),
            None => String::new(),
        }
    }

    /// The thread that a root belongs to, and how.
    pub(crate) fn of_thread(&self, root: RootIx) -> Option<(u32, ThreadRoot<'_>)> {
        Some(match *self.names.get(root.index())? {
            RootName::Thread(at) => (at, ThreadRoot::Own),
            RootName::Frame(at, frame) => (at, ThreadRoot::Frame(frame)),
            RootName::ThreadLocal(at, name) => {
                (at, ThreadRoot::Local(self.locals.get(name as usize)?))
            }
            RootName::Static(_) | RootName::Fixed(_) => return None,
        })
    }

    /// The root as every run of the same code calls it.
    pub(crate) fn key(&self, root: RootIx) -> String {
        match self.names.get(root.index()) {
            Some(RootName::ThreadLocal(_, name)) => {
                format!("thread local {}", self.locals[*name as usize])
            }
            Some(RootName::Thread(at)) => without_numbers(self.thread(*at)),
            Some(RootName::Frame(at, frame)) => {
                format!(
                    "{}{}",
                    without_numbers(self.thread(*at)),
                    self.frame(*at, *frame)
                )
            }
            _ => self.name(root),
        }
    }

    fn thread(&self, at: u32) -> &str {
        self.threads
            .get(at as usize)
            .map_or("thread", String::as_str)
    }

    fn frame(&self, thread: u32, frame: u32) -> String {
        let frames = self.frames.get(thread as usize);
        let method = frames.and_then(|f| f.get(frame as usize));
        method.map_or(String::new(), |m| format!(" in {m}"))
    }

    /// Roots joined by who they belong to.
    pub(crate) fn groups(&self) -> Groups {
        let mut groups = Groups::default();
        let mut statics: FxHashMap<u32, GroupIx> = FxHashMap::default();
        let mut threads: FxHashMap<u32, GroupIx> = FxHashMap::default();
        let mut pools: FxHashMap<String, GroupIx> = FxHashMap::default();
        let mut locals: FxHashMap<u32, GroupIx> = FxHashMap::default();
        let mut local_values: FxHashMap<(u32, u32), GroupIx> = FxHashMap::default();
        let mut others: FxHashMap<&str, GroupIx> = FxHashMap::default();
        for name in &self.names {
            let group = match name {
                RootName::Static(at) => *statics.entry(*at).or_insert_with(|| {
                    groups.add(None, Group::Static(self.statics[*at as usize].clone()))
                }),
                RootName::Thread(at) | RootName::Frame(at, _) => {
                    *threads.entry(*at).or_insert_with(|| {
                        let pool = without_numbers(self.thread(*at));
                        let pool = *pools.entry(pool).or_insert_with_key(|pool| {
                            groups.add(None, Group::Threads(pool.clone()))
                        });
                        groups.add(Some(pool), Group::Thread(*at))
                    })
                }
                RootName::ThreadLocal(thread, at) => {
                    *local_values.entry((*thread, *at)).or_insert_with(|| {
                        let name = self.locals[*at as usize].clone();
                        let of_all = *locals
                            .entry(*at)
                            .or_insert_with(|| groups.add(None, Group::ThreadLocal(name.clone())));
                        groups.add(Some(of_all), Group::ThreadLocalOf(*thread, name))
                    })
                }
                RootName::Fixed(name) => *others
                    .entry(name)
                    .or_insert_with(|| groups.add(None, Group::Other(name))),
            };
            groups.roots.push_root(Some(group));
        }
        groups
    }

    /// What a group is called.
    pub(crate) fn group_name(&self, group: &Group) -> String {
        match group {
            Group::Static(name) => format!("static {name}"),
            Group::Thread(at) => self.thread(*at).to_owned(),
            Group::Threads(pool) => pool.clone(),
            Group::ThreadLocal(name) => format!("thread local {name}"),
            Group::ThreadLocalOf(at, name) => {
                format!("thread local {name} of {}", self.thread(*at))
            }
            Group::Other(name) => (*name).to_owned(),
        }
    }

    /// What every run of the same code calls it.
    pub(crate) fn group_key(&self, group: &Group) -> String {
        match group {
            Group::Thread(at) => without_numbers(self.thread(*at)),
            Group::ThreadLocalOf(_, name) => format!("thread local {name}"),
            _ => self.group_name(group),
        }
    }
}

/// What a thread is called as a holder.
pub(crate) fn label(thread: &Thread) -> String {
    let kind = if thread.is_virtual {
        "virtual thread"
    } else {
        "thread"
    };
    match (thread.name.as_str(), thread.id) {
        ("", Some(id)) => format!("{kind} #{id}"),
        ("", None) => format!("{kind} of serial {}", thread.serial),
        (name, _) => format!("{kind} \"{name}\""),
    }
}

fn intern(known: &mut FxHashMap<String, u32>, list: &mut Vec<String>, name: String) -> u32 {
    *known.entry(name).or_insert_with_key(|name| {
        list.push(name.clone());
        list.len() as u32 - 1
    })
}

fn of_raw(root: &RawRoot, threads: &Threads) -> (RootName, Rank) {
    let thread = threads.of_serial(root.thread);
    let of_thread = |frame: Option<u32>, other| match (thread, frame) {
        (Some(at), Some(frame)) => (RootName::Frame(at, frame), Rank::Thread),
        (Some(at), None) => (RootName::Thread(at), Rank::Thread),
        (None, _) => (RootName::Fixed(other), Rank::Machinery),
    };
    match root.tag {
        RootTag::Thread => of_thread(None, "thread"),
        RootTag::JavaFrame => of_thread(Some(root.frame), "local variable"),
        RootTag::JniLocal => of_thread(Some(root.frame), "JNI local"),
        RootTag::NativeStack => of_thread(None, "native stack"),
        RootTag::ThreadBlock => of_thread(None, "thread block"),
        RootTag::JniGlobal => (RootName::Fixed("JNI global"), Rank::Machinery),
        RootTag::StickyClass => (RootName::Fixed("system class"), Rank::Machinery),
        RootTag::Monitor => (RootName::Fixed("monitor in use"), Rank::Machinery),
        RootTag::Unknown => (RootName::Fixed("unknown root"), Rank::Machinery),
    }
}

/// The static fields that are roots: those of classes that stay for as long as the program runs.
pub(crate) fn static_fields(
    classes: &ClassTable,
    index: &Index,
    permanent: &[Loader],
    name_of: impl Fn(u64) -> String,
    is_static: impl Fn(u64) -> bool,
) -> Vec<StaticField> {
    let mut fields = Vec::new();
    for (number, class) in classes.iter() {
        let loader = permanent[number as usize];
        if loader == Loader::Passing {
            continue;
        }
        for field in class.raw.iter().flat_map(|raw| &raw.statics) {
            let Some(to) = index.find(field.value).filter(|_| field.value != 0) else {
                continue;
            };
            let own = is_static(field.name);
            fields.push(StaticField {
                name: if own {
                    format!("{}.{}", class.name, name_of(field.name))
                } else {
                    String::new()
                },
                to,
                jdk: loader == Loader::Jdk,
                class_data: !own,
            });
        }
    }
    fields
}

/// Who defined a class, as far as it matters for its statics.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Loader {
    /// The JDK's own loaders.
    Jdk,
    /// The loader of the program: its classes are never unloaded.
    Program,
    /// A loader that may go, and its classes with it.
    Passing,
}

/// Loaders whose classes stay, by the class of the loader. Sources: `jdk.internal.loader.ClassLoaders` (JDK 9 to 25),
/// `sun.misc.Launcher` (JDK 8), Spring Boot's loader of executable jars.
const STAYING: &[(&str, Loader)] = &[
    (
        "jdk/internal/loader/ClassLoaders$AppClassLoader",
        Loader::Program,
    ),
    (
        "jdk/internal/loader/ClassLoaders$PlatformClassLoader",
        Loader::Jdk,
    ),
    (
        "jdk/internal/loader/ClassLoaders$BootClassLoader",
        Loader::Jdk,
    ),
    ("sun/misc/Launcher$AppClassLoader", Loader::Program),
    ("sun/misc/Launcher$ExtClassLoader", Loader::Jdk),
    (
        "org/springframework/boot/loader/LaunchedURLClassLoader",
        Loader::Program,
    ),
    (
        "org/springframework/boot/loader/launch/LaunchedClassLoader",
        Loader::Program,
    ),
];

/// What a loader of this class is. One that the dump lacks is taken to stay.
pub(crate) fn loader_of_class(internal: Option<&str>) -> Loader {
    let Some(internal) = internal else {
        return Loader::Program;
    };
    let known = STAYING.iter().find(|(name, _)| *name == internal);
    known.map_or(Loader::Passing, |(_, loader)| *loader)
}

/// Whether the collector keeps what a reference of this kind refers to while memory lasts.
pub(crate) fn is_soft(referent: Option<Referent>) -> bool {
    referent == Some(Referent::Soft)
}
