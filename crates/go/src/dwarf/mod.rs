//! What the debug information says: struct layouts, types, package variables, constants, closure captures.
//!
//! One pass over `.debug_info` keeps only what the analysis needs, in compact tables with all names in one buffer; the
//! decompressed section is dropped afterwards. Sources: `cmd/link/internal/ld/dwarf.go` (types, maps, channels),
//! `cmd/internal/dwarf/dwarf.go` (functions, Go's own attributes), the same shape from Go 1.21 to 1.27 whether DWARF 4 or 5.

pub(crate) mod locals;
mod names;
mod pass;
mod records;
mod table;

use crate::binary::Executable;
use crate::error::Error;
use names::{Name, Names};
use records::{CaptureRec, GlobalRec, MemberRec, NONE};
pub(crate) use records::{Tag, TypeRec};

/// A type of the debug information: index into its tables, in the order of the section.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct DieRef(pub(crate) u32);

/// A field of a struct.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Field<'a> {
    /// Its name; of an embedded field the name of its type.
    pub name: &'a str,
    /// Byte offset in the struct.
    pub offset: u64,
    /// Its type.
    pub type_: DieRef,
    /// Whether it is embedded.
    pub embedded: bool,
}

/// The layout of a struct.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StructLayout<'a> {
    /// Its full name, with the import path of its package.
    pub name: &'a str,
    /// Size in bytes.
    pub size: u64,
    /// Fields in the order declared. The fields of an embedded struct stay inside it.
    pub fields: Vec<Field<'a>>,
}

impl<'a> StructLayout<'a> {
    /// The field called `name`.
    pub fn field(&self, name: &str) -> Option<Field<'a>> {
        self.fields.iter().find(|f| f.name == name).copied()
    }
}

/// A package variable.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Global<'a> {
    /// Its full name: `net/http.DefaultClient`.
    pub name: &'a str,
    /// Its address as linked; add the load bias to get the target's.
    pub addr: u64,
    /// Its type.
    pub type_: DieRef,
}

/// A variable that a closure captured.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Capture<'a> {
    /// The variable's name. One captured by reference is called `&name` and has a pointer type.
    pub name: &'a str,
    /// Byte offset in the closure object, whose first word is the code pointer.
    pub offset: u64,
    /// Its type.
    pub type_: DieRef,
}

/// The debug information of a Go executable.
#[derive(Default)]
pub struct DebugInfo {
    names: Names,
    /// By offset.
    pub(crate) types: Vec<TypeRec>,
    members: Vec<MemberRec>,
    /// By address.
    globals: Vec<GlobalRec>,
    globals_by_name: Vec<u32>,
    types_by_name: Vec<u32>,
    constants: Vec<(Name, i64)>,
    /// By function name, then offset.
    captures: Vec<CaptureRec>,
    /// Import path and name of the package of every unit, by path.
    packages: Vec<(Name, Name)>,
    /// Of a table: package variables whose addresses are not known, with the offsets of their types.
    unplaced: Vec<(Name, u32)>,
}

impl DebugInfo {
    /// Reads the debug information of an executable; `None` where it has none.
    ///
    /// Costs one decompression of `.debug_info` and one pass over it.
    pub fn load(exe: &Executable) -> Result<Option<Self>, Error> {
        let Some(info) = exe.debug_section(".debug_info")? else {
            return Ok(None);
        };
        let Some(abbrev) = exe.debug_section(".debug_abbrev")? else {
            return Ok(None);
        };
        let mut debug = pass::run(&info, &abbrev)?;
        drop(info);
        debug.index();
        Ok((!debug.types.is_empty()).then_some(debug))
    }

    fn index(&mut self) {
        let Self {
            names,
            types,
            types_by_name,
            constants,
            captures,
            packages,
            ..
        } = self;
        names.seal();
        types.sort_by_key(|t| t.offset);
        types.dedup_by_key(|t| t.offset);
        *types_by_name = sorted_by_name(types, |t| names.get(t.name));
        packages.sort_by(|a, b| names.get(a.0).cmp(names.get(b.0)));
        constants.sort_by(|a, b| names.get(a.0).cmp(names.get(b.0)));
        captures.sort_by(|a, b| {
            (names.get(a.function), a.offset).cmp(&(names.get(b.function), b.offset))
        });
        captures.dedup_by(|a, b| {
            a.offset == b.offset && names.get(a.function) == names.get(b.function)
        });
        self.index_globals();
    }

