//! Programs without debug information: layouts from the table of their release, and the runtime's variables found by
//! what the runtime's own functions refer to.
//!
//! The tables of functions survive stripping (the runtime itself needs them), so functions have names. A few well-known
//! ones are disassembled; what they address in the program's data are candidates for the variables that their source
//! names, and each candidate has to look like that variable before it is believed.

mod checks;
mod code;
mod find;
mod header;
mod list;

use leakscope_goabi::layouts::choose;
use leakscope_target::Memory;

use crate::binary::Executable;
use crate::dwarf::DebugInfo;
use crate::error::Error;
use crate::moduledata::{self, FIRST, Module};
use crate::pclntab::Functions;

pub(crate) use code::bytes as code_of;
pub use leakscope_goabi::layouts::Fit;
pub use list::Lost;

/// What is known of a program without debug information.
pub(crate) struct Found {
    /// The table of its release, with the addresses of the variables found.
    pub(crate) debug: DebugInfo,
    pub(crate) modules: Vec<Module>,
    pub(crate) functions: Functions,
    pub(crate) stripped: Stripped,
}

/// What a program without debug information is read by, and what could not be found in it.
#[derive(Clone, Debug)]
pub struct Stripped {
    /// The release that the layouts were made from: `1.27.3`.
    pub made_from: &'static str,
    /// How well that release fits the program.
    pub fit: Fit,
    /// Variables of the runtime that were not found.
    pub lost: Vec<Lost>,
}

/// Reads a program by the table of its release.
pub(crate) fn find(exe: &Executable, bias: u64, memory: &dyn Memory) -> Result<Found, Error> {
    let version = exe.go_version();
    let stated = version.to_string();
    let experiments = exe.build_info().experiments();
    let no_table = || Error::NoLayouts {
        version: stated.clone(),
    };
    let (variant, fit) = choose(version.minor, &experiments).ok_or_else(no_table)?;
    let mut debug = DebugInfo::from_table(variant.table).ok_or_else(no_table)?;
    let header = header::find(exe)?;
    let at = header::module(&debug, exe, bias, header, memory)?;
    debug.place(FIRST, at.wrapping_sub(bias));
    let modules = moduledata::read(&debug, bias, memory, &stated)?;
    let functions = Functions::load(exe, &debug, bias, &modules, memory)?;
    let lost = find::globals(&mut debug, exe, bias, &modules, &functions, memory)?;
    Ok(Found {
        debug,
        modules,
        functions,
        stripped: Stripped {
            made_from: variant.made_from,
            fit,
            lost,
        },
    })
}
