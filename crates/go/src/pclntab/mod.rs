//! Functions: from an address of code to name, source line, stack depth and stack maps.
//!
//! Source: `runtime/symtab.go` (`findfunc`, `funcline1`, `funcdata`), `runtime/symtabinl.go` (inlined calls); the tables'
//! format is that of Go 1.20 on (`abi.CurrentPCLnTabMagic` 0xfffffff1).

mod pcvalue;
mod table;

use leakscope_target::{Addr, Memory};

use crate::binary::Executable;
use crate::dwarf::DebugInfo;
use crate::error::Error;
use crate::moduledata::Module;
use table::{Table, u32_at, words};

/// `abi.Go120PCLnTabMagic`, current since Go 1.20.
const MAGIC: u32 = 0xffff_fff1;

/// Most inlined calls around one instruction that are followed.
const MAX_INLINED: usize = 1024;

/// Offset that means "none" in a function's funcdata and in the table of files.
const NONE: u32 = u32::MAX;

/// Where the fields of `runtime._func` and its neighbours lie.
struct Offsets {
    entry: u64,
    name: u64,
    args: u64,
    deferreturn: u64,
    pcsp: u64,
    pcfile: u64,
    pcln: u64,
    npcdata: u64,
    cu: u64,
    start_line: u64,
    func_id: u64,
    flag: u64,
    nfuncdata: u64,
    /// Size of the fixed part; the tables' offsets follow.
    size: u64,
    inlined_name: u64,
    inlined_parent: u64,
    inlined_start_line: u64,
    inlined_size: u64,
    /// Number of the pcdata table with the index into the tree of inlined calls, and of that tree's funcdata.
    pcdata_inlined: u32,
    funcdata_inlined: u32,
}

impl Offsets {
    fn resolve(debug: &DebugInfo, version: &str) -> Result<Self, Error> {
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

/// A piece of code that the linker placed apart (`runtime.textsect`).
struct TextSection {
    offset: u64,
    end: u64,
    at: u64,
}

struct ModuleTables {
    pcs: (u64, u64),
    text: u64,
    gofunc: u64,
    sections: Vec<TextSection>,
    names: Table,
    units: Table,
    files: Table,
    pc_values: Table,
    functions: Table,
    index: Table,
    /// Bytes from `gofunc` on, where they lie in the executable's file.
    function_data: Option<Table>,
}

/// The functions of a program and its plugins.
pub struct Functions {
    offsets: Offsets,
    modules: Vec<ModuleTables>,
}

impl Functions {
    /// Opens the tables of all modules. The program's own are read in place, from its file.
    pub fn load(
        exe: &Executable,
        debug: &DebugInfo,
        bias: u64,
        modules: &[Module],
        memory: &dyn Memory,
    ) -> Result<Self, Error> {
        let version = exe.go_version().to_string();
        let offsets = Offsets::resolve(debug, &version)?;
        let tables = modules.iter().map(|m| module_tables(exe, bias, m, memory));
        Ok(Self {
            offsets,
            modules: tables.collect::<Result<_, _>>()?,
        })
    }

    /// The function that holds the instruction at `pc`.
    ///
    /// A return address may already belong to the next function: ask for the address before it.
    pub fn find(&self, pc: Addr) -> Option<Func<'_>> {
        let tables = self
            .modules
            .iter()
            .find(|m| m.pcs.0 <= pc.0 && pc.0 < m.pcs.1)?;
        let offset = tables.text_offset(pc.0)?;
        let next = tables.first_after(offset);
        self.func(tables, next.checked_sub(1)?)
    }

    /// All functions called `name`. More than one is normal: wrappers between calling conventions share it.
    pub fn named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = Func<'a>> + 'a {
        self.modules
            .iter()
            .flat_map(move |m| (0..m.count()).filter_map(move |i| self.func(m, i)))
            .filter(move |f| f.name() == name)
    }

    fn func<'a>(&'a self, tables: &'a ModuleTables, index: u64) -> Option<Func<'a>> {
        let at = u64::from(tables.index.u32_at(index * 8 + 4)?);
        let end = tables.index.u32_at((index + 1) * 8)?;
        let o = &self.offsets;
        let f = |field: u64| tables.functions.u32_at(at + field);
        let byte = |field: u64| f(field & !3).map(|w| (w >> (8 * (field & 3))) as u8);
        Some(Func {
            entry: tables.text_address(f(o.entry)?),
            end: tables.text_address(end),
            name: f(o.name)?,
            args: f(o.args)? as i32,
            deferreturn: f(o.deferreturn)?,
            pcsp: f(o.pcsp)?,
            pcfile: f(o.pcfile)?,
            pcln: f(o.pcln)?,
            npcdata: f(o.npcdata)?,
            cu: f(o.cu)?,
            start_line: f(o.start_line)?,
            func_id: byte(o.func_id)?,
            flag: byte(o.flag)?,
            nfuncdata: byte(o.nfuncdata)?,
            data_at: at + o.size,
            offsets: o,
            tables,
        })
    }
}

fn module_tables(
    exe: &Executable,
    bias: u64,
    m: &Module,
    memory: &dyn Memory,
) -> Result<ModuleTables, Error> {
    const HEADER: &str = "runtime.pcHeader";
    let header = memory.u32(m.pc_header).map_err(|fault| Error::Unreadable {
        what: HEADER,
        fault,
    })?;
    if header != MAGIC {
        return Err(Error::Implausible {
            what: HEADER,
            at: m.pc_header,
        });
    }
    let load = |what, slice, size| Table::load(exe, bias, memory, what, slice, size);
    Ok(ModuleTables {
        pcs: (m.pcs.start.0, m.pcs.end.0),
        text: m.text.start.0,
        gofunc: m.gofunc.0,
        sections: text_sections(m, memory)?,
        names: load("moduledata.funcnametab", m.funcnametab, 1)?,
        units: load("moduledata.cutab", m.cutab, 4)?,
        files: load("moduledata.filetab", m.filetab, 1)?,
        pc_values: load("moduledata.pctab", m.pctab, 1)?,
        functions: load("moduledata.pclntable", m.pclntable, 1)?,
        index: load("moduledata.ftab", m.ftab, 8)?,
        function_data: Table::rest(exe, m.gofunc.0.wrapping_sub(bias)),
    })
}

/// `moduledata.textsectmap` where there is more than one piece of code.
fn text_sections(m: &Module, memory: &dyn Memory) -> Result<Vec<TextSection>, Error> {
    const WHAT: &str = "moduledata.textsectmap";
    /// Each piece is megabytes long.
    const MAX_SECTIONS: u64 = 4096;
    /// `vaddr`, `end`, `baseaddr`.
    const WORDS: usize = 3;
    let slice = m.textsectmap;
    if slice.len <= 1 {
        return Ok(Vec::new());
    }
    if slice.len > MAX_SECTIONS {
        return Err(Error::Implausible {
            what: WHAT,
            at: slice.at,
        });
    }
    let all = words(memory, slice.at, slice.len as usize * WORDS).ok_or(Error::Implausible {
        what: WHAT,
        at: slice.at,
    })?;
    let section = |w: &[u64]| match w {
        [offset, end, at] => Some(TextSection {
            offset: *offset,
            end: *end,
            at: *at,
        }),
        _ => None,
    };
    Ok(all.chunks(WORDS).filter_map(section).collect())
}

impl ModuleTables {
    /// Number of functions; the last entry of the index only marks the end of the code.
    fn count(&self) -> u64 {
        (self.index.bytes().len() as u64 / 8).saturating_sub(1)
    }

