//! How much of the heap the answer rests on, and what could not be read.

use std::collections::BTreeMap;

use leakscope_target::Addr;

/// Objects and their bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Amount {
    /// Number of objects (allocated slots).
    pub objects: u64,
    /// Sum of their slots in bytes.
    pub bytes: u64,
}

impl Amount {
    /// Counts one more object of `bytes` bytes.
    pub fn add(&mut self, bytes: u64) {
        self.objects += 1;
        self.bytes += bytes;
    }
}

/// Most examples kept of each kind of gap: enough to look into, bounded however broken the target is.
const EXAMPLES: usize = 3;

/// Things of one kind that could not be read or made sense of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Gap {
    /// What was being read and what was wrong with it.
    pub reason: &'static str,
    /// How often.
    pub count: u64,
    /// Addresses of the first few.
    pub examples: Vec<Addr>,
}

/// Gaps by reason.
#[derive(Clone, Debug, Default)]
pub struct Gaps {
    by_reason: BTreeMap<&'static str, Gap>,
}

impl Gaps {
    /// Counts one gap at `at`.
    pub fn add(&mut self, reason: &'static str, at: Addr) {
        self.add_many(reason, 1, Some(at));
    }

    /// Counts `count` gaps of one reason, with an example where there is one.
    pub fn add_many(&mut self, reason: &'static str, count: u64, at: Option<Addr>) {
        if count == 0 {
            return;
        }
        let gap = self.by_reason.entry(reason).or_insert_with(|| Gap {
            reason,
            count: 0,
            examples: Vec::new(),
        });
        gap.count += count;
        if let Some(at) = at
            && gap.examples.len() < EXAMPLES
        {
            gap.examples.push(at);
        }
    }

    /// Counts all of `other` too, each with its first example.
    pub fn add_all(&mut self, other: &Gaps) {
        for gap in other.iter() {
            self.add_many(gap.reason, gap.count, gap.examples.first().copied());
        }
    }

    /// Every gap, ordered by its reason's text.
    pub fn iter(&self) -> impl Iterator<Item = &Gap> {
        self.by_reason.values()
    }

    /// Sum of all counts.
    pub fn total(&self) -> u64 {
        self.by_reason.values().map(|g| g.count).sum()
    }
}

/// What share of the heap the answer rests on: of the objects that roots reach. What garbage was, mostly nothing tells.
#[derive(Clone, Debug, Default)]
pub struct Coverage {
    /// All objects that a root reaches.
    pub all: Amount,
    /// Objects whose type is known: from debug info, a runtime type or a typed referrer.
    pub named: Amount,
    /// Objects without a known type that hold pointers.
    pub untyped_scan: Amount,
    /// Objects without a known type that hold none.
    pub untyped_noscan: Amount,
    /// What could not be read, typed or unwound.
    pub gaps: Gaps,
}
