//! `leakscope histo`: objects by type and by package.

use schemars::JsonSchema;
use serde::Serialize;

use crate::{Amount, Head, Text};

/// Objects by type.
#[derive(Clone, PartialEq, Debug, Serialize, JsonSchema)]
pub struct HistoDoc {
    /// The head of every document.
    #[serde(flatten)]
    pub head: Head,
    /// Sum over all reachable objects.
    pub reachable: Amount,
    /// Sum over the objects that nothing reaches: garbage that waits to be found by a collection, or to be swept.
    pub garbage: Amount,
    /// Number of types of reachable objects. Like the other lists, `types` may be cut shorter on request.
    pub type_count: u64,
    /// Number of packages of reachable objects.
    pub package_count: u64,
    /// Number of types of objects that nothing reaches.
    pub unreachable_type_count: u64,
    /// Number of roots that alone hold something.
    pub root_count: u64,
    /// Reachable objects by type, most bytes first.
    pub types: Vec<TypeRow>,
    /// Reachable objects by the package that declares their type, most bytes first.
    pub packages: Vec<PackageRow>,
    /// Objects that nothing reaches, by type, most bytes first.
    pub unreachable: Vec<TypeRow>,
    /// What package variables and goroutines alone hold, most bytes first; empty unless asked for (`--retained`), as what
    /// types and packages retain is `null`.
    pub roots: Vec<RootRow>,
}

/// What sort of root holds something.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RootKind {
    /// A package variable.
    Variable,
    /// Goroutines that were started with the same function.
    Goroutines,
    /// Threads of a JVM whose names differ by numbers only.
    Threads,
    /// Values of a `ThreadLocal` of a JVM in all threads.
    ThreadLocal,
    /// What the runtime itself keeps: finalizers, weak handles, stacks of threads.
    Runtime,
}

/// Roots that belong together, and what they alone hold.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, JsonSchema)]
pub struct RootRow {
    /// What sort they are.
    pub kind: RootKind,
    /// The variable, the function, or what the runtime keeps it for.
    pub name: Text,
    /// Goroutines; 1 for all others.
    pub count: u64,
    /// Objects that would be garbage without them.
    pub retained_objects: u64,
    /// Their bytes.
    pub retained_bytes: u64,
    /// Of these, bytes that only words lead to which may be no pointers.
    pub maybe_retained_bytes: u64,
}

/// Objects of one type.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, JsonSchema)]
pub struct TypeRow {
    /// The type as Go spells it, such as `map[string]*main.session`.
    #[serde(rename = "type")]
    pub type_: Text,
    /// Import path of the package that declares it; empty for types that none declares.
    pub package: Text,
    /// Number of objects.
    pub count: u64,
    /// Their bytes: whole slots of the heap.
    pub bytes: u64,
    /// Bytes that would be garbage without single objects of the type, each byte once; `null` where not asked for. What
    /// several objects of the type hold only together does not count.
    pub retained_bytes: Option<u64>,
}

/// Objects of one package's types.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, JsonSchema)]
pub struct PackageRow {
    /// Import path; empty for types that no package declares.
    pub package: Text,
    /// Number of objects.
    pub count: u64,
    /// Their bytes: whole slots of the heap.
    pub bytes: u64,
    /// Bytes that would be garbage without single objects of the package, as for types.
    pub retained_bytes: Option<u64>,
}