    /// The first function (by index) whose entry lies after `offset`.
    fn first_after(&self, offset: u32) -> u64 {
        let (mut low, mut high) = (0, self.count());
        while low < high {
            let mid = low + (high - low) / 2;
            if self
                .index
                .u32_at(mid * 8)
                .is_some_and(|entry| entry <= offset)
            {
                low = mid + 1;
            } else {
                high = mid;
            }
        }
        low
    }

    /// `moduledata.textAddr`.
    fn text_address(&self, offset: u32) -> u64 {
        let offset = u64::from(offset);
        let inside = |(i, s): &(usize, &TextSection)| {
            s.offset <= offset
                && (offset < s.end || (*i + 1 == self.sections.len() && offset == s.end))
        };
        match self.sections.iter().enumerate().find(inside) {
            Some((_, s)) => s.at.wrapping_add(offset - s.offset),
            None => self.text.wrapping_add(offset),
        }
    }

    /// `moduledata.textOff`.
    fn text_offset(&self, pc: u64) -> Option<u32> {
        let section = self.sections.iter().find(|s| {
            let len = s.end.saturating_sub(s.offset);
            s.at <= pc && pc - s.at <= len
        });
        let offset = match section {
            Some(s) => (pc - s.at).checked_add(s.offset)?,
            None if self.sections.is_empty() => pc.checked_sub(self.text)?,
            None => return None,
        };
        u32::try_from(offset).ok()
    }
}

/// One function.
#[derive(Clone, Copy)]
pub struct Func<'a> {
    entry: u64,
    end: u64,
    name: u32,
    args: i32,
    deferreturn: u32,
    pcsp: u32,
    pcfile: u32,
    pcln: u32,
    npcdata: u32,
    cu: u32,
    start_line: u32,
    func_id: u8,
    flag: u8,
    nfuncdata: u8,
    /// Where the offsets of the pcdata tables start, then those of the funcdata.
    data_at: u64,
    offsets: &'a Offsets,
    tables: &'a ModuleTables,
}

/// A function, source file and line around an instruction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SourceFrame<'a> {
    /// The function's full name, type arguments included.
    pub function: &'a str,
    /// The source file, `?` where unknown.
    pub file: &'a str,
    /// The line, 0 where unknown.
    pub line: u32,
    /// The line on which the function starts, 0 where unknown.
    pub start_line: u32,
    /// Whether the function has no frame of its own on the stack.
    pub inlined: bool,
}

