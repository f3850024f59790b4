//! Why a core cannot be used.

use std::fmt;

/// The note of a build that names it: what tells whether a core and an executable belong together.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct BuildIds {
    /// The linker's id (`NT_GNU_BUILD_ID`), raw bytes.
    pub gnu: Option<Vec<u8>>,
    /// The id the Go toolchain puts in every Go program (note `Go`, type 4): ASCII, four parts.
    pub go: Option<Vec<u8>>,
}

impl fmt::Display for BuildIds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(gnu) = &self.gnu {
            write!(f, "GNU build id ")?;
            for byte in gnu.iter().take(64) {
                write!(f, "{byte:02x}")?;
            }
        }
        if let Some(go) = &self.go {
            let comma = if self.gnu.is_some() { ", " } else { "" };
            write!(f, "{comma}Go build id {}", go.escape_ascii())?;
        }
        if self.gnu.is_none() && self.go.is_none() {
            write!(f, "no build id")?;
        }
        Ok(())
    }
}

/// Why a file cannot be used as a core, or not with this executable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CoreError {
    /// The file does not start like an ELF file.
    #[error("not an ELF file: it starts with {}", .start.escape_ascii())]
    NotElf {
        /// Its first bytes, at most 8.
        start: Vec<u8>,
    },
    /// The file is a compressed one.
    #[error("compressed with {format}; a core is read in place, so it must be unpacked first")]
    Compressed {
        /// Name of the format.
        format: &'static str,
    },
    /// An ELF file, but no core.
    #[error("not a core but {kind}")]
    NotACore {
        /// What it is.
        kind: &'static str,
    },
    /// A core of a 32-bit process.
    #[error("a core of a 32-bit process; only 64-bit processes can be read")]
    ThirtyTwoBit,
    /// A core of another architecture.
    #[error("a core of ELF machine {machine}; only x86-64 (62, little-endian) can be read")]
    Machine {
        /// `e_machine`.
        machine: u16,
    },
    /// The file ends before its headers do.
    #[error("truncated: {what} needs {needed} bytes, the file has {held}")]
    Truncated {
        /// Which part is cut.
        what: &'static str,
        /// Length of file that it needs.
        needed: u64,
        /// Length of the file.
        held: u64,
    },
    /// A header field holds something impossible.
    #[error("corrupt: {what} at file offset 0x{offset:x} holds 0x{value:x}")]
    Corrupt {
        /// The field, in ELF's own words.
        what: &'static str,
        /// Where it lies in the file.
        offset: u64,
        /// What it holds.
        value: u64,
    },
    /// The core of a Java virtual machine.
    #[error("a core of a Java virtual machine: it maps libjvm.so")]
    Jvm,
    /// The executable given is not a 64-bit little-endian ELF executable.
    #[error("the executable given is not a 64-bit ELF executable")]
    NotAnExecutable,
    /// Core and executable come from different builds.
    #[error(
        "core and executable do not match: the core is of {core}, the executable has {executable}"
    )]
    Mismatch {
        /// What the core says.
        core: BuildIds,
        /// What the executable says.
        executable: BuildIds,
    },
    /// Core and executable have no ids to compare, and their bytes differ.
    #[error(
        "core and executable do not match: their bytes differ at file offset 0x{offset:x} of the executable"
    )]
    MismatchedBytes {
        /// First offset in the executable where they differ.
        offset: u64,
    },
    /// The process had mapped more of its executable than this file holds.
    #[error(
        "core and executable do not match: the process had mapped it up to byte {mapped}, the file has {held}"
    )]
    MismatchedSize {
        /// The process had bytes from before this offset mapped.
        mapped: u64,
        /// Length of the executable given.
        held: u64,
    },
}
