//! What to copy, and where each byte of it goes.

use crate::vm::{MAX_PIECES, RemoteSlice};
use crate::{Addr, AddrRange};

/// Ranges start and end on such a boundary in the copy, so that words stay aligned. Divides a page: what is read beyond
/// a range lies in the same page.
const GRAIN: u64 = 16;

/// What to copy: ranges laid end to end.
pub(super) struct CopyList {
    ranges: Vec<AddrRange>,
    /// Where each range ends in the copy.
    ends: Vec<u64>,
}

impl CopyList {
    /// An empty list with room for `ranges` ranges.
    pub(super) fn with_capacity(ranges: usize) -> Self {
        Self {
            ranges: Vec::with_capacity(ranges),
            ends: Vec::with_capacity(ranges),
        }
    }

    /// Replaces the content, without allocating; false where there is no room.
    #[must_use]
    pub(super) fn fill(&mut self, ranges: &[AddrRange]) -> bool {
        self.ranges.clear();
        self.ends.clear();
        if ranges.len() > self.ranges.capacity().min(self.ends.capacity()) {
            return false;
        }
        let mut end = 0u64;
        for r in ranges.iter().filter(|r| !r.is_empty()) {
            let r = grained(*r);
            end = end.saturating_add(r.len());
            self.ranges.push(r);
            self.ends.push(end);
        }
        true
    }

    /// Length of the copy in bytes.
    pub(super) fn bytes(&self) -> u64 {
        self.ends.last().copied().unwrap_or(0)
    }

    /// The ranges with their places in the copy.
    pub(super) fn placed(&self) -> impl Iterator<Item = (AddrRange, u64)> + '_ {
        self.ranges
            .iter()
            .zip(&self.ends)
            .map(|(r, end)| (*r, end - r.len()))
    }

    /// Ranges that lie at `[at, at + len)` of the copy, into `pieces`; answers how many, and how many bytes they have.
    pub(super) fn pieces(&self, at: u64, len: usize, pieces: &mut [RemoteSlice]) -> (usize, usize) {
        let first = self.ends.partition_point(|end| *end <= at);
        let mut at = at;
        let (mut count, mut bytes) = (0, 0);
        let ranges = self.ranges.iter().zip(&self.ends).skip(first);
        for (piece, (range, end)) in pieces.iter_mut().zip(ranges) {
            let left = end.saturating_sub(at);
            let n = left.min((len - bytes) as u64);
            if n == 0 {
                break;
            }
            *piece = RemoteSlice::new(Addr(range.end.0.saturating_sub(left)), n as usize);
            at += n;
            bytes += n as usize;
            count += 1;
        }
        (count, bytes)
    }

    /// Evenly spread pieces of the copy, about `bytes` of them in all, each at most `piece` bytes of the copy.
    pub(super) fn sample(&self, bytes: u64, piece: u64) -> Vec<AddrRange> {
        let stride = (self.bytes() / bytes.max(1)).max(1) * piece;
        let mut found = Vec::new();
        let mut at = 0;
        let mut slices = [RemoteSlice::EMPTY; MAX_PIECES];
        while at < self.bytes() && found.len() < MAX_PIECES * 64 {
            let (count, _) = self.pieces(at, piece as usize, &mut slices);
            found.extend(slices.iter().take(count).map(RemoteSlice::range));
            at += stride;
        }
        found
    }
}

fn grained(r: AddrRange) -> AddrRange {
    let start = Addr(r.start.0 & !(GRAIN - 1));
    let end = Addr(r.end.0.checked_next_multiple_of(GRAIN).unwrap_or(r.end.0));
    AddrRange { start, end }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(ranges: &[(u64, u64)]) -> CopyList {
        let ranges: Vec<AddrRange> = ranges
            .iter()
            .map(|(s, e)| AddrRange {
                start: Addr(*s),
                end: Addr(*e),
            })
            .collect();
        let mut list = CopyList::with_capacity(ranges.len());
        assert!(list.fill(&ranges));
        list
    }

    #[test]
    fn pieces_of_the_copy_are_the_ranges_in_order() {
        let l = list(&[(0x1000, 0x1020), (0x2008, 0x2010), (0x3000, 0x3100)]);
        assert_eq!(l.bytes(), 0x20 + 0x10 + 0x100);
        let mut slices = [RemoteSlice::EMPTY; 8];
        let (count, bytes) = l.pieces(0x10, 0x40, &mut slices);
        let got: Vec<(u64, u64)> = slices[..count]
            .iter()
            .map(|s| (s.range().start.0, s.range().end.0))
            .collect();
        assert_eq!(got, [(0x1010, 0x1020), (0x2000, 0x2010), (0x3000, 0x3020)]);
        assert_eq!(bytes, 0x40);
        assert_eq!(l.pieces(l.bytes(), 16, &mut slices), (0, 0));
    }

    #[test]
    fn a_full_list_says_so_instead_of_growing() {
        let mut l = CopyList::with_capacity(1);
        let r = AddrRange {
            start: Addr(0x1000),
            end: Addr(0x2000),
        };
        let room = l.ranges.capacity();
        assert!(!l.fill(&vec![r; room + 1]));
        assert!(l.fill(&vec![r; room]));
    }

    #[test]
    fn a_sample_is_spread_over_the_whole_copy() {
        let l = list(&[(0x10_0000, 0x90_0000), (0x100_0000, 0x180_0000)]);
        let s = l.sample(1 << 20, 1 << 16);
        let bytes: u64 = s.iter().map(AddrRange::len).sum();
        assert_eq!(bytes, 1 << 20);
        assert!(s.iter().any(|r| r.start.0 >= 0x100_0000));
        assert_eq!(list(&[(0x1000, 0x2000)]).sample(1 << 20, 1 << 16).len(), 1);
        assert!(list(&[]).sample(1 << 20, 1 << 16).is_empty());
    }
}
