//! Types of Go values: sizes, names, pointer slots, field paths, map layouts.
//!
//! A type can be known twice, by its entry in the debug information and by its descriptor in the running program. An entry
//! states where its descriptor is, so both are one [`TypeId`] here; descriptors without an entry get one of their own when
//! they are first met.

mod join;
mod kind;
mod maps;
mod mask;
mod not_in_heap;
mod path;
mod rtype;
mod runtime_only;
mod slots;
mod spell_out;
mod spelling;
mod static_maps;
mod text;

use std::sync::{Arc, OnceLock};

use leakscope_target::{Addr, Fault, Memory};
use rustc_hash::FxHashMap;

use crate::dwarf::{DieRef, Tag};
use crate::program::Program;

pub(crate) use kind::KIND_INTERFACE;
pub use kind::Kind;
pub use maps::{MapCells, MapLayout};
pub use mask::GcMasks;
pub use slots::{Slot, SlotKind};
pub(crate) use static_maps::static_map_cells;

use kind::*;

/// A type: dense, and the same for the same program and the same order of questions.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TypeId(pub u32);

/// A field of a struct type.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TypeField<'a> {
    /// Its name; of an embedded field the name of its type.
    pub name: &'a str,
    /// Byte offset in the struct.
    pub offset: u64,
    /// Its type.
    pub type_: TypeId,
    /// Whether it is embedded.
    pub embedded: bool,
}

/// What is worked out about a type of the debug information when first asked for.
#[derive(Default)]
struct Lazy {
    labels: OnceLock<Labels>,
    slots: OnceLock<Box<[Slot]>>,
}

struct Labels {
    name: Box<str>,
    package: Box<str>,
}

/// All types of a program.
pub struct TypeTable {
    program: Arc<Program>,
    /// Per entry of the debug information, the entry that stands for the same type.
    canonical: Vec<TypeId>,
    lazy: Vec<Lazy>,
    runtime_only: Vec<runtime_only::RuntimeType>,
    /// By the address of the descriptor.
    by_rtype: FxHashMap<u64, TypeId>,
    by_spelling: OnceLock<FxHashMap<Box<str>, TypeId>>,
    descriptors: Option<rtype::Layout>,
    maps: Option<maps::MapDescriptors>,
    empty_interface: Option<DieRef>,
    not_in_heap: Vec<bool>,
    /// What may still be kept of types known by their descriptors alone.
    parts_left: usize,
}

impl TypeTable {
    /// The types of `program`. Those of its debug information are there at once.
    pub fn new(program: Arc<Program>) -> Self {
        let debug = program.debug();
        let count = debug.type_count();
        let mut by_rtype = FxHashMap::default();
        let mut canonical = Vec::with_capacity(count);
        for own in (0..count as u32).map(TypeId) {
            let id = match rtype_of(&program, DieRef(own.0)) {
                None => own,
                Some(at) => *by_rtype.entry(at.0).or_insert(own),
            };
            canonical.push(id);
        }
        Self {
            lazy: std::iter::repeat_with(Lazy::default).take(count).collect(),
            canonical,
            runtime_only: Vec::new(),
            by_rtype,
            by_spelling: OnceLock::new(),
            descriptors: rtype::Layout::resolve(debug),
            maps: maps::MapDescriptors::resolve(debug),
            empty_interface: debug.type_named("runtime.eface"),
            not_in_heap: not_in_heap::find(debug),
            parts_left: runtime_only::MAX_PARTS,
            program,
        }
    }

    /// The program.
    pub fn program(&self) -> &Arc<Program> {
        &self.program
    }

    /// Number of types so far; ids are below it.
    pub fn count(&self) -> u32 {
        (self.lazy.len() + self.runtime_only.len()) as u32
    }

    /// The type of an entry of the debug information; `None` where the entry refers to nothing.
    pub fn from_dwarf(&self, die: DieRef) -> Option<TypeId> {
        self.canonical
            .get(self.program.debug().resolve(die).0 as usize)
            .copied()
    }

    /// The type with this name: the full name (`net/http.Request`), or else as [`name`](Self::name) spells it.
    pub fn by_name(&self, name: &str) -> Option<TypeId> {
        self.by_full_name(name)
            .or_else(|| self.spellings().get(name).copied())
    }

    fn by_full_name(&self, name: &str) -> Option<TypeId> {
        self.from_dwarf(self.program.debug().type_named(name)?)
    }

