//! Roots as Go expressions, and with them who owns what: the path from a root people know.

mod places;
mod stacks;

use leakscope_graph::{GroupIx, ObjIx, Path, RootGroups, RootIx, Strength};
use leakscope_target::Addr;
use rustc_hash::{FxHashMap, FxHashSet};

use crate::heap::GoHeap;
use crate::maps::MapInfo;
use crate::program::Program;
use crate::roots::{Root, RootKind, Roots};
use crate::types::{TypeId, TypeTable};
use crate::typing::{LocalNames, Static};
pub(crate) use places::without_position;
use places::{Places, is_own};
use stacks::{StackRoot, Stacks};

/// In front of roots that the collector does not follow.
const MAYBE: &str = "maybe ";

/// References of a path that are spelled out; of longer ones the last this many.
const MAX_STEPS: usize = 24;
/// Characters of an owner that are kept: its ends say most.
const MAX_CHARS: usize = 240;

/// Roots are told from the holder that people know best, in this order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[repr(u8)]
enum Rank {
    /// A package variable of the program's own module.
    OwnVariable,
    /// A package variable of a dependency or the standard library.
    Variable,
    /// A goroutine's stack.
    Goroutine,
    /// Everything else.
    Machinery,
    /// What only a finalizer or a cleanup keeps: the program itself has no way to it.
    Attached,
}

/// Rank of roots that are finalizers and cleanups which are not due, after every other root that the collector follows.
pub const ATTACHED: u8 = Rank::Attached as u8;

#[derive(Clone, Copy)]
enum RootName {
    Global { global: u32, offset: u64 },
    Static(u32),
    Stack(StackRoot),
    Fixed(&'static str),
}

struct GlobalName {
    name: String,
    type_: Option<TypeId>,
    own: bool,
}

/// Objects that a root leads to which the collector looks at. What a system stack has of them besides is what a collection, or the
/// call that made them, has left there: it holds nothing.
fn led_to_otherwise(roots: &[Root]) -> FxHashSet<u32> {
    let others = roots
        .iter()
        .filter(|root| !matches!(root.kind, RootKind::SystemStack { .. }));
    others.map(|root| root.obj).collect()
}

/// What roots are called.
#[derive(Default)]
pub(crate) struct RootNames {
    roots: Vec<RootName>,
    globals: Vec<GlobalName>,
    /// Names of roots in values that have no name of their own.
    statics: Vec<String>,
    stacks: Stacks,
}

impl RootNames {
    /// Names for `roots`, and the roots as the graph wants them. `statics` are the package variables without a name,
    /// `locals` what is known of words on stacks.
    pub(crate) fn new(
        program: &Program,
        types: &TypeTable,
        statics: &[Static],
        locals: LocalNames,
        roots: &Roots,
    ) -> (Self, Vec<leakscope_graph::Root>) {
        let goroutines = &roots.goroutines;
        let mut names = Self {
            stacks: Stacks::new(program, goroutines),
            ..Self::default()
        };
        let places = Places {
            program,
            types,
            statics,
        };
        let mut known: FxHashMap<u64, u32> = FxHashMap::default();
        let mut out = Vec::with_capacity(roots.roots.len());
        let others = led_to_otherwise(&roots.roots);
        for root in &roots.roots {
            if matches!(root.kind, RootKind::SystemStack { .. }) && others.contains(&root.obj) {
                continue;
            }
            let (name, rank) = match root.kind {
                RootKind::Global { at } => names.global(&places, &mut known, at),
                RootKind::Stack { .. }
                | RootKind::Conservative { .. }
                | RootKind::Register { .. }
                | RootKind::Goroutine { .. } => {
                    match names.stacks.root(goroutines, &locals, root.kind) {
                        Some(root) => (RootName::Stack(root), Rank::Goroutine),
                        None => fixed("goroutine"),
                    }
                }
                RootKind::SystemStack { .. } => fixed("maybe system stack"),
                RootKind::Finalizer { .. } => attached("finalizer"),
                RootKind::FinalizerReach { .. } => attached("object with a finalizer"),
                RootKind::FinalizerQueue => fixed("finalizer queue"),
                RootKind::Cleanup { .. } => attached("cleanup"),
                RootKind::CleanupQueue => fixed("cleanup queue"),
                RootKind::WeakHandle { .. } => fixed("weak handle"),
                RootKind::TinyBlock => fixed("tiny allocator"),
            };
            names.roots.push(name);
            out.push(leakscope_graph::Root {
                to: ObjIx(root.obj),
                strength: if root.kind.is_weak() {
                    Strength::Conservative
                } else {
                    Strength::Strong
                },
                rank: rank as u8,
            });
        }
        names.stacks.set_locals(locals);
        (names, out)
    }

    fn global(
        &mut self,
        places: &Places<'_>,
        known: &mut FxHashMap<u64, u32>,
        at: Addr,
    ) -> (RootName, Rank) {
        let rank = |own| {
            if own {
                Rank::OwnVariable
            } else {
                Rank::Variable
            }
        };
        let Some((global, offset)) = places.program.global_at(at) else {
            let Some((name, own)) = places.name(at) else {
                return fixed("package variable without a name");
            };
            self.statics.push(name);
            return (RootName::Static(self.statics.len() as u32 - 1), rank(own));
        };
        let number = *known.entry(global.addr).or_insert_with(|| {
            self.globals.push(GlobalName {
                name: global.name.to_owned(),
                type_: places.types.from_dwarf(global.type_),
                own: is_own(places.program, global.name),
            });
            self.globals.len() as u32 - 1
        });
        let own = self.globals.get(number as usize).is_some_and(|g| g.own);
        let name = RootName::Global {
            global: number,
            offset,
        };
        (name, rank(own))
    }

