//! Where the variables of functions lie on the stack, for the few functions that goroutines are in.
//!
//! A pass of its own over the units of those functions: keeping the variables of all functions would cost more than all
//! else that is kept. Sources: `cmd/compile/internal/ssa/debug.go` (location lists), `cmd/compile/internal/dwarfgen`
//! (what has a location); frame bases are always the call frame address.

use std::borrow::Cow;
use std::collections::BTreeMap;

use gimli::{
    AttributeValue, DebugInfoOffset, DebuggingInformationEntry, Dwarf, EndianSlice, Expression,
    LittleEndian, Operation, SectionId, Unit, UnitHeader, constants as dw,
};
use rustc_hash::FxHashMap;

use super::{DebugInfo, DieRef};
use crate::binary::Executable;
use crate::error::Error;

type Slice<'a> = EndianSlice<'a, LittleEndian>;
type Entry<'a> = DebuggingInformationEntry<Slice<'a>>;

/// Deepest nesting of blocks and inlined calls that is followed.
const MAX_DEPTH: isize = 64;
/// Most references from an entry to what it is an instance of.
const MAX_ORIGINS: usize = 4;
/// Most variables of one place; functions of machine-written code have thousands.
const MAX_LOCALS: usize = 1 << 14;
/// Longest name of a variable.
const MAX_NAME: usize = 256;
/// Most pieces of one variable: one per field.
const MAX_PARTS: usize = 64;

/// A variable of a function at one instruction.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Local {
    /// Its name; empty where it has none.
    pub(crate) name: String,
    /// Its type.
    pub(crate) type_: DieRef,
    /// Its parts, in order. Which of its words they are is not said where some are left out: the compiler states neither
    /// gaps nor padding (`cmd/compile/internal/ssa/debug.go`, `writePendingEntry`).
    pub(crate) parts: Vec<Part>,
    /// It was moved to the heap: the stack holds a pointer to it.
    pub(crate) moved: bool,
    /// It has its place for as long as the function runs, in one piece.
    pub(crate) whole: bool,
}

/// A part of a variable.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Part {
    /// Length in bytes; `None` where it is the only one.
    pub(crate) len: Option<u64>,
    /// Offset from the call frame address; `None` where it is not on the stack.
    pub(crate) frame: Option<i64>,
}

/// What debug information says of some functions. All addresses are as linked.
#[derive(Default)]
pub(crate) struct Locals {
    /// Variables on the stack by instruction; instructions without any are left out.
    pub(crate) on_stack: FxHashMap<u64, Vec<Local>>,
    /// The type of the first parameter by entry of the function.
    pub(crate) first_parameters: FxHashMap<u64, DieRef>,
}

/// Variables of functions: `pcs` are the instructions asked about, by the entry of their function.
pub(crate) fn locals(
    exe: &Executable,
    debug: &DebugInfo,
    pcs: &BTreeMap<u64, Vec<u64>>,
) -> Result<Locals, Error> {
    let mut sections: Vec<(SectionId, Cow<'_, [u8]>)> = Vec::new();
    for id in [
        SectionId::DebugInfo,
        SectionId::DebugAbbrev,
        SectionId::DebugAddr,
        SectionId::DebugLoc,
        SectionId::DebugLocLists,
        SectionId::DebugRanges,
        SectionId::DebugRngLists,
        // Opening a unit reads the headers of these.
        SectionId::DebugLine,
        SectionId::DebugLineStr,
        SectionId::DebugStr,
        SectionId::DebugStrOffsets,
    ] {
        sections.push((id, exe.debug_section(id.name())?.unwrap_or_default()));
    }
    let find = |id| {
        let bytes = sections.iter().find(|(i, _)| *i == id).map(|(_, b)| &**b);
        Ok::<_, gimli::Error>(Slice::new(bytes.unwrap_or_default(), LittleEndian))
    };
    let bad = |e: gimli::Error| Error::DebugInfo {
        section: ".debug_info",
        offset: 0,
        why: e.to_string(),
    };
    let dwarf = Dwarf::load(find).map_err(bad)?;
    let mut headers = Vec::new();
    let mut units = dwarf.units();
    while let Some(header) = units.next().map_err(bad)? {
        headers.push(header);
    }
    let mut search = Search {
        dwarf: &dwarf,
        debug,
        pcs,
        headers: &headers,
        others: FxHashMap::default(),
        found: Locals::default(),
    };
    for header in &headers {
        // A damaged unit hides its own functions' variables, no others'.
        if let Ok(unit) = dwarf.unit(*header) {
            let _ = search.unit(&unit);
        }
    }
    Ok(search.found)
}

struct Search<'a, 'b> {
    dwarf: &'b Dwarf<Slice<'a>>,
    debug: &'b DebugInfo,
    pcs: &'b BTreeMap<u64, Vec<u64>>,
    /// By offset.
    headers: &'b [UnitHeader<Slice<'a>>],
    /// Units of functions that were inlined elsewhere, by index of their header.
    others: FxHashMap<usize, Option<Unit<Slice<'a>>>>,
    found: Locals,
}

