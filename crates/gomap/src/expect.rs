//! How long chains and probe sequences are with a good hash.

use leakscope_goabi::{GROUP_SLOTS, MAX_TABLE_CAPACITY, occupancy};

use crate::swiss::measure_probes;

/// What a good hash leads to.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Expectation {
    /// Mean length: buckets of a chain, or groups that a search for an entry looks at.
    pub mean: f64,
    /// Share of chains, or searches, of more than one.
    pub beyond_one: f64,
    /// The longest that about half of all such maps have.
    pub longest: u64,
}

/// No chain is expected to be longer; above this, a longest chain is not told.
const LONGEST: u64 = 1_000;
/// Entries that are searched for to learn how long searches are: the mean is then known to about one percent.
const SAMPLE: u64 = 20_000;

/// Chains of a classic map of `2^log2` buckets with that many entries that were never deleted from: a binomial
/// distribution over the buckets.
pub fn classic_chains(entries: u64, log2: u8) -> Expectation {
    let buckets = 1u64 << log2.min(48);
    let beyond =
        |links: u64| occupancy::mean(entries, buckets, |k| f64::from(k > links * GROUP_SLOTS));
    let mean = occupancy::mean(entries, buckets, |k| k.div_ceil(GROUP_SLOTS).max(1) as f64);
    let longest = (1..LONGEST)
        .take_while(|&links| beyond(links) * buckets as f64 >= 0.5)
        .count() as u64
        + 1;
    Expectation {
        mean,
        beyond_one: beyond(1),
        longest,
    }
}

/// Searches in a Swiss table of `capacity` slots with that many entries and no tombstones. There is no closed form for these
/// probe sequences: tables are filled with random hashes and measured.
pub fn swiss_probes(entries: u64, capacity: u64) -> Expectation {
    let capacity = capacity
        .clamp(GROUP_SLOTS, MAX_TABLE_CAPACITY)
        .next_power_of_two();
    let entries = entries.clamp(1, capacity * 7 / 8);
    let rounds = SAMPLE.div_ceil(entries);
    let (mut links, mut beyond, mut longest) = (0, 0, Vec::new());
    for round in 0..rounds {
        let lengths = measure_probes(entries, capacity, round);
        links += lengths.iter().sum::<u64>();
        beyond += lengths.iter().filter(|&&l| l > 1).count() as u64;
        longest.push(lengths.into_iter().max().unwrap_or(1));
    }
    longest.sort_unstable();
    let all = (rounds * entries) as f64;
    Expectation {
        mean: links as f64 / all,
        beyond_one: beyond as f64 / all,
        longest: longest[longest.len() / 2],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Map, Release, Seeded, Shape};

    fn filled(release: &str, entries: u32, seed: u64) -> (Map, Seeded) {
        let release = Release::named(release).unwrap();
        let shape = Shape::parse("map[int]int").unwrap();
        let mut map = Map::make(release, shape, u64::from(entries));
        let mut world = Seeded::new(seed);
        for key in 1..=entries {
            map.assign(key, 1, &mut world).unwrap();
        }
        (map, world)
    }

    #[test]
    fn simulated_maps_have_the_chains_that_are_expected() {
        for (entries, log2) in [(200, 5), (1600, 8), (50_000, 13)] {
            let expected = classic_chains(u64::from(entries), log2);
            let maps: Vec<_> = (0..40).map(|seed| filled("1.23", entries, seed)).collect();
            let mean = maps.iter().map(|(m, w)| m.searches(w).mean()).sum::<f64>() / 40.0;
            assert!((mean - expected.mean).abs() < 0.03, "{mean} {expected:?}");
            let longest = maps.iter().map(|(m, w)| m.searches(w).longest).max();
            assert!(
                longest.unwrap() <= expected.longest + 1,
                "{longest:?} {expected:?}"
            );
        }
    }

    #[test]
    fn simulated_maps_have_the_probes_that_are_expected() {
        let expected = swiss_probes(800, 1024);
        assert!((1.1..1.6).contains(&expected.mean), "{expected:?}");
        let (map, world) = filled("1.27", 800, 3);
        let got = map.searches(&world).mean();
        assert!((got - expected.mean).abs() < 0.15, "{got} {expected:?}");
        assert!(swiss_probes(100, 1024).mean < 1.01);
    }
}