impl<'a> Func<'a> {
    /// Its full name: `main.(*server).handle`, `main.Map[go.shape.int]`.
    pub fn name(&self) -> &'a str {
        self.tables.names.text_at(u64::from(self.name))
    }

    /// Address of its first instruction.
    pub fn entry(&self) -> Addr {
        Addr(self.entry)
    }

    /// First address past its code.
    pub fn end(&self) -> Addr {
        Addr(self.end)
    }

    /// Size of its arguments and results in bytes as its caller sees them; negative where unknown (assembly).
    pub fn args_size(&self) -> i32 {
        self.args
    }

    /// Offset from the entry of the call of `deferreturn`; 0 where there is none.
    pub fn deferreturn(&self) -> u32 {
        self.deferreturn
    }

    /// `abi.FuncID`: which of the functions that unwinding treats specially it is; 0 for all others.
    pub fn func_id(&self) -> u8 {
        self.func_id
    }

    /// `abi.FuncFlag`: 1 the frame is the last one, 2 it writes the stack pointer in ways not recorded, 4 assembly.
    pub fn flag(&self) -> u8 {
        self.flag
    }

    /// Line on which it starts.
    pub fn start_line(&self) -> u32 {
        self.start_line
    }

    /// Bytes by which the stack pointer lies below the return address at `pc`.
    pub fn sp_delta(&self, pc: Addr) -> Option<i32> {
        self.value(self.pcsp, pc.0)
    }

    /// The value of the function's pcdata table number `table` at `pc`: `None` where it has no such table or the table
    /// does not cover `pc`. -1 is a value of its own.
    pub fn pcdata(&self, table: u32, pc: Addr) -> Option<i32> {
        if table >= self.npcdata {
            return None;
        }
        let at = self.data_at + 4 * u64::from(table);
        self.value(self.tables.functions.u32_at(at)?, pc.0)
    }

    /// Where the function's funcdata number `index` lies (stack maps, stack objects).
    pub fn funcdata(&self, index: u32) -> Option<Addr> {
        self.funcdata_offset(index)
            .map(|o| Addr(self.tables.gofunc.wrapping_add(u64::from(o))))
    }

    fn funcdata_offset(&self, index: u32) -> Option<u32> {
        if index >= u32::from(self.nfuncdata) {
            return None;
        }
        let at = self.data_at + 4 * (u64::from(self.npcdata) + u64::from(index));
        self.tables.functions.u32_at(at).filter(|o| *o != NONE)
    }

    /// The source file and line of the instruction at `pc`; for a return address, ask for the one before it.
    pub fn line(&self, pc: Addr) -> (&'a str, u32) {
        self.line_at(pc.0).unwrap_or(("?", 0))
    }

    /// The functions around `pc`: those inlined there, innermost first, then this one. Plugins' functions come without
    /// the ones inlined into them.
    pub fn frames(&self, pc: Addr) -> Vec<SourceFrame<'a>> {
        let mut frames = Vec::new();
        let mut at = pc.0;
        while frames.len() < MAX_INLINED
            && let Some(call) = self.inlined_at(at)
        {
            let (file, line) = self.line_at(at).unwrap_or(("?", 0));
            let function = self.tables.names.text_at(u64::from(call.name));
            frames.push(SourceFrame {
                function,
                file,
                line,
                start_line: call.start_line,
                inlined: true,
            });
            at = self.entry.wrapping_add(u64::from(call.parent));
        }
        let (file, line) = self.line_at(at).unwrap_or(("?", 0));
        frames.push(SourceFrame {
            function: self.name(),
            file,
            line,
            start_line: self.start_line,
            inlined: false,
        });
        frames
    }

    fn line_at(&self, pc: u64) -> Option<(&'a str, u32)> {
        let file = u32::try_from(self.value(self.pcfile, pc)?).ok()?;
        let line = u32::try_from(self.value(self.pcln, pc)?).ok()?;
        let at = self
            .tables
            .units
            .u32_at(4 * (u64::from(self.cu) + u64::from(file)))?;
        (at != NONE).then(|| (self.tables.files.text_at(u64::from(at)), line))
    }

    fn value(&self, table: u32, pc: u64) -> Option<i32> {
        if table == 0 {
            return None;
        }
        pcvalue::lookup(
            self.tables.pc_values.bytes().get(table as usize..)?,
            self.entry,
            pc,
        )
    }

    fn inlined_at(&self, pc: u64) -> Option<InlinedCall> {
        let o = self.offsets;
        let index = u64::try_from(self.pcdata(o.pcdata_inlined, Addr(pc))?).ok()?;
        let tree = u64::from(self.funcdata_offset(o.funcdata_inlined)?);
        let at = tree.checked_add(index.checked_mul(o.inlined_size)?)?;
        let data = self.tables.function_data.as_ref()?.bytes();
        Some(InlinedCall {
            name: u32_at(data, at.checked_add(o.inlined_name)?)?,
            parent: u32_at(data, at.checked_add(o.inlined_parent)?)?,
            start_line: u32_at(data, at.checked_add(o.inlined_start_line)?)?,
        })
    }
}

struct InlinedCall {
    name: u32,
    parent: u32,
    start_line: u32,
}
