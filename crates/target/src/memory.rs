//! Reading bytes of the target, whatever they come from.

use crate::{Addr, Fault};

/// One read of a batch: fills `buf` from `at`.
pub struct ReadRequest<'a> {
    /// Where to read.
    pub at: Addr,
    /// What to fill.
    pub buf: &'a mut [u8],
}

/// A source of the target's bytes.
///
/// A read fills the whole buffer or fails: it never answers short and never puts zeros where nothing was read.
pub trait Memory {
    /// Fills all of `buf` from `at`.
    fn read(&self, at: Addr, buf: &mut [u8]) -> Result<(), Fault>;

    /// Fills every buffer of the batch, in as few system calls as possible; fails at the first one that cannot be filled.
    fn read_many(&self, batch: &mut [ReadRequest<'_>]) -> Result<(), Fault> {
        for r in batch {
            self.read(r.at, r.buf)?;
        }
        Ok(())
    }

    /// The byte at `at`.
    fn u8(&self, at: Addr) -> Result<u8, Fault> {
        let mut b = [0; 1];
        self.read(at, &mut b)?;
        Ok(b[0])
    }

    /// The little-endian `u16` at `at`.
    fn u16(&self, at: Addr) -> Result<u16, Fault> {
        let mut b = [0; 2];
        self.read(at, &mut b)?;
        Ok(u16::from_le_bytes(b))
    }

    /// The little-endian `u32` at `at`.
    fn u32(&self, at: Addr) -> Result<u32, Fault> {
        let mut b = [0; 4];
        self.read(at, &mut b)?;
        Ok(u32::from_le_bytes(b))
    }

    /// The little-endian `u64` at `at`.
    fn u64(&self, at: Addr) -> Result<u64, Fault> {
        let mut b = [0; 8];
        self.read(at, &mut b)?;
        Ok(u64::from_le_bytes(b))
    }

    /// The pointer-sized word at `at`, as an address.
    fn ptr(&self, at: Addr) -> Result<Addr, Fault> {
        self.u64(at).map(Addr)
    }
}
