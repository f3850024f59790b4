//! From the operands of functions to the addresses of variables.

use leakscope_target::{Addr, AddrRange, Memory};
use rustc_hash::FxHashMap;

use super::checks::Place;
use super::code::{self, Operand};
use super::list::{ANCHORS, Access, Anchor, Lost};
use crate::binary::Executable;
use crate::dwarf::DebugInfo;
use crate::error::Error;
use crate::moduledata::Module;
use crate::pclntab::Functions;

/// Operands with a fixed address, of functions by name.
type Operands = FxHashMap<&'static str, Vec<Operand>>;

/// Finds every variable of the list that the table of the release knows. Those not found are returned; one without
/// which nothing can be read is an error.
pub(super) fn globals(
    debug: &mut DebugInfo,
    exe: &Executable,
    bias: u64,
    modules: &[Module],
    functions: &Functions,
    memory: &dyn Memory,
) -> Result<Vec<Lost>, Error> {
    let operands = operands(exe, bias, functions);
    if operands.is_empty() {
        return Err(Error::Obfuscated);
    }
    let data = modules.first().map_or([AddrRange::default(); 4], |m| {
        [m.noptrdata, m.data, m.bss, m.noptrbss]
    });
    let mut lost = Vec::new();
    for anchor in ANCHORS {
        if debug.unplaced_type(anchor.global).is_none() {
            continue;
        }
        // A package that the program does not use is not a loss.
        if !anchor.functions.iter().any(|f| operands.contains_key(f)) && !anchor.needed {
            continue;
        }
        let place = Place {
            debug,
            functions,
            memory,
            data,
        };
        match one(anchor, &operands, &place, bias) {
            Some(at) => debug.place(anchor.global, at.0.wrapping_sub(bias)),
            None if anchor.needed => {
                return Err(Error::NoAnchor {
                    global: anchor.global,
                    what: anchor.loss,
                    tried: anchor.functions.join(", "),
                });
            }
            None => lost.push(Lost {
                global: anchor.global,
                what: anchor.loss,
            }),
        }
    }
    Ok(lost)
}

/// Disassembles the functions of the list.
fn operands(exe: &Executable, bias: u64, functions: &Functions) -> Operands {
    let mut wanted: FxHashMap<&str, &'static str> = FxHashMap::default();
    for name in ANCHORS.iter().flat_map(|a| a.functions) {
        wanted.insert(name, name);
    }
    let mut operands = Operands::default();
    for function in functions.iter() {
        let Some(name) = wanted.get(function.name()) else {
            continue;
        };
        let found = operands.entry(name).or_default();
        let start = function.entry().0.wrapping_sub(bias);
        code::for_each(code::bytes(exe, bias, &function), start, |i| {
            found.extend(code::operand(i));
        });
    }
    operands
}

/// The address in the target on which most functions agree, and which looks like the variable; of equals the one that
/// comes first in the code.
fn one(anchor: &Anchor, operands: &Operands, place: &Place<'_>, bias: u64) -> Option<Addr> {
    let field = match anchor.field {
        "" => 0,
        path => {
            let type_ = place.debug.unplaced_type(anchor.global)?;
            place.debug.field_of(type_, path)?.offset
        }
    };
    let fits = |o: &&Operand| match anchor.access {
        Access::Address => o.size == 0,
        Access::Bytes(size) => o.size == size,
        Access::Any => true,
    };
    let mut votes: Vec<(Addr, usize)> = Vec::new();
    for name in anchor.functions {
        let mut own: Vec<Addr> = Vec::new();
        for operand in operands.get(name).into_iter().flatten().filter(fits) {
            let at = Addr(operand.at.wrapping_add(bias).wrapping_sub(field));
            if !own.contains(&at) {
                own.push(at);
            }
        }
        for at in own {
            match votes.iter_mut().find(|v| v.0 == at) {
                Some(vote) => vote.1 += 1,
                None => votes.push((at, 1)),
            }
        }
    }
    votes.retain(|(at, count)| {
        *count >= anchor.agree && place.holds(*at) && (anchor.check)(place, *at).is_some()
    });
    let most = votes.iter().map(|v| v.1).max()?;
    votes.iter().find(|v| v.1 == most).map(|v| v.0)
}
