//! The runtime's type descriptors (`internal/abi/type.go`, `map*.go`, `iface.go`), their fields found by name.

use leakscope_target::{Addr, Memory};

use crate::dwarf::DebugInfo;
use crate::moduledata::Module;

use super::kind::*;
use super::text::{NAME_EMBEDDED, NAME_TAG, read_name, read_text};

/// No value is larger than the address space of a process.
const MAX_TYPE_SIZE: u64 = 1 << 47;

/// Where the fields of descriptors lie; 0 for a structure that this build does not have.
#[derive(Clone, Debug, Default)]
pub(super) struct Layout {
    type_size: u64,
    size: u64,
    ptr_bytes: u64,
    tflag: u64,
    kind: u64,
    gc_data: u64,
    name: u64,
    array: (u64, u64),
    array_len: u64,
    chan: (u64, u64),
    chan_dir: u64,
    func_size: u64,
    func_in: u64,
    func_out: u64,
    uncommon_size: u64,
    interface_size: u64,
    interface_methods: u64,
    pointer: (u64, u64),
    slice: (u64, u64),
    struct_size: u64,
    struct_fields: u64,
    field_size: u64,
    field_name: u64,
    field_type: u64,
    field_offset: u64,
    map_size: u64,
    map_key: u64,
    map_elem: u64,
    map_cells: u64,
    pkg_path: u64,
    itab_type: u64,
    rules: Rules,
}

/// Which bits mean what in this build.
#[derive(Clone, Copy, Debug, Default)]
struct Rules {
    tflag_uncommon: u8,
    tflag_extra_star: u8,
    /// Up to 1.25 in `Kind_`, from 1.26 on in `TFlag`.
    kind_direct: u8,
    tflag_direct: u8,
    /// Up to 1.23: `GCData` is a program.
    kind_program: u8,
    /// 1.24 on: `GCData` leads to a slot for the mask.
    tflag_on_demand: u8,
}

/// `Kind_` holds the kind in its low bits (`abi.KindMask`; the flags above them left it in 1.26).
const KIND_MASK: u8 = 31;

/// One descriptor.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rtype {
    pub(super) at: Addr,
    pub(super) size: u64,
    /// Bytes from the start of a value to the end of its last pointer.
    pub(super) ptr_bytes: u64,
    tflag: u8,
    pub(super) kind: u8,
    /// A value of the type is stored in an interface's data word itself.
    pub(super) direct: bool,
    pub(super) gc_data: Addr,
    pub(super) gc_program: bool,
    pub(super) gc_on_demand: bool,
    name: i32,
}

/// Parameters and results of a function type.
pub(super) struct RawSignature {
    pub(super) parameters: Vec<Addr>,
    pub(super) results: Vec<Addr>,
    /// The last parameter takes any number of values.
    pub(super) variadic: bool,
}

/// In which directions a channel type can be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum ChanDir {
    Receive,
    Send,
    Both,
}

/// A field of a struct descriptor.
pub(super) struct RawField {
    pub(super) name: String,
    pub(super) tag: String,
    pub(super) embedded: bool,
    pub(super) type_: Addr,
    pub(super) offset: u64,
}

