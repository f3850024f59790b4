//! The runtime's hash of keys, recomputed from outside: where every key belongs, and which keys are not there.
//!
//! A map is searched where the hash of the key leads. An entry that lies elsewhere, because its key's bytes have changed since it
//! was inserted, or whose key does not equal itself, is found by no lookup and removed by no delete.
//!
//! Sources: `runtime/alg.go` and `cmd/compile/internal/reflectdata/alg.go` (which hash a type has), Go 1.21 to 1.27; the files
//! named in [`aes`] and [`wyhash`] (how bytes are hashed). Only for amd64: elsewhere the AES hash differs.

mod aes;
mod check;
mod eval;
mod live;
mod place;
mod steps;
mod wyhash;

pub(crate) use check::{Checker, Subjects};
pub use check::{KeyCheck, OddMap, OverwrittenMap, RacedMap};

use leakscope_target::{Addr, Memory};

use crate::program::Program;

/// Which hash the compiler makes for a type that is not plain memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Compiled {
    /// Field by field, plain memory in runs; up to 1.26 (`hashFunc`).
    Runs,
    /// From the signature of its equality, in which memory of nested types runs together; 1.27 (`eqSignature`).
    Signature,
}

/// What differs between releases.
struct Rules {
    /// First minor release of Go 1 that has them.
    from: u32,
    compiled: Compiled,
    /// Of `hashkey` only the first word is used.
    fixed_keys: bool,
}

const RULES: [Rules; 3] = [
    Rules {
        from: 21,
        compiled: Compiled::Runs,
        fixed_keys: true,
    },
    Rules {
        from: 23,
        compiled: Compiled::Runs,
        fixed_keys: false,
    },
    Rules {
        from: 27,
        compiled: Compiled::Signature,
        fixed_keys: false,
    },
];

/// Names of the variables, before and from 1.27.
const USE_AES: [&str; 2] = ["runtime.useAeshash", "internal/runtime/maps.UseAeshash"];
const SCHEDULE: [&str; 2] = ["runtime.aeskeysched", "internal/runtime/maps.aeskeysched"];
const HASHKEY: [&str; 2] = ["runtime.hashkey", "internal/runtime/maps.hashkey"];

/// How a process hashes bytes.
#[derive(Clone, Debug)]
enum Bytes {
    Aes(aes::Schedule),
    Fallback(wyhash::Keys),
}

/// The hash of one process.
#[derive(Clone, Debug)]
struct Function {
    bytes: Bytes,
    compiled: Compiled,
}

impl Function {
    /// Reads which hash is in use, and its keys; `None` where its variables were not found.
    fn read(program: &Program, memory: &dyn Memory) -> Option<Self> {
        let minor = program.exe().go_version().minor;
        let rules = RULES.iter().rev().find(|r| r.from <= minor)?;
        let at = |names: [&str; 2]| names.iter().find_map(|n| program.global(n));
        let bytes = if memory.u8(at(USE_AES)?).ok()? != 0 {
            let mut schedule = [0; aes::SCHEDULE];
            memory.read(at(SCHEDULE)?, &mut schedule).ok()?;
            Bytes::Aes(aes::Schedule::new(&schedule))
        } else {
            let first = at(HASHKEY)?;
            let mut keys = [0; 4];
            for (i, key) in (0u64..).zip(&mut keys) {
                *key = memory.u64(Addr(first.0.checked_add(8 * i)?)).ok()?;
            }
            Bytes::Fallback(wyhash::Keys::new(keys, rules.fixed_keys))
        };
        Some(Self {
            bytes,
            compiled: rules.compiled,
        })
    }

    /// `memhash`.
    fn memory(&self, bytes: &[u8], seed: u64) -> u64 {
        match &self.bytes {
            Bytes::Aes(schedule) => schedule.bytes(bytes, seed),
            Bytes::Fallback(keys) => keys.bytes(bytes, seed),
        }
    }

    /// `memhash32` of four bytes, `memhash64` of eight, `memhash` of any other number.
    fn sized(&self, bytes: &[u8], seed: u64) -> u64 {
        let word = match bytes.len() {
            4 => u64::from(bytes.first_chunk().map_or(0, |b| u32::from_le_bytes(*b))),
            8 => bytes.first_chunk().map_or(0, |b| u64::from_le_bytes(*b)),
            _ => return self.memory(bytes, seed),
        };
        match &self.bytes {
            Bytes::Aes(schedule) => schedule.word(word, seed),
            Bytes::Fallback(keys) => keys.word(word, bytes.len() as u64, seed),
        }
    }
}
