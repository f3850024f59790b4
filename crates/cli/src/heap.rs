//! One heap, whatever runtime it is of: what the views ask of it.

use leakscope_go::heap::GoHeap;
use leakscope_go::owners::Group as GoGroup;
use leakscope_graph::{GroupIx, HeapGraph, Histogram, ObjIx, Reach, Resolver, RootGroups};
use leakscope_jvm::{Group as JvmGroup, JvmHeap};
use leakscope_report::{Address, RootKind};

/// The heap of one runtime or another.
pub(crate) enum AnyHeap {
    /// Of a Go process.
    Go(Box<GoHeap>),
    /// Of a JVM.
    Jvm(Box<JvmHeap>),
}

/// Who a group of roots belongs to.
pub(crate) struct Owner {
    /// It as a holder.
    pub(crate) name: String,
    /// The same in every run of the same code.
    pub(crate) key: String,
    /// It among others of its kind.
    pub(crate) short: String,
    /// Its kind.
    pub(crate) kind: RootKind,
    /// What it is called as one entry of many.
    pub(crate) entry: &'static str,
    /// The goroutine or thread that it is, by its place in their list.
    pub(crate) runs: Option<u32>,
}

/// Groups of roots, and who each belongs to.
pub(crate) struct Owners {
    /// Which root belongs to which group.
    pub(crate) roots: RootGroups,
    /// Who each group belongs to.
    pub(crate) of: Vec<Owner>,
}

impl Owners {
    pub(crate) fn get(&self, group: GroupIx) -> Option<&Owner> {
        self.of.get(group.index())
    }
}

impl AnyHeap {
    pub(crate) fn graph(&self) -> &HeapGraph {
        match self {
            Self::Go(heap) => &heap.graph,
            Self::Jvm(heap) => &heap.graph,
        }
    }

    pub(crate) fn reach(&self) -> &Reach {
        match self {
            Self::Go(heap) => &heap.reach,
            Self::Jvm(heap) => &heap.reach,
        }
    }

    pub(crate) fn histogram(&self) -> &Histogram {
        match self {
            Self::Go(heap) => &heap.histogram,
            Self::Jvm(heap) => &heap.histogram,
        }
    }

    pub(crate) fn names(&self) -> &dyn Resolver {
        match self {
            Self::Go(heap) => &heap.names,
            Self::Jvm(heap) => &heap.names,
        }
    }

    /// Number of types: their ids are below it.
    pub(crate) fn types(&self) -> u32 {
        match self {
            Self::Go(heap) => heap.names.types(),
            Self::Jvm(heap) => heap.names.types(),
        }
    }

    /// Who holds an object, as an expression; empty where no root reaches it.
    pub(crate) fn owner_of(&self, object: ObjIx) -> String {
        match self {
            Self::Go(heap) => heap.owner_of(object),
            Self::Jvm(heap) => heap.owner_of(object),
        }
    }

    /// Where an object lies.
    pub(crate) fn address(&self, object: ObjIx) -> Address {
        Address(match self {
            Self::Go(heap) => heap.objects.base(object.0).0,
            Self::Jvm(heap) => heap.address(object),
        })
    }

    /// The object that lies at an address, and where it begins.
    pub(crate) fn find(&self, address: u64) -> Option<(ObjIx, u64)> {
        match self {
            Self::Go(heap) => {
                let found = heap.objects.find(address)?;
                Some((ObjIx(found.obj), found.base))
            }
            Self::Jvm(heap) => Some((heap.find(address)?, address)),
        }
    }

    /// Whether a map or collection has its head in this object, which begins at `base`.
    pub(crate) fn is_map(&self, object: ObjIx, base: u64) -> bool {
        match self {
            Self::Go(heap) => {
                (heap.maps.iter()).any(|map| map.address.0 == base && map.object == Some(object))
            }
            Self::Jvm(heap) => heap.collection(object).is_some(),
        }
    }

    /// The head of the map or collection that is called `owner`.
    pub(crate) fn map_of(&self, owner: &str) -> Option<ObjIx> {
        match self {
            Self::Go(heap) => {
                let map = heap.maps.iter().find(|map| heap.map_owner(map) == owner);
                map.and_then(|map| map.object)
            }
            Self::Jvm(heap) => {
                let mut heads = heap.collections.iter().map(|c| ObjIx(c.object));
                heads.find(|head| heap.owner_of(*head) == owner)
            }
        }
    }

    /// The heap, if it is Go's.
    pub(crate) fn go(&self) -> Option<&GoHeap> {
        match self {
            Self::Go(heap) => Some(heap),
            Self::Jvm(_) => None,
        }
    }

    /// Roots joined by who they belong to.
    pub(crate) fn owners(&self) -> Owners {
        match self {
            Self::Go(heap) => {
                let groups = heap.names.groups();
                let of = groups.of.iter().map(|group| go_owner(heap, group));
                Owners {
                    of: of.collect(),
                    roots: groups.roots,
                }
            }
            Self::Jvm(heap) => {
                let groups = heap.names.groups();
                let of = groups.of.iter().map(|group| jvm_owner(heap, group));
                Owners {
                    of: of.collect(),
                    roots: groups.roots,
                }
            }
        }
    }
}

fn go_owner(heap: &GoHeap, group: &GoGroup) -> Owner {
    let (kind, short, runs) = match group {
        GoGroup::Variable(name) => (RootKind::Variable, name.clone(), None),
        GoGroup::Goroutines(function) => (RootKind::Goroutines, function.clone(), None),
        GoGroup::Goroutine(index) => (RootKind::Goroutines, String::new(), Some(*index)),
        GoGroup::Other(kind) => (RootKind::Runtime, (*kind).to_owned(), None),
    };
    Owner {
        name: heap.names.group_name(group).into_owned(),
        key: heap.names.group_key(group),
        short,
        kind,
        entry: if runs.is_some() { "goroutine" } else { "root" },
        runs,
    }
}

fn jvm_owner(heap: &JvmHeap, group: &JvmGroup) -> Owner {
    let name = heap.names.group_name(group);
    let (kind, entry, runs) = match group {
        JvmGroup::Static(_) => (RootKind::Variable, "static field", None),
        JvmGroup::Thread(at) => (RootKind::Threads, "thread", Some(*at)),
        JvmGroup::Threads(_) => (RootKind::Threads, "threads", None),
        JvmGroup::ThreadLocal(_) => (RootKind::ThreadLocal, "thread local", None),
        JvmGroup::ThreadLocalOf(at, _) => (RootKind::ThreadLocal, "thread", Some(*at)),
        JvmGroup::Other(_) => (RootKind::Runtime, "root", None),
    };
    Owner {
        key: heap.names.group_key(group),
        short: name.clone(),
        name,
        kind,
        entry,
        runs,
    }
}
