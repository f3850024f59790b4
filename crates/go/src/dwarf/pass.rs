//! The one pass over `.debug_info`.

use gimli::{
    Abbreviation, Abbreviations, AttributeValue, DebugAbbrev, DebugInfo as Section, DwAt,
    EndianSlice, EntriesRaw, LittleEndian, UnitHeader, constants as dw,
};

use super::DebugInfo;
use super::names::Name;
use super::records::{CaptureRec, GlobalRec, MemberRec, NONE, Tag, TypeRec};
use crate::error::Error;

type Slice<'a> = EndianSlice<'a, LittleEndian>;

/// Go's own attributes (`cmd/internal/dwarf/dwarf.go`).
const GO_KIND: DwAt = DwAt(0x2900);
const GO_KEY: DwAt = DwAt(0x2901);
const GO_ELEM: DwAt = DwAt(0x2902);
const GO_EMBEDDED: DwAt = DwAt(0x2903);
const GO_RUNTIME_TYPE: DwAt = DwAt(0x2904);
const GO_PACKAGE_NAME: DwAt = DwAt(0x2905);
const GO_CLOSURE_OFFSET: DwAt = DwAt(0x2907);

/// `DW_LANG_Go`.
const LANGUAGE_GO: u64 = 0x16;

/// Most entries read of each sort; real programs stay far below (Kubernetes' kubelet: about 150,000 types).
const MAX_RECORDS: usize = 1 << 24;

/// Reads everything that is kept from the units written by the Go compiler and linker.
pub(super) fn run(info: &[u8], abbrev: &[u8]) -> Result<DebugInfo, Error> {
    let section = Section::new(info, LittleEndian);
    let abbrevs = DebugAbbrev::new(abbrev, LittleEndian);
    let mut pass = Pass {
        out: DebugInfo::default(),
        abstract_functions: Vec::new(),
        unnamed: Vec::new(),
    };
    let mut units = section.units();
    let mut cached: Option<(usize, Abbreviations)> = None;
    let bad = |at: u64| {
        move |e: gimli::Error| Error::DebugInfo {
            section: ".debug_info",
            offset: at,
            why: e.to_string(),
        }
    };
    let mut read_to = 0;
    while let Some(unit) = units.next().map_err(bad(read_to))? {
        let at = unit.debug_info_offset().map_or(0, |o| o.0) as u64;
        read_to = at + unit.length_including_self() as u64;
        let table = unit.debug_abbrev_offset().0;
        if cached.as_ref().is_none_or(|(offset, _)| *offset != table) {
            cached = Some((table, unit.abbreviations(&abbrevs).map_err(bad(at))?));
        }
        if let Some((_, abbreviations)) = &cached {
            pass.unit(&unit, abbreviations).map_err(bad(at))?;
        }
    }
    Ok(pass.finish())
}

/// Where a function's name is.
#[derive(Clone, Copy)]
enum Function<'a> {
    None,
    Named(Slice<'a>),
    At(u32),
}

struct Pass<'a> {
    out: DebugInfo,
    /// Functions that others are instances of: offset and name, in the order of the section.
    abstract_functions: Vec<(u32, Slice<'a>)>,
    /// Captures (by index) in a function whose name stands at the entry at this offset.
    unnamed: Vec<(usize, u32)>,
}

/// The attributes that matter of one entry.
#[derive(Default)]
struct Attrs<'a> {
    name: Option<Slice<'a>>,
    type_: Option<u32>,
    key: Option<u32>,
    elem: Option<u32>,
    origin: Option<u32>,
    size: u64,
    count: u64,
    member_offset: u64,
    kind: u8,
    runtime_type: u64,
    flag: bool,
    language: u64,
    package_name: Option<Slice<'a>>,
    constant: Option<i64>,
    address: Option<u64>,
    closure_offset: Option<u64>,
}