impl<'a> Search<'a, '_> {
    fn unit(&mut self, unit: &Unit<Slice<'a>>) -> gimli::Result<()> {
        let mut ranges = self.dwarf.unit_ranges(unit)?;
        let mut wanted = false;
        while let Some(range) = ranges.next()? {
            wanted |= self
                .pcs
                .range(range.begin..range.end.max(range.begin))
                .next()
                .is_some();
        }
        if !wanted {
            return Ok(());
        }
        let mut entries = unit.entries();
        // The function being looked at, and its depth.
        let mut inside: Option<(u64, &Vec<u64>, isize)> = None;
        while let Some(entry) = entries.next_dfs()? {
            let depth = entry.depth();
            if inside.is_some_and(|(_, _, function)| depth <= function) {
                inside = None;
            }
            match entry.tag() {
                dw::DW_TAG_subprogram => {
                    let low = entry.attr_value(dw::DW_AT_low_pc);
                    let low = low.and_then(|v| self.dwarf.attr_address(unit, v).ok()?);
                    inside = low.and_then(|low| Some((low, self.pcs.get(&low)?, depth)));
                }
                dw::DW_TAG_formal_parameter | dw::DW_TAG_variable => {
                    if let Some((entry_pc, pcs, function)) = inside
                        && depth - function <= MAX_DEPTH
                    {
                        if entry.tag() == dw::DW_TAG_formal_parameter
                            && depth == function + 1
                            && !self.found.first_parameters.contains_key(&entry_pc)
                            && let Some(type_) = self.type_of(unit, entry)
                        {
                            self.found.first_parameters.insert(entry_pc, type_);
                        }
                        self.variable(unit, entry, pcs)?;
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn variable(
        &mut self,
        unit: &Unit<Slice<'a>>,
        entry: &Entry<'a>,
        pcs: &[u64],
    ) -> gimli::Result<()> {
        let (Some(location), Some(type_)) = (
            entry.attr_value(dw::DW_AT_location),
            self.type_of(unit, entry),
        ) else {
            return Ok(());
        };
        let name = self.name_of(unit, entry);
        if let AttributeValue::Exprloc(expression) = location {
            for pc in pcs {
                self.place(unit, *pc, (&name, type_, true), expression);
            }
            return Ok(());
        }
        let Some(mut list) = self.dwarf.attr_locations(unit, location)? else {
            return Ok(());
        };
        while let Some(item) = list.next()? {
            let from = pcs.partition_point(|pc| *pc < item.range.begin);
            for pc in pcs[from..].iter().take_while(|pc| **pc < item.range.end) {
                self.place(unit, *pc, (&name, type_, false), item.data);
            }
        }
        Ok(())
    }

    fn place(
        &mut self,
        unit: &Unit<Slice<'a>>,
        pc: u64,
        (name, type_, whole): (&str, DieRef, bool),
        at: Expression<Slice<'a>>,
    ) {
        if let Ok(Some((parts, moved))) = on_stack(unit, at) {
            let locals = self.found.on_stack.entry(pc).or_default();
            if locals.len() < MAX_LOCALS {
                locals.push(Local {
                    name: name.to_owned(),
                    type_,
                    parts,
                    moved,
                    whole,
                });
            }
        }
    }

    /// The type of a variable, or of the one that it is an instance of.
    fn type_of(&mut self, unit: &Unit<Slice<'a>>, entry: &Entry<'a>) -> Option<DieRef> {
        let (header, type_) = self.stated(unit, entry, dw::DW_AT_type)?;
        let at = section_offset(&header, &type_)?;
        Some(self.debug.find(u32::try_from(at).ok()?))
    }

    /// The name of a variable, or of the one that it is an instance of; empty where it has none.
    fn name_of(&mut self, unit: &Unit<Slice<'a>>, entry: &Entry<'a>) -> String {
        let stated = self.stated(unit, entry, dw::DW_AT_name);
        let name = match stated.map(|(_, name)| name) {
            Some(AttributeValue::String(name)) => Some(name),
            Some(AttributeValue::DebugStrRef(at)) => self.dwarf.debug_str.get_str(at).ok(),
            _ => None,
        };
        let name = name.filter(|name| name.len() <= MAX_NAME);
        name.map_or(String::new(), |name| name.to_string_lossy().into_owned())
    }

    /// What an entry, or the one that it is an instance of, states, with the header of the stating entry's unit.
    fn stated(
        &mut self,
        unit: &Unit<Slice<'a>>,
        entry: &Entry<'a>,
        attribute: gimli::DwAt,
    ) -> Option<(UnitHeader<Slice<'a>>, AttributeValue<Slice<'a>>)> {
        let mut entry = entry.clone();
        let mut header = unit.header;
        for _ in 0..MAX_ORIGINS {
            if let Some(value) = entry.attr_value(attribute) {
                return Some((header, value));
            }
            let at = section_offset(&header, &entry.attr_value(dw::DW_AT_abstract_origin)?)?;
            (header, entry) = self.entry_at(unit, at)?;
        }
        None
    }

    /// The entry at an offset of the section, and its unit's header.
    fn entry_at(
        &mut self,
        unit: &Unit<Slice<'a>>,
        at: usize,
    ) -> Option<(UnitHeader<Slice<'a>>, Entry<'a>)> {
        let at = DebugInfoOffset(at);
        if let Some(offset) = at.to_unit_offset(&unit.header) {
            return Some((unit.header, unit.entry(offset).ok()?));
        }
        let after = self
            .headers
            .partition_point(|h| h.debug_info_offset().is_none_or(|o| o <= at));
        let number = after.checked_sub(1)?;
        let header = *self.headers.get(number)?;
        let other = self
            .others
            .entry(number)
            .or_insert_with(|| self.dwarf.unit(header).ok());
        let other = other.as_ref()?;
        let offset = at.to_unit_offset(&other.header)?;
        Some((header, other.entry(offset).ok()?))
    }
}

/// What an attribute refers to, as an offset of the section.
fn section_offset(
    unit: &UnitHeader<Slice<'_>>,
    value: &AttributeValue<Slice<'_>>,
) -> Option<usize> {
    match value {
        AttributeValue::UnitRef(offset) => Some(offset.to_debug_info_offset(unit)?.0),
        AttributeValue::DebugInfoRef(offset) => Some(offset.0),
        _ => None,
    }
}

/// The parts of a variable that lie on the stack, and whether it was moved to the heap; `None` where it is elsewhere.
fn on_stack<'a>(
    unit: &Unit<Slice<'a>>,
    at: Expression<Slice<'a>>,
) -> gimli::Result<Option<(Vec<Part>, bool)>> {
    let mut parts = Vec::new();
    let (mut frame, mut constant, mut moved) = (None, 0, false);
    let mut operations = at.operations(unit.encoding());
    while let Some(operation) = operations.next()? {
        match operation {
            Operation::FrameOffset { offset } => frame = Some(offset),
            Operation::CallFrameCFA => frame = Some(0),
            Operation::SignedConstant { value } => constant = value,
            Operation::Plus => frame = frame.map(|f: i64| f.wrapping_add(constant)),
            Operation::PlusConstant { value } => {
                frame = frame.map(|f: i64| f.wrapping_add_unsigned(value));
            }
            Operation::Deref { .. } => moved = true,
            Operation::Piece { size_in_bits, .. } => {
                if parts.len() == MAX_PARTS {
                    return Ok(None);
                }
                parts.push(Part {
                    len: Some(size_in_bits / 8),
                    frame: frame.take(),
                });
            }
            Operation::Register { .. } => frame = None,
            _ => return Ok(None),
        }
    }
    if frame.is_some() && parts.is_empty() {
        parts.push(Part { len: None, frame });
    }
    let on_stack = parts.iter().any(|part| part.frame.is_some());
    Ok(on_stack.then_some((parts, moved)))
}
