//! What the hash of a type is made of.

use std::cell::Cell;

use crate::types::{Kind, TypeId, TypeTable};

use super::Compiled;

/// Parts of a key, hashed one after another, each with the hash of those before as its seed.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Steps(Vec<Step>);

/// One part.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Step {
    /// Where it lies in the key, bytes.
    pub(super) offset: usize,
    pub(super) part: Part,
}

/// How a part is hashed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Part {
    /// So many bytes, `memhash`.
    Memory(usize),
    /// So many bytes, `memhash32` or `memhash64` where that fits.
    Sized(usize),
    /// `f32hash`.
    Float32,
    /// `f64hash`.
    Float64,
    /// `strhash`.
    Text,
    /// `nilinterhash`.
    Empty,
    /// `interhash`.
    Interface,
}

/// Longer keys are left alone: nobody has maps of such keys.
const MAX_STEPS: usize = 1 << 12;
/// More nested types are damage.
const MAX_DEPTH: u32 = 64;
/// Types looked at for one key: more come from damage alone, such as types that hold each other many times over.
const MAX_LOOKS: u32 = 1 << 16;
/// `unrollSize` of `eqSigBuilder.build`: elements of arrays are hashed in groups of about so many bytes.
const UNROLL: u64 = 32;

impl Steps {
    /// The hash that maps with keys of this type use; `None` for a type that cannot be a key.
    pub(super) fn compiled(types: &TypeTable, key: TypeId, rule: Compiled) -> Option<Self> {
        let mut builder = Builder::new(types);
        match rule {
            Compiled::Runs => match builder.is_memory(key, 0)? {
                // `memhash0` gives back its seed.
                true => builder.memory(0, types.size(key), Part::Sized)?,
                false => builder.runs(key, 0, 0)?,
            },
            Compiled::Signature => builder.signature(key, 0, 0)?,
        }
        Some(Self(builder.steps))
    }

    /// The hash of a value of this type inside an interface (`typehash`).
    pub(super) fn dynamic(types: &TypeTable, type_: TypeId) -> Option<Self> {
        let mut builder = Builder::new(types);
        builder.typehash(type_, 0, 0)?;
        Some(Self(builder.steps))
    }

    /// Whether all that is hashed lies in the key itself, which nobody but the runtime can write to once it is in a map.
    pub(super) fn in_place(&self) -> bool {
        !(self.0.iter()).any(|step| matches!(step.part, Part::Text | Part::Empty | Part::Interface))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Step> + '_ {
        self.0.iter().copied()
    }
}

/// The length of an array whose elements are looked at one by one.
fn countable(len: u64) -> Option<u64> {
    (len <= MAX_STEPS as u64).then_some(len)
}

struct Builder<'t> {
    types: &'t TypeTable,
    steps: Vec<Step>,
    /// What follows the last step without a gap runs together with it.
    open: bool,
    looks_left: Cell<u32>,
}

impl<'t> Builder<'t> {
    fn new(types: &'t TypeTable) -> Self {
        Self {
            types,
            steps: Vec::new(),
            open: false,
            looks_left: Cell::new(MAX_LOOKS),
        }
    }

    fn push(&mut self, offset: u64, part: Part) -> Option<()> {
        let offset = usize::try_from(offset).ok()?;
        self.steps.push(Step { offset, part });
        self.open = false;
        (self.steps.len() <= MAX_STEPS).then_some(())
    }

    fn memory(&mut self, offset: u64, size: u64, part: fn(usize) -> Part) -> Option<()> {
        match usize::try_from(size).ok()? {
            0 => Some(()),
            size => self.push(offset, part(size)),
        }
    }

    /// Whether values of the type are compared and hashed as plain memory (`types.AlgType` is `AMEM`); `None` where they
    /// cannot be compared.
    fn is_memory(&self, type_: TypeId, depth: u32) -> Option<bool> {
        self.looks_left.set(self.looks_left.get().checked_sub(1)?);
        if depth > MAX_DEPTH {
            return None;
        }
        match self.types.kind(type_) {
            Kind::Bool | Kind::Int | Kind::Uint | Kind::Uintptr => Some(true),
            Kind::Pointer(_) | Kind::UnsafePointer | Kind::Chan(_) => Some(true),
            Kind::Float | Kind::Complex | Kind::String | Kind::Interface { .. } => Some(false),
            Kind::Array { elem, len } => Some(self.is_memory(elem, depth + 1)? || len == 0),
            Kind::Struct => {
                let fields = self.types.fields(type_);
                if let [only] = fields.as_slice()
                    && only.name != "_"
                {
                    return self.is_memory(only.type_, depth + 1);
                }
                let ends = fields.iter().skip(1).map(|f| f.offset);
                let ends = ends.chain(std::iter::once(self.types.size(type_)));
                let mut all = true;
                for (field, end) in fields.iter().zip(ends) {
                    let padded = field.offset.saturating_add(self.types.size(field.type_)) != end;
                    let memory = self.is_memory(field.type_, depth + 1)?;
                    all &= memory && field.name != "_" && !padded;
                }
                Some(all)
            }
            _ => None,
        }
    }

