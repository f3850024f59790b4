//! Where the pointers of a value are, per type, ready to be run over bytes.

use std::ops::Range;

use rustc_hash::FxHashMap;

use crate::syncmap::Trie;
use crate::types::{Slot, SlotKind, TypeId, TypeTable};

/// What `sync.Pool` keeps values in (`sync/poolqueue.go`): an interface in all but name.
const POOLED: &str = "sync.eface";

/// What a word of a value is, and the word's offset in it.
#[derive(Clone, Copy)]
pub(super) struct Step {
    pub(super) offset: u32,
    pub(super) op: Op,
}

/// What to do with a word.
#[derive(Clone, Copy)]
pub(super) enum Op {
    /// As the type says.
    Slot(SlotKind),
    /// A pointer to a node of the trie of this number.
    TrieNode(u32),
    /// Values with a program of their own, one after the other.
    Repeat {
        program: Program,
        stride: u32,
        count: u32,
    },
}

/// The pointer slots of every type walked so far, in one table.
pub(super) struct Programs {
    steps: Vec<Step>,
    by_type: FxHashMap<TypeId, Program>,
    tries: Vec<Trie>,
}

/// A range of [`Programs`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Program {
    start: u32,
    len: u32,
}

impl Program {
    /// Whether values of the type hold no pointer.
    pub(super) fn is_empty(self) -> bool {
        self.len == 0
    }

    /// The range of steps, for [`Programs::step`].
    pub(super) fn range(self) -> Range<u32> {
        self.start..self.start + self.len
    }
}

impl Programs {
    pub(super) fn new(tries: Vec<Trie>) -> Self {
        Self {
            steps: Vec::new(),
            by_type: FxHashMap::default(),
            tries,
        }
    }

    /// The program of a type.
    pub(super) fn of(&mut self, types: &TypeTable, type_: TypeId) -> Program {
        if let Some(program) = self.by_type.get(&type_) {
            return *program;
        }
        // A type that contains itself is damaged; its inner value then has no pointers.
        self.by_type.insert(type_, Program::default());
        let program = if types.name(type_) == POOLED {
            let kind = SlotKind::EmptyInterface;
            self.add(types, std::iter::once(Slot { offset: 0, kind }))
        } else {
            self.add(types, types.slots(type_).iter().copied())
        };
        self.by_type.insert(type_, program);
        program
    }

    /// A program of its own for `slots`.
    pub(super) fn add(&mut self, types: &TypeTable, slots: impl Iterator<Item = Slot>) -> Program {
        let steps: Vec<Step> = slots
            .map(|slot| Step {
                offset: slot.offset,
                op: self.op(types, slot.kind),
            })
            .collect();
        let start = self.steps.len() as u32;
        self.steps.extend(steps);
        Program {
            start,
            len: self.steps.len() as u32 - start,
        }
    }

    fn op(&mut self, types: &TypeTable, kind: SlotKind) -> Op {
        match kind {
            SlotKind::Repeat {
                elem,
                stride,
                count,
            } => Op::Repeat {
                program: self.of(types, elem),
                stride,
                count,
            },
            SlotKind::Pointer(target) => match self.tries.iter().position(|t| t.node == target) {
                Some(trie) => Op::TrieNode(trie as u32),
                None => Op::Slot(kind),
            },
            _ => Op::Slot(kind),
        }
    }

    /// One step of a program.
    #[inline]
    pub(super) fn step(&self, i: u32) -> Step {
        self.steps[i as usize]
    }

    /// The trie of this number.
    pub(super) fn trie(&self, i: u32) -> Trie {
        self.tries[i as usize]
    }
}
