//! Names for what the graph only numbers: types, roots, and references as steps of a Go expression.

use std::borrow::Cow;
use std::fmt::Write;

use leakscope_graph::{ObjIx, Resolver, RootIx, TypeIx};
use rustc_hash::FxHashMap;

use crate::maps::{CellPart, MapKind, Walker};
use crate::owners::{Group, Groups, RootNames, without_indices, without_position};
use crate::program::Program;
use crate::syncmap::{Inner, SHAPE};
use crate::types::{TypeId, TypeTable};
use crate::typing::{Shape, Shapes};

/// How a reference out of an object of one type is told.
enum Steps {
    /// As a field of a value.
    Value(TypeId),
    /// As a cell of a concurrent map.
    Concurrent(Inner, TypeId),
    /// As a field of an element of an array of values of this size.
    Array(TypeId, u64),
    /// As a field of some key or elem of a map.
    Cells(Box<MapKind>),
    /// As a field of a captured variable.
    Captured(Vec<Captured>),
    /// Not at all: machinery between a map or channel and what it holds.
    Inside,
    /// By its offset.
    Unknown,
}

struct Captured {
    offset: u64,
    name: String,
    type_: Option<TypeId>,
}

struct Row {
    name: String,
    package: String,
    steps: Steps,
    /// Machinery between the head of a map and its entries.
    internal: bool,
}

/// Names of one heap. Holds everything it answers from.
pub struct Names {
    rows: Vec<Row>,
    types: TypeTable,
    roots: RootNames,
    /// By the type of the header.
    maps: FxHashMap<TypeIx, MapKind>,
}

impl Names {
    /// Names for `shapes`. `kinds` are the kinds of the map types among them.
    pub(crate) fn new(
        program: &Program,
        types: TypeTable,
        shapes: &Shapes,
        kinds: &FxHashMap<TypeId, MapKind>,
        roots: RootNames,
    ) -> Self {
        let rows = shapes
            .iter()
            .map(|info| Row {
                internal: is_internal(info.shape) || info.map_cells,
                ..row(program, &types, kinds, info.shape, info.size)
            })
            .collect();
        let headers = (0u32..).zip(shapes.iter());
        let maps = headers.filter_map(|(i, info)| match info.shape {
            Shape::MapHeader(map) => Some((TypeIx(i), *kinds.get(&map)?)),
            _ => None,
        });
        Self {
            maps: maps.collect(),
            rows,
            types,
            roots,
        }
    }

    /// Number of types: their ids are below it.
    pub fn types(&self) -> u32 {
        self.rows.len() as u32
    }

    /// The program.
    pub fn program(&self) -> &Program {
        self.types.program()
    }

    /// Roots joined by who they belong to.
    pub fn groups(&self) -> Groups {
        self.roots.groups()
    }

    /// What a group of roots is called.
    pub fn group_name<'a>(&'a self, group: &'a Group) -> Cow<'a, str> {
        match group {
            Group::Variable(name) => name.into(),
            Group::Goroutine(index) => self.roots.stacks().goroutine(*index).into(),
            Group::Goroutines(function) => format!("goroutines of {function}").into(),
            Group::Other(kind) => (*kind).into(),
        }
    }

    /// What a group of roots is called in every run of the same code.
    pub fn group_key(&self, group: &Group) -> String {
        match group {
            Group::Variable(name) => without_indices(&without_position(name)),
            Group::Goroutine(index) => {
                format!("goroutine {}", self.roots.stacks().function(*index))
            }
            Group::Goroutines(function) => format!("goroutine {function}"),
            Group::Other(kind) => (*kind).to_owned(),
        }
    }

    fn row(&self, type_: TypeIx) -> Option<&Row> {
        self.rows.get(type_.index())
    }
}

