//! Threads and mappings of the target, as they were when it was captured.

use crate::{Addr, AddrRange};

/// General registers of one thread (x86-64).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Registers {
    /// Instruction pointer.
    pub pc: Addr,
    /// Stack pointer.
    pub sp: Addr,
    /// Base of the FS segment: thread-local storage.
    pub fs_base: Addr,
    /// rax rbx rcx rdx rsi rdi rbp r8 r9 r10 r11 r12 r13 r14 r15, in this order.
    pub general: [u64; 15],
}

/// One thread of the target.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Thread {
    /// Thread id in the target's outermost visible PID namespace.
    pub tid: i32,
    /// Its registers at the stop.
    pub registers: Registers,
}

/// Access rights of a mapping.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Perms {
    /// Readable.
    pub read: bool,
    /// Writable.
    pub write: bool,
    /// Executable.
    pub execute: bool,
    /// Shared with other processes (`MAP_SHARED`).
    pub shared: bool,
}

/// One mapping of the target's address space.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mapping {
    /// Addresses covered.
    pub range: AddrRange,
    /// Access rights. Unknown rights of a core's file mappings are all false.
    pub perms: Perms,
    /// Offset in the mapped file, bytes.
    pub file_offset: u64,
    /// Raw path bytes as the kernel gives them: hostile until escaped. Empty for anonymous memory.
    pub path: Vec<u8>,
}

impl Mapping {
    /// Whether the mapping starts at or before `at` and ends after it.
    pub fn contains(&self, at: Addr) -> bool {
        self.range.contains(at)
    }
}
