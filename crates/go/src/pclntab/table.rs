//! Bytes of one table of a module, and careful reading from them.

use std::sync::Arc;

use leakscope_target::{Addr, Memory};
use memmap2::Mmap;

use crate::binary::Executable;
use crate::error::Error;
use crate::moduledata::SliceHeader;

/// Most bytes copied of one table of a plugin; the program's own tables are read in place.
const MAX_COPY: u64 = 512 << 20;

/// Longest name read.
const MAX_NAME: usize = 64 << 10;

/// The bytes of one table: in the executable's file, or copied from a plugin's memory.
pub(super) enum Table {
    File {
        file: Arc<Mmap>,
        offset: usize,
        len: usize,
    },
    Copied(Vec<u8>),
}

impl Table {
    /// The table of `elems` elements of `size` bytes. What the linker wrote into these tables needs no relocation, so
    /// the file serves even where they lie in a segment that is relocated.
    pub(super) fn load(
        exe: &Executable,
        bias: u64,
        memory: &dyn Memory,
        what: &'static str,
        slice: SliceHeader,
        size: u64,
    ) -> Result<Self, Error> {
        let implausible = || Error::Implausible { what, at: slice.at };
        let len = slice.len.checked_mul(size).ok_or_else(implausible)?;
        let len_here = usize::try_from(len).map_err(|_| implausible())?;
        if let Some(offset) = exe.file_offset(slice.at.0.wrapping_sub(bias), len) {
            return Ok(Self::File {
                file: exe.file().clone(),
                offset,
                len: len_here,
            });
        }
        if len > MAX_COPY {
            return Err(implausible());
        }
        let mut bytes = vec![0; len_here];
        memory
            .read(slice.at, &mut bytes)
            .map_err(|fault| Error::Unreadable { what, fault })?;
        Ok(Self::Copied(bytes))
    }

    /// Everything from `svma` (as linked) to the end of its segment in the file.
    pub(super) fn rest(exe: &Executable, svma: u64) -> Option<Self> {
        let len = exe.static_bytes(svma)?.len();
        let offset = exe.file_offset(svma, len as u64)?;
        Some(Self::File {
            file: exe.file().clone(),
            offset,
            len,
        })
    }

    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Self::File { file, offset, len } => {
                file.get(*offset..*offset + *len).unwrap_or_default()
            }
            Self::Copied(bytes) => bytes,
        }
    }

    pub(super) fn u32_at(&self, offset: u64) -> Option<u32> {
        u32_at(self.bytes(), offset)
    }

    /// The NUL-terminated text at `offset`; cut where it stops being UTF-8.
    pub(super) fn text_at(&self, offset: u64) -> &str {
        let from = usize::try_from(offset)
            .ok()
            .and_then(|o| self.bytes().get(o..))
            .unwrap_or_default();
        let from = from.get(..MAX_NAME).unwrap_or(from);
        let end = from.iter().position(|b| *b == 0).unwrap_or(from.len());
        let text = from.get(..end).unwrap_or_default();
        match std::str::from_utf8(text) {
            Ok(s) => s,
            Err(e) => text
                .get(..e.valid_up_to())
                .and_then(|t| std::str::from_utf8(t).ok())
                .unwrap_or_default(),
        }
    }
}

/// The little-endian `u32` at `offset`.
pub(super) fn u32_at(bytes: &[u8], offset: u64) -> Option<u32> {
    let offset = usize::try_from(offset).ok()?;
    let b = bytes.get(offset..offset.checked_add(4)?)?;
    b.try_into().ok().map(u32::from_le_bytes)
}

/// The words of a slice of structs, for the few small tables that are read whole.
pub(super) fn words(memory: &dyn Memory, at: Addr, count: usize) -> Option<Vec<u64>> {
    let mut bytes = vec![0; count.checked_mul(8)?];
    memory.read(at, &mut bytes).ok()?;
    Some(
        bytes
            .chunks_exact(8)
            .filter_map(|c| c.try_into().ok().map(u64::from_le_bytes))
            .collect(),
    )
}