impl Resolver for Names {
    fn type_name(&self, type_: TypeIx) -> Cow<'_, str> {
        self.row(type_).map_or("", |r| &r.name).into()
    }

    fn package(&self, type_: TypeIx) -> Cow<'_, str> {
        self.row(type_).map_or("", |r| &r.package).into()
    }

    fn root_name(&self, root: RootIx) -> Cow<'_, str> {
        self.roots.name(root, &self.types).into()
    }

    fn push_step(&self, _holder: ObjIx, type_: TypeIx, slot: u32, expression: &mut String) {
        let offset = u64::from(slot) * 8;
        let Some(row) = self.row(type_) else { return };
        match &row.steps {
            Steps::Value(t) => expression.push_str(&self.types.path(*t, offset)),
            Steps::Concurrent(inner, t) => inner.push(&self.types.path(*t, offset), expression),
            Steps::Array(t, size) => {
                let (i, rest) = (offset / (*size).max(1), offset % (*size).max(1));
                let _ = write!(expression, "[{i}]{}", self.types.path(*t, rest));
            }
            Steps::Cells(cells) => self.push_cell(cells, offset, expression),
            Steps::Captured(captured) => {
                if let Some(c) = captured.iter().rev().find(|c| c.offset <= offset) {
                    let path = c.type_.map(|t| self.types.path(t, offset - c.offset));
                    let _ = write!(expression, ".{}{}", c.name, path.unwrap_or_default());
                }
            }
            Steps::Inside => {}
            Steps::Unknown => {
                let _ = write!(expression, "+{offset:#x}");
            }
        }
    }

    fn is_internal(&self, type_: TypeIx) -> bool {
        self.row(type_).is_some_and(|r| r.internal)
    }

    fn field(&self, type_: TypeIx, slot: u32) -> u32 {
        let offset = u64::from(slot) * 8;
        let folded = match self.row(type_).map(|r| &r.steps) {
            Some(Steps::Array(_, size)) if *size > 0 => offset % size,
            Some(Steps::Cells(kind)) => match kind.part_of_cell(offset) {
                Some((CellPart::Key, at)) => kind.cell.keys + at,
                Some((CellPart::Elem, at)) => kind.cell.elems + at,
                None => 0,
            },
            Some(Steps::Inside) => 0,
            _ => offset,
        };
        u32::try_from(folded / 8).unwrap_or(slot)
    }

    fn push_field(&self, type_: TypeIx, slot: u32, text: &mut String) {
        match self.row(type_).map(|r| &r.steps) {
            Some(Steps::Array(t, size)) => {
                let offset = u64::from(slot) * 8 % (*size).max(1);
                text.push_str("[...]");
                text.push_str(&without_indices(&self.types.path(*t, offset)));
            }
            // An offset says nothing that stays the same.
            Some(Steps::Unknown) => {}
            _ => {
                let mut step = String::new();
                self.push_step(ObjIx(0), type_, slot, &mut step);
                text.push_str(&without_indices(&step));
            }
        }
    }

    fn root_key(&self, root: RootIx) -> Cow<'_, str> {
        self.roots.key(root, &self.types).into()
    }
}

/// Shapes between the head of a map and its entries.
fn is_internal(shape: Shape) -> bool {
    matches!(
        shape,
        Shape::MapCells(_)
            | Shape::MapTable
            | Shape::MapDirectory
            | Shape::MapExtra
            | Shape::MapOverflowList
            | Shape::MapOverflowArray
    )
}

impl Names {
    /// What stands for an entry of a map whose key is not told.
    pub(crate) const ANY_KEY: &str = "[...]";

    /// The kind of the maps whose headers have this type.
    pub(crate) fn map_kind(&self, header: TypeIx) -> Option<MapKind> {
        self.maps.get(&header).copied()
    }

    /// The types.
    pub(crate) fn types_table(&self) -> &TypeTable {
        &self.types
    }

    /// The type of the key of the cell in which word `slot` of an array of cells lies, and where in the array the key is.
    /// `None` for what is no cell, and for keys that lie elsewhere.
    pub(crate) fn key_at(&self, type_: TypeIx, slot: u32) -> Option<(TypeId, u64)> {
        let Steps::Cells(kind) = &self.row(type_)?.steps else {
            return None;
        };
        let cell = &kind.cell;
        let offset = u64::from(slot) * 8;
        let (group, within) = (offset / cell.size.max(1), offset % cell.size.max(1));
        let number = match kind.part_of_cell(offset)?.0 {
            CellPart::Elem => within.checked_sub(cell.elems)? / cell.elem_stride.max(1),
            CellPart::Key => within.checked_sub(cell.keys)? / cell.key_stride.max(1),
        };
        let key = group * cell.size + cell.keys + number * cell.key_stride;
        (!kind.indirect_key).then_some((kind.key, key))
    }

    fn push_cell(&self, kind: &MapKind, offset: u64, expression: &mut String) {
        let Some((part, at)) = kind.part_of_cell(offset) else {
            return;
        };
        let (type_, indirect) = match part {
            CellPart::Key => (kind.key, kind.indirect_key),
            CellPart::Elem => (kind.elem, kind.indirect_elem),
        };
        expression.push_str(Self::ANY_KEY);
        if !indirect {
            expression.push_str(&self.types.path(type_, at));
        }
    }
}

