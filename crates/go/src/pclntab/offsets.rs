//! Where the fields of the runtime's function tables lie, by name.

use crate::dwarf::DebugInfo;
use crate::error::Error;

/// Where the fields of `runtime._func` and its neighbours lie.
pub(super) struct Offsets {
    pub(super) entry: u64,
    pub(super) name: u64,
    pub(super) args: u64,
    pub(super) deferreturn: u64,
    pub(super) pcsp: u64,
    pub(super) pcfile: u64,
    pub(super) pcln: u64,
    pub(super) npcdata: u64,
    pub(super) cu: u64,
    pub(super) start_line: u64,
    pub(super) func_id: u64,
    pub(super) flag: u64,
    pub(super) nfuncdata: u64,
    /// Size of the fixed part; the tables' offsets follow.
    pub(super) size: u64,
    pub(super) inlined_name: u64,
    pub(super) inlined_parent: u64,
    pub(super) inlined_start_line: u64,
    pub(super) inlined_size: u64,
    /// Number of the pcdata table with the index into the tree of inlined calls, and of that tree's funcdata.
    pub(super) pcdata_inlined: u32,
    pub(super) funcdata_inlined: u32,
}

impl Offsets {
    pub(super) fn resolve(debug: &DebugInfo, version: &str) -> Result<Self, Error> {
        let find = |strukt: &'static str, field: &'static str| {
            debug
                .field(strukt, field)
                .map(|f| f.offset)
                .ok_or_else(|| Error::NoField {
                    strukt,
                    field,
                    version: version.to_owned(),
                })
        };
        let size = |strukt: &'static str| {
            let layout = debug.struct_layout(strukt);
            layout.map(|l| l.size).ok_or_else(|| Error::NoField {
                strukt,
                field: "(size)",
                version: version.to_owned(),
            })
        };
        let number = |name: &'static str| {
            let value = debug.constant(name).and_then(|v| u32::try_from(v).ok());
            value.ok_or_else(|| Error::NoGlobal {
                name,
                version: version.to_owned(),
            })
        };
        const FUNC: &str = "runtime._func";
        const INLINED: &str = "runtime.inlinedCall";
        Ok(Self {
            entry: find(FUNC, "entryOff")?,
            name: find(FUNC, "nameOff")?,
            args: find(FUNC, "args")?,
            deferreturn: find(FUNC, "deferreturn")?,
            pcsp: find(FUNC, "pcsp")?,
            pcfile: find(FUNC, "pcfile")?,
            pcln: find(FUNC, "pcln")?,
            npcdata: find(FUNC, "npcdata")?,
            cu: find(FUNC, "cuOffset")?,
            start_line: find(FUNC, "startLine")?,
            func_id: find(FUNC, "funcID")?,
            flag: find(FUNC, "flag")?,
            nfuncdata: find(FUNC, "nfuncdata")?,
            size: size(FUNC)?,
            inlined_name: find(INLINED, "nameOff")?,
            inlined_parent: find(INLINED, "parentPc")?,
            inlined_start_line: find(INLINED, "startLine")?,
            inlined_size: size(INLINED)?,
            pcdata_inlined: number("internal/abi.PCDATA_InlTreeIndex")?,
            funcdata_inlined: number("internal/abi.FUNCDATA_InlTree")?,
        })
    }
}
