//! From an address to the span that holds it: dense tables of pages over clusters of neighbouring spans.

use crate::spans::Span;

/// No span on this page.
const NONE: u32 = u32::MAX;
/// A cluster may always bridge a gap of this many pages, however small it is.
const FREE_GAP: u64 = 64;

/// Spans by page. A heap is a few dense stretches of pages, wherever they lie; each gets a table of its own, and its
/// size is bounded by twice the pages in use, so that a target cannot make it large with spans strewn about. Where even
/// the pages stated are more than plausible, spans are searched for instead.
pub(crate) struct PageIndex {
    shift: u32,
    /// Whether each cluster is just one span, and there is no table.
    bare: bool,
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
    /// `most_pages` is as many as a table may have.
    pub(crate) fn build(spans: &[Span], page_size: u64, most_pages: u64) -> Self {
        let shift = page_size.trailing_zeros();
        let pages = spans
            .iter()
            .fold(0u64, |sum, s| sum.saturating_add(s.bytes >> shift));
        let bare = pages > most_pages;
        let mut index = Self {
            shift,
            bare,
            clusters: Vec::new(),
            table: Vec::new(),
        };
        for (i, span) in spans.iter().enumerate() {
            if bare {
                let (start, end) = (span.start.0, span.end().0);
                index.clusters.push(Cluster {
                    start,
                    end,
                    table: i,
                });
            } else {
                index.add(i as u32, span);
            }
        }
        index
    }

    fn add(&mut self, number: u32, span: &Span) {
        let pages = (span.bytes >> self.shift) as usize;
        let end = span.end().0;
        match self.clusters.last_mut() {
            // Bridging no more pages than the cluster has keeps the table within twice the pages in use.
            Some(cluster)
                if (span.start.0 - cluster.end) >> self.shift
                    <= FREE_GAP + ((cluster.end - cluster.start) >> self.shift) / 2 =>
            {
                let gap = ((span.start.0 - cluster.end) >> self.shift) as usize;
                self.table.resize(self.table.len() + gap, NONE);
                cluster.end = end;
            }
            _ => self.clusters.push(Cluster {
                start: span.start.0,
                end,
                table: self.table.len(),
            }),
        }
        self.table.resize(self.table.len() + pages, number);
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
        if self.bare {
            return Some(cluster.table as u32);
        }
        let span = *self.table.get(cluster.table + page as usize)?;
        (span != NONE).then_some(span)
    }
}

#[cfg(test)]
mod tests {
    use leakscope_target::Addr;

    use super::PageIndex;
    use crate::spans::{PointerBits, Span, Sweep};

    const PAGE: u64 = 8192;

    fn span(start_page: u64, pages: u64) -> Span {
        Span {
            start: Addr(start_page * PAGE),
            bytes: pages * PAGE,
            elem_size: pages * PAGE,
            limit: Addr((start_page + pages) * PAGE),
            large_type: Addr(0),
            specials: Addr(0),
            reserved: 0,
            nelems: 1,
            first_obj: 0,
            objects: 1,
            in_flight: None,
            size_class: 0,
            noscan: true,
            pointers: PointerBits::None,
            sweep: Sweep::Swept,
            outlived: false,
        }
    }

    #[test]
    fn every_address_leads_to_its_span_dense_or_strewn_about() {
        let spans = [
            span(5, 1),
            span(6, 2),
            span(9, 1),
            span(200, 3),
            span(1 << 30, 1),
            span((1 << 30) + 1, 500),
        ];
        for most_pages in [0, 1 << 20] {
            let index = PageIndex::build(&spans, PAGE, most_pages);
            for (i, s) in spans.iter().enumerate() {
                for at in [s.start.0, s.start.0 + s.bytes / 2, s.end().0 - 1] {
                    assert_eq!(index.get(at), Some(i as u32), "{at:x}");
                }
            }
            for at in [
                0,
                4 * PAGE,
                8 * PAGE,
                10 * PAGE,
                199 * PAGE,
                (1 << 40) - 1,
                u64::MAX,
            ] {
                assert_eq!(index.get(at), None, "{at:x}");
            }
        }
    }

    #[test]
    fn spans_strewn_about_cost_no_more_than_their_pages() {
        let spans: Vec<Span> = (0..1000).map(|i| span(i * 100_000, 1)).collect();
        let index = PageIndex::build(&spans, PAGE, 1 << 20);
        assert_eq!(index.table.len(), 1000);
    }
}