    fn index_globals(&mut self) {
        self.globals.sort_by_key(|g| g.addr);
        self.globals_by_name = sorted_by_name(&self.globals, |g| self.names.get(g.name));
    }

    /// The layout of the struct called `name` (full name: `runtime.mspan`, `hchan<main.T>`).
    pub fn struct_layout(&self, name: &str) -> Option<StructLayout<'_>> {
        self.types_named(name).find_map(|t| self.layout(t))
    }

    /// The layout of a struct type, seen through type names.
    pub fn layout(&self, type_: DieRef) -> Option<StructLayout<'_>> {
        let t = self.rec(self.resolve(type_))?;
        (t.tag == Tag::Struct).then(|| StructLayout {
            name: self.names.get(t.name),
            size: t.size,
            fields: self.members(t).collect(),
        })
    }

    /// The offset and type of a field of the struct called `strukt`. `path` may go into nested structs: `sched.sp`.
    pub fn field(&self, strukt: &str, path: &str) -> Option<Field<'_>> {
        self.types_named(strukt)
            .find_map(|t| self.field_of(t, path))
    }

    /// The offset and type of a field of a struct type. `path` may go into nested structs: `sched.sp`.
    pub fn field_of(&self, strukt: DieRef, path: &str) -> Option<Field<'_>> {
        let mut at = 0u64;
        let mut type_ = strukt;
        let mut found = None;
        for part in path.split('.') {
            let t = self.rec(self.resolve(type_))?;
            let f = self.members(t).find(|f| f.name == part)?;
            at = at.checked_add(f.offset)?;
            type_ = f.type_;
            found = Some(Field { offset: at, ..f });
        }
        found
    }

    /// The package variable called `name` (full name: `runtime.mheap_`).
    pub fn global(&self, name: &str) -> Option<Global<'_>> {
        let i = first_named(&self.globals_by_name, name, |i| {
            self.globals
                .get(i as usize)
                .map_or("", |g| self.names.get(g.name))
        })?;
        self.globals.get(i as usize).map(|g| self.view(g))
    }

    /// All package variables, in the order of their addresses.
    pub fn globals(&self) -> impl Iterator<Item = Global<'_>> {
        self.globals.iter().map(|g| self.view(g))
    }

    /// The package variable that covers `addr` (as linked).
    pub fn global_at(&self, addr: u64) -> Option<Global<'_>> {
        let i = self.globals.partition_point(|g| g.addr <= addr);
        // Variables of no size share their address with a neighbour.
        let before = self.globals.get(..i)?.iter().rev().take(8);
        before
            .map(|g| self.view(g))
            .find(|g| addr - g.addr < self.size_of(g.type_).unwrap_or(0))
    }

    fn view(&self, g: &GlobalRec) -> Global<'_> {
        Global {
            name: self.names.get(g.name),
            addr: g.addr,
            type_: self.find(g.type_),
        }
    }

    /// The value of the constant called `name` (full name: `internal/abi.KindMask`).
    pub fn constant(&self, name: &str) -> Option<i64> {
        let i = self
            .constants
            .partition_point(|c| self.names.get(c.0) < name);
        self.constants
            .get(i)
            .filter(|c| self.names.get(c.0) == name)
            .map(|c| c.1)
    }

    /// The name of the package with this import path.
    pub fn package_name(&self, path: &str) -> Option<&str> {
        let i = self
            .packages
            .partition_point(|p| self.names.get(p.0) < path);
        self.packages
            .get(i)
            .filter(|p| self.names.get(p.0) == path)
            .map(|p| self.names.get(p.1))
    }

    /// The variables captured by the closures of the function called `function`, by offset.
    pub fn captures(&self, function: &str) -> impl Iterator<Item = Capture<'_>> {
        let i = self
            .captures
            .partition_point(|c| self.names.get(c.function) < function);
        let from = self.captures.get(i..).unwrap_or_default();
        let end = from.partition_point(|c| self.names.get(c.function) == function);
        from.iter().take(end).map(|c| Capture {
            name: self.names.get(c.name),
            offset: c.offset,
            type_: self.find(c.type_),
        })
    }

    /// The type called `name` (full name), its definition rather than a name for it.
    pub fn type_named(&self, name: &str) -> Option<DieRef> {
        self.types_named(name).next().map(|t| self.resolve(t))
    }

    /// The full name of a type: `net/http.Request`, `map[string]*main.session`.
    pub fn name_of(&self, type_: DieRef) -> &str {
        self.rec(type_).map_or("", |t| self.names.get(t.name))
    }

    /// The size of a value of this type in bytes.
    pub fn size_of(&self, type_: DieRef) -> Option<u64> {
        const WORD: u64 = 8;
        let t = self.rec(self.resolve(type_))?;
        Some(match t.tag {
            Tag::Pointer | Tag::Function => WORD,
            Tag::Typedef => match t.go_kind {
                crate::types::KIND_INTERFACE => 2 * WORD,
                _ => WORD,
            },
            _ => t.size,
        })
    }

    /// Every struct type, in the order of the section.
    pub fn struct_types(&self) -> impl Iterator<Item = DieRef> {
        let structs = self.types.iter().enumerate();
        structs
            .filter(|(_, t)| t.tag == Tag::Struct)
            .map(|(i, _)| DieRef(i as u32))
    }

    /// Number of types.
    pub fn type_count(&self) -> usize {
        self.types.len()
    }

    pub(crate) fn rec(&self, type_: DieRef) -> Option<&TypeRec> {
        self.types.get(type_.0 as usize)
    }

    /// Follows names for a type (entries without a kind of their own) to its definition.
    pub(crate) fn resolve(&self, type_: DieRef) -> DieRef {
        /// Names of names do not occur; a chain this long is a loop.
        const MAX_CHAIN: usize = 16;
        let mut at = type_;
        for _ in 0..MAX_CHAIN {
            match self.rec(at) {
                Some(t) if t.tag == Tag::Typedef && t.go_kind == 0 && t.target != NONE => {
                    at = self.find(t.target)
                }
                _ => break,
            }
        }
        at
    }

    /// What a pointer, array or name refers to.
    pub(crate) fn target(&self, t: &TypeRec) -> Option<DieRef> {
        self.find_some(t.target)
    }

    /// The key type of a map.
    pub(crate) fn key(&self, t: &TypeRec) -> Option<DieRef> {
        self.find_some(t.key)
    }

    /// The elem type of a map, channel or slice.
    pub(crate) fn elem(&self, t: &TypeRec) -> Option<DieRef> {
        self.find_some(t.elem)
    }

    /// Fields of a struct, or parameters (then results, flagged as embedded) of a function.
    pub(crate) fn members(&self, t: &TypeRec) -> impl Iterator<Item = Field<'_>> {
        let from = t.first_member as usize;
        let members = self
            .members
            .get(from..from + t.members as usize)
            .unwrap_or_default();
        members.iter().map(|m| Field {
            name: self.names.get(m.name),
            offset: m.offset,
            type_: self.find(m.type_),
            embedded: m.flag,
        })
    }

    /// All entries called `name`, in the order of the section.
    fn types_named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = DieRef> + 'a {
        let name_at = |i: &u32| {
            self.types
                .get(*i as usize)
                .map_or("", |t| self.names.get(t.name))
        };
        let start = self.types_by_name.partition_point(|i| name_at(i) < name);
        let from = self.types_by_name.get(start..).unwrap_or_default();
        from.iter()
            .take_while(move |i| name_at(i) == name)
            .map(|i| DieRef(*i))
    }

    fn find_some(&self, offset: u32) -> Option<DieRef> {
        (offset != NONE).then(|| self.find(offset))
    }

    /// The type whose entry lies at `offset`. A reference to nothing gives a reference past the table, which reads
    /// as a type without name and size.
    fn find(&self, offset: u32) -> DieRef {
        let i = self.types.binary_search_by_key(&offset, |t| t.offset);
        DieRef(i.map_or(NONE, |i| i as u32))
    }
}

fn sorted_by_name<'a, T>(items: &[T], name: impl Fn(&T) -> &'a str) -> Vec<u32> {
    let mut order: Vec<u32> = (0..items.len() as u32).collect();
    let key = |i: &u32| items.get(*i as usize).map_or("", &name);
    order.sort_by(|a, b| key(a).cmp(key(b)).then(a.cmp(b)));
    order
}

fn first_named<'a>(order: &[u32], name: &str, name_at: impl Fn(u32) -> &'a str) -> Option<u32> {
    let i = order.partition_point(|i| name_at(*i) < name);
    order.get(i).copied().filter(|i| name_at(*i) == name)
}
