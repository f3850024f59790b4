//! One function's instructions in their order, with what registers hold.

use iced_x86::{FlowControl, Instruction, Mnemonic, OpKind, Register};
use rustc_hash::FxHashMap;

use super::Ranges;
use super::effects::Effect;
use super::state::{State, Word};

/// Most branches whose state is kept until their target is reached.
const MAX_PENDING: usize = 256;

/// What happened to a word of interest; addresses are as linked.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Event {
    /// The variable was given this.
    Stored { global: u64 },
    /// What the variable holds was used as this.
    Used { global: u64 },
    /// The variable's address was used as that of this.
    Is { global: u64 },
}

/// Receives what a function shows.
pub(super) trait Sink {
    fn event(&mut self, event: Event, word: Word);
    /// The slot this far from the return address was given this.
    fn slot(&mut self, offset: i64, word: Word);
    fn closure(&mut self, code: u64, type_: u64);
    fn mentions_type(&mut self, type_: u64);
    fn mentions_global(&mut self, global: u64);
    fn returns(&mut self, word: Word);
}

/// One function being read.
pub(super) struct Scan<'a, S> {
    pub(super) ranges: Ranges,
    pub(super) effects: &'a FxHashMap<u64, Effect>,
    pub(super) sink: S,
    state: State,
    /// No path leads here that is known.
    lost: bool,
    pending: FxHashMap<u64, State>,
    /// Instructions that were reached lost, rising.
    unreached: Vec<u64>,
    /// States at those of them that a branch backward leads to.
    behind: FxHashMap<u64, State>,
    receiver: Option<u64>,
    /// Maps made here: the variable each was stored in, the type each was used as.
    made: Vec<(Option<u64>, Option<u64>)>,
}

impl<'a, S: Sink> Scan<'a, S> {
    pub(super) fn new(ranges: Ranges, effects: &'a FxHashMap<u64, Effect>, sink: S) -> Self {
        Self {
            ranges,
            effects,
            sink,
            state: State::default(),
            lost: false,
            pending: FxHashMap::default(),
            unreached: Vec::new(),
            behind: FxHashMap::default(),
            receiver: None,
            made: Vec::new(),
        }
    }

    /// Before the first instruction of a function; `receiver` is its entry where it is a method of a pointer.
    pub(super) fn begin(&mut self, receiver: Option<u64>) {
        self.receiver = receiver;
        self.made.clear();
        self.behind.clear();
        self.pending.clear();
        self.restart();
    }

    /// After the last instruction: whether it is worth going through all of them once more, because there are some that only
    /// branches backward lead to (loops are laid out so that their body stands before their head).
    pub(super) fn again(&mut self) -> bool {
        self.pending = std::mem::take(&mut self.behind);
        self.restart();
        !self.pending.is_empty()
    }

    fn restart(&mut self) {
        self.state.clear();
        self.unreached.clear();
        self.lost = false;
        if let Some(entry) = self.receiver {
            self.state.set(Register::RAX, Word::Receiver(entry));
        }
    }

    /// After the last instruction.
    pub(super) fn end(&mut self) {
        for (global, type_) in std::mem::take(&mut self.made) {
            if let (Some(global), Some(type_)) = (global, type_) {
                self.sink.event(Event::Stored { global }, Word::Map(type_));
            }
        }
    }

    pub(super) fn instruction(&mut self, i: &Instruction) {
        if let Some(state) = self.pending.remove(&i.ip())
            && self.lost
        {
            self.state = state;
            self.lost = false;
        }
        if self.lost {
            self.unreached.push(i.ip());
        }
        match i.flow_control() {
            FlowControl::Next => self.plain(i),
            FlowControl::Call => self.call(i.near_branch_target()),
            FlowControl::IndirectCall => self.state.forget_registers(),
            FlowControl::ConditionalBranch => self.branch(i),
            FlowControl::UnconditionalBranch => {
                self.branch(i);
                self.lose();
            }
            FlowControl::Return => {
                self.sink.returns(self.state.register(Register::RAX));
                self.lose();
            }
            _ => self.lose(),
        }
    }

    fn lose(&mut self) {
        self.state.clear();
        self.lost = true;
    }

    /// Keeps the state for the target of a branch.
    fn branch(&mut self, i: &Instruction) {
        let target = i.near_branch_target();
        let kept = if target > i.ip() {
            &mut self.pending
        } else if self.unreached.binary_search(&target).is_ok() {
            &mut self.behind
        } else {
            return;
        };
        if !self.lost && kept.len() < MAX_PENDING {
            let state = &self.state;
            kept.entry(target).or_insert_with(|| state.clone());
        }
    }

