//! The catalogue of leak patterns. Each looks for itself in a built heap, measures what it costs, says what it read, how sure
//! that is and how to fix the code; and has a page in `docs/patterns`, which is the only text about it.
//!
//! A pattern sees the heap's graph, its maps, its goroutines and who holds what. It never says more than one capture
//! can: what only time could tell is [`Verdict::NeedsSecondCapture`].

mod cleanup_self;
mod conservative_root;
mod finalizer_chain;
mod finalizer_cycle;
mod finalizer_stalled;
mod finding;
mod forgotten;
mod goroutine_leak;
mod iter_pins_storage;
mod join;
mod map_boxed_values;
mod map_grows_only;
mod map_growth_spike;
mod map_hash_skew;
mod map_indirect_slots;
mod map_never_shrinks;
mod map_overflow_chains;
mod map_preallocated_overflow;
mod map_raced;
mod map_slot_padding;
mod map_stranded_growth;
mod map_tiny_swarm;
mod map_tombstones;
mod map_unreachable_entries;
mod map_zombie_values;
mod page;
mod pinned_backing;
mod seen;
mod shapes;
mod sparse;

pub use finding::{Confidence, Evidence, Finding, Subject, Verdict};
pub use map_grows_only::{MapSizes, growing};
pub use page::Page;
pub use seen::Seen;

/// One pattern of the catalogue.
#[derive(Debug)]
pub struct Pattern {
    /// Its name, which never changes: `GO-MAP-NEVER-SHRINKS`.
    pub id: &'static str,
    /// What `leakscope rule` prints.
    pub page: Page,
    find: fn(&Seen<'_>, &mut Vec<Finding>),
}

/// The catalogue, by id.
pub const CATALOGUE: [&Pattern; 23] = [
    &cleanup_self::PATTERN,
    &conservative_root::PATTERN,
    &finalizer_chain::PATTERN,
    &finalizer_cycle::PATTERN,
    &finalizer_stalled::PATTERN,
    &goroutine_leak::PATTERN,
    &iter_pins_storage::PATTERN,
    &map_boxed_values::PATTERN,
    &map_grows_only::PATTERN,
    &map_growth_spike::PATTERN,
    &map_hash_skew::PATTERN,
    &map_indirect_slots::PATTERN,
    &map_never_shrinks::PATTERN,
    &map_overflow_chains::PATTERN,
    &map_preallocated_overflow::PATTERN,
    &map_raced::PATTERN,
    &map_slot_padding::PATTERN,
    &map_stranded_growth::PATTERN,
    &map_tiny_swarm::PATTERN,
    &map_tombstones::PATTERN,
    &map_unreachable_entries::PATTERN,
    &map_zombie_values::PATTERN,
    &pinned_backing::PATTERN,
];

impl Pattern {
    /// The pattern of that id, in whatever case it is written.
    pub fn named(id: &str) -> Option<&'static Self> {
        let mut all = CATALOGUE.iter().copied();
        all.find(|pattern| pattern.id.eq_ignore_ascii_case(id))
    }
}

/// What patterns rest on that nobody needs to look at without them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rests {
    /// Where the keys of maps lie.
    pub keys: bool,
    /// Lengths of slices and strings.
    pub backings: bool,
    /// What lies behind the interfaces of maps.
    pub boxes: bool,
}

impl Rests {
    /// What the patterns that are `wanted` rest on.
    pub fn of(wanted: impl Fn(&Pattern) -> bool) -> Self {
        let keys = [
            &map_hash_skew::PATTERN,
            &map_raced::PATTERN,
            &map_unreachable_entries::PATTERN,
        ];
        Self {
            keys: keys.into_iter().any(&wanted),
            backings: wanted(&pinned_backing::PATTERN),
            boxes: wanted(&map_boxed_values::PATTERN),
        }
    }
}

/// Everything that the patterns that are `wanted` find in a heap, most bytes first. Findings of one pattern whose subjects are
/// held in the same way, such as the shards of a cache, are told as one.
pub fn find(seen: &Seen<'_>, wanted: impl Fn(&Pattern) -> bool) -> Vec<Finding> {
    let mut found = Vec::new();
    for pattern in CATALOGUE.into_iter().filter(|pattern| wanted(pattern)) {
        (pattern.find)(seen, &mut found);
    }
    map_hash_skew::absorb(&mut found);
    join::join(seen, found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_unique_and_in_order_and_found_in_any_case() {
        let ids: Vec<&str> = CATALOGUE.iter().map(|p| p.id).collect();
        assert!(ids.is_sorted_by(|a, b| a < b), "{ids:?}");
        for id in ids {
            let found = Pattern::named(&id.to_lowercase());
            assert_eq!(found.map(|p| p.id), Some(id));
        }
        assert!(Pattern::named("GO-MAP").is_none());
    }

    #[test]
    fn every_page_is_of_its_pattern_and_has_every_section() {
        for pattern in CATALOGUE {
            assert_eq!(pattern.page.id(), pattern.id);
            assert!(!pattern.page.title().is_empty(), "{}", pattern.id);
            let sections: Vec<&str> = pattern.page.sections().collect();
            assert_eq!(
                sections,
                [
                    "What it detects",
                    "Why it leaks",
                    "How it decides",
                    "False positives",
                    "Fix",
                    "Evidence"
                ],
                "{}",
                pattern.id
            );
        }
    }
}
