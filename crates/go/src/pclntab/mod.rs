//! Functions: from an address of code to name, source line, stack depth and stack maps.
//!
//! Source: `runtime/symtab.go` (`findfunc`, `funcline1`, `funcdata`), `runtime/symtabinl.go` (inlined calls); the tables'
//! format is that of Go 1.20 on (`abi.CurrentPCLnTabMagic` 0xfffffff1).

mod func;
mod offsets;
mod pcvalue;
mod table;

use leakscope_target::{Addr, Memory};

use crate::binary::Executable;
use crate::dwarf::DebugInfo;
use crate::error::Error;
use crate::moduledata::Module;
use offsets::Offsets;
use table::{Table, words};

pub use func::{Func, SourceFrame};

/// `abi.Go120PCLnTabMagic`, current since Go 1.20.
const MAGIC: u32 = 0xffff_fff1;

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

    /// All functions, module by module, by address.
    pub fn iter(&self) -> impl Iterator<Item = Func<'_>> {
        let all = self.modules.iter();
        all.flat_map(move |m| (0..m.count()).filter_map(move |i| self.func(m, i)))
    }

    /// All functions called `name`. More than one is normal: wrappers between calling conventions share it.
    pub fn named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = Func<'a>> + 'a {
        self.iter().filter(move |f| f.name() == name)
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
