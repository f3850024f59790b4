//! `runtime.moduledata`: where the linker put everything, for the program and each plugin.
//!
//! Source: `runtime/symtab.go`, type `moduledata`; its fields move in nearly every release and are found by name.

use leakscope_target::{Addr, AddrRange, Memory};

use crate::dwarf::{DebugInfo, StructLayout};
use crate::error::Error;

/// Most modules followed; programs have one, and a few more with plugins.
const MAX_MODULES: usize = 1024;

/// A moduledata larger than this is not one (about 600 bytes in all releases).
const MAX_SIZE: u64 = 64 << 10;

/// A bitmap in the target, one bit per word.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct BitVector {
    /// Number of bits.
    pub bits: u64,
    /// Where the bytes lie; bit 0 is the lowest of the first byte.
    pub at: Addr,
}

/// A slice in the target.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SliceHeader {
    /// First element.
    pub at: Addr,
    /// Number of elements.
    pub len: u64,
}

/// One module's data.
#[derive(Clone, Debug, Default)]
pub struct Module {
    /// Where this moduledata lies.
    pub at: Addr,
    /// Code.
    pub text: AddrRange,
    /// Addresses for which the function table has entries.
    pub pcs: AddrRange,
    /// Initialised variables without pointers.
    pub noptrdata: AddrRange,
    /// Initialised variables with pointers.
    pub data: AddrRange,
    /// Zeroed variables with pointers.
    pub bss: AddrRange,
    /// Zeroed variables without pointers.
    pub noptrbss: AddrRange,
    /// Pointer bits of [`data`](Self::data). No bits before the runtime has set up its modules.
    pub data_mask: BitVector,
    /// Pointer bits of [`bss`](Self::bss).
    pub bss_mask: BitVector,
    /// Type descriptors; names and other types are offsets from its start.
    pub types: AddrRange,
    /// What stack object masks are offsets from.
    pub rodata: Addr,
    /// What a function's funcdata are offsets from.
    pub gofunc: Addr,
    pub(crate) pc_header: Addr,
    pub(crate) funcnametab: SliceHeader,
    pub(crate) cutab: SliceHeader,
    pub(crate) filetab: SliceHeader,
    pub(crate) pctab: SliceHeader,
    pub(crate) pclntable: SliceHeader,
    pub(crate) ftab: SliceHeader,
    pub(crate) textsectmap: SliceHeader,
}

/// The variable that the chain of modules starts with.
pub(crate) const FIRST: &str = "runtime.firstmoduledata";

/// The number of entries in the function index of the moduledata at `at`, where what lies there can be one: the code
/// that it covers is not empty and starts with the text.
pub(crate) fn index_len(debug: &DebugInfo, memory: &dyn Memory, at: Addr) -> Option<u64> {
    let field = |name: &str, plus: u64| {
        let offset = debug.field("runtime.moduledata", name)?.offset;
        memory.u64(at.checked_add(offset)?.checked_add(plus)?).ok()
    };
    let (text, end) = (field("text", 0)?, field("etext", 0)?);
    let (low, high) = (field("minpc", 0)?, field("maxpc", 0)?);
    let plausible = text <= low && low < high && low < end;
    field("ftab", 8).filter(|_| plausible)
}

/// Reads the chain of modules that starts with [`FIRST`].
pub fn read(
    debug: &DebugInfo,
    bias: u64,
    memory: &dyn Memory,
    version: &str,
) -> Result<Vec<Module>, Error> {
    let first = debug.global(FIRST).ok_or_else(|| Error::NoGlobal {
        name: FIRST,
        version: version.to_owned(),
    })?;
    let layout = debug
        .layout(first.type_)
        .filter(|l| l.size <= MAX_SIZE)
        .ok_or_else(|| Error::NoField {
            strukt: "runtime.moduledata",
            field: "(any)",
            version: version.to_owned(),
        })?;
    let mut modules = Vec::new();
    let mut at = Addr(first.addr.wrapping_add(bias));
    while !at.is_nil() && modules.len() < MAX_MODULES {
        let mut bytes = vec![0; layout.size as usize];
        memory
            .read(at, &mut bytes)
            .map_err(|fault| Error::Unreadable {
                what: "runtime.moduledata",
                fault,
            })?;
        let raw = Raw {
            layout: &layout,
            bytes: &bytes,
            version,
        };
        let module = raw.module(at)?;
        if !module.is_plausible() {
            return Err(Error::Implausible {
                what: "runtime.moduledata",
                at,
            });
        }
        modules.push(module);
        at = Addr(raw.word("next")?);
    }
    Ok(modules)
}

