//! Types that only the runtime knows: descriptors without an entry in the debug information.
//!
//! These are types made at run time by `reflect`, those of plugins, and the linker's helpers such as the groups of a map.

use std::sync::OnceLock;

use leakscope_target::{Addr, Memory};

use crate::moduledata::Module;

use super::kind::*;
use super::maps::MapLayout;
use super::rtype::{ChanDir, Layout, RawField, RawSignature, Rtype};
use super::slots::Slot;
use super::{TypeField, TypeId, TypeTable};

/// Most types taken in from descriptors alone: bounds what a damaged target can make us keep.
const MAX_TYPES: usize = 1 << 20;

/// Most parts (fields, parameters, results, bytes of names) of these types together.
pub(super) const MAX_PARTS: usize = 1 << 24;

/// A type known by its descriptor alone.
pub(super) struct RuntimeType {
    pub(super) at: Addr,
    pub(super) size: u64,
    pub(super) kind: Kind,
    pub(super) direct: bool,
    pub(super) package: Box<str>,
    pub(super) slots: OnceLock<Box<[Slot]>>,
    pub(super) map: Option<MapLayout>,
    pub(super) fields: Box<[OwnField]>,
    /// Parameters and results of a function type.
    pub(super) signature: Option<Signature>,
    pub(super) chan_dir: Option<ChanDir>,
    /// Empty where it has to be spelled out.
    pub(super) stated_name: Box<str>,
    pub(super) name: OnceLock<Box<str>>,
}

/// Parameters and results of a function type.
pub(super) struct Signature {
    pub(super) parameters: Box<[TypeId]>,
    pub(super) results: Box<[TypeId]>,
    pub(super) variadic: bool,
}

/// A field of a struct type.
pub(super) struct OwnField {
    pub(super) name: Box<str>,
    pub(super) tag: Box<str>,
    offset: u64,
    pub(super) type_: TypeId,
    pub(super) embedded: bool,
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
            signature: None,
            chan_dir: None,
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

/// What a descriptor says beside kind and size.
struct Raw {
    name: String,
    package: String,
    fields: Vec<RawField>,
    signature: Option<RawSignature>,
    chan_dir: Option<ChanDir>,
}

impl Raw {
    fn read(layout: &Layout, memory: &dyn Memory, modules: &[Module], t: &Rtype) -> Self {
        let fields = if t.kind == KIND_STRUCT {
            layout.named_fields(memory, t)
        } else {
            None
        };
        Self {
            name: layout.name(memory, modules, t).unwrap_or_default(),
            package: layout.package(memory, modules, t).unwrap_or_default(),
            fields: fields.unwrap_or_default(),
            signature: if t.kind == KIND_FUNC {
                layout.signature(memory, t)
            } else {
                None
            },
            chan_dir: if t.kind == KIND_CHAN {
                layout.chan_dir(memory, t)
            } else {
                None
            },
        }
    }

    /// Number of parts, as [`MAX_PARTS`] counts them.
    fn len(&self) -> usize {
        let fields = self
            .fields
            .iter()
            .map(|f| f.name.len() + f.tag.len() + 1)
            .sum::<usize>();
        let signature = self
            .signature
            .as_ref()
            .map_or(0, |s| s.parameters.len() + s.results.len());
        fields + signature + self.name.len() + self.package.len()
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

    /// Whether what lies at `at` stands for a type with its sizes and its mask alone, and says nothing else: what large
    /// objects of some types get instead of a descriptor (`runtime/mbitmap_allocheaders.go`, `heapSetType`, 1.22 and 1.23).
    pub(crate) fn is_mask_alone(&self, memory: &dyn Memory, at: Addr) -> bool {
        let read = |layout: &Layout| layout.read_masked(memory, at);
        let mask = self.descriptors.as_ref().and_then(read);
        mask.is_some_and(|t| t.kind == 0 && t.size > 0 && !t.gc_data.is_nil())
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
        let raw = Raw::read(layout, memory, self.program.modules(), t);
        match self.parts_left.checked_sub(raw.len()) {
            Some(left) => self.parts_left = left,
            None => return,
        }
        let map = match kind {
            Kind::Map { key, elem } => self.maps.and_then(|m| m.read(memory, t.at, key, elem)),
            _ => None,
        };
        let mut fields = Vec::new();
        for f in raw.fields {
            if let Some(type_) = self.take_in(memory, f.type_, todo) {
                fields.push(OwnField {
                    name: f.name.into(),
                    tag: f.tag.into(),
                    offset: f.offset,
                    type_,
                    embedded: f.embedded,
                });
            }
        }
        let signature = raw.signature.map(|s| Signature {
            parameters: self.take_in_all(memory, &s.parameters, todo),
            results: self.take_in_all(memory, &s.results, todo),
            variadic: s.variadic,
        });
        if let Some(new) = self.runtime_only_mut(id) {
            new.kind = kind;
            new.stated_name = raw.name.into();
            new.package = raw.package.into();
            new.map = map;
            new.fields = fields.into();
            new.signature = signature;
            new.chan_dir = raw.chan_dir;
        }
    }

    fn take_in_all(
        &mut self,
        memory: &dyn Memory,
        types: &[Addr],
        todo: &mut Vec<(TypeId, Rtype)>,
    ) -> Box<[TypeId]> {
        types
            .iter()
            .filter_map(|at| self.take_in(memory, *at, todo))
            .collect()
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
}
