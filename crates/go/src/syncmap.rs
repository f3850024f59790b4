//! `sync.Map`, and the tries behind it (1.24 and later) and behind `unique` (1.23 and later).
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

/// What stands between a concurrent map and its cells, told as part of an expression.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Inner {
    /// An inner node of a trie.
    Indirect,
    /// A cell of a trie.
    Entry,
    /// A cell of a `sync.Map` up to 1.23.
    OldEntry,
}

impl Inner {
    /// What a type with this name, declared in this package, is.
    pub(crate) fn of(package: &str, name: &str) -> Option<Self> {
        let plain = name.split_once('.').map_or(name, |(_, n)| n);
        match plain.split('[').next() {
            Some("indirect") if PACKAGES.contains(&package) => Some(Self::Indirect),
            Some("entry") if PACKAGES.contains(&package) => Some(Self::Entry),
            Some("entry") if package == "sync" => Some(Self::OldEntry),
            _ => None,
        }
    }

    /// Appends a step out of such an object; `path` is the way inside it. The ways into it that the map's own fields
    /// added before are taken off.
    pub(crate) fn push(self, path: &str, expression: &mut String) {
        let cut = |expression: &mut String, ends: &[&str]| {
            for end in ends {
                if expression.ends_with(end) {
                    expression.truncate(expression.len() - end.len());
                    return;
                }
            }
        };
        cut(expression, &[".m.root.v", ".root.v"]);
        match self {
            Self::Indirect => {}
            Self::Entry => {
                // The key, the value, or the next cell of the same hash, which is no step of its own.
                let rest = path
                    .strip_prefix(".value")
                    .or_else(|| path.strip_prefix(".key"));
                if let Some(rest) = rest {
                    expression.push_str("[...]");
                    expression.push_str(rest);
                }
            }
            Self::OldEntry => {
                cut(expression, &[".read.v.m[...]", ".dirty[...]"]);
                expression.push_str("[...]");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn type_arguments_get_the_compilers_prefix_one_by_one() {
        let arguments = "map[string]int,func(a, b int),main.T]";
        let shaped = shaped(arguments);
        assert_eq!(
            shaped,
            "go.shape.map[string]int,go.shape.func(a, b int),go.shape.main.T]"
        );
    }

    #[test]
    fn cells_of_concurrent_maps_are_told_like_those_of_maps() {
        let mut new = "main.state.shared.m.root.v".to_owned();
        let node = Inner::of("internal/sync", "sync.indirect[interface {},interface {}]").unwrap();
        node.push(".children[3].v", &mut new);
        node.push(".children[1].v", &mut new);
        let cell = Inner::of("internal/sync", "sync.entry[interface {},interface {}]").unwrap();
        cell.push(".value", &mut new);
        assert_eq!(new, "main.state.shared[...]");

        let mut old = "main.state.shared.dirty[...]".to_owned();
        Inner::of("sync", "sync.entry")
            .unwrap()
            .push(".p.v", &mut old);
        assert_eq!(old, "main.state.shared[...]");
        assert_eq!(Inner::of("main", "main.entry"), None);
    }
}
