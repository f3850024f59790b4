//! Roots as Go expressions, and with them who owns what: the path from a root people know.

use std::fmt::Write;

use leakscope_graph::{GroupIx, ObjIx, Path, RootGroups, RootIx, Strength};
use leakscope_target::Addr;
use rustc_hash::FxHashMap;

use crate::goroutines::{Goroutine, Goroutines};
use crate::heap::GoHeap;
use crate::maps::MapInfo;
use crate::moduledata::Module;
use crate::program::Program;
use crate::resolver::package_of;
use crate::roots::{RootKind, Roots};
use crate::types::{TypeId, TypeTable};
use crate::typing::Static;

/// References of a path that are spelled out; of longer ones the last this many.
const MAX_STEPS: usize = 24;
/// Characters of an owner that are kept: its ends say most.
const MAX_CHARS: usize = 240;

/// Values without a name that are called by values without a name, and so on: lists laid out by the linker.
const MAX_HOLDERS: u32 = 8;
/// Values without a name that start inside one another and are looked through for the largest.
const MAX_NESTED: usize = 8;

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
}

#[derive(Clone, Copy)]
enum RootName {
    Global { global: u32, offset: u64 },
    Static(u32),
    Goroutine(u32),
    Fixed(&'static str),
}

struct GlobalName {
    name: String,
    type_: Option<TypeId>,
    own: bool,
}

/// What roots are called.
#[derive(Default)]
pub(crate) struct RootNames {
    roots: Vec<RootName>,
    globals: Vec<GlobalName>,
    /// Names of roots in values that have no name of their own.
    statics: Vec<String>,
    goroutines: Vec<String>,
}

impl RootNames {
    /// Names for `roots`, and the roots as the graph wants them. `statics` are the package variables without a name.
    pub(crate) fn new(
        program: &Program,
        types: &TypeTable,
        statics: &[Static],
        roots: &Roots,
    ) -> (Self, Vec<leakscope_graph::Root>) {
        let goroutines = &roots.goroutines;
        let mut names = Self {
            goroutines: goroutines
                .iter()
                .map(|g| goroutine_name(program, goroutines, g))
                .collect(),
            ..Self::default()
        };
        let places = Places {
            program,
            types,
            statics,
        };
        let mut known: FxHashMap<u64, u32> = FxHashMap::default();
        let mut out = Vec::with_capacity(roots.roots.len());
        for root in &roots.roots {
            let (name, rank) = match root.kind {
                RootKind::Global { at } => names.global(&places, &mut known, at),
                RootKind::Stack { goroutine, .. }
                | RootKind::Conservative { goroutine, .. }
                | RootKind::Register { goroutine, .. }
                | RootKind::Goroutine { goroutine } => {
                    (RootName::Goroutine(goroutine), Rank::Goroutine)
                }
                RootKind::SystemStack { .. } => fixed("system stack"),
                RootKind::Finalizer { .. } => fixed("finalizer"),
                RootKind::FinalizerReach { .. } => fixed("object with a finalizer"),
                RootKind::FinalizerQueue => fixed("finalizer queue"),
                RootKind::Cleanup { .. } => fixed("cleanup"),
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
            let known = places.spell(at, MAX_HOLDERS);
            let Some((name, own)) = known.or_else(|| places.by_position(at)) else {
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
            Some(RootName::Goroutine(i)) => {
                let name = self.goroutines.get(*i as usize).map_or("", |n| n);
                format!("goroutine {}", function_of(name))
            }
            _ => without_indices(&self.name(root, types)),
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
                RootName::Goroutine(i) => *of_goroutine.entry(*i).or_insert_with(|| {
                    let name = self.goroutines.get(*i as usize).map_or("", |n| n);
                    let function = function_of(name).to_owned();
                    let together = *by_name
                        .entry((true, function))
                        .or_insert_with_key(|(_, f)| {
                            groups.add(None, Group::Goroutines(f.clone()))
                        });
                    groups.add(Some(together), Group::Goroutine(*i))
                }),
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

    /// What a goroutine of this index is called.
    pub(crate) fn goroutine(&self, index: u32) -> &str {
        self.goroutines.get(index as usize).map_or("", |n| n)
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
            Some(RootName::Goroutine(i)) => text(&self.goroutines, *i),
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

/// The function in the name of a goroutine.
pub(crate) fn function_of(name: &str) -> &str {
    name.splitn(3, ' ').nth(2).unwrap_or("")
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

/// Names of places among the package variables.
struct Places<'a> {
    program: &'a Program,
    types: &'a TypeTable,
    statics: &'a [Static],
}

impl Places<'_> {
    /// The word at `at`, and whether it belongs to the program's own module. Values without a name are called by the
    /// word that points to them.
    fn spell(&self, at: Addr, holders: u32) -> Option<(String, bool)> {
        if let Some((global, offset)) = self.program.global_at(at) {
            let type_ = self.types.from_dwarf(global.type_)?;
            let name = global.name.to_owned() + &self.types.path(type_, offset);
            return Some((name, is_own(self.program, global.name)));
        }
        let end = self.statics.partition_point(|s| s.at <= at);
        let mut before = self.statics.get(..end)?.iter().rev().take(MAX_NESTED);
        let found = before.rfind(|s| at.0 - s.at.0 < s.len)?;
        let (mut name, own) = match holders.checked_sub(1) {
            Some(left) if !found.holder.is_nil() => self.spell(found.holder, left)?,
            _ => match self.by_position(found.at) {
                Some(named) => named,
                None => (format!("static {}", self.types.name(found.type_)), false),
            },
        };
        let mut offset = at.0 - found.at.0;
        if let Some(stride) = found.stride.filter(|s| *s > 0) {
            // Writing to a string cannot fail.
            let _ = write!(name, "[{}]", offset / stride);
            offset %= stride;
        }
        name.push_str(&self.types.path(found.type_, offset));
        Some((name, own))
    }

    /// A variable of a program without debug information, by its position and a function that uses it, and whether that
    /// function belongs to the program's own module.
    fn by_position(&self, at: Addr) -> Option<(String, bool)> {
        let code = self.program.code()?;
        let place = |m: &Module| {
            let sections = [("data", m.data), ("bss", m.bss)];
            let (name, range) = sections.into_iter().find(|(_, r)| r.contains(at))?;
            Some(format!("global at {name}+{:#x}", at.0 - range.start.0))
        };
        let position = self.program.modules().iter().find_map(place)?;
        let functions = self.program.functions();
        let user = code.user(at).and_then(|user| functions.find(user));
        Some(match user.map(|f| f.name()) {
            Some(user) => {
                let named = format!("({position}, used by {user})");
                (named, is_own(self.program, user))
            }
            None => (format!("({position})"), false),
        })
    }
}

fn fixed(name: &'static str) -> (RootName, Rank) {
    (RootName::Fixed(name), Rank::Machinery)
}

/// Whether a package variable belongs to the program's own module: the main package, or one below its module path.
fn is_own(program: &Program, name: &str) -> bool {
    let package = package_of(name);
    let module = program.exe().build_info().module.as_str();
    package == "main"
        || (!module.is_empty()
            && package
                .strip_prefix(module)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
}

/// `goroutine 18 main.worker`, after the function it was started with.
fn goroutine_name(program: &Program, goroutines: &Goroutines, goroutine: &Goroutine) -> String {
    let functions = program.functions();
    let started = functions.find(goroutine.start_pc).map(|f| f.name());
    let outermost = goroutines
        .frames(goroutine)
        .last()
        .and_then(|f| functions.find(f.pc));
    let name = started.or(outermost.map(|f| f.name())).unwrap_or("");
    // What the main goroutine was started with is the runtime's own.
    let name = if name == "runtime.main" {
        "main.main"
    } else {
        name
    };
    format!("goroutine {} {name}", goroutine.id)
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
