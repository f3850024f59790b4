//! The tries behind `sync.Map` (1.24 and later) and `unique` (1.23 and later).
//!
//! A pointer to a `node` is a pointer to an `entry` or to an `indirect`, both of which start with a node; the node's
//! `isEntry` says which (`internal/sync/hashtriemap.go`; `internal/concurrent` in 1.23; `unique/canonmap.go`). Older
//! `sync.Map`s are plain structs and maps and need nothing of their own.

use crate::dwarf::{DebugInfo, DieRef};
use crate::types::{TypeId, TypeTable};

/// Packages with such a trie.
const PACKAGES: [&str; 3] = ["internal/sync", "internal/concurrent", "unique"];

/// Prefix of the compiler's names for types of one shape.
pub(crate) const SHAPE: &str = "go.shape.";

/// One instance of the generic trie.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Trie {
    /// The type that pointers claim.
    pub(crate) node: TypeId,
    /// What they point to where `isEntry` is set.
    pub(crate) entry: Option<TypeId>,
    /// What they point to where it is not.
    pub(crate) indirect: Option<TypeId>,
    /// Offset of `isEntry`.
    pub(crate) is_entry: u64,
}

/// Every instance that the debug information knows.
pub(crate) fn tries(debug: &DebugInfo, types: &TypeTable) -> Vec<Trie> {
    let mut tries = Vec::new();
    for i in 0..debug.type_count() as u32 {
        let die = DieRef(i);
        let Some((package, arguments)) = node_of(debug.name_of(die)) else {
            continue;
        };
        let (Some(node), Some(flag)) = (types.from_dwarf(die), debug.field_of(die, "isEntry"))
        else {
            continue;
        };
        let shaped = shaped(arguments);
        let sibling = |name: &str| {
            let named = |arguments| debug.type_named(&format!("{package}.{name}[{arguments}"));
            types.from_dwarf(named(arguments).or_else(|| named(&shaped))?)
        };
        tries.push(Trie {
            node,
            entry: sibling("entry"),
            indirect: sibling("indirect"),
            is_entry: flag.offset,
        });
    }
    tries
}

/// Type arguments (with the closing bracket) as the compiler spells them in code that it shares between types of the
/// same shape: some types are only known from there.
fn shaped(arguments: &str) -> String {
    let mut out = String::from(SHAPE);
    let mut depth = 0;
    for c in arguments.chars() {
        out.push(c);
        match c {
            '[' | '{' | '(' => depth += 1,
            ']' | '}' | ')' => depth -= 1,
            ',' if depth == 0 => out.push_str(SHAPE),
            _ => {}
        }
    }
    out
}

/// Package and type arguments of a node type.
fn node_of(name: &str) -> Option<(&'static str, &str)> {
    PACKAGES.iter().find_map(|package| {
        let arguments = name.strip_prefix(package)?.strip_prefix(".node[")?;
        Some((*package, arguments))
    })
}
