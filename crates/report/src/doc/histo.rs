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
    /// Reachable objects by type, most bytes first.
    pub types: Vec<TypeRow>,
    /// Reachable objects by the package that declares their type, most bytes first.
    pub packages: Vec<PackageRow>,
    /// Objects that nothing reaches, by type, most bytes first.
    pub unreachable: Vec<TypeRow>,
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
}
