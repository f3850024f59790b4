//! The hash of one key.

use std::rc::Rc;

use leakscope_target::Addr;
use rustc_hash::FxHashMap;

use crate::types::TypeTable;

use super::Function;
use super::live::Source;
use super::steps::{Part, Step, Steps};

/// `c0` and `c1` of `runtime/alg.go`, on 64 bits.
const C0: u64 = 33_054_211_828_000_289;
const C1: u64 = 23_344_194_077_549_503;
/// Interfaces that hold interfaces: no key is nested deeper than this.
const MAX_DEPTH: u32 = 16;

/// Why a key has no hash.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Without {
    /// It holds a NaN, whose hash is another at every look, and which equals nothing.
    Random,
    /// Some of its bytes could not be read.
    Unread,
    /// Its type is not known.
    Unknown,
}

/// The type of a value inside an interface.
struct Dynamic {
    steps: Steps,
    /// The interface's data word is the value.
    direct: bool,
    size: u64,
}

/// Hashes keys of one process.
pub(super) struct Hasher<'a> {
    pub(super) function: Function,
    pub(super) source: Source<'a>,
    pub(super) types: &'a mut TypeTable,
    /// By the first word of the interface: an itab's address, or a type's.
    dynamic: [FxHashMap<u64, Option<Rc<Dynamic>>>; 2],
}

impl<'a> Hasher<'a> {
    pub(super) fn new(function: Function, source: Source<'a>, types: &'a mut TypeTable) -> Self {
        Self {
            function,
            source,
            types,
            dynamic: Default::default(),
        }
    }

    /// The hash of `key` under `seed`.
    pub(super) fn hash(&mut self, steps: &Steps, key: &[u8], seed: u64) -> Result<u64, Without> {
        self.nested(steps, key, seed, 0)
    }

    /// Announces the texts and values that the hash of `key` takes from outside the key.
    pub(super) fn announce(&mut self, steps: &Steps, key: &[u8]) {
        for Step { offset, part } in steps.iter() {
            if let Part::Text | Part::Empty | Part::Interface = part
                && let Some((text, data)) =
                    (key.get(offset..).and_then(|key| key.get(..16))).map(words)
            {
                let at = if part == Part::Text { text } else { data };
                self.source.announce(Addr(at));
            }
        }
    }

    fn nested(&mut self, steps: &Steps, key: &[u8], seed: u64, depth: u32) -> Result<u64, Without> {
        let mut hash = seed;
        for Step { offset, part } in steps.iter() {
            let part_of = |len: usize| {
                let from = key.get(offset..).and_then(|k| k.get(..len));
                from.ok_or(Without::Unknown)
            };
            hash = match part {
                Part::Memory(len) => self.function.memory(part_of(len)?, hash),
                Part::Sized(len) => self.function.sized(part_of(len)?, hash),
                Part::Float32 => {
                    let bytes = part_of(4)?;
                    let value = bytes.first_chunk().map_or(0.0, |b| f32::from_le_bytes(*b));
                    self.float(f64::from(value), bytes, hash)?
                }
                Part::Float64 => {
                    let bytes = part_of(8)?;
                    let value = bytes.first_chunk().map_or(0.0, |b| f64::from_le_bytes(*b));
                    self.float(value, bytes, hash)?
                }
                Part::Text => {
                    let (at, len) = words(part_of(16)?);
                    let bytes = self.source.bytes(Addr(at), len).ok_or(Without::Unread)?;
                    self.function.memory(bytes, hash)
                }
                Part::Empty => self.interface(false, part_of(16)?, hash, depth)?,
                Part::Interface => self.interface(true, part_of(16)?, hash, depth)?,
            };
        }
        Ok(hash)
    }

    /// `f32hash` and `f64hash`.
    fn float(&self, value: f64, bytes: &[u8], seed: u64) -> Result<u64, Without> {
        if value == 0.0 {
            Ok(C1.wrapping_mul(C0 ^ seed))
        } else if value.is_nan() {
            Err(Without::Random)
        } else {
            Ok(self.function.memory(bytes, seed))
        }
    }

    /// `interhash` and `nilinterhash`.
    fn interface(
        &mut self,
        itab: bool,
        value: &[u8],
        seed: u64,
        depth: u32,
    ) -> Result<u64, Without> {
        let (tag, data) = words(value);
        if tag == 0 {
            return Ok(seed);
        }
        if depth == MAX_DEPTH {
            return Err(Without::Unknown);
        }
        let dynamic = self.dynamic_of(itab, tag).ok_or(Without::Unknown)?;
        let hash = if dynamic.direct {
            let word = data.to_le_bytes();
            self.nested(&dynamic.steps, &word, seed ^ C0, depth + 1)?
        } else {
            let bytes = self.source.bytes(Addr(data), dynamic.size);
            let bytes = bytes.ok_or(Without::Unread)?.to_vec();
            self.nested(&dynamic.steps, &bytes, seed ^ C0, depth + 1)?
        };
        Ok(C1.wrapping_mul(hash))
    }

    fn dynamic_of(&mut self, itab: bool, tag: u64) -> Option<Rc<Dynamic>> {
        if let Some(known) = self.dynamic[usize::from(itab)].get(&tag) {
            return known.clone();
        }
        let (image, at) = (self.source.image(), Addr(tag));
        let type_ = match itab {
            true => self.types.from_itab(image, at),
            false => self.types.from_rtype(image, at),
        };
        let dynamic = type_.and_then(|type_| {
            Some(Rc::new(Dynamic {
                steps: Steps::dynamic(self.types, type_)?,
                direct: self.types.is_direct_interface(type_),
                size: self.types.size(type_),
            }))
        });
        self.dynamic[usize::from(itab)].insert(tag, dynamic.clone());
        dynamic
    }
}

/// The two words of a string or an interface.
fn words(bytes: &[u8]) -> (u64, u64) {
    let word = |at: usize| {
        let from = bytes.get(at..).and_then(|b| b.first_chunk());
        from.map_or(0, |b| u64::from_le_bytes(*b))
    };
    (word(0), word(8))
}
