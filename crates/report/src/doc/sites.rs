//! `leakscope sites`: where living objects were allocated.

use schemars::JsonSchema;
use serde::Serialize;

use crate::{Head, Place, Text};

/// Where living objects were allocated.
#[derive(Clone, PartialEq, Debug, Serialize, JsonSchema)]
pub struct SitesDoc {
    /// The head of every document.
    #[serde(flatten)]
    pub head: Head,
    /// What it rests on.
    pub profile: ProfileRow,
    /// Number of sites with anything alive, not collected or published; `sites` holds the largest.
    pub site_count: u64,
    /// Sites by stack, the most living bytes first.
    pub sites: Vec<SiteRow>,
}

/// The runtime's memory profile.
#[derive(Clone, PartialEq, Debug, Serialize, JsonSchema)]
pub struct ProfileRow {
    /// Why the program has none, and how to get one; `null` where it has one.
    pub missing: Option<Text>,
    /// Bytes between two samples, on average: 1 where every object is one.
    pub rate: Option<u64>,
    /// When the figures under `published` were true.
    pub published_at: Option<Text>,
    /// Sampled objects that roots reach, over all sites.
    pub live: SampleSum,
    /// Sampled objects that nothing reaches and the sweep has not freed.
    pub garbage: SampleSum,
}

/// What samples stand for.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, JsonSchema)]
pub struct SampleSum {
    /// Sampled objects.
    pub sampled_objects: u64,
    /// Their bytes, as they were asked for.
    pub sampled_bytes: u64,
    /// Objects that these stand for, estimated.
    pub objects: u64,
    /// Bytes that these stand for, estimated.
    pub bytes: u64,
    /// Share of `bytes` by which the truth may be off either way, in 95 of 100 cases; 0 where every object was sampled.
    pub error: f64,
}

/// One stack that allocated.
#[derive(Clone, PartialEq, Debug, Serialize, JsonSchema)]
pub struct SiteRow {
    /// Who allocated: the first function of the stack that is not of the standard library, or the first at all.
    pub place: Place,
    /// The stack, innermost first, inlined functions included, without the allocator's own functions.
    pub stack: Vec<Place>,
    /// What of it roots reach now.
    pub live: SampleSum,
    /// What of it nothing reaches, but the sweep has not freed.
    pub garbage: SampleSum,
    /// What the program's own heap profile says, not scaled.
    pub published: Published,
}

/// What the runtime publishes of a site (`runtime.MemProfileRecord`): of samples, not scaled.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, JsonSchema)]
pub struct Published {
    /// Objects allocated since the start.
    pub alloc_objects: u64,
    /// Their bytes.
    pub alloc_bytes: u64,
    /// Of these, objects not freed.
    pub in_use_objects: u64,
    /// Their bytes.
    pub in_use_bytes: u64,
}

/// Who allocated what a suspect holds.
#[derive(Clone, PartialEq, Debug, Serialize, JsonSchema)]
pub struct HeldSite {
    /// The first function of the stack that is not of the standard library, or the first at all.
    pub place: Place,
    /// The stack that allocated most there, innermost first, inlined functions included, without the allocator's own functions.
    pub stack: Vec<Place>,
    /// Where in `stack` the callers of `place` begin.
    pub caller: u64,
    /// What of it the suspect holds.
    pub held: SampleSum,
    /// Its share, 0 to 1, of what all sites of the suspect are estimated to hold.
    pub share: f64,
}
