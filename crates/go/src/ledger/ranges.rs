//! Sets of addresses: ascending, disjoint ranges.

use leakscope_target::{Addr, AddrRange};

/// Sorts ranges and joins those that overlap or touch.
pub(super) fn joined(mut ranges: Vec<AddrRange>) -> Vec<AddrRange> {
    ranges.retain(|r| r.start < r.end);
    ranges.sort_unstable_by_key(|r| r.start);
    let mut joined: Vec<AddrRange> = Vec::with_capacity(ranges.len());
    for range in ranges {
        match joined.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => joined.push(range),
        }
    }
    joined
}

/// Bytes in a set.
pub(super) fn bytes(set: &[AddrRange]) -> u64 {
    set.iter().fold(0, |sum, r| sum.saturating_add(r.len()))
}

/// The ranges of a set that reach into `within`.
pub(super) fn touching(set: &[AddrRange], within: AddrRange) -> &[AddrRange] {
    let from = set.partition_point(|r| r.end <= within.start);
    let rest = set.get(from..).unwrap_or_default();
    rest.get(..rest.partition_point(|r| r.start < within.end))
        .unwrap_or_default()
}

/// What is in both.
pub(super) fn both(a: &[AddrRange], b: &[AddrRange]) -> Vec<AddrRange> {
    let mut found = Vec::new();
    for range in a {
        for other in touching(b, *range) {
            found.push(AddrRange {
                start: range.start.max(other.start),
                end: range.end.min(other.end),
            });
        }
    }
    found
}

/// What is in `a` and not in `b`.
pub(super) fn without(a: &[AddrRange], b: &[AddrRange]) -> Vec<AddrRange> {
    let mut left = Vec::new();
    for range in a {
        let mut start = range.start;
        for other in touching(b, *range) {
            add(&mut left, start, other.start);
            start = start.max(other.end);
        }
        add(&mut left, start, range.end);
    }
    left
}

fn add(list: &mut Vec<AddrRange>, start: Addr, end: Addr) {
    if start < end {
        list.push(AddrRange { start, end });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(bits: u32) -> Vec<AddrRange> {
        let one = |i: u64| AddrRange {
            start: Addr(i),
            end: Addr(i + 1),
        };
        joined((0..32).filter(|i| bits >> i & 1 == 1).map(one).collect())
    }

    #[test]
    fn sets_obey_the_algebra_of_bits() {
        let mut seed = 0x9e37_79b9_u32;
        for _ in 0..2000 {
            seed ^= seed << 13;
            seed ^= seed >> 17;
            seed ^= seed << 5;
            let (a, b) = (seed, seed.rotate_left(11) ^ 0x5a5a_0f0f);
            assert_eq!(joined(both(&set(a), &set(b))), set(a & b));
            assert_eq!(joined(without(&set(a), &set(b))), set(a & !b));
            assert_eq!(bytes(&set(a)), u64::from(a.count_ones()));
        }
    }
}