    /// Spelled names of the types in the debug information, the first of each.
    fn spellings(&self) -> &FxHashMap<Box<str>, TypeId> {
        self.by_spelling.get_or_init(|| {
            let mut map = FxHashMap::default();
            for id in (0..self.lazy.len() as u32).map(TypeId) {
                if self.canonical.get(id.0 as usize) == Some(&id) {
                    map.entry(self.name(id).into()).or_insert(id);
                }
            }
            map
        })
    }

    /// The name as Go's `reflect` spells it: `main.session`, `map[string]*http.Request`.
    pub fn name(&self, id: TypeId) -> &str {
        match self.runtime_only(id) {
            Some(t) if !t.stated_name.is_empty() => &t.stated_name,
            Some(t) => t.name.get_or_init(|| spell_out::spell_out(self, t).into()),
            None => self.labels(id).map_or("?", |l| &l.name),
        }
    }

    /// The import path of the package that declares the type; empty for unnamed and predeclared types.
    pub fn package(&self, id: TypeId) -> &str {
        match self.runtime_only(id) {
            Some(t) => &t.package,
            None => self.labels(id).map_or("", |l| &l.package),
        }
    }

    /// The linker's name of a type of the debug information, with import paths instead of package names.
    fn full_name(&self, id: TypeId) -> &str {
        self.program.debug().name_of(DieRef(id.0))
    }

    fn labels(&self, id: TypeId) -> Option<&Labels> {
        let lazy = self.lazy.get(id.0 as usize)?;
        Some(lazy.labels.get_or_init(|| {
            let full = self.full_name(id);
            let debug = self.program.debug();
            let name = self
                .stated_name(id)
                .unwrap_or_else(|| spelling::spell(full, |path| debug.package_name(path)));
            let package = spelling::package(full).unwrap_or_default();
            Labels {
                name: name.into(),
                package: package.into(),
            }
        }))
    }

    /// The name that the type's descriptor states.
    fn stated_name(&self, id: TypeId) -> Option<String> {
        let (file, layout) = (FileMemory(&self.program), self.descriptors.as_ref()?);
        let t = layout.read(&file, self.rtype(id)?)?;
        layout.name(&file, self.program.modules(), &t)
    }

    /// Size of a value in bytes.
    pub fn size(&self, id: TypeId) -> u64 {
        match self.runtime_only(id) {
            Some(t) => t.size,
            None => self.program.debug().size_of(DieRef(id.0)).unwrap_or(0),
        }
    }

    /// What sort of value it describes, and its parts.
    pub fn kind(&self, id: TypeId) -> Kind {
        match self.runtime_only(id) {
            Some(t) => t.kind,
            None => self.dwarf_kind(DieRef(id.0)).unwrap_or(Kind::Unknown),
        }
    }

    fn dwarf_kind(&self, die: DieRef) -> Option<Kind> {
        let debug = self.program.debug();
        let t = debug.rec(die)?;
        let target = || debug.target(t).and_then(|d| self.from_dwarf(d));
        let elem = || debug.elem(t).and_then(|d| self.from_dwarf(d));
        Some(match (t.tag, t.go_kind) {
            (Tag::Pointer, _) => target().map_or(Kind::UnsafePointer, Kind::Pointer),
            (Tag::Function, _) => Kind::Func,
            (Tag::Array, _) => Kind::Array {
                elem: target()?,
                len: t.count,
            },
            (Tag::Struct, KIND_STRING) => Kind::String,
            (Tag::Struct, KIND_SLICE) => Kind::Slice(elem()?),
            (Tag::Struct, _) => Kind::Struct,
            (Tag::Typedef, KIND_INTERFACE) => {
                let header = debug.target(t).map(|d| debug.resolve(d));
                Kind::Interface {
                    empty: header.is_some() && header == self.empty_interface,
                }
            }
            (Tag::Typedef, KIND_MAP) => Kind::Map {
                key: debug.key(t).and_then(|d| self.from_dwarf(d))?,
                elem: elem()?,
            },
            (Tag::Typedef, KIND_CHAN) => Kind::Chan(elem()?),
            (_, kind) => Kind::scalar(kind),
        })
    }

