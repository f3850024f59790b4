//! Instructions of the target's functions, as far as they address its data.

use iced_x86::{Decoder, DecoderOptions, Instruction, Mnemonic, OpKind};

use crate::binary::Executable;
use crate::pclntab::Func;

/// Longest code of one function that is looked at; the largest generated functions stay below.
const MAX_CODE: usize = 4 << 20;

/// An operand with a fixed address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Operand {
    /// The address as linked.
    pub(crate) at: u64,
    /// Bytes read or written; 0 where only the address is taken.
    pub(crate) size: usize,
}

/// The code of a function, `bias` above where it was linked.
pub(crate) fn bytes<'a>(exe: &'a Executable, bias: u64, function: &Func<'_>) -> &'a [u8] {
    let start = function.entry().0.wrapping_sub(bias);
    let len = function.end().0.saturating_sub(function.entry().0) as usize;
    let code = exe.static_bytes(start).unwrap_or_default();
    code.get(..len.min(MAX_CODE)).unwrap_or(code)
}

/// Calls `each` for every instruction of a function's code that starts at `start` (as linked).
pub(crate) fn for_each(code: &[u8], start: u64, mut each: impl FnMut(&Instruction)) {
    let mut decoder = Decoder::with_ip(64, code, start, DecoderOptions::NONE);
    let mut instruction = Instruction::default();
    while decoder.can_decode() {
        decoder.decode_out(&mut instruction);
        if !instruction.is_invalid() {
            each(&instruction);
        }
    }
}

/// The operand of `instruction` that has a fixed address.
pub(crate) fn operand(instruction: &Instruction) -> Option<Operand> {
    let memory = (0..instruction.op_count()).any(|i| instruction.op_kind(i) == OpKind::Memory);
    let fixed = memory && instruction.is_ip_rel_memory_operand();
    fixed.then(|| Operand {
        at: instruction.ip_rel_memory_address(),
        size: match instruction.mnemonic() {
            Mnemonic::Lea => 0,
            _ => instruction.memory_size().size(),
        },
    })
}