fn row(
    program: &Program,
    types: &TypeTable,
    kinds: &FxHashMap<TypeId, MapKind>,
    shape: Shape,
    size: u64,
) -> Row {
    let plain = |name: &str, package: &str, steps| Row {
        name: name.to_owned(),
        package: package.to_owned(),
        steps,
        internal: false,
    };
    match shape {
        Shape::UntypedScan => plain("untyped (pointers)", "", Steps::Unknown),
        Shape::UntypedNoscan => plain("untyped (no pointers)", "", Steps::Unknown),
        Shape::StringData => plain("string", "", Steps::Unknown),
        Shape::FuncValue => plain("func", "", Steps::Unknown),
        Shape::MapTable => plain("maps.table", "internal/runtime/maps", Steps::Inside),
        Shape::MapDirectory => plain("[]*maps.table", "internal/runtime/maps", Steps::Inside),
        Shape::MapExtra => plain("runtime.mapextra", "runtime", Steps::Inside),
        Shape::MapOverflowList | Shape::MapOverflowArray => {
            plain("[]*runtime.bmap", "runtime", Steps::Inside)
        }
        Shape::Value(t) => Row {
            name: visible(types.name(t)),
            package: types.package(t).to_owned(),
            steps: match Inner::of(types.package(t), types.name(t)) {
                Some(inner) => Steps::Concurrent(inner, t),
                None => Steps::Value(t),
            },
            internal: false,
        },
        Shape::Array(t) => {
            let name = visible(types.name(t));
            Row {
                // Arrays of groups and buckets are known by the runtime's name for one of them.
                name: if name.starts_with("map.") {
                    name
                } else {
                    format!("[]{name}")
                },
                package: types.package(t).to_owned(),
                steps: Steps::Array(t, size),
                internal: false,
            }
        }
        Shape::MapHeader(t) | Shape::Chan(t) => Row {
            name: types.name(t).to_owned(),
            package: String::new(),
            steps: Steps::Inside,
            internal: false,
        },
        Shape::MapCells(t) => cells_row(types, kinds, t),
        Shape::Closure(code) => closure_row(program, types, code),
    }
}

/// The name of a type without the compiler's marks for types that are never compared or stand for all of their shape.
fn visible(name: &str) -> String {
    name.replace("noalg.", "").replace(SHAPE, "")
}

fn cells_row(types: &TypeTable, kinds: &FxHashMap<TypeId, MapKind>, map: TypeId) -> Row {
    let kind = kinds.get(&map).copied();
    let word = match kind.map(|k| k.walker) {
        Some(Walker::Classic(..)) => "bucket",
        _ => "group",
    };
    let part = |t: Option<TypeId>| t.map_or("?".to_owned(), |t| visible(types.name(t)));
    let (key, elem) = (part(kind.map(|k| k.key)), part(kind.map(|k| k.elem)));
    let steps = kind.map_or(Steps::Unknown, |kind| Steps::Cells(Box::new(kind)));
    Row {
        name: format!("map.{word}[{key}]{elem}"),
        package: String::new(),
        steps,
        internal: false,
    }
}

fn closure_row(program: &Program, types: &TypeTable, code: u64) -> Row {
    let function = program.functions().find(leakscope_target::Addr(code));
    let name = function.map_or("", |f| f.name());
    let captured = program.debug().captures(name).map(|c| Captured {
        offset: c.offset,
        name: c.name.trim_start_matches('&').to_owned(),
        type_: types.from_dwarf(c.type_),
    });
    let mut captured: Vec<_> = captured.collect();
    let by_code = || program.code_read()?.closure(leakscope_target::Addr(code));
    if captured.is_empty()
        && let Some(made) = by_code().and_then(|at| types.known_rtype(at))
    {
        let fields = types.fields(made).into_iter().skip(1);
        captured.extend(fields.map(|f| Captured {
            offset: f.offset,
            name: f.name.to_owned(),
            type_: Some(f.type_),
        }));
    }
    Row {
        name: format!("func {name}"),
        package: package_of(name).to_owned(),
        steps: Steps::Captured(captured),
        internal: false,
    }
}

/// The import path at the start of a function's or variable's full name.
pub(crate) fn package_of(name: &str) -> &str {
    // A slash inside type arguments belongs to another package.
    let end = name.find('[').unwrap_or(name.len());
    let plain = &name[..end];
    let after_slash = plain.rfind('/').map_or(0, |i| i + 1);
    let dot = plain[after_slash..].find('.');
    dot.map_or("", |i| &name[..after_slash + i])
}
