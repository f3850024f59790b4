//! What could not be read or made sense of, counted by reason.

use std::collections::BTreeMap;

/// Examples kept of each gap.
const MAX_EXAMPLES: usize = 3;

/// One kind of gap.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Gap {
    /// What is missing and why.
    pub reason: &'static str,
    /// How often.
    pub count: u64,
    /// Where: object ids, or offsets in the file, as the reason says.
    pub examples: Vec<u64>,
}

/// Gaps by reason.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Gaps(BTreeMap<&'static str, (u64, Vec<u64>)>);

impl Gaps {
    /// Counts one.
    pub(crate) fn add(&mut self, reason: &'static str, at: u64) {
        self.add_many(reason, 1, [at]);
    }

    /// Counts several; `at` are the first of them.
    pub(crate) fn add_many(
        &mut self,
        reason: &'static str,
        count: u64,
        at: impl IntoIterator<Item = u64>,
    ) {
        if count == 0 {
            return;
        }
        let gap = self.0.entry(reason).or_default();
        gap.0 += count;
        let room = MAX_EXAMPLES.saturating_sub(gap.1.len());
        gap.1.extend(at.into_iter().take(room));
    }

    /// Counts those of `other` too.
    pub(crate) fn add_all(&mut self, other: &Gaps) {
        for (reason, (count, at)) in &other.0 {
            self.add_many(reason, *count, at.iter().copied());
        }
    }

    /// Each kind, by reason.
    pub fn iter(&self) -> impl Iterator<Item = Gap> + '_ {
        self.0.iter().map(|(reason, (count, examples))| Gap {
            reason,
            count: *count,
            examples: examples.clone(),
        })
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