impl<'a> Pass<'a> {
    fn unit(
        &mut self,
        unit: &UnitHeader<Slice<'a>>,
        abbreviations: &Abbreviations,
    ) -> gimli::Result<()> {
        let unit_start = unit.debug_info_offset().map_or(0, |o| o.0);
        let mut entries = unit.entries_raw(abbreviations, None)?;
        let Some(root) = entries.read_abbreviation()? else {
            return Ok(());
        };
        let root = read(&mut entries, root, unit_start)?;
        if root.language != LANGUAGE_GO {
            return Ok(());
        }
        if let (Some(path), Some(name)) = (root.name, root.package_name) {
            let names = &mut self.out.names;
            self.out
                .packages
                .push((names.add(path.slice()), names.add(name.slice())));
        }
        let mut function = Function::None;
        // Depth inside an inlined call: its variables belong to another function.
        let mut inlined_at = isize::MAX;
        let mut open_type: Option<isize> = None;
        while !entries.is_empty() {
            let offset = to_u32(unit_start + entries.next_offset().0);
            let depth = entries.next_depth();
            let Some(abbrev) = entries.read_abbreviation()? else {
                continue;
            };
            if depth <= inlined_at {
                inlined_at = isize::MAX;
            }
            if open_type.is_some_and(|d| depth <= d) {
                open_type = None;
            }
            if let Some(tag) = type_tag(abbrev.tag()) {
                let attrs = read(&mut entries, abbrev, unit_start)?;
                self.type_entry(tag, offset, &attrs);
                open_type = Some(depth);
                continue;
            }
            match abbrev.tag() {
                dw::DW_TAG_member | dw::DW_TAG_formal_parameter if open_type == Some(depth - 1) => {
                    let attrs = read(&mut entries, abbrev, unit_start)?;
                    self.member(&attrs);
                }
                dw::DW_TAG_subrange_type if open_type == Some(depth - 1) => {
                    let attrs = read(&mut entries, abbrev, unit_start)?;
                    if let Some(t) = self.out.types.last_mut() {
                        t.count = attrs.count;
                    }
                }
                dw::DW_TAG_subprogram => {
                    let attrs = read(&mut entries, abbrev, unit_start)?;
                    if let Some(name) = attrs.name
                        && has(abbrev, dw::DW_AT_inline)
                    {
                        self.abstract_functions.push((offset, name));
                    }
                    function = match (attrs.name, attrs.origin) {
                        (Some(name), _) => Function::Named(name),
                        (None, Some(at)) => Function::At(at),
                        (None, None) => Function::None,
                    };
                }
                dw::DW_TAG_inlined_subroutine => {
                    inlined_at = inlined_at.min(depth);
                    entries.skip_attributes(abbrev.attributes())?;
                }
                dw::DW_TAG_variable if depth == 1 => {
                    let attrs = read(&mut entries, abbrev, unit_start)?;
                    self.global(&attrs);
                }
                dw::DW_TAG_variable | dw::DW_TAG_formal_parameter
                    if inlined_at == isize::MAX && has(abbrev, GO_CLOSURE_OFFSET) =>
                {
                    let attrs = read(&mut entries, abbrev, unit_start)?;
                    self.capture(function, &attrs);
                }
                dw::DW_TAG_constant if depth == 1 => {
                    let attrs = read(&mut entries, abbrev, unit_start)?;
                    if let (Some(name), Some(value)) = (attrs.name, attrs.constant)
                        && self.out.constants.len() < MAX_RECORDS
                    {
                        let name = self.out.names.add(name.slice());
                        self.out.constants.push((name, value));
                    }
                }
                _ => entries.skip_attributes(abbrev.attributes())?,
            }
        }
        Ok(())
    }

    fn type_entry(&mut self, tag: Tag, offset: u32, attrs: &Attrs<'_>) {
        if self.out.types.len() >= MAX_RECORDS {
            return;
        }
        let name = attrs
            .name
            .map_or_else(Name::default, |n| self.out.names.add(n.slice()));
        self.out.types.push(TypeRec {
            offset,
            name,
            tag,
            go_kind: attrs.kind,
            size: attrs.size,
            count: 0,
            target: attrs.type_.unwrap_or(NONE),
            key: attrs.key.unwrap_or(NONE),
            elem: attrs.elem.unwrap_or(NONE),
            runtime_type: attrs.runtime_type,
            first_member: to_u32(self.out.members.len()),
            members: 0,
        });
    }

    fn member(&mut self, attrs: &Attrs<'_>) {
        if self.out.members.len() >= MAX_RECORDS {
            return;
        }
        if let Some(t) = self.out.types.last_mut() {
            t.members += 1;
            let name = attrs
                .name
                .map_or_else(Name::default, |n| self.out.names.add(n.slice()));
            let type_ = attrs.type_.unwrap_or(NONE);
            self.out.members.push(MemberRec {
                name,
                offset: attrs.member_offset,
                type_,
                flag: attrs.flag,
            });
        }
    }

    fn global(&mut self, attrs: &Attrs<'_>) {
        if let (Some(name), Some(addr)) = (attrs.name, attrs.address)
            && self.out.globals.len() < MAX_RECORDS
        {
            let name = self.out.names.add(name.slice());
            self.out.globals.push(GlobalRec {
                name,
                addr,
                type_: attrs.type_.unwrap_or(NONE),
            });
        }
    }

