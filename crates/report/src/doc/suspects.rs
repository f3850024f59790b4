//! Places where memory accumulates.

use schemars::JsonSchema;
use serde::Serialize;

use crate::{Address, HeldSite, Text};

/// What a single capture can say of a place: never that it is a leak, which takes growth.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Many parts accumulate in it.
    Suspect,
    /// It is one large thing or a few, or something that has a bound or may have one.
    Big,
}

/// What sort of thing holds the bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum HolderKind {
    /// An object.
    Object,
    /// A package variable, a goroutine, or goroutines of one function.
    Root,
    /// No single one: many holders of the same kind of entries.
    Many,
}

/// A place where memory accumulates, or several of the same fingerprint, such as the shards of a cache.
#[derive(Clone, PartialEq, Debug, Serialize, JsonSchema)]
pub struct SuspectRow {
    /// How sure it is.
    pub verdict: Verdict,
    /// What the verdict rests on; `null` where it follows from the number and size of entries alone.
    pub reason: Option<Text>,
    /// What holds the bytes.
    pub kind: HolderKind,
    /// It as an expression: the way from a root; of several places without indices.
    pub holder: Text,
    /// How many places of the same fingerprint were joined; all sums are over them.
    pub places: u64,
    /// Address of the object, of several the one with the most; `null` for roots and many holders.
    pub address: Option<Address>,
    /// Type of the object; `null` for roots and many holders.
    #[serde(rename = "type")]
    pub type_: Option<Text>,
    /// Bytes that would be garbage without it, other places below it included.
    pub retained_bytes: u64,
    /// Of these, what belongs to no other place of the list.
    pub accumulated_bytes: u64,
    /// Their share, 0 to 1, of all that roots reach.
    pub share: f64,
    /// How evenly the bytes are spread over entries: near 1 where each is a tiny part, 0 where one is all there is.
    pub sharpness: f64,
    /// Whether the collector itself follows a way there; if not, only words that may be numbers lead there.
    pub certain: bool,
    /// Number of all entries.
    pub entry_count: u64,
    /// Entries by type, the most bytes first; types below a hundredth are left out.
    pub entries: Vec<EntryRow>,
    /// Who allocated what it holds, the most bytes first, where the runtime has sampled that: objects that are held from many
    /// places by none of them alone are not told apart.
    pub sites: Vec<HeldSite>,
    /// Stays the same across runs, machines and builds of the same code.
    pub fingerprint: Option<Text>,
    /// Whether the baseline does not have it; `null` without a baseline.
    pub new: Option<bool>,
}

/// Entries of one type.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, JsonSchema)]
pub struct EntryRow {
    /// Their type; `goroutine` for goroutines.
    #[serde(rename = "type")]
    pub type_: Text,
    /// How many.
    pub count: u64,
    /// What they hold in all.
    pub bytes: u64,
    /// What the largest holds.
    pub largest_bytes: u64,
}