impl Module {
    /// What `moduledataverify1` checks, as far as it holds before any table is read.
    fn is_plausible(&self) -> bool {
        let ordered = |r: &AddrRange| r.start <= r.end;
        [
            &self.text,
            &self.pcs,
            &self.noptrdata,
            &self.data,
            &self.bss,
            &self.noptrbss,
            &self.types,
        ]
        .into_iter()
        .all(ordered)
            && !self.pc_header.is_nil()
            && self.ftab.len > 0
    }
}

/// The bytes of one moduledata, read by field name.
struct Raw<'a> {
    layout: &'a StructLayout<'a>,
    bytes: &'a [u8],
    version: &'a str,
}

impl Raw<'_> {
    fn word_at(&self, field: &'static str, plus: u64) -> Result<u64, Error> {
        self.optional(field, plus).ok_or_else(|| Error::NoField {
            strukt: "runtime.moduledata",
            field,
            version: self.version.to_owned(),
        })
    }

    fn optional(&self, field: &'static str, plus: u64) -> Option<u64> {
        let at = self.layout.field(field)?.offset.checked_add(plus)?;
        let at = usize::try_from(at).ok()?;
        let bytes = self.bytes.get(at..at.checked_add(8)?)?;
        bytes.try_into().ok().map(u64::from_le_bytes)
    }

    fn word(&self, field: &'static str) -> Result<u64, Error> {
        self.word_at(field, 0)
    }

    fn range(&self, start: &'static str, end: &'static str) -> Result<AddrRange, Error> {
        Ok(AddrRange {
            start: Addr(self.word(start)?),
            end: Addr(self.word(end)?),
        })
    }

    fn slice(&self, field: &'static str) -> Result<SliceHeader, Error> {
        Ok(SliceHeader {
            at: Addr(self.word(field)?),
            len: self.word_at(field, 8)?,
        })
    }

    /// A `bitvector {n int32, bytedata *uint8}`.
    fn bits(&self, field: &'static str) -> Result<BitVector, Error> {
        let n = self.word(field)? as u32 as i32;
        Ok(BitVector {
            bits: u64::try_from(n).unwrap_or(0),
            at: Addr(self.word_at(field, 8)?),
        })
    }

    fn module(&self, at: Addr) -> Result<Module, Error> {
        Ok(Module {
            at,
            text: self.range("text", "etext")?,
            pcs: self.range("minpc", "maxpc")?,
            noptrdata: self.range("noptrdata", "enoptrdata")?,
            data: self.range("data", "edata")?,
            bss: self.range("bss", "ebss")?,
            noptrbss: self.range("noptrbss", "enoptrbss")?,
            data_mask: self.bits("gcdatamask")?,
            bss_mask: self.bits("gcbssmask")?,
            types: self.range("types", "etypes")?,
            rodata: Addr(self.word("rodata")?),
            gofunc: Addr(self.word("gofunc")?),
            pc_header: Addr(self.word("pcHeader")?),
            funcnametab: self.slice("funcnametab")?,
            cutab: self.slice("cutab")?,
            filetab: self.slice("filetab")?,
            pctab: self.slice("pctab")?,
            pclntable: self.slice("pclntable")?,
            ftab: self.slice("ftab")?,
            textsectmap: self.slice("textsectmap")?,
        })
    }
}
