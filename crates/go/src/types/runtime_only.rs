//! Types that only the runtime knows: descriptors without an entry in the debug information.
//!
//! These are types made at run time by `reflect`, those of plugins, and the linker's helpers such as the groups of a map.

use std::fmt::Write;
use std::sync::OnceLock;

use leakscope_target::{Addr, Memory};

use super::kind::*;
use super::maps::MapLayout;
use super::rtype::{RawField, Rtype};
use super::slots::Slot;
use super::{TypeField, TypeId, TypeTable};

/// Most types taken in from descriptors alone: bounds what a damaged target can make us keep.
const MAX_TYPES: usize = 1 << 20;

/// Deepest nesting spelled out in the name of a type made at run time.
const MAX_NAME_DEPTH: usize = 16;

/// Longest name spelled out.
const MAX_NAME: usize = 64 << 10;

/// A type known by its descriptor alone.
pub(super) struct RuntimeType {
    pub(super) at: Addr,
    pub(super) size: u64,
    pub(super) kind: Kind,
    pub(super) direct: bool,
    pub(super) package: Box<str>,
    pub(super) slots: OnceLock<Box<[Slot]>>,
    pub(super) map: Option<MapLayout>,
    fields: Box<[OwnField]>,
    /// Empty where it has to be spelled out.
    stated_name: Box<str>,
    name: OnceLock<Box<str>>,
}

struct OwnField {
    name: Box<str>,
    offset: u64,
    type_: TypeId,
    embedded: bool,
}

impl RuntimeType {
    fn new(t: &Rtype) -> Self {
        Self {
            at: t.at,
            size: t.size,
            kind: Kind::scalar(t.kind),
            direct: t.direct,
            package: Box::default(),
            slots: OnceLock::new(),
            map: None,
            fields: Box::default(),
            stated_name: Box::default(),
            name: OnceLock::new(),
        }
    }

    pub(super) fn fields(&self) -> impl Iterator<Item = TypeField<'_>> {
        self.fields.iter().map(|f| TypeField {
            name: &f.name,
            offset: f.offset,
            type_: f.type_,
            embedded: f.embedded,
        })
    }
}

impl TypeTable {
    /// The type whose descriptor lies at `at`; `None` where there is none. Takes in what it refers to as well.
    pub fn from_rtype(&mut self, memory: &dyn Memory, at: Addr) -> Option<TypeId> {
        if let Some(known) = self.by_rtype.get(&at.0) {
            return Some(*known);
        }
        let mut todo = Vec::new();
        let id = self.take_in(memory, at, &mut todo)?;
        while let Some((id, t)) = todo.pop() {
            self.fill(memory, id, &t, &mut todo);
        }
        Some(id)
    }

    /// The concrete type of an interface value whose first word is the address of this itab.
    pub fn from_itab(&mut self, memory: &dyn Memory, itab: Addr) -> Option<TypeId> {
        let at = self.descriptors.as_ref()?.itab_type(memory, itab)?;
        self.from_rtype(memory, at)
    }

    /// The type of the buckets or groups of a map type.
    pub fn map_cells(&mut self, memory: &dyn Memory, map: TypeId) -> Option<TypeId> {
        let at = self.rtype(map)?;
        let layout = self.descriptors.as_ref()?;
        let cells = layout.cells(memory, &layout.read(memory, at)?)?;
        self.from_rtype(memory, cells)
    }

    /// Gives a type its id; its parts are looked at later.
    fn take_in(
        &mut self,
        memory: &dyn Memory,
        at: Addr,
        todo: &mut Vec<(TypeId, Rtype)>,
    ) -> Option<TypeId> {
        if let Some(known) = self.by_rtype.get(&at.0) {
            return Some(*known);
        }
        if self.runtime_only.len() >= MAX_TYPES {
            return None;
        }
        let t = self.descriptors.as_ref()?.read(memory, at)?;
        let id = TypeId(
            u32::try_from(self.program.debug().type_count() + self.runtime_only.len()).ok()?,
        );
        self.runtime_only.push(RuntimeType::new(&t));
        self.by_rtype.insert(at.0, id);
        todo.push((id, t));
        Some(id)
    }