    fn plain(&mut self, i: &Instruction) {
        let address = fixed_address(i);
        if let Some(at) = address {
            self.mention(at);
            // The address of a variable, or two words of it at once: the second word is its too.
            let whole = i.mnemonic() == Mnemonic::Lea || i.memory_size().size() == 16;
            if whole && self.ranges.is_data(at) {
                self.sink.mentions_global(at.wrapping_add(8));
            }
        }
        match i.mnemonic() {
            Mnemonic::Lea if i.op0_kind() == OpKind::Register => {
                let word = address.map_or(Word::Unknown, |at| self.address(at));
                self.state.set(i.op0_register(), word);
            }
            Mnemonic::Mov => self.mov(i, address),
            Mnemonic::Sub if moves_stack(i) => self.state.push(i.immediate(1) as i64),
            Mnemonic::Add if moves_stack(i) => {
                self.state.push((i.immediate(1) as i64).wrapping_neg())
            }
            Mnemonic::Push => self.state.push(8),
            Mnemonic::Pop => {
                self.state.push(-8);
                self.forget_operands(i);
            }
            Mnemonic::Cmp | Mnemonic::Test | Mnemonic::Nop => {}
            Mnemonic::Mul
            | Mnemonic::Imul
            | Mnemonic::Div
            | Mnemonic::Idiv
            | Mnemonic::Cdq
            | Mnemonic::Cqo
            | Mnemonic::Cdqe
            | Mnemonic::Cpuid
            | Mnemonic::Rdtsc
            | Mnemonic::Cmpxchg => {
                self.forget_operands(i);
                self.state.set(Register::RAX, Word::Unknown);
                self.state.set(Register::RDX, Word::Unknown);
            }
            Mnemonic::Movsb | Mnemonic::Movsq | Mnemonic::Stosq | Mnemonic::Stosb => {
                for r in [Register::RDI, Register::RSI, Register::RCX] {
                    self.state.set(r, Word::Unknown);
                }
            }
            _ => self.forget_operands(i),
        }
    }

    /// Registers that an instruction of no interest may have written, and slots.
    fn forget_operands(&mut self, i: &Instruction) {
        for operand in 0..i.op_count().min(2) {
            if i.op_kind(operand) == OpKind::Register {
                self.state.set(i.op_register(operand), Word::Unknown);
            }
        }
        if let Some(offset) = stack_slot(i).filter(|_| i.op0_kind() == OpKind::Memory) {
            self.store_slot(offset, Word::Unknown);
        }
    }

    fn mov(&mut self, i: &Instruction, address: Option<u64>) {
        match (i.op0_kind(), i.op1_kind()) {
            (OpKind::Register, OpKind::Register) => {
                let whole = i.op0_register().size() == 8;
                let word = self.state.register(i.op1_register());
                let word = if whole { word } else { Word::Unknown };
                self.state.set(i.op0_register(), word);
            }
            (OpKind::Register, OpKind::Memory) => {
                let word = match (address, stack_slot(i)) {
                    _ if i.op0_register().size() != 8 => Word::Unknown,
                    (Some(at), _) if self.ranges.is_data(at) => Word::Global(at),
                    (None, Some(offset)) => self.state.slot(self.state.above_return(offset)),
                    _ => Word::Unknown,
                };
                self.state.set(i.op0_register(), word);
            }
            (OpKind::Memory, OpKind::Register) => {
                let word = self.state.register(i.op1_register());
                let whole = i.op1_register().size() == 8;
                if let Some(at) = address {
                    if whole && self.ranges.is_data(at) {
                        self.stored(at, word);
                    }
                } else if let Some(offset) = stack_slot(i) {
                    self.store_slot(offset, if whole { word } else { Word::Unknown });
                } else if let (true, Word::Code(code)) = (whole, word)
                    && let Word::Pointer(type_) = self.state.register(i.memory_base())
                    && i.memory_displacement64() == 0
                    && i.memory_index() == Register::None
                {
                    self.sink.closure(code, type_);
                }
            }
            (OpKind::Memory, _) => {
                if let Some(offset) = stack_slot(i) {
                    self.store_slot(offset, Word::Unknown);
                }
            }
            _ => self.forget_operands(i),
        }
    }

    fn store_slot(&mut self, offset: i64, word: Word) {
        let offset = self.state.above_return(offset);
        self.state.set_slot(offset, word);
        if !self.lost {
            self.sink.slot(offset, word);
        }
    }

