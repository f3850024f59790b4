//! Addresses in the target's address space.

use std::fmt;

/// A virtual address in the target. Never an address of this process.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Addr(pub u64);

impl Addr {
    /// The address `bytes` further on, or `None` where that leaves the address space.
    pub fn checked_add(self, bytes: u64) -> Option<Self> {
        self.0.checked_add(bytes).map(Self)
    }

    /// Whether this is the nil pointer.
    pub fn is_nil(self) -> bool {
        self.0 == 0
    }
}

impl fmt::Debug for Addr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{:x}", self.0)
    }
}

impl fmt::Display for Addr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{:x}", self.0)
    }
}

/// A half-open range `[start, end)` of target addresses.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct AddrRange {
    /// First address.
    pub start: Addr,
    /// First address past the range.
    pub end: Addr,
}

impl AddrRange {
    /// The range of `len` bytes from `start`, or `None` where it would wrap.
    pub fn new(start: Addr, len: u64) -> Option<Self> {
        Some(Self {
            start,
            end: start.checked_add(len)?,
        })
    }

    /// Length in bytes; 0 for a range whose end lies before its start.
    pub fn len(&self) -> u64 {
        self.end.0.saturating_sub(self.start.0)
    }

    /// Whether the range holds no byte.
    pub fn is_empty(&self) -> bool {
        self.end <= self.start
    }

    /// Whether `at` lies inside.
    pub fn contains(&self, at: Addr) -> bool {
        self.start <= at && at < self.end
    }
}
