//! What is known of the objects that grow, from a look into the heap.

/// What a look into the heap said about what grows. Such a look errs: [`crate::Config::evidence_until`] bounds the harm.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Evidence {
    /// What grows is bounded by its own rule (a cache with a maximum, a pool): growth is no leak yet.
    Bounded,
    /// One class, allocation site or stack holds at least half of the growth, and nothing bounds it.
    Unbounded,
    /// Nothing stands out.
    Unclear,
}
