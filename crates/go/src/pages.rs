//! From an address to the span that holds it: dense tables of pages over clusters of neighbouring spans.

use crate::spans::Span;

/// No span on this page.
const NONE: u32 = u32::MAX;
/// A cluster may always bridge a gap of this many pages, however small it is.
const FREE_GAP: u64 = 64;

/// Spans by page. A heap is a few dense stretches of pages, wherever they lie; each gets a table of its own, and its
/// size is bounded by twice the pages in use, so that a target cannot make it large with spans strewn about.
pub(crate) struct PageIndex {
    shift: u32,
    clusters: Vec<Cluster>,
    table: Vec<u32>,
}

struct Cluster {
    start: u64,
    end: u64,
    table: usize,
}

impl PageIndex {
    /// Indexes `spans`, which are ascending, disjoint and made of whole pages of `page_size` bytes (a power of two).
    pub(crate) fn build<'a>(spans: impl Iterator<Item = &'a Span>, page_size: u64) -> Self {
        let shift = page_size.trailing_zeros();
        let mut index = Self {
            shift,
            clusters: Vec::new(),
            table: Vec::new(),
        };
        let mut used = 0;
        for (i, span) in spans.enumerate() {
            let pages = span.bytes >> shift;
            let gap = index
                .clusters
                .last()
                .map(|c| (span.start.0 - c.end) >> shift);
            match (gap, index.clusters.last_mut()) {
                (Some(gap), Some(cluster)) if gap <= FREE_GAP + used => {
                    index.table.resize(index.table.len() + gap as usize, NONE);
                    cluster.end = span.end().0;
                    used += pages;
                }
                _ => {
                    let table = index.table.len();
                    index.clusters.push(Cluster {
                        start: span.start.0,
                        end: span.end().0,
                        table,
                    });
                    used = pages;
                }
            }
            index
                .table
                .resize(index.table.len() + pages as usize, i as u32);
        }
        index
    }

    /// The number of the span whose pages hold `addr`.
    #[inline]
    pub(crate) fn get(&self, addr: u64) -> Option<u32> {
        let i = match self.clusters.as_slice() {
            [_] => 0,
            many => many.partition_point(|c| c.end <= addr),
        };
        let cluster = self.clusters.get(i)?;
        if addr >= cluster.end {
            return None;
        }
        let page = addr.checked_sub(cluster.start)? >> self.shift;
        let span = *self.table.get(cluster.table + page as usize)?;
        (span != NONE).then_some(span)
    }
}