    fn capture(&mut self, function: Function<'_>, attrs: &Attrs<'_>) {
        let Some(offset) = attrs.closure_offset else {
            return;
        };
        if self.out.captures.len() >= MAX_RECORDS {
            return;
        }
        let names = &mut self.out.names;
        let function = match function {
            Function::None => return,
            Function::Named(name) => names.add(name.slice()),
            Function::At(at) => {
                self.unnamed.push((self.out.captures.len(), at));
                Name::default()
            }
        };
        let name = attrs
            .name
            .map_or_else(Name::default, |n| names.add(n.slice()));
        self.out.captures.push(CaptureRec {
            function,
            name,
            offset,
            type_: attrs.type_.unwrap_or(NONE),
        });
    }

    fn finish(mut self) -> DebugInfo {
        for (capture, at) in &self.unnamed {
            if let Ok(i) = self.abstract_functions.binary_search_by_key(at, |f| f.0)
                && let Some((_, name)) = self.abstract_functions.get(i)
                && let Some(c) = self.out.captures.get_mut(*capture)
            {
                c.function = self.out.names.add(name.slice());
            }
        }
        self.out
    }
}

fn type_tag(tag: gimli::DwTag) -> Option<Tag> {
    Some(match tag {
        dw::DW_TAG_base_type => Tag::Base,
        dw::DW_TAG_array_type => Tag::Array,
        dw::DW_TAG_typedef => Tag::Typedef,
        dw::DW_TAG_subroutine_type => Tag::Function,
        dw::DW_TAG_pointer_type => Tag::Pointer,
        dw::DW_TAG_structure_type => Tag::Struct,
        dw::DW_TAG_unspecified_type => Tag::Unspecified,
        _ => return None,
    })
}

fn has(abbrev: &Abbreviation, at: DwAt) -> bool {
    abbrev.attributes().iter().any(|a| a.name() == at)
}

fn to_u32(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(NONE)
}

/// Reads the attributes of an entry whose abbreviation has just been read.
fn read<'a>(
    entries: &mut EntriesRaw<'_, Slice<'a>>,
    abbrev: &Abbreviation,
    unit_start: usize,
) -> gimli::Result<Attrs<'a>> {
    let mut out = Attrs::default();
    for spec in abbrev.attributes() {
        let attr = entries.read_attribute_inline(*spec)?;
        let value = attr.raw_value();
        match attr.name() {
            dw::DW_AT_name => {
                if let AttributeValue::String(s) = value {
                    out.name = Some(s);
                }
            }
            GO_PACKAGE_NAME => {
                if let AttributeValue::String(s) = value {
                    out.package_name = Some(s);
                }
            }
            dw::DW_AT_type => out.type_ = reference(&value, unit_start),
            dw::DW_AT_abstract_origin => out.origin = reference(&value, unit_start),
            GO_KEY => out.key = reference(&value, unit_start),
            GO_ELEM => out.elem = reference(&value, unit_start),
            dw::DW_AT_byte_size => out.size = attr.udata_value().unwrap_or(0),
            dw::DW_AT_count => out.count = attr.udata_value().unwrap_or(0),
            dw::DW_AT_data_member_location => out.member_offset = attr.udata_value().unwrap_or(0),
            dw::DW_AT_language => out.language = attr.udata_value().unwrap_or(0),
            dw::DW_AT_const_value => out.constant = attr.sdata_value(),
            GO_KIND => out.kind = attr.u8_value().unwrap_or(0),
            GO_EMBEDDED | dw::DW_AT_variable_parameter => {
                out.flag = matches!(value, AttributeValue::Flag(true));
            }
            GO_RUNTIME_TYPE => {
                out.runtime_type = match value {
                    AttributeValue::Addr(a) => a,
                    _ => attr.udata_value().unwrap_or(0),
                };
            }
            GO_CLOSURE_OFFSET => out.closure_offset = attr.udata_value(),
            dw::DW_AT_location => out.address = static_address(&value),
            _ => {}
        }
    }
    Ok(out)
}

/// The section offset that a reference means.
fn reference(value: &AttributeValue<Slice<'_>>, unit_start: usize) -> Option<u32> {
    let offset = match value {
        AttributeValue::DebugInfoRef(o) => o.0,
        AttributeValue::UnitRef(o) => unit_start.checked_add(o.0)?,
        _ => return None,
    };
    u32::try_from(offset).ok().filter(|o| *o != NONE)
}

/// The address of a variable that lies at one place all the time: `DW_OP_addr` and nothing else.
fn static_address(value: &AttributeValue<Slice<'_>>) -> Option<u64> {
    const DW_OP_ADDR: u8 = 0x03;
    let bytes = match value {
        AttributeValue::Block(b) => b.slice(),
        AttributeValue::Exprloc(e) => e.0.slice(),
        _ => return None,
    };
    let (op, addr) = bytes.split_first()?;
    let addr = addr.try_into().ok().map(u64::from_le_bytes)?;
    (*op == DW_OP_ADDR).then_some(addr)
}
