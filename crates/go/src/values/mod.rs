//! Taking user data out of captured bytes: what remains is enough to rebuild the heap, and holds no value of the program's.
//!
//! A word stays if it could be an address in the target, so every pointer does. Beyond that stays what the runtime keeps
//! for itself, by type: headers and control words of maps, channels, lengths of slices and strings, structures of the
//! runtime and of the packages it is made of. All else becomes zero: in objects, in slots that are free, among package
//! variables, on stacks, in registers. What needs values (keys of maps, lengths of slices on stacks) finds none there.

mod rules;

use std::iter;
use std::sync::Arc;

use leakscope_target::{Addr, AddrRange, Image, Mapping, Memory, Thread};

use crate::coverage::Gaps;
use crate::foundation::Foundation;
use crate::goroutines::Goroutines;
use crate::heap::BuildError;
use crate::layouts::Layouts;
use crate::program::Program;
use crate::spans::{MAX_ADDRESS, Span};
use crate::threads::Machines;
use crate::types::TypeTable;
use rules::{Keep, Rules, is_of_runtime};

/// Bytes of a word.
const WORD: usize = 8;
/// No memory of a process lies below.
const LOWEST_ADDRESS: u64 = 4096;
/// Bytes of the record of a module that stay: more than it has in any release.
const MODULE: u64 = 1 << 10;

/// Zeroes every value of user data in `image` and in the registers of `threads`. `mappings` are the target's.
pub fn remove_values(
    program: &Arc<Program>,
    layouts: &Layouts,
    image: &mut Image,
    threads: &mut [Thread],
    mappings: &[Mapping],
) -> Result<(), BuildError> {
    let mut gaps = Gaps::default();
    let mut types = TypeTable::new(program.clone());
    let found = Foundation::read(program, layouts, image, threads, &mut types, &mut gaps)?;
    let addresses = Addresses::new(mappings);
    let machines = Machines::read(image, layouts, threads, &mut gaps);
    let stacks: Vec<AddrRange> = found
        .roots
        .goroutines
        .iter()
        .map(|g| g.stack)
        .chain(machines.iter().flat_map(|m| [m.g0, m.gsignal]))
        .collect();
    let mut rules = Rules::new(&types, &found.typed, program);
    for (number, span) in found.objects.spans().iter().enumerate() {
        let held = span.bytes.saturating_sub(u64::from(span.reserved));
        let parts: Vec<AddrRange> = AddrRange::new(span.start, held)
            .map(|held| image.copied_within(held).collect())
            .unwrap_or_default();
        let whole = match parts[..] {
            [part] if part.start == span.start => image.copied_mut(part.start, part.len()),
            _ => None,
        };
        let Some(bytes) = whole else {
            clear_pieces(span, &parts, &addresses, image);
            continue;
        };
        let slot = span.elem_size as usize;
        let header = span.header() as usize;
        let mut allocated = vec![None; span.nelems as usize];
        for (obj, slot) in found.objects.slots(number as u32) {
            allocated[slot as usize] = found.typed.type_of.get(obj as usize).copied();
        }
        // What is behind the last slot belonged to an earlier span.
        let shapes = allocated.into_iter().chain(iter::repeat(None));
        for (shape, bytes) in shapes.zip(bytes.chunks_mut(slot.max(1))) {
            let Some(shape) = shape else {
                bytes.fill(0);
                continue;
            };
            if let Some(data) = bytes.get_mut(header..) {
                addresses.clear(data, rules.of(shape));
            }
        }
    }
    for module in program.modules() {
        for range in [module.noptrdata, module.data, module.bss, module.noptrbss] {
            variables(range, program, &types, &rules, &addresses, image);
        }
    }
    for stack in stacks {
        let parts: Vec<AddrRange> = image.copied_within(stack).collect();
        for part in parts {
            if let Some(bytes) = image.copied_mut(part.start, part.len()) {
                addresses.clear(bytes, &Keep::Addresses);
            }
        }
    }
    for saved in saved_registers(layouts, image, &found.roots.goroutines) {
        if let Some(bytes) = image.copied_mut(saved.start, saved.len()) {
            addresses.clear(bytes, &Keep::Addresses);
        }
    }
    for thread in threads {
        for register in &mut thread.registers.general {
            if !addresses.may_be(*register) {
                *register = 0;
            }
        }
    }
    Ok(())
}

/// Zeroes all but addresses in what was copied of a span whose slots are not copied in one piece.
fn clear_pieces(span: &Span, pieces: &[AddrRange], addresses: &Addresses, image: &mut Image) {
    let keep = if span.noscan {
        Keep::Nothing
    } else {
        Keep::Addresses
    };
    for piece in pieces {
        if let Some(bytes) = image.copied_mut(piece.start, piece.len()) {
            addresses.clear(bytes, &keep);
        }
    }
}

