//! One function: its name, lines, stack depth and stack maps.

use leakscope_target::Addr;

use super::ModuleTables;
use super::offsets::Offsets;
use super::pcvalue;
use super::table::u32_at;

/// Most inlined calls around one instruction that are followed.
const MAX_INLINED: usize = 1024;

/// Offset that means "none" in a function's funcdata and in the table of files.
const NONE: u32 = u32::MAX;

/// One function.
#[derive(Clone, Copy)]
pub struct Func<'a> {
    pub(super) entry: u64,
    pub(super) end: u64,
    pub(super) name: u32,
    pub(super) args: i32,
    pub(super) deferreturn: u32,
    pub(super) pcsp: u32,
    pub(super) pcfile: u32,
    pub(super) pcln: u32,
    pub(super) npcdata: u32,
    pub(super) cu: u32,
    pub(super) start_line: u32,
    pub(super) func_id: u8,
    pub(super) flag: u8,
    pub(super) nfuncdata: u8,
    /// Where the offsets of the pcdata tables start, then those of the funcdata.
    pub(super) data_at: u64,
    pub(super) offsets: &'a Offsets,
    pub(super) tables: &'a ModuleTables,
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
