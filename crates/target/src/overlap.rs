//! Cutting overlapping ranges into disjoint pieces.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::AddrRange;

/// Disjoint pieces that cover exactly what `ranges` cover, sorted by address, each with the index of the range it is
/// cut from. Where several ranges cover an address, the one with the lowest index wins.
///
/// Takes O(n log n) time and yields at most 2n pieces, however the ranges overlap: they may come from a hostile file.
pub(crate) fn disjoint(ranges: &[AddrRange]) -> Vec<(AddrRange, usize)> {
    let mut by_start: Vec<(AddrRange, usize)> = ranges
        .iter()
        .copied()
        .zip(0..)
        .filter(|(range, _)| !range.is_empty())
        .collect();
    by_start.sort_unstable_by_key(|(range, index)| (range.start, *index));
    if by_start.windows(2).all(|w| w[0].0.end <= w[1].0.start) {
        return by_start;
    }
    let mut pieces: Vec<(AddrRange, usize)> = Vec::with_capacity(by_start.len());
    let mut waiting = by_start.into_iter().peekable();
    // Ranges that began at or before `at`, the winner on top; those that have ended are dropped when they surface.
    let mut open: BinaryHeap<Reverse<(usize, AddrRange)>> = BinaryHeap::new();
    let mut at = match waiting.peek() {
        Some((first, _)) => first.start,
        None => return pieces,
    };
    loop {
        while let Some((range, index)) = waiting.next_if(|(range, _)| range.start <= at) {
            open.push(Reverse((index, range)));
        }
        let Some(Reverse((winner, range))) = open.peek().copied() else {
            match waiting.peek() {
                Some((next, _)) => at = next.start,
                None => return pieces,
            }
            continue;
        };
        if range.end <= at {
            open.pop();
            continue;
        }
        let next_start = waiting.peek().map_or(range.end, |(next, _)| next.start);
        let end = range.end.min(next_start);
        match pieces.last_mut() {
            Some((last, index)) if *index == winner && last.end == at => last.end = end,
            _ => pieces.push((AddrRange { start: at, end }, winner)),
        }
        at = end;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Addr;

    fn range(start: u64, end: u64) -> AddrRange {
        AddrRange {
            start: Addr(start),
            end: Addr(end),
        }
    }

    /// The same answer address by address.
    fn by_brute_force(ranges: &[AddrRange], end: u64) -> Vec<Option<usize>> {
        (0..end)
            .map(|a| ranges.iter().position(|r| r.contains(Addr(a))))
            .collect()
    }

    #[test]
    fn every_address_goes_to_the_first_range_that_covers_it() {
        let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
        let mut random = |below: u64| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            seed % below
        };
        for _ in 0..2000 {
            let ranges: Vec<AddrRange> = (0..random(9))
                .map(|_| {
                    let start = random(40);
                    range(start, start + random(12))
                })
                .collect();
            let pieces = disjoint(&ranges);
            assert!(
                pieces.windows(2).all(|w| w[0].0.end <= w[1].0.start),
                "{ranges:?} -> {pieces:?}"
            );
            assert!(pieces.iter().all(|(r, _)| !r.is_empty()));
            assert!(pieces.len() <= 2 * ranges.len());
            let mut found = vec![None; 60];
            for (piece, index) in &pieces {
                for a in piece.start.0..piece.end.0 {
                    found[a as usize] = Some(*index);
                }
            }
            assert_eq!(
                found,
                by_brute_force(&ranges, 60),
                "{ranges:?} -> {pieces:?}"
            );
        }
    }

    #[test]
    fn the_end_of_the_address_space_is_an_ordinary_end() {
        let all = range(0, u64::MAX);
        let last = range(u64::MAX - 1, u64::MAX);
        assert_eq!(
            disjoint(&[last, all]),
            [(range(0, u64::MAX - 1), 1), (last, 0)]
        );
        assert_eq!(disjoint(&[range(5, 5), range(9, 3)]), []);
    }
}
