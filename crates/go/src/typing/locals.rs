//! Variables on goroutines' stacks: typed where debug information says what lies in a frame, and believed only where the
//! collector itself sees a live pointer.

use std::collections::BTreeMap;

use leakscope_target::Addr;
use rustc_hash::FxHashMap;

use crate::coverage::Gaps;
use crate::dwarf::locals::{Local, locals};
use crate::goroutines::Goroutines;
use crate::roots::{Root, RootKind, Roots};
use crate::types::{TypeId, TypeTable};
use crate::unwind::Frame;

use super::Typing;
use super::parts::{Part, offsets};
use super::walk::word;

/// Larger variables are passed over: stacks hold few, and each is copied once per frame.
const MAX_SIZE: u64 = 1 << 20;
/// Variables named for each live word of a stack, all words together: few share one.
const MAX_NAMED: usize = 8;

/// What live pointers on stacks belong to: variables of functions, and fields of these.
#[derive(Default)]
pub(crate) struct LocalNames {
    /// `(address of the word, number of its name)`, rising.
    words: Vec<(u64, u32)>,
    names: Vec<String>,
}

impl LocalNames {
    /// The number of what the word at `at` belongs to.
    pub(crate) fn find(&self, at: Addr) -> Option<u32> {
        let found = self.words.binary_search_by_key(&at.0, |(at, _)| *at);
        Some(self.words.get(found.ok()?)?.1)
    }

    /// The names alone, by number: `req.body`.
    pub(crate) fn into_names(self) -> Vec<String> {
        self.names
    }
}

/// [`LocalNames`] while they are collected.
#[derive(Default)]
struct Naming {
    found: LocalNames,
    /// By instruction, variable and offset (where that is known): many goroutines are at the same place.
    known: FxHashMap<(u64, u32, Option<u64>), u32>,
    /// How many words may still be named.
    left: usize,
}

impl Naming {
    /// Names the live words of the `number`th variable at `pc`.
    fn add(
        &mut self,
        types: &TypeTable,
        (pc, number): (u64, u32),
        (local, type_): (&Local, TypeId),
        places: &[Place],
        alive: &Alive,
    ) {
        let name = local.name.trim_start_matches('&');
        // Names of the compiler's own: results without a name, what it made for itself.
        if name.is_empty() || name.starts_with(['~', '.']) {
            return;
        }
        for place in places {
            for slot in alive.slots_in(place.at, place.len).take(self.left) {
                self.left -= 1;
                let within = slot - place.at;
                let offset = place.offset.map(|offset| offset.wrapping_add(within));
                let names = &mut self.found.names;
                let number = *self.known.entry((pc, number, offset)).or_insert_with(|| {
                    let field = match offset {
                        Some(offset) if !local.moved => types.path(type_, offset),
                        _ => String::new(),
                    };
                    names.push(format!("{name}{field}"));
                    names.len() as u32 - 1
                });
                self.found.words.push((slot, number));
            }
        }
    }

    fn finish(mut self) -> LocalNames {
        // Of several variables in one place the innermost one is named last.
        let words = &mut self.found.words;
        words.reverse();
        words.sort_by_key(|(at, _)| *at);
        words.dedup_by_key(|(at, _)| *at);
        self.found
    }
}

impl Typing<'_> {
    /// Follows the variables of every frame, and what cleanups are passed.
    pub(super) fn seed_locals(&mut self, roots: &Roots, gaps: &mut Gaps) {
        let goroutines = &roots.goroutines;
        let program = self.program;
        let mut places = self.places(goroutines);
        for entry in self.cleanup_functions(&roots.calls) {
            places.entry(entry).or_default();
        }
        let found = locals(program.exe(), program.debug(), &places);
        let Ok(found) = found else {
            return gaps.add(
                "debug information of local variables that cannot be read",
                Addr(0),
            );
        };
        self.seed_cleanups(&roots.calls, &found.first_parameters);
        self.drain();
        let alive = Alive {
            slots: live_slots(&roots.roots),
            chans: self.waited_for(),
        };
        let mut naming = Naming {
            left: alive.slots.len().saturating_mul(MAX_NAMED),
            ..Naming::default()
        };
        let mut placing = Placing::default();
        for goroutine in goroutines.iter() {
            let frames = goroutines.frames(goroutine);
            for (i, frame) in frames.iter().enumerate() {
                let pc = frame.lookup_pc().0.wrapping_sub(program.bias());
                let (Some(locals), Some(end)) =
                    (found.on_stack.get(&pc), self.end(frame, frames.get(i + 1)))
                else {
                    continue;
                };
                for (number, local) in (0u32..).zip(locals) {
                    let Some(type_) = self.types.from_dwarf(local.type_) else {
                        continue;
                    };
                    let (at, local) = ((pc, number), (local, type_));
                    let places = placing.places(self.types, at, local, end, &alive);
                    naming.add(self.types, at, local, &places, &alive);
                    self.local(local, &places, &alive);
                }
                self.drain_if_long();
            }
        }
        self.local_names = naming.finish();
    }

    /// Instructions that goroutines are at, by the entry of their function; all as linked.
    fn places(&self, goroutines: &Goroutines) -> BTreeMap<u64, Vec<u64>> {
        let svma = |at: Addr| at.0.wrapping_sub(self.program.bias());
        let mut places: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
        let mut pcs: Vec<Addr> = goroutines
            .iter()
            .flat_map(|g| goroutines.frames(g).iter().map(Frame::lookup_pc))
            .collect();
        pcs.sort_unstable();
        pcs.dedup();
        for pc in pcs {
            if let Some(function) = self.program.functions().find(pc) {
                places
                    .entry(svma(function.entry()))
                    .or_default()
                    .push(svma(pc));
            }
        }
        places
    }

    /// The call frame address: where the frame ends, behind the return address.
    fn end(&self, frame: &Frame, outer: Option<&Frame>) -> Option<Addr> {
        if let Some(outer) = outer {
            return Some(outer.sp);
        }
        let pc = frame.lookup_pc();
        let delta = self.program.functions().find(pc)?.sp_delta(pc)?;
        frame.sp.checked_add(u64::try_from(delta).ok()? + 8)
    }

    fn local(&mut self, (local, type_): (&Local, TypeId), places: &[Place], alive: &Alive) {
        let size = self.types.size(type_);
        let program = self.programs.of(self.types, type_);
        if local.moved {
            let pointer = places.first().and_then(|place| {
                let value = word(self.image.bytes(Addr(place.at), 8).ok()?, 0)?;
                alive.is(place.at, value).then_some(value)
            });
            return self.pointer(pointer.unwrap_or(0), type_, &[]);
        }
        if program.is_empty() || size > MAX_SIZE {
            return;
        }
        let mut value = vec![0; size as usize];
        for place in places {
            let Some(offset) = place.offset else {
                continue;
            };
            let len = place.len.min(size.saturating_sub(offset));
            let Ok(bytes) = self.image.bytes(Addr(place.at), len) else {
                continue;
            };
            let into = value.get_mut(offset as usize..).unwrap_or_default();
            for (i, (to, from)) in into.chunks_mut(8).zip(bytes.chunks(8)).enumerate() {
                let slot = place.at.wrapping_add(i as u64 * 8);
                let stale = word(from, 0)
                    .is_some_and(|w| self.objects.find(w).is_some() && !alive.is(slot, w));
                if !stale {
                    to[..from.len()].copy_from_slice(from);
                }
            }
        }
        self.values(program, &value);
    }
}

