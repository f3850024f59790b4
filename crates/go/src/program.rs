//! A Go program in a target: its executable and debug information, where it was loaded, its modules and functions.

use std::sync::{Arc, OnceLock};

use leakscope_target::{Addr, Mapping, Memory};
use memmap2::Mmap;

use crate::anchors::{self, Stripped};
use crate::binary::Executable;
use crate::code::{self, CodeFacts};
use crate::dwarf::{DebugInfo, Global};
use crate::error::Error;
use crate::moduledata::{self, Module};
use crate::pclntab::Functions;

/// Everything about a Go program that does not change while it runs.
pub struct Program {
    exe: Executable,
    debug: DebugInfo,
    stripped: Option<Stripped>,
    bias: u64,
    modules: Vec<Module>,
    functions: Functions,
    code: OnceLock<CodeFacts>,
}

impl Program {
    /// Opens the program whose executable is `file`, mapped as `mappings` say into the target whose bytes `memory` reads.
    /// Fails where it cannot be read at all: not Go, too old, not the executable of this target, or without debug
    /// information and unlike what its release builds.
    pub fn open(file: Arc<Mmap>, mappings: &[Mapping], memory: &dyn Memory) -> Result<Self, Error> {
        let exe = Executable::parse(file)?;
        let bias = exe.bias(mappings)?;
        Self::with_bias(exe, bias, memory)
    }

    /// Opens a program whose load bias is known.
    pub fn with_bias(exe: Executable, bias: u64, memory: &dyn Memory) -> Result<Self, Error> {
        let Some(debug) = DebugInfo::load(&exe)? else {
            let found = anchors::find(&exe, bias, memory)?;
            return Ok(Self {
                exe,
                debug: found.debug,
                stripped: Some(found.stripped),
                bias,
                modules: found.modules,
                functions: found.functions,
                code: OnceLock::new(),
            });
        };
        let version = exe.go_version().to_string();
        let modules = moduledata::read(&debug, bias, memory, &version)?;
        let functions = Functions::load(&exe, &debug, bias, &modules, memory)?;
        Ok(Self {
            exe,
            debug,
            stripped: None,
            bias,
            modules,
            functions,
            code: OnceLock::new(),
        })
    }

    /// The executable.
    pub fn exe(&self) -> &Executable {
        &self.exe
    }

    /// What it is read by where it has no debug information of its own.
    pub fn stripped(&self) -> Option<&Stripped> {
        self.stripped.as_ref()
    }

    /// Its debug information; without any, the table of its release.
    pub fn debug(&self) -> &DebugInfo {
        &self.debug
    }

    /// What to add to an address as linked to get the target's.
    pub fn bias(&self) -> u64 {
        self.bias
    }

    /// The program's module, then those of its plugins, in the order loaded.
    pub fn modules(&self) -> &[Module] {
        &self.modules
    }

    /// Its functions.
    pub fn functions(&self) -> &Functions {
        &self.functions
    }

    /// What the code says about variables, where there is no debug information to say it; read when first asked for.
    pub(crate) fn code(&self) -> Option<&CodeFacts> {
        self.stripped.as_ref()?;
        self.read_code()
    }

    /// The struct type of closures with this code, from the functions that make them: for closures that no debug
    /// information describes, which are those of programs up to 1.22 and of some instances of generic functions.
    pub(crate) fn closure(&self, code: Addr) -> Option<Addr> {
        self.read_code()?.closure(code)
    }

    /// What the code says, if it has been read.
    pub(crate) fn code_read(&self) -> Option<&CodeFacts> {
        self.code.get()
    }

    fn read_code(&self) -> Option<&CodeFacts> {
        let module = self.modules.first()?;
        let read = || code::read(&self.exe, self.bias, module, &self.functions);
        Some(self.code.get_or_init(read))
    }

    /// The address in the target of the package variable called `name`.
    pub fn global(&self, name: &str) -> Option<Addr> {
        self.debug
            .global(name)
            .map(|g| Addr(g.addr.wrapping_add(self.bias)))
    }

    /// The package variable that covers `addr` in the target, and how far into it `addr` lies.
    pub fn global_at(&self, addr: Addr) -> Option<(Global<'_>, u64)> {
        let svma = addr.0.wrapping_sub(self.bias);
        self.debug.global_at(svma).map(|g| (g, svma - g.addr))
    }
}