    /// A part that is neither memory nor made of parts.
    fn plain(&mut self, type_: TypeId, offset: u64) -> Option<()> {
        let size = self.types.size(type_);
        match (self.types.kind(type_), size) {
            (Kind::Float, 4) => self.push(offset, Part::Float32),
            (Kind::Float, 8) => self.push(offset, Part::Float64),
            (Kind::Complex, 8) => {
                self.push(offset, Part::Float32)?;
                self.push(offset.saturating_add(4), Part::Float32)
            }
            (Kind::Complex, 16) => {
                self.push(offset, Part::Float64)?;
                self.push(offset.saturating_add(8), Part::Float64)
            }
            (Kind::String, _) => self.push(offset, Part::Text),
            (Kind::Interface { empty: true }, _) => self.push(offset, Part::Empty),
            (Kind::Interface { empty: false }, _) => self.push(offset, Part::Interface),
            _ => None,
        }
    }

    /// `hashFunc` up to 1.26, of a type that is not plain memory.
    fn runs(&mut self, type_: TypeId, offset: u64, depth: u32) -> Option<()> {
        match self.types.kind(type_) {
            Kind::Array { elem, len } => {
                let size = self.types.size(elem);
                for i in 0..countable(len)? {
                    self.runs(
                        elem,
                        offset.saturating_add(i.saturating_mul(size)),
                        depth + 1,
                    )?;
                }
                Some(())
            }
            Kind::Struct => {
                let fields = self.types.fields(type_);
                // Start and end of the run so far.
                let mut run: Option<(u64, u64)> = None;
                for field in &fields {
                    let memory = self.is_memory(field.type_, depth)?;
                    let end = field.offset.saturating_add(self.types.size(field.type_));
                    match run {
                        // A run ends where padding begins.
                        Some((start, last))
                            if memory && field.name != "_" && last == field.offset =>
                        {
                            run = Some((start, end));
                            continue;
                        }
                        Some((start, last)) => {
                            self.push(
                                offset.saturating_add(start),
                                Part::Memory((last - start) as usize),
                            )?;
                            run = None;
                        }
                        None => {}
                    }
                    if field.name == "_" {
                        continue;
                    }
                    if memory {
                        run = Some((field.offset, end));
                    } else {
                        self.runs(field.type_, offset.saturating_add(field.offset), depth + 1)?;
                    }
                }
                match run {
                    Some((start, last)) => self.push(
                        offset.saturating_add(start),
                        Part::Memory((last - start) as usize),
                    ),
                    None => Some(()),
                }
            }
            _ => self.plain(type_, offset),
        }
    }

    /// `eqSigBuilder.build` of 1.27.
    fn signature(&mut self, type_: TypeId, offset: u64, depth: u32) -> Option<()> {
        self.looks_left.set(self.looks_left.get().checked_sub(1)?);
        if depth > MAX_DEPTH {
            return None;
        }
        match self.types.kind(type_) {
            Kind::Struct => {
                for field in self.types.fields(type_) {
                    if field.name != "_" {
                        self.signature(
                            field.type_,
                            offset.saturating_add(field.offset),
                            depth + 1,
                        )?;
                    }
                }
                Some(())
            }
            Kind::Array { elem, len } if !self.is_memory(type_, depth)? => {
                let size = self.types.size(elem);
                if size == 0 {
                    return Some(());
                }
                let unroll = (UNROLL / size).max(1);
                // What does not fill a group comes first, then groups. A group runs together with its neighbours only
                // where it is the only one.
                let len = countable(len)?;
                let alone = len % unroll;
                for i in 0..len {
                    let groups = (len - alone) / unroll;
                    if i >= alone && (i - alone).is_multiple_of(unroll) && groups > 1 {
                        self.open = false;
                    }
                    self.signature(
                        elem,
                        offset.saturating_add(i.saturating_mul(size)),
                        depth + 1,
                    )?;
                }
                if (len - alone) / unroll > 1 {
                    self.open = false;
                }
                Some(())
            }
            _ if self.is_memory(type_, depth)? => {
                let size = self.types.size(type_);
                match self.steps.last_mut() {
                    Some(Step {
                        offset: start,
                        part: Part::Sized(len),
                    }) if self.open && start.saturating_add(*len) as u64 == offset => {
                        *len = len.saturating_add(usize::try_from(size).ok()?);
                        Some(())
                    }
                    _ => {
                        self.memory(offset, size, Part::Sized)?;
                        self.open |= size > 0;
                        Some(())
                    }
                }
            }
            _ => self.plain(type_, offset),
        }
    }

    /// `typehash`.
    fn typehash(&mut self, type_: TypeId, offset: u64, depth: u32) -> Option<()> {
        if self.is_memory(type_, depth)? {
            let size = usize::try_from(self.types.size(type_)).ok()?;
            return self.push(offset, Part::Sized(size));
        }
        match self.types.kind(type_) {
            Kind::Array { elem, len } => {
                let size = self.types.size(elem);
                for i in 0..countable(len)? {
                    self.typehash(
                        elem,
                        offset.saturating_add(i.saturating_mul(size)),
                        depth + 1,
                    )?;
                }
                Some(())
            }
            Kind::Struct => {
                for field in self.types.fields(type_) {
                    if field.name != "_" {
                        self.typehash(field.type_, offset.saturating_add(field.offset), depth + 1)?;
                    }
                }
                Some(())
            }
            _ => self.plain(type_, offset),
        }
    }
}
