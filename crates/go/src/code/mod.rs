//! What a program's own code says about its variables and closures, where no debug information does.
//!
//! Go's compiler passes type descriptors to the runtime: whoever makes a value, a slice, a map or a channel, or looks
//! something up in a map, names its type. One pass over the code follows those addresses through registers and stack
//! slots to the variables that the results are stored in. Go is typed statically, so what holds on one path that the
//! code can take holds on all of them; where a path is lost, nothing is said.
//!
//! Sources: `cmd/compile/abi-internal.md` (registers), `runtime/malloc.go`, `slice.go`, `map*.go`, `chan.go` (signatures).

mod effects;
mod pass;
mod scan;
mod state;

use leakscope_target::{Addr, AddrRange};
use rustc_hash::FxHashMap;

pub(crate) use effects::receiver;
pub(crate) use pass::{passes_over, read};

/// What is known of the words at some place.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Says {
    /// A value of the type with this descriptor.
    Value(Addr),
    /// A pointer to such a value.
    Pointer(Addr),
    /// A slice of such values.
    Slice(Addr),
    /// A map of this type.
    Map(Addr),
    /// A channel of this type.
    Chan(Addr),
    /// A value of the type that this method belongs to.
    Owner(Addr),
    /// A pointer to the type that this method belongs to.
    Receiver(Addr),
}

/// Most functions that are kept of those that mention a package variable.
const USERS: usize = 3;

/// Everything the code says. Addresses are the target's.
#[derive(Default)]
pub(crate) struct CodeFacts {
    /// Package variables, by address.
    globals: Vec<(Addr, Says)>,
    /// Slots of frames: entry of the function, offset from where the return address lies.
    frames: FxHashMap<(Addr, i64), Says>,
    /// Struct types of closures, by their code.
    closures: FxHashMap<Addr, Addr>,
    /// Type descriptors that the code mentions, rising.
    types: Vec<Addr>,
    /// Addresses of package variables that the code mentions, rising, each with functions that do.
    users: Vec<(Addr, [Option<Addr>; USERS])>,
}

impl CodeFacts {
    /// Package variables, by address.
    pub(crate) fn globals(&self) -> &[(Addr, Says)] {
        &self.globals
    }

    /// What a slot of a frame holds: the function's entry, the offset from where the return address lies.
    pub(crate) fn frame_slot(&self, entry: Addr, offset: i64) -> Option<Says> {
        self.frames.get(&(entry, offset)).copied()
    }

    /// The struct type of closures with this code.
    pub(crate) fn closure(&self, code: Addr) -> Option<Addr> {
        self.closures.get(&code).copied()
    }

    /// Type descriptors that the code mentions.
    pub(crate) fn types(&self) -> &[Addr] {
        &self.types
    }

    /// Whether the code mentions a package variable that starts at `at`.
    pub(crate) fn is_mentioned(&self, at: Addr) -> bool {
        self.users.binary_search_by_key(&at, |u| u.0).is_ok()
    }

    /// Entries of functions that mention the variable at `at`, or the one that most closely starts before it: a few, the one
    /// that says most first.
    pub(crate) fn users(&self, at: Addr) -> impl Iterator<Item = Addr> {
        /// Variables that the code mentions only by their start are hardly larger.
        const NEAR: u64 = 256;
        let end = self.users.partition_point(|u| u.0 <= at);
        let found = end.checked_sub(1).and_then(|i| self.users.get(i));
        let near = found.filter(|(start, _)| at.0 - start.0 < NEAR);
        near.into_iter()
            .flat_map(|(_, users)| users.iter().flatten().copied())
    }
}

/// Where code, types and variables lie, as linked.
#[derive(Clone, Copy)]
struct Ranges {
    text: AddrRange,
    types: AddrRange,
    data: [AddrRange; 4],
}

impl Ranges {
    fn is_data(&self, at: u64) -> bool {
        self.data.iter().any(|r| r.contains(Addr(at)))
    }
}