/// Where a part of a variable lies on the stack.
struct Place {
    /// Which part it is, bytes from the variable's start; `None` where that is not known.
    offset: Option<u64>,
    at: u64,
    len: u64,
}

/// Finds the places of variables. What the parts of one are is worked out once for all goroutines that are at the same
/// instruction with the same pointers alive.
#[derive(Default)]
struct Placing {
    offsets: FxHashMap<(u64, u32, u64), Vec<Option<u64>>>,
}

impl Placing {
    /// Where the parts of the `number`th variable at `pc` lie, in a frame that ends at `end`; of a moved one, its pointer.
    fn places(
        &mut self,
        types: &TypeTable,
        (pc, number): (u64, u32),
        (local, type_): (&Local, TypeId),
        end: Addr,
        alive: &Alive,
    ) -> Vec<Place> {
        let at = |frame: i64| end.0.wrapping_add_signed(frame);
        let size = if local.moved { 8 } else { types.size(type_) };
        let len = |len: Option<u64>| len.unwrap_or(size).min(size).min(MAX_SIZE);
        let offsets = if local.whole || local.moved {
            &[Some(0)][..]
        } else {
            let parts = local.parts.iter().map(|part| Part {
                len: part.len,
                pointer: part.frame.is_some_and(|f| alive.is_slot(at(f))),
            });
            let parts: Vec<Part> = parts.collect();
            // There are at most 64.
            let pointers = parts
                .iter()
                .rev()
                .fold(0, |bits: u64, part| bits << 1 | u64::from(part.pointer));
            let known = self.offsets.entry((pc, number, pointers));
            known.or_insert_with(|| offsets(types, type_, &parts))
        };
        let parts = local.parts.iter().zip(offsets);
        parts
            .filter_map(|(part, offset)| {
                Some(Place {
                    offset: *offset,
                    at: at(part.frame?),
                    // Of a word that is not known the length is not either.
                    len: if offset.is_some() { len(part.len) } else { 8 },
                })
            })
            .collect()
    }
}

/// What tells pointers that are in use from those that a slot still holds from before: the memory behind the latter may
/// long be something else.
struct Alive {
    /// Stack words that the collector scans.
    slots: Vec<u64>,
    /// Channels that goroutines wait for: in use, though their variable is not once the runtime has them.
    chans: Vec<u64>,
}

impl Alive {
    fn is(&self, slot: u64, value: u64) -> bool {
        self.slots.binary_search(&slot).is_ok() || self.chans.binary_search(&value).is_ok()
    }

    fn is_slot(&self, slot: u64) -> bool {
        self.slots.binary_search(&slot).is_ok()
    }

    /// The words among `len` bytes at `at` that the collector scans.
    fn slots_in(&self, at: u64, len: u64) -> impl Iterator<Item = u64> + '_ {
        let from = self.slots.partition_point(|slot| *slot < at);
        let slots = self.slots.get(from..).unwrap_or_default().iter().copied();
        slots.take_while(move |slot| slot - at < len)
    }
}

/// Addresses of the stack words that hold live pointers, rising.
fn live_slots(roots: &[Root]) -> Vec<u64> {
    let mut slots: Vec<u64> = roots
        .iter()
        .filter_map(|root| match root.kind {
            RootKind::Stack { slot, .. } => Some(slot.0),
            _ => None,
        })
        .collect();
    slots.sort_unstable();
    slots
}