impl Layout {
    /// Looks the structures up; `None` where the basic one is missing.
    pub(super) fn resolve(debug: &DebugInfo) -> Option<Self> {
        let at = |strukt: &str, field: &str| debug.field(strukt, field).map(|f| f.offset);
        let size = |strukt: &str| debug.struct_layout(strukt).map(|l| l.size);
        let elem = |strukt: &str| Some((size(strukt)?, at(strukt, "Elem")?));
        const TYPE: &str = "internal/abi.Type";
        const FIELD: &str = "internal/abi.StructField";
        let map = super::maps::descriptor(debug);
        let map_at = |field: &str| map.and_then(|m| at(m, field));
        Some(Self {
            type_size: size(TYPE)?,
            size: at(TYPE, "Size_")?,
            ptr_bytes: at(TYPE, "PtrBytes")?,
            tflag: at(TYPE, "TFlag")?,
            kind: at(TYPE, "Kind_")?,
            gc_data: at(TYPE, "GCData")?,
            name: at(TYPE, "Str")?,
            array: elem("internal/abi.ArrayType").unwrap_or_default(),
            array_len: at("internal/abi.ArrayType", "Len").unwrap_or_default(),
            chan: elem("internal/abi.ChanType").unwrap_or_default(),
            chan_dir: at("internal/abi.ChanType", "Dir").unwrap_or_default(),
            func_size: size("internal/abi.FuncType").unwrap_or_default(),
            func_in: at("internal/abi.FuncType", "InCount").unwrap_or_default(),
            func_out: at("internal/abi.FuncType", "OutCount").unwrap_or_default(),
            uncommon_size: size("internal/abi.UncommonType").unwrap_or_default(),
            interface_size: size("internal/abi.InterfaceType").unwrap_or_default(),
            interface_methods: at("internal/abi.InterfaceType", "Methods").unwrap_or_default(),
            pointer: elem("internal/abi.PtrType").unwrap_or_default(),
            slice: elem("internal/abi.SliceType").unwrap_or_default(),
            struct_size: size("internal/abi.StructType").unwrap_or_default(),
            struct_fields: at("internal/abi.StructType", "Fields").unwrap_or_default(),
            field_size: size(FIELD).unwrap_or_default(),
            field_name: at(FIELD, "Name").unwrap_or_default(),
            field_type: at(FIELD, "Typ").unwrap_or_default(),
            field_offset: at(FIELD, "Offset").unwrap_or_default(),
            map_size: map.and_then(size).unwrap_or_default(),
            map_key: map_at("Key").unwrap_or_default(),
            map_elem: map_at("Elem").unwrap_or_default(),
            map_cells: map_at("Group")
                .or_else(|| map_at("Bucket"))
                .unwrap_or_default(),
            pkg_path: at("internal/abi.UncommonType", "PkgPath").unwrap_or_default(),
            itab_type: at("internal/abi.ITab", "Type").or_else(|| at("runtime.itab", "_type"))?,
            rules: rules(debug),
        })
    }

    /// Reads the descriptor at `at`; `None` where there is none, or something that cannot be one.
    pub(super) fn read(&self, memory: &dyn Memory, at: Addr) -> Option<Rtype> {
        self.read_masked(memory, at)
            .filter(|t| (KIND_BOOL..=KIND_UNSAFE_POINTER).contains(&t.kind))
    }

    /// The same, also of a descriptor that has nothing but sizes and a mask: up to 1.23, large objects get one of their
    /// own, with the program of their type unrolled (`runtime/mbitmap.go`, `heapSetType`).
    pub(super) fn read_masked(&self, memory: &dyn Memory, at: Addr) -> Option<Rtype> {
        /// The fields read all lie in the first words (48 bytes in all releases).
        const MAX: usize = 256;
        let mut buf = [0; MAX];
        let bytes = buf.get_mut(..usize::try_from(self.type_size).ok()?)?;
        if at.is_nil() || !at.0.is_multiple_of(8) {
            return None;
        }
        memory.read(at, bytes).ok()?;
        let byte = |offset: u64| bytes.get(offset as usize).copied();
        let word = |offset: u64| {
            let b = bytes.get(offset as usize..)?.get(..8)?;
            b.try_into().ok().map(u64::from_le_bytes)
        };
        let (tflag, kind) = (byte(self.tflag)?, byte(self.kind)?);
        let r = &self.rules;
        let t = Rtype {
            at,
            size: word(self.size)?,
            ptr_bytes: word(self.ptr_bytes)?,
            tflag,
            kind: kind & KIND_MASK,
            direct: tflag & r.tflag_direct != 0 || kind & r.kind_direct != 0,
            gc_data: Addr(word(self.gc_data)?),
            gc_program: kind & r.kind_program != 0,
            gc_on_demand: tflag & r.tflag_on_demand != 0,
            name: bytes
                .get(self.name as usize..)?
                .get(..4)?
                .try_into()
                .ok()
                .map(i32::from_le_bytes)?,
        };
        let plausible =
            t.ptr_bytes <= t.size && t.size <= MAX_TYPE_SIZE && t.ptr_bytes.is_multiple_of(8);
        plausible.then_some(t)
    }

