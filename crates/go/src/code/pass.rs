//! The pass over all code, and what becomes of what it shows.

use iced_x86::{Decoder, DecoderOptions, Instruction};
use leakscope_target::{Addr, AddrRange};
use rustc_hash::FxHashMap;

use super::effects::{Effect, effects, receiver};
use super::scan::{Event, Scan, Sink};
use super::state::Word;
use super::{CodeFacts, Ranges, Says, USERS};
use crate::binary::Executable;
use crate::moduledata::Module;
use crate::pclntab::Functions;

/// Most bytes of code read: the largest Go programs have some 100 MB.
const MAX_CODE: u64 = 512 << 20;
/// Longest code of one function that is read; only machine-written ones are longer.
const MAX_FUNCTION: usize = 1 << 20;
/// Longest chain of functions that return each other's results.
const MAX_CALLS: usize = 16;
/// Whose code tells nothing about the program's own variables.
const RUNTIME: [&str; 3] = ["runtime.", "runtime/", "internal/runtime/"];

/// Whether the code of the function called `name` is not read: nothing is known of closures that it makes.
pub(crate) fn passes_over(name: &str) -> bool {
    RUNTIME.iter().any(|p| name.starts_with(p))
}

/// Reads the code of a program's own module.
pub(crate) fn read(
    exe: &Executable,
    bias: u64,
    module: &Module,
    functions: &Functions,
) -> CodeFacts {
    let linked = |r: AddrRange| AddrRange {
        start: Addr(r.start.0.wrapping_sub(bias)),
        end: Addr(r.end.0.wrapping_sub(bias)),
    };
    let ranges = Ranges {
        text: linked(module.text),
        types: linked(module.types),
        data: [module.noptrdata, module.data, module.bss, module.noptrbss].map(linked),
    };
    let effects = effects(functions, bias);
    let mut scan = Scan::new(ranges, &effects, Pass::default());
    let mut budget = MAX_CODE;
    for function in functions.iter() {
        let name = function.name();
        if passes_over(name) {
            continue;
        }
        let start = function.entry().0.wrapping_sub(bias);
        let code = crate::anchors::code_of(exe, bias, &function);
        if code.len() > MAX_FUNCTION {
            continue;
        }
        let Some(left) = budget.checked_sub(code.len() as u64) else {
            break;
        };
        budget = left;
        scan.sink.function = start;
        scan.sink.sets_up = name.ends_with(".init") || name.contains(".init.");
        scan.begin(receiver(name).map(|_| start));
        go_through(&mut scan, code, start);
        if scan.again() {
            go_through(&mut scan, code, start);
        }
        scan.end();
    }
    scan.sink.finish(bias, &effects)
}

/// All instructions of a function, in their order.
fn go_through<S: Sink>(scan: &mut Scan<'_, S>, code: &[u8], start: u64) {
    let mut decoder = Decoder::with_ip(64, code, start, DecoderOptions::NONE);
    let mut instruction = Instruction::default();
    while decoder.can_decode() {
        decoder.decode_out(&mut instruction);
        scan.instruction(&instruction);
    }
}

/// What all functions showed; addresses as linked.
#[derive(Default)]
struct Pass {
    function: u64,
    /// The present function only sets up its package: it says little about a variable that it uses.
    sets_up: bool,
    events: Vec<(Event, Word)>,
    slots: FxHashMap<(u64, i64), Option<Word>>,
    closures: FxHashMap<u64, u64>,
    types: Vec<u64>,
    users: FxHashMap<u64, Users>,
    results: FxHashMap<u64, Word>,
}

/// Functions that mention a package variable.
#[derive(Clone, Copy, Default)]
struct Users {
    /// The first that only sets up its package.
    sets_up: Option<u64>,
    /// The last others, the very last first: packages come in the order of their dependencies, so it says most.
    last: [Option<u64>; USERS],
}

impl Users {
    /// Adds a function. Whatever one function mentions comes in one go.
    fn add(&mut self, function: u64) {
        if self.last[0] != Some(function) {
            self.last.rotate_right(1);
            self.last[0] = Some(function);
        }
    }