    fn stored(&mut self, global: u64, word: Word) {
        if let Word::Made(number) = word {
            if let Some(made) = self.made.get_mut(number as usize) {
                made.0 = Some(global);
            }
        } else if word != Word::Unknown {
            self.sink.event(Event::Stored { global }, word);
        }
    }

    fn address(&self, at: u64) -> Word {
        if self.ranges.types.contains(leakscope_target::Addr(at)) {
            Word::Type(at)
        } else if self.ranges.text.contains(leakscope_target::Addr(at)) {
            Word::Code(at)
        } else if self.ranges.is_data(at) {
            Word::AddressOf(at)
        } else {
            Word::Unknown
        }
    }

    fn mention(&mut self, at: u64) {
        if self.ranges.is_data(at) {
            self.sink.mentions_global(at);
        } else if self.ranges.types.contains(leakscope_target::Addr(at)) {
            self.sink.mentions_type(at);
        }
    }

    fn call(&mut self, target: u64) {
        let effect = self.effects.get(&target).copied();
        let argument = |r| self.state.register(r);
        let (first, second) = (argument(Register::RAX), argument(Register::RBX));
        let result = match (effect, first, second) {
            (Some(Effect::Barrier), ..) => {
                return self.state.set(Register::R11, Word::Unknown);
            }
            (Some(Effect::Ends), ..) => return self.lose(),
            (Some(Effect::New), Word::Type(t), _) => Word::Pointer(t),
            (Some(Effect::Malloc), _, Word::Type(t)) => Word::Pointer(t),
            (Some(Effect::MakeSlice), Word::Type(t), _) => Word::Array(t),
            (Some(Effect::MakeMap), Word::Type(t), _) => Word::Map(t),
            (Some(Effect::MakeChan), Word::Type(t), _) => Word::Chan(t),
            (Some(Effect::Grow), ..) => match argument(Register::RSI) {
                Word::Type(t) => {
                    self.used(first, Word::Array(t));
                    Word::Array(t)
                }
                _ => Word::Unknown,
            },
            (Some(Effect::MakeSmallMap), ..) => {
                self.made.push((None, None));
                Word::Made(self.made.len() as u32 - 1)
            }
            (Some(Effect::MapUse), Word::Type(t), map) => {
                self.used(map, Word::Map(t));
                Word::Unknown
            }
            (Some(Effect::Typed), Word::Type(t), to) => {
                if let Word::AddressOf(global) = to {
                    self.sink.event(Event::Is { global }, Word::Pointer(t));
                }
                Word::Unknown
            }
            (Some(Effect::Method), ..) => {
                match first {
                    Word::AddressOf(global) => self
                        .sink
                        .event(Event::Is { global }, Word::Receiver(target)),
                    word => self.used(word, Word::Receiver(target)),
                }
                Word::Result(target)
            }
            (None, ..) => Word::Result(target),
            _ => Word::Unknown,
        };
        if effect == Some(Effect::Duff) {
            for r in [Register::RDI, Register::RSI] {
                self.state.set(r, Word::Unknown);
            }
            return;
        }
        self.state.forget_registers();
        self.state.set(Register::RAX, result);
    }

    /// `word` was used as a `meaning`.
    fn used(&mut self, word: Word, meaning: Word) {
        match (word, meaning) {
            (Word::Global(global), _) => self.sink.event(Event::Used { global }, meaning),
            (Word::Made(number), Word::Map(type_)) => {
                if let Some(made) = self.made.get_mut(number as usize) {
                    made.1 = Some(type_);
                }
            }
            _ => {}
        }
    }
}

/// The address of a memory operand that is known before the program runs.
fn fixed_address(i: &Instruction) -> Option<u64> {
    let memory = (0..i.op_count()).any(|n| i.op_kind(n) == OpKind::Memory);
    (memory && i.is_ip_rel_memory_operand()).then(|| i.ip_rel_memory_address())
}

/// Whether an addition or subtraction moves the stack pointer by a fixed number of bytes.
fn moves_stack(i: &Instruction) -> bool {
    let fixed = !matches!(i.op1_kind(), OpKind::Register | OpKind::Memory);
    i.op0_kind() == OpKind::Register && i.op0_register() == Register::RSP && fixed
}

/// The offset of a memory operand from the stack pointer.
fn stack_slot(i: &Instruction) -> Option<i64> {
    let plain = i.memory_base() == Register::RSP && i.memory_index() == Register::None;
    plain.then(|| i.memory_displacement64() as i64)
}
