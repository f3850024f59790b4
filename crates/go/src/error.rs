//! What can keep leakscope from reading a Go program at all.

use std::fmt;

use leakscope_target::{Addr, Fault};

/// What an executable that is no Go program seems to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotGo {
    /// A launcher or library of a Java virtual machine.
    Jvm,
    /// Nothing we recognise.
    Unknown,
}

impl fmt::Display for NotGo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Jvm => "it is a Java virtual machine",
            Self::Unknown => "it holds no Go build information",
        })
    }
}

/// Why the executable or the runtime inside it cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file does not start as an ELF file does.
    #[error("the executable is no ELF file")]
    NotElf,
    /// An ELF file for 32-bit machines.
    #[error("the executable is 32-bit; only 64-bit programs can be read")]
    Not64Bit,
    /// An ELF file for a machine we cannot read.
    #[error("the executable is for ELF machine {machine}; only x86-64 (62) can be read")]
    Machine {
        /// The ELF `e_machine` value.
        machine: u16,
    },
    /// An ELF file that is neither an executable nor position independent code.
    #[error("the ELF file is of type {kind}, not an executable")]
    NotExecutable {
        /// The ELF `e_type` value.
        kind: u16,
    },
    /// A part of the ELF file is damaged.
    #[error("the executable's {part} cannot be read: {why}")]
    Elf {
        /// Which part.
        part: &'static str,
        /// In the parser's words.
        why: String,
    },
    /// Not built by the Go toolchain.
    #[error("not a Go program: {hint}")]
    NotGo {
        /// What it seems to be instead.
        hint: NotGo,
    },
    /// Built by a Go release older than the oldest one known.
    #[error("built with {version:?}; the oldest release that can be read is go1.{oldest}")]
    TooOld {
        /// As the executable states it.
        version: String,
        /// Minor number of the oldest release known.
        oldest: u32,
    },
    /// No debug information, and no table of layouts for the release either.
    #[error(
        "the executable has no debug information, and the runtime of {version} is not known without it"
    )]
    NoLayouts {
        /// The Go release.
        version: String,
    },
    /// No debug information, and nothing that looks like the runtime's tables of functions.
    #[error(
        "the executable has no debug information, and its function tables cannot be found: it may be obfuscated (as by garble) or packed"
    )]
    NoFunctionTable,
    /// No debug information, and no moduledata that points to the tables of functions.
    #[error(
        "the executable has no debug information, and its module data cannot be found in memory"
    )]
    NoModule,
    /// No debug information, and none of the runtime's functions has its name.
    #[error(
        "the executable has no debug information, and the runtime's functions do not have their names: it was obfuscated (as by garble)"
    )]
    Obfuscated,
    /// No debug information, and a variable of the runtime was not found by the functions that use it.
    #[error(
        "the executable has no debug information, and {global} cannot be found by the functions that use it ({tried}): without it {what} cannot be read"
    )]
    NoAnchor {
        /// The variable.
        global: &'static str,
        /// What it tells.
        what: &'static str,
        /// The functions looked at.
        tried: String,
    },
    /// The debug information is damaged.
    #[error("the debug information is damaged in {section} at offset 0x{offset:x}: {why}")]
    DebugInfo {
        /// Name of the section.
        section: &'static str,
        /// Where the unit starts that could not be read.
        offset: u64,
        /// In the parser's words.
        why: String,
    },
    /// The debug information is larger than anything seen in a real program.
    #[error("the section {section} claims {size} bytes, more than the {cap} allowed")]
    SectionTooLarge {
        /// Name of the section.
        section: String,
        /// What it claims to hold, in bytes.
        size: u64,
        /// The most that is read.
        cap: u64,
    },
    /// A field of a runtime structure that this release does not have.
    #[error("{version}: the runtime has no field {strukt}.{field}")]
    NoField {
        /// The structure, as the runtime names it.
        strukt: &'static str,
        /// The field.
        field: &'static str,
        /// The Go release.
        version: String,
    },
    /// A global variable of the runtime that this release does not have.
    #[error("{version}: the runtime has no variable {name}")]
    NoGlobal {
        /// The variable, as the runtime names it.
        name: &'static str,
        /// The Go release.
        version: String,
    },
    /// The executable's segments are not among the target's mappings.
    #[error("the executable is not mapped in the target: {why}")]
    NotMapped {
        /// What did not match.
        why: &'static str,
    },
    /// A table of the runtime that everything else rests on could not be read.
    #[error("cannot read {what}: {fault}")]
    Unreadable {
        /// The table, in the runtime's own words.
        what: &'static str,
        /// What went wrong.
        #[source]
        fault: Fault,
    },
    /// A table of the runtime that everything else rests on holds something impossible.
    #[error("{what} at {at} is not plausible")]
    Implausible {
        /// The table, in the runtime's own words.
        what: &'static str,
        /// Where it lies.
        at: Addr,
    },
}
