//! `leakscope why`: the ways from roots to objects.

use schemars::JsonSchema;
use serde::Serialize;

use crate::{Address, Amount, Head, Text};

/// What was asked about.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Question {
    /// One object.
    Object,
    /// All objects of a type.
    Type,
    /// The entries of a map.
    Map,
}

/// Why objects are in memory.
#[derive(Clone, PartialEq, Debug, Serialize, JsonSchema)]
pub struct WhyDoc {
    /// The head of every document.
    #[serde(flatten)]
    pub head: Head,
    /// What was asked about.
    pub question: Question,
    /// It in words: a type, or a type at an address.
    pub about: Text,
    /// Address of the object or the map; `null` for types.
    pub address: Option<Address>,
    /// Objects asked about that roots reach, by their shallow sizes.
    pub objects: Amount,
    /// Bytes that would be garbage without them.
    pub retained_bytes: u64,
    /// Objects asked about that no root reaches.
    pub unreachable: Amount,
    /// The ways, the most bytes first; of one object the shortest first.
    pub paths: Vec<PathRow>,
    /// Number of ways before the list was cut.
    pub path_count: u64,
}

/// A way from a root, told for all objects that are held in the same way.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, JsonSchema)]
pub struct PathRow {
    /// The way as an expression.
    pub path: Text,
    /// Types on the way, from the object that the root points to, to the one asked about.
    pub types: Vec<Text>,
    /// How many objects are held like this; of one object, how many ways there are like this.
    pub count: u64,
    /// Their shallow bytes; of one object, its own.
    pub bytes: u64,
    /// Whether the collector itself follows this way.
    pub certain: bool,
    /// One of the objects.
    pub example: Address,
    /// The way to it with indices and keys; `null` unless values were asked for (`--show-values`).
    pub example_path: Option<Text>,
    /// Stays the same across runs, machines and builds of the same code.
    pub fingerprint: Option<Text>,
}