    /// Those that say most.
    fn told(self) -> [Option<u64>; USERS] {
        if self.last[0].is_some() {
            self.last
        } else {
            let mut only = [None; USERS];
            only[0] = self.sets_up;
            only
        }
    }
}

impl Sink for Pass {
    fn event(&mut self, event: Event, word: Word) {
        self.events.push((event, word));
    }

    fn slot(&mut self, offset: i64, word: Word) {
        // A slot that ever holds something else is no witness.
        let known = self.slots.entry((self.function, offset));
        let known = known.or_insert(Some(word));
        if *known != Some(word) {
            *known = None;
        }
    }

    fn closure(&mut self, code: u64, type_: u64) {
        self.closures.insert(code, type_);
    }

    fn mentions_type(&mut self, type_: u64) {
        self.types.push(type_);
    }

    fn mentions_global(&mut self, global: u64) {
        let users = self.users.entry(global).or_default();
        if self.sets_up {
            users.sets_up.get_or_insert(self.function);
        } else {
            users.add(self.function);
        }
    }

    fn returns(&mut self, word: Word) {
        if word != Word::Unknown {
            self.results.entry(self.function).or_insert(word);
        }
    }
}

impl Pass {
    fn finish(mut self, bias: u64, effects: &FxHashMap<u64, Effect>) -> CodeFacts {
        let there = |at: u64| Addr(at.wrapping_add(bias));
        // Closures start with a code address that was written into a new object; it must be a function of its own.
        let closures = self.closures.iter();
        let closures = closures.filter(|(code, _)| !effects.contains_key(code));
        let closures = closures.map(|(code, type_)| (there(*code), there(*type_)));
        let mut facts = CodeFacts {
            closures: closures.collect(),
            ..CodeFacts::default()
        };
        for (event, word) in &self.events {
            let word = self.resolved(*word);
            let (at, says) = match *event {
                Event::Stored { global } | Event::Used { global } => (global, says(word, bias)),
                Event::Is { global } => (global, is(word, bias)),
            };
            facts.globals.extend(says.map(|s| (there(at), s)));
        }
        facts.globals.sort_unstable();
        facts.globals.dedup();
        let slot = |((function, offset), word): (&(u64, i64), &Option<Word>)| {
            let says = says(self.resolved((*word)?), bias)?;
            Some(((there(*function), *offset), says))
        };
        facts.frames = self.slots.iter().filter_map(slot).collect();
        self.types.sort_unstable();
        self.types.dedup();
        facts.types = self.types.into_iter().map(there).collect();
        facts.users = self
            .users
            .into_iter()
            .map(|(at, users)| (there(at), users.told().map(|f| f.map(there))))
            .collect();
        facts.users.sort_unstable();
        facts
    }

    /// Follows results of functions to what they are.
    fn resolved(&self, mut word: Word) -> Word {
        for _ in 0..MAX_CALLS {
            match word {
                Word::Result(function) => match self.results.get(&function) {
                    Some(result) => word = *result,
                    None => return Word::Unknown,
                },
                known => return known,
            }
        }
        Word::Unknown
    }
}

/// What a word that holds this says.
fn says(word: Word, bias: u64) -> Option<Says> {
    let there = |at: u64| Addr(at.wrapping_add(bias));
    Some(match word {
        Word::Pointer(t) => Says::Pointer(there(t)),
        Word::Array(t) => Says::Slice(there(t)),
        Word::Map(t) => Says::Map(there(t)),
        Word::Chan(t) => Says::Chan(there(t)),
        Word::Receiver(method) => Says::Receiver(there(method)),
        _ => return None,
    })
}

/// What a place says whose address is used as this.
fn is(word: Word, bias: u64) -> Option<Says> {
    let there = |at: u64| Addr(at.wrapping_add(bias));
    Some(match word {
        Word::Pointer(t) => Says::Value(there(t)),
        Word::Receiver(method) => Says::Owner(there(method)),
        _ => return None,
    })
}