    fn fill(
        &mut self,
        memory: &dyn Memory,
        id: TypeId,
        t: &Rtype,
        todo: &mut Vec<(TypeId, Rtype)>,
    ) {
        let Some(kind) = self.kind_of(memory, t, todo) else {
            return;
        };
        let Some(layout) = self.descriptors.as_ref() else {
            return;
        };
        let modules = self.program.modules();
        let stated_name = layout.name(memory, modules, t).unwrap_or_default();
        let package = layout.package(memory, modules, t).unwrap_or_default();
        let map = match kind {
            Kind::Map { key, elem } => self.maps.and_then(|m| m.read(memory, t.at, key, elem)),
            _ => None,
        };
        let raw = if kind == Kind::Struct {
            layout.named_fields(memory, t)
        } else {
            None
        };
        let mut fields = Vec::new();
        for RawField {
            name,
            embedded,
            type_,
            offset,
        } in raw.unwrap_or_default()
        {
            if let Some(type_) = self.take_in(memory, type_, todo) {
                fields.push(OwnField {
                    name: name.into(),
                    offset,
                    type_,
                    embedded,
                });
            }
        }
        if let Some(new) = self.runtime_only_mut(id) {
            new.kind = kind;
            new.stated_name = stated_name.into();
            new.package = package.into();
            new.map = map;
            new.fields = fields.into();
        }
    }

    fn kind_of(
        &mut self,
        memory: &dyn Memory,
        t: &Rtype,
        todo: &mut Vec<(TypeId, Rtype)>,
    ) -> Option<Kind> {
        let layout = self.descriptors.as_ref()?;
        let elem_at = layout.elem(memory, t);
        let key_at = if t.kind == KIND_MAP {
            layout.key(memory, t)
        } else {
            None
        };
        let len = if t.kind == KIND_ARRAY {
            layout.array_len(memory, t)?
        } else {
            0
        };
        let empty = if t.kind == KIND_INTERFACE {
            layout.is_empty_interface(memory, t)?
        } else {
            false
        };
        let elem = elem_at.and_then(|at| self.take_in(memory, at, todo));
        Some(match t.kind {
            KIND_ARRAY => Kind::Array { elem: elem?, len },
            KIND_CHAN => Kind::Chan(elem?),
            KIND_POINTER => Kind::Pointer(elem?),
            KIND_SLICE => Kind::Slice(elem?),
            KIND_MAP => Kind::Map {
                key: key_at.and_then(|at| self.take_in(memory, at, todo))?,
                elem: elem?,
            },
            KIND_INTERFACE => Kind::Interface { empty },
            KIND_STRUCT => Kind::Struct,
            other => Kind::scalar(other),
        })
    }

    fn runtime_only_mut(&mut self, id: TypeId) -> Option<&mut RuntimeType> {
        let i = (id.0 as usize).checked_sub(self.program.debug().type_count())?;
        self.runtime_only.get_mut(i)
    }

    /// The name of a type known by its descriptor alone.
    pub(super) fn runtime_only_name<'a>(&'a self, t: &'a RuntimeType) -> &'a str {
        if !t.stated_name.is_empty() {
            return &t.stated_name;
        }
        t.name.get_or_init(|| {
            let mut name = String::new();
            self.spell_out(t, &mut name, MAX_NAME_DEPTH);
            name.into()
        })
    }

    /// Spells a type by its parts, as `reflect` does for the types that it makes.
    fn spell_out(&self, t: &RuntimeType, out: &mut String, depth: usize) {
        if !t.stated_name.is_empty() {
            out.push_str(&t.stated_name);
            return;
        }
        if depth == 0 || out.len() > MAX_NAME {
            out.push('?');
            return;
        }
        let part = |id: TypeId, out: &mut String| match self.runtime_only(id) {
            Some(t) => self.spell_out(t, out, depth - 1),
            None => out.push_str(self.name(id)),
        };
        // Writing to a string cannot fail.
        match t.kind {
            Kind::Pointer(elem) => {
                out.push('*');
                part(elem, out);
            }
            Kind::Slice(elem) => {
                out.push_str("[]");
                part(elem, out);
            }
            Kind::Array { elem, len } => {
                let _ = write!(out, "[{len}]");
                part(elem, out);
            }
            Kind::Map { key, elem } => {
                out.push_str("map[");
                part(key, out);
                out.push(']');
                part(elem, out);
            }
            Kind::Chan(elem) => {
                out.push_str("chan ");
                part(elem, out);
            }
            Kind::Struct => {
                out.push_str("struct {");
                for (i, f) in t.fields().enumerate() {
                    out.push_str(if i == 0 { " " } else { "; " });
                    if !f.embedded {
                        out.push_str(f.name);
                        out.push(' ');
                    }
                    part(f.type_, out);
                }
                out.push_str(if t.fields.is_empty() { "}" } else { " }" });
            }
            Kind::Func => out.push_str("func(...)"),
            _ => out.push('?'),
        }
    }
}