/// Where the runtime keeps the vector registers of goroutines that it has interrupted (preempt_xreg.go, 1.26 on).
fn saved_registers(layouts: &Layouts, image: &Image, goroutines: &Goroutines) -> Vec<AddrRange> {
    let (Some(x_regs), Some(state)) = (layouts.g.x_regs, &layouts.x_reg_state) else {
        return Vec::new();
    };
    let saved = goroutines.iter().filter_map(|g| {
        let at = image.ptr(x_regs.at(g.at)).ok().filter(|at| !at.is_nil())?;
        AddrRange::new(state.regs.at(at), state.regs.size.into())
    });
    saved.collect()
}

/// Package variables: those of the runtime stay, of others what their types say.
fn variables(
    range: AddrRange,
    program: &Program,
    types: &TypeTable,
    rules: &Rules<'_>,
    addresses: &Addresses,
    image: &mut Image,
) {
    let Some(bytes) = image.copied_mut(range.start, range.len()) else {
        return;
    };
    let mut keep = vec![false; bytes.len().div_ceil(WORD)];
    let mut mark = |at: u64, len: u64| {
        let from = at.saturating_sub(range.start.0);
        let to = at.saturating_add(len).saturating_sub(range.start.0);
        let words = from as usize / WORD..(to as usize).div_ceil(WORD);
        let end = words.end.min(keep.len());
        if let Some(part) = keep.get_mut(words.start..end) {
            part.fill(true);
        }
    };
    for module in program.modules().iter().filter(|m| range.contains(m.at)) {
        mark(module.at.0, MODULE);
    }
    let bias = program.bias();
    for global in program.debug().globals() {
        let at = global.addr.wrapping_add(bias);
        let Some(type_) = types.from_dwarf(global.type_) else {
            continue;
        };
        if !range.contains(Addr(at)) {
            continue;
        }
        if is_of_runtime(package_of(global.name)) {
            mark(at, types.size(type_));
        } else {
            for offset in rules.lengths(type_) {
                mark(at + u64::from(offset), WORD as u64);
            }
        }
    }
    for (word, keep) in bytes.chunks_mut(WORD).zip(keep) {
        if !keep
            && !word
                .first_chunk()
                .is_some_and(|w| addresses.may_be(u64::from_le_bytes(*w)))
        {
            word.fill(0);
        }
    }
}

/// The import path in the full name of a package variable.
fn package_of(name: &str) -> &str {
    let last = name.rfind('/').map_or(0, |slash| slash + 1);
    let dot = name.get(last..).and_then(|rest| rest.find('.'));
    dot.and_then(|dot| name.get(..last + dot)).unwrap_or(name)
}

/// Where a target's memory lies: what tells addresses from other words.
struct Addresses {
    /// Disjoint and rising.
    ranges: Vec<AddrRange>,
}

impl Addresses {
    fn new(mappings: &[Mapping]) -> Self {
        let mut ranges: Vec<AddrRange> = Vec::with_capacity(mappings.len());
        for mapping in mappings {
            match ranges.last_mut() {
                Some(last) if last.end == mapping.range.start => last.end = mapping.range.end,
                _ => ranges.push(mapping.range),
            }
        }
        Self { ranges }
    }

    /// Whether a word could be an address. One past the end of memory counts.
    fn may_be(&self, word: u64) -> bool {
        if !(LOWEST_ADDRESS..MAX_ADDRESS).contains(&word) {
            return false;
        }
        let i = self.ranges.partition_point(|r| r.end.0 < word);
        self.ranges.get(i).is_some_and(|r| r.start.0 <= word)
    }

    /// Zeroes all of an object that is not to be kept.
    fn clear(&self, bytes: &mut [u8], keep: &Keep) {
        match keep {
            Keep::All => {}
            Keep::Nothing => bytes.fill(0),
            Keep::Addresses => self.clear_words(bytes, &[], true),
            Keep::First(len) => {
                if let Some(rest) = bytes.get_mut(*len..) {
                    self.clear_words(rest, &[], true);
                }
            }
            Keep::Words {
                words,
                stride,
                pointers,
            } => {
                for value in bytes.chunks_mut((*stride).max(1)) {
                    self.clear_words(value, words, *pointers);
                }
            }
        }
    }

    /// Zeroes the words of a value but those at the byte offsets `keep` (rising), and, with `pointers`, but addresses.
    fn clear_words(&self, value: &mut [u8], keep: &[u32], pointers: bool) {
        let mut keep = keep.iter().peekable();
        for (i, word) in value.chunks_mut(WORD).enumerate() {
            let offset = (i * WORD) as u32;
            while keep.next_if(|k| **k < offset).is_some() {}
            let stays = keep.peek().is_some_and(|k| **k < offset + WORD as u32)
                || pointers
                    && word
                        .first_chunk()
                        .is_some_and(|w| self.may_be(u64::from_le_bytes(*w)));
            if !stays {
                word.fill(0);
            }
        }
    }
}
