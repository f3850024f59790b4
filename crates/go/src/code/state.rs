//! What registers and stack slots hold at one instruction.

use iced_x86::Register;

/// What a word is known to hold. Addresses are as linked.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Word {
    #[default]
    Unknown,
    /// The address of a type descriptor.
    Type(u64),
    /// The address of code.
    Code(u64),
    /// The address of a package variable.
    AddressOf(u64),
    /// What the package variable at this address holds.
    Global(u64),
    /// A pointer to a value of this type.
    Pointer(u64),
    /// The array of a slice of such values.
    Array(u64),
    /// A map of this type.
    Map(u64),
    /// A map made in this function, by number: its type shows when it is used.
    Made(u32),
    /// A channel of this type.
    Chan(u64),
    /// The first result of the function with this entry.
    Result(u64),
    /// The receiver of the method with this entry.
    Receiver(u64),
}

/// Slots that are followed at once: functions with more spill too much to be worth it.
const MAX_SLOTS: usize = 48;

/// Registers and stack slots.
#[derive(Clone, Default)]
pub(super) struct State {
    registers: [Word; 16],
    /// By offset from the return address.
    slots: Vec<(i64, Word)>,
    /// Bytes from the stack pointer up to the return address.
    depth: i64,
}

fn index(register: Register) -> Option<usize> {
    let full = register.full_register();
    let number = (full as usize).checked_sub(Register::RAX as usize)?;
    (number < 16).then_some(number)
}

impl State {
    pub(super) fn register(&self, register: Register) -> Word {
        let word = index(register).and_then(|i| self.registers.get(i));
        word.copied().unwrap_or_default()
    }

    pub(super) fn set(&mut self, register: Register, word: Word) {
        if let Some(r) = index(register).and_then(|i| self.registers.get_mut(i)) {
            *r = word;
        }
    }

    pub(super) fn forget_registers(&mut self) {
        self.registers = Default::default();
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// The offset from the return address of what lies `offset` above the stack pointer.
    pub(super) fn above_return(&self, offset: i64) -> i64 {
        offset.wrapping_sub(self.depth)
    }

    /// The stack pointer moves down by `bytes`.
    pub(super) fn push(&mut self, bytes: i64) {
        self.depth = self.depth.wrapping_add(bytes);
    }

    pub(super) fn slot(&self, offset: i64) -> Word {
        let slot = self.slots.iter().find(|s| s.0 == offset);
        slot.map_or(Word::Unknown, |s| s.1)
    }

    pub(super) fn set_slot(&mut self, offset: i64, word: Word) {
        if let Some(slot) = self.slots.iter_mut().find(|s| s.0 == offset) {
            slot.1 = word;
        } else if word != Word::Unknown && self.slots.len() < MAX_SLOTS {
            self.slots.push((offset, word));
        }
    }
}
