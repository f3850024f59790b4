//! Roots as Go expressions, and with them who owns what: the path from a root people know.

use leakscope_graph::{ObjIx, Path, RootIx, Strength};
use leakscope_target::Addr;
use rustc_hash::FxHashMap;

use crate::goroutines::{Goroutine, Goroutines};
use crate::heap::GoHeap;
use crate::maps::MapInfo;
use crate::program::Program;
use crate::resolver::package_of;
use crate::roots::{Root, RootKind};
use crate::types::{TypeId, TypeTable};

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
}

#[derive(Clone, Copy)]
enum RootName {
    Global { global: u32, offset: u64 },
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
    goroutines: Vec<String>,
}

impl RootNames {
    /// Names for `roots`, and the roots as the graph wants them.
    pub(crate) fn new(
        program: &Program,
        types: &TypeTable,
        roots: &[Root],
        goroutines: &Goroutines,
    ) -> (Self, Vec<leakscope_graph::Root>) {
        let mut names = Self {
            goroutines: goroutines
                .iter()
                .map(|g| goroutine_name(program, goroutines, g))
                .collect(),
            ..Self::default()
        };
        let mut known: FxHashMap<u64, u32> = FxHashMap::default();
        let mut out = Vec::with_capacity(roots.len());
        for root in roots {
            let (name, rank) = match root.kind {
                RootKind::Global { at } => names.global(program, types, &mut known, at),
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
        program: &Program,
        types: &TypeTable,
        known: &mut FxHashMap<u64, u32>,
        at: Addr,
    ) -> (RootName, Rank) {
        let Some((global, offset)) = program.global_at(at) else {
            return fixed("package variable without a name");
        };
        let number = *known.entry(global.addr).or_insert_with(|| {
            self.globals.push(GlobalName {
                name: global.name.to_owned(),
                type_: types.from_dwarf(global.type_),
                own: is_own(program, global.name),
            });
            self.globals.len() as u32 - 1
        });
        let rank = match self.globals.get(number as usize) {
            Some(GlobalName { own: true, .. }) => Rank::OwnVariable,
            _ => Rank::Variable,
        };
        let name = RootName::Global {
            global: number,
            offset,
        };
        (name, rank)
    }

    /// The root as an expression.
    pub(crate) fn name(&self, root: RootIx, types: &TypeTable) -> String {
        match self.roots.get(root.index()) {
            Some(RootName::Global { global, offset }) => {
                let Some(global) = self.globals.get(*global as usize) else {
                    return String::new();
                };
                let path = global.type_.map(|t| types.path(t, *offset));
                global.name.clone() + &path.unwrap_or_default()
            }
            Some(RootName::Goroutine(index)) => self
                .goroutines
                .get(*index as usize)
                .cloned()
                .unwrap_or_default(),
            Some(RootName::Fixed(name)) => (*name).to_owned(),
            None => String::new(),
        }
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