    /// The root without numbers: the variable with its field, the function a goroutine was started with.
    pub(crate) fn key(&self, root: RootIx, types: &TypeTable) -> String {
        match self.roots.get(root.index()) {
            Some(RootName::Stack(root)) => self.stacks.key(root),
            _ => without_indices(&without_position(&self.name(root, types))),
        }
    }

    /// Roots joined by who they belong to: a package variable; a goroutine, and above it all that were started with the
    /// same function; the kind of root for the rest.
    pub(crate) fn groups(&self) -> Groups {
        let mut groups = Groups::default();
        let mut by_name: FxHashMap<(bool, String), GroupIx> = FxHashMap::default();
        let mut of_goroutine: FxHashMap<u32, GroupIx> = FxHashMap::default();
        for root in &self.roots {
            let group = match root {
                RootName::Stack(StackRoot { goroutine, .. }) => {
                    *of_goroutine.entry(*goroutine).or_insert_with(|| {
                        let function = self.stacks.function(*goroutine).to_owned();
                        let together =
                            *by_name
                                .entry((true, function))
                                .or_insert_with_key(|(_, f)| {
                                    groups.add(None, Group::Goroutines(f.clone()))
                                });
                        groups.add(Some(together), Group::Goroutine(*goroutine))
                    })
                }
                RootName::Global { global, .. } => {
                    let global = self.globals.get(*global as usize);
                    let name = global.map_or(String::new(), |g| g.name.clone());
                    *by_name
                        .entry((false, name))
                        .or_insert_with_key(|(_, n)| groups.add(None, Group::Variable(n.clone())))
                }
                RootName::Static(i) => {
                    let name = self.statics.get(*i as usize).cloned().unwrap_or_default();
                    *by_name
                        .entry((false, name))
                        .or_insert_with_key(|(_, n)| groups.add(None, Group::Variable(n.clone())))
                }
                RootName::Fixed(name) => *by_name
                    .entry((true, (*name).to_owned()))
                    .or_insert_with(|| groups.add(None, Group::Other(name))),
            };
            groups.roots.push_root(Some(group));
        }
        groups
    }

    /// What goroutines are called.
    pub(crate) fn stacks(&self) -> &Stacks {
        &self.stacks
    }

    /// The root as an expression.
    pub(crate) fn name(&self, root: RootIx, types: &TypeTable) -> String {
        let text = |list: &[String], i: u32| list.get(i as usize).cloned().unwrap_or_default();
        match self.roots.get(root.index()) {
            Some(RootName::Global { global, offset }) => {
                let Some(global) = self.globals.get(*global as usize) else {
                    return String::new();
                };
                let path = global.type_.map(|t| types.path(t, *offset));
                global.name.clone() + &path.unwrap_or_default()
            }
            Some(RootName::Static(i)) => text(&self.statics, *i),
            Some(RootName::Stack(root)) => self.stacks.name(types.program(), root),
            Some(RootName::Fixed(name)) => (*name).to_owned(),
            None => String::new(),
        }
    }
}

/// Who a group of roots belongs to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Group {
    /// A package variable, or a value laid out by the linker.
    Variable(String),
    /// The goroutine of this index.
    Goroutine(u32),
    /// All goroutines that were started with this function.
    Goroutines(String),
    /// Roots of a kind that belong to the runtime: finalizers, weak handles, system stacks.
    Other(&'static str),
}

/// All groups of a heap's roots.
#[derive(Default)]
pub struct Groups {
    /// Which root is in which group.
    pub roots: RootGroups,
    /// Who each group belongs to, by its number.
    pub of: Vec<Group>,
}

impl Groups {
    fn add(&mut self, parent: Option<GroupIx>, group: Group) -> GroupIx {
        self.of.push(group);
        self.roots.add(parent)
    }
}

/// An expression with every index replaced.
pub(crate) fn without_indices(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('[') {
        out.push_str(before);
        out.push('[');
        let digits = after.chars().take_while(char::is_ascii_digit).count();
        rest = match after.get(digits..) {
            Some(tail) if digits > 0 && tail.starts_with(']') => {
                out.push_str("...");
                tail
            }
            _ => after,
        };
    }
    out + rest
}

fn fixed(name: &'static str) -> (RootName, Rank) {
    (RootName::Fixed(name), Rank::Machinery)
}

fn attached(name: &'static str) -> (RootName, Rank) {
    (RootName::Fixed(name), Rank::Attached)
}

impl GoHeap {
    /// Who holds the object: the path over which a root reached it first, as a Go expression; empty where none does.
    pub fn owner_of(&self, object: ObjIx) -> String {
        let path = Path::to(&self.graph, &self.reach, object, MAX_STEPS);
        path.map_or_else(String::new, |p| {
            shorten(p.expression(&self.graph, &self.names))
        })
    }

    /// Who holds a map, as [`Self::owner_of`].
    pub fn map_owner(&self, map: &MapInfo) -> String {
        map.object.map_or_else(String::new, |o| self.owner_of(o))
    }
}

/// Cuts the middle out of an expression that is too long to read.
fn shorten(text: String) -> String {
    let chars: Vec<char> = text.chars().collect();
    if chars.len() <= MAX_CHARS {
        return text;
    }
    let half = MAX_CHARS / 2;
    let (start, end) = (&chars[..half], &chars[chars.len() - half + 1..]);
    start.iter().chain(['…'].iter()).chain(end).collect()
}