    /// The type word of an itab.
    pub(super) fn itab_type(&self, memory: &dyn Memory, itab: Addr) -> Option<Addr> {
        memory.ptr(itab.checked_add(self.itab_type)?).ok()
    }

    /// The name as `reflect` spells it; `None` for types made at run time, whose names are kept elsewhere.
    pub(super) fn name(
        &self,
        memory: &dyn Memory,
        modules: &[Module],
        t: &Rtype,
    ) -> Option<String> {
        let offset = u64::try_from(t.name).ok().filter(|o| *o > 0)?;
        let name = read_name(
            memory,
            module_of(modules, t.at)?.types.start.checked_add(offset)?,
        )?
        .text;
        if t.tflag & self.rules.tflag_extra_star != 0 {
            return name.strip_prefix('*').map(str::to_owned);
        }
        Some(name)
    }

    /// The import path of the package that declares the type; `None` where there is none.
    pub(super) fn package(
        &self,
        memory: &dyn Memory,
        modules: &[Module],
        t: &Rtype,
    ) -> Option<String> {
        if t.tflag & self.rules.tflag_uncommon == 0 {
            return None;
        }
        let base = match t.kind {
            KIND_ARRAY => self.array.0,
            KIND_CHAN => self.chan.0,
            KIND_FUNC => self.func_size,
            KIND_INTERFACE => self.interface_size,
            KIND_MAP => self.map_size,
            KIND_POINTER => self.pointer.0,
            KIND_SLICE => self.slice.0,
            KIND_STRUCT => self.struct_size,
            _ => self.type_size,
        };
        let at = t.at.checked_add(base)?.checked_add(self.pkg_path)?;
        let offset = memory.u32(at).ok().filter(|o| *o != 0 && *o as i32 > 0)?;
        let module = module_of(modules, t.at)?;
        Some(read_name(memory, module.types.start.checked_add(u64::from(offset))?)?.text)
    }

    /// The type that an array, channel, map, pointer or slice refers to.
    pub(super) fn elem(&self, memory: &dyn Memory, t: &Rtype) -> Option<Addr> {
        let at = match t.kind {
            KIND_ARRAY => self.array.1,
            KIND_CHAN => self.chan.1,
            KIND_MAP => self.map_elem,
            KIND_POINTER => self.pointer.1,
            KIND_SLICE => self.slice.1,
            _ => return None,
        };
        self.pointer_at(memory, t, at)
    }

    /// The key type of a map.
    pub(super) fn key(&self, memory: &dyn Memory, t: &Rtype) -> Option<Addr> {
        self.pointer_at(memory, t, self.map_key)
    }

    /// The type of a map's groups or buckets.
    pub(super) fn cells(&self, memory: &dyn Memory, t: &Rtype) -> Option<Addr> {
        self.pointer_at(memory, t, self.map_cells)
    }

    fn pointer_at(&self, memory: &dyn Memory, t: &Rtype, offset: u64) -> Option<Addr> {
        if offset == 0 {
            return None;
        }
        memory.ptr(t.at.checked_add(offset)?).ok()
    }

    /// Length of an array.
    pub(super) fn array_len(&self, memory: &dyn Memory, t: &Rtype) -> Option<u64> {
        memory.u64(t.at.checked_add(self.array_len)?).ok()
    }

    /// Whether an interface has no methods.
    pub(super) fn is_empty_interface(&self, memory: &dyn Memory, t: &Rtype) -> Option<bool> {
        let methods = t.at.checked_add(self.interface_methods)?.checked_add(8)?;
        memory.u64(methods).ok().map(|n| n == 0)
    }