    /// The fields of a struct type, in the order declared; none for other types.
    pub fn fields(&self, id: TypeId) -> Vec<TypeField<'_>> {
        if let Some(t) = self.runtime_only(id) {
            return t.fields().collect();
        }
        let debug = self.program.debug();
        let Some(t) = debug
            .rec(DieRef(id.0))
            .filter(|_| self.kind(id) == Kind::Struct)
        else {
            return Vec::new();
        };
        let mut fields = Vec::with_capacity(debug.members(t).size_hint().0);
        for f in debug.members(t) {
            if let Some(type_) = self.from_dwarf(f.type_) {
                fields.push(TypeField {
                    name: f.name,
                    offset: f.offset,
                    type_,
                    embedded: f.embedded,
                });
            }
        }
        fields
    }

    /// Whether an interface holds a value of this type in its data word itself, instead of pointing to it.
    pub fn is_direct_interface(&self, id: TypeId) -> bool {
        if let Some(t) = self.runtime_only(id) {
            return t.direct;
        }
        let file = FileMemory(&self.program);
        let stated = self
            .descriptors
            .as_ref()
            .zip(self.rtype(id))
            .and_then(|(l, at)| l.read(&file, at));
        match stated {
            Some(t) => t.direct,
            None => matches!(
                self.kind(id),
                Kind::Pointer(_)
                    | Kind::Map { .. }
                    | Kind::Chan(_)
                    | Kind::Func
                    | Kind::UnsafePointer
            ),
        }
    }

    /// Where the type's descriptor lies in the target; `None` for types that have none.
    pub fn rtype(&self, id: TypeId) -> Option<Addr> {
        if let Some(t) = self.runtime_only(id) {
            return Some(t.at);
        }
        rtype_of(&self.program, DieRef(id.0))
    }

    /// How the cells of maps of this type are laid out; `None` for other types, and for map types without descriptor
    /// (of which no map can be).
    pub fn map_layout(&self, id: TypeId) -> Option<MapLayout> {
        if let Some(t) = self.runtime_only(id) {
            return t.map;
        }
        let Kind::Map { key, elem } = self.kind(id) else {
            return None;
        };
        self.maps?
            .read(&FileMemory(&self.program), self.rtype(id)?, key, elem)
    }

    /// The type whose descriptor lies at `at`, where it has been met before.
    pub(crate) fn known_rtype(&self, at: Addr) -> Option<TypeId> {
        self.by_rtype.get(&at.0).copied()
    }

    /// Whether values of the type never lie on the heap, so that the collector follows no pointer to them.
    fn is_not_in_heap(&self, id: TypeId) -> bool {
        self.not_in_heap.get(id.0 as usize) == Some(&true)
    }

    fn runtime_only(&self, id: TypeId) -> Option<&runtime_only::RuntimeType> {
        self.runtime_only
            .get((id.0 as usize).checked_sub(self.lazy.len())?)
    }

    fn slots_cell(&self, id: TypeId) -> Option<&OnceLock<Box<[Slot]>>> {
        match self.runtime_only(id) {
            Some(t) => Some(&t.slots),
            None => self.lazy.get(id.0 as usize).map(|l| &l.slots),
        }
    }
}

/// Where the descriptor of a type of the debug information lies in the target.
///
/// It is stated as an offset from the start of the module's types; only that of `uintptr` was an address up to 1.22
/// (`cmd/link/internal/ld/dwarf.go`, `dwarfGenerateDebugInfo`).
fn rtype_of(program: &Program, die: DieRef) -> Option<Addr> {
    let debug = program.debug();
    let stated = debug.rec(die)?.runtime_type;
    let types = program.modules().first()?.types;
    let as_address = Addr(stated.wrapping_add(program.bias()));
    match stated {
        0 => None,
        _ if types.contains(as_address) && debug.name_of(die) == "uintptr" => Some(as_address),
        offset => Some(Addr(types.start.0.wrapping_add(offset))),
    }
}

/// Reads the program's own constant data from its file. Words that are relocated when it is loaded are not what the
/// program sees; sizes, flags and names are.
struct FileMemory<'a>(&'a Program);

impl Memory for FileMemory<'_> {
    fn read(&self, at: Addr, buf: &mut [u8]) -> Result<(), Fault> {
        let from = self.0.exe().static_bytes(at.0.wrapping_sub(self.0.bias()));
        let bytes = from
            .and_then(|b| b.get(..buf.len()))
            .ok_or(Fault::NotInImage(at))?;
        buf.copy_from_slice(bytes);
        Ok(())
    }
}
