//! What to copy of pointer bits kept beside the heap.

use leakscope_target::{Addr, AddrRange, Memory, PlanError};

use super::{Push, range};
use crate::layouts::{ArenaBits, Layouts};

/// Most arenas whose bits are copied: 4 TiB of heap.
const MAX_ARENAS: usize = 1 << 16;
/// Room for arenas that appear between rehearsal and stop.
const SPARE: usize = 64;
/// Bytes of heap that one byte of bits stands for.
const HEAP_PER_BYTE: u64 = 64;

/// The arenas met so far, by number, and the part of each that is in use. Records of arenas are never freed, so what
/// the rehearsal learned of them holds in the stop.
pub(super) struct ArenaParts {
    parts: Vec<Part>,
    room: usize,
}

struct Part {
    arena: u64,
    /// Where the pointer to the arena's record lies.
    entry: Addr,
    bitmap: Addr,
    /// Bytes of the arena from the first to the last span with pointers.
    used: Option<(u64, u64)>,
}

impl ArenaParts {
    pub(super) fn new() -> Self {
        Self {
            parts: Vec::new(),
            room: MAX_ARENAS,
        }
    }

    /// Before a walk.
    pub(super) fn start(&mut self) {
        for part in &mut self.parts {
            part.used = None;
        }
    }

    /// After the rehearsal: from now on nothing is allocated.
    pub(super) fn settle(&mut self) {
        let spare = SPARE + self.parts.len() / 4;
        self.parts.reserve(spare);
        self.room = self.parts.len() + spare;
    }

    /// Takes note of a span with pointers. Arenas that cannot be read or for which there is no room are left out: the
    /// analysis counts their objects as gaps.
    pub(super) fn note(
        &mut self,
        memory: &dyn Memory,
        layouts: &Layouts,
        bits: ArenaBits,
        span: AddrRange,
    ) {
        let mut at = span.start.0;
        while at < span.end.0 {
            let from = bits.offset_of(at);
            let to = bits.arena_bytes.min(from + (span.end.0 - at));
            let Some(part) = self.part(memory, layouts, bits, bits.arena_of(at)) else {
                return;
            };
            let (first, last) = part.used.unwrap_or((from, to));
            part.used = Some((first.min(from), last.max(to)));
            at += to - from;
        }
    }

    fn part(
        &mut self,
        memory: &dyn Memory,
        layouts: &Layouts,
        bits: ArenaBits,
        arena: u64,
    ) -> Option<&mut Part> {
        let i = match self.parts.binary_search_by_key(&arena, |p| p.arena) {
            Ok(i) => i,
            Err(_) if self.parts.len() >= self.room => return None,
            Err(i) => {
                let entry = bits.entry(memory, layouts.globals.mheap, arena).ok()?;
                let record = memory.ptr(entry).ok().filter(|r| !r.is_nil())?;
                let part = Part {
                    arena,
                    entry,
                    bitmap: bits.bitmap.at(record),
                    used: None,
                };
                self.parts.insert(i, part);
                i
            }
        };
        self.parts.get_mut(i)
    }

    /// The ranges of a walk: of each arena in use its record's address, and its bits.
    pub(super) fn push(&self, push: Push<'_>) -> Result<(), PlanError> {
        for part in &self.parts {
            if let Some((first, last)) = part.used {
                push(range(part.entry, 8))?;
                let from = Addr(part.bitmap.0.wrapping_add(first / HEAP_PER_BYTE));
                push(range(
                    from,
                    last.div_ceil(HEAP_PER_BYTE) - first / HEAP_PER_BYTE,
                ))?;
            }
        }
        Ok(())
    }
}
