//! A Go program in a target: its executable and debug information, where it was loaded, its modules and functions.

use std::sync::Arc;

use leakscope_target::{Addr, Mapping, Memory};
use memmap2::Mmap;

use crate::binary::Executable;
use crate::dwarf::{DebugInfo, Global};
use crate::error::Error;
use crate::moduledata::{self, Module};
use crate::pclntab::Functions;

/// Everything about a Go program that does not change while it runs.
pub struct Program {
    exe: Executable,
    debug: DebugInfo,
    bias: u64,
    modules: Vec<Module>,
    functions: Functions,
}

impl Program {
    /// Opens the program whose executable is `file`, mapped as `mappings` say into the target whose bytes `memory` reads.
    /// Fails where it cannot be read at all: not Go, too old, no debug information, not the executable of this target.
    pub fn open(file: Arc<Mmap>, mappings: &[Mapping], memory: &dyn Memory) -> Result<Self, Error> {
        let exe = Executable::parse(file)?;
        let bias = exe.bias(mappings)?;
        Self::with_bias(exe, bias, memory)
    }

    /// Opens a program whose load bias is known.
    pub fn with_bias(exe: Executable, bias: u64, memory: &dyn Memory) -> Result<Self, Error> {
        let debug = DebugInfo::load(&exe)?.ok_or(Error::NoDebugInfo)?;
        let version = exe.go_version().to_string();
        let modules = moduledata::read(&debug, bias, memory, &version)?;
        let functions = Functions::load(&exe, &debug, bias, &modules, memory)?;
        Ok(Self {
            exe,
            debug,
            bias,
            modules,
            functions,
        })
    }

    /// The executable.
    pub fn exe(&self) -> &Executable {
        &self.exe
    }

    /// Its debug information.
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