    /// Addresses, types and offsets of the fields of a struct, without their names; `None` where they cannot be read.
    pub(super) fn fields(&self, memory: &dyn Memory, t: &Rtype) -> Option<Vec<(Addr, Addr, u64)>> {
        /// The largest generated structs have some thousands of fields.
        const MAX_FIELDS: u64 = 1 << 16;
        /// A name, a type and an offset: 24 bytes in all releases.
        const MAX_FIELD_SIZE: u64 = 256;
        let slice = t.at.checked_add(self.struct_fields)?;
        let first = memory.ptr(slice).ok()?;
        let count = memory.u64(slice.checked_add(8)?).ok()?;
        if count > MAX_FIELDS || !(24..=MAX_FIELD_SIZE).contains(&self.field_size) {
            return None;
        }
        let mut bytes = vec![0; usize::try_from(count * self.field_size).ok()?];
        memory.read(first, &mut bytes).ok()?;
        let word = |field: &[u8], offset: u64| {
            let b = field.get(offset as usize..)?.get(..8)?;
            b.try_into().ok().map(u64::from_le_bytes)
        };
        let one = |f: &[u8]| {
            Some((
                Addr(word(f, self.field_name)?),
                Addr(word(f, self.field_type)?),
                word(f, self.field_offset)?,
            ))
        };
        bytes
            .chunks_exact(self.field_size as usize)
            .map(one)
            .collect()
    }

    /// The fields of a struct with their names.
    pub(super) fn named_fields(&self, memory: &dyn Memory, t: &Rtype) -> Option<Vec<RawField>> {
        /// Most bytes of names and tags in one struct.
        const MAX_TEXT: usize = 1 << 20;
        let mut fields = Vec::new();
        let mut kept = 0;
        for (name, type_, offset) in self.fields(memory, t)? {
            let name = read_name(memory, name)?;
            let tag = match name.flags & NAME_TAG {
                0 => String::new(),
                _ => read_text(memory, name.end)?.0,
            };
            kept += name.text.len() + tag.len();
            if kept > MAX_TEXT {
                return None;
            }
            let embedded = name.flags & NAME_EMBEDDED != 0;
            fields.push(RawField {
                name: name.text,
                tag,
                embedded,
                type_,
                offset,
            });
        }
        Some(fields)
    }

    /// The direction of a channel type (`abi.ChanDir`: 1 receive, 2 send).
    pub(super) fn chan_dir(&self, memory: &dyn Memory, t: &Rtype) -> Option<ChanDir> {
        match memory.u64(t.at.checked_add(self.chan_dir)?).ok()? {
            1 => Some(ChanDir::Receive),
            2 => Some(ChanDir::Send),
            3 => Some(ChanDir::Both),
            _ => None,
        }
    }

    /// Parameters and results of a function type, which follow its descriptor (`abi.FuncType.InSlice`, `OutSlice`).
    pub(super) fn signature(&self, memory: &dyn Memory, t: &Rtype) -> Option<RawSignature> {
        const VARIADIC: u16 = 1 << 15;
        let inputs = memory.u16(t.at.checked_add(self.func_in)?).ok()?;
        let outputs = memory.u16(t.at.checked_add(self.func_out)?).ok()?;
        let uncommon = if t.tflag & self.rules.tflag_uncommon != 0 {
            self.uncommon_size
        } else {
            0
        };
        let mut at = t.at.checked_add(self.func_size)?.checked_add(uncommon)?;
        let mut next = |_| {
            let type_ = memory.ptr(at).ok()?;
            at = at.checked_add(8)?;
            Some(type_)
        };
        let parameters = (0..inputs).map(&mut next).collect::<Option<_>>()?;
        let results = (0..outputs & !VARIADIC)
            .map(&mut next)
            .collect::<Option<_>>()?;
        Some(RawSignature {
            parameters,
            results,
            variadic: outputs & VARIADIC != 0,
        })
    }
}

fn rules(debug: &DebugInfo) -> Rules {
    let bits = |name: &str| {
        debug
            .constant(name)
            .and_then(|v| u8::try_from(v).ok())
            .unwrap_or(0)
    };
    let tflag_direct = bits("internal/abi.TFlagDirectIface");
    Rules {
        tflag_uncommon: bits("internal/abi.TFlagUncommon"),
        tflag_extra_star: bits("internal/abi.TFlagExtraStar"),
        // The constant stayed when the flag moved.
        kind_direct: if tflag_direct == 0 {
            bits("internal/abi.KindDirectIface")
        } else {
            0
        },
        tflag_direct,
        kind_program: bits("internal/abi.KindGCProg"),
        tflag_on_demand: bits("internal/abi.TFlagGCMaskOnDemand"),
    }
}

/// The module whose type section holds `at`.
fn module_of(modules: &[Module], at: Addr) -> Option<&Module> {
    modules.iter().find(|m| m.types.contains(at))
}
