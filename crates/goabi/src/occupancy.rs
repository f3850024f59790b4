//! How evenly a hash spreads entries over buckets or tables.

/// Weights below this share of the largest are left out.
const NEGLIGIBLE: f64 = 1e-18;

/// The mean of `value` over the number of entries that one of `bins` bins gets, when `entries` entries fall into bins at
/// random: a binomial distribution. Takes a number of steps in the order of the square root of that number.
pub fn mean(entries: u64, bins: u64, value: impl Fn(u64) -> f64) -> f64 {
    if bins <= 1 {
        return value(entries);
    }
    // Weights relative to the likeliest number, by the ratio of neighbouring terms; their sum makes them a distribution.
    let odds = 1.0 / (bins - 1) as f64;
    let up = |k: u64| (entries - k) as f64 / (k + 1) as f64 * odds;
    let likeliest = entries / bins;
    let (mut sum, mut weighted) = (1.0, value(likeliest));
    let (mut k, mut weight) = (likeliest, 1.0);
    while k < entries && weight > NEGLIGIBLE {
        weight *= up(k);
        k += 1;
        sum += weight;
        weighted += weight * value(k);
    }
    (k, weight) = (likeliest, 1.0);
    while k > 0 && weight > NEGLIGIBLE {
        weight /= up(k - 1);
        k -= 1;
        sum += weight;
        weighted += weight * value(k);
    }
    weighted / sum
}

/// `mean` buckets, tables, ... per bin, for all bins together.
pub fn total(mean: f64, bins: u64) -> u64 {
    // Saturates for numbers that no address space holds.
    (mean * bins as f64).round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_number_is_entries_by_bins_and_all_probabilities_sum_to_one() {
        for (entries, bins) in [
            (0, 4),
            (9, 2),
            (1000, 64),
            (2_000_000, 4096),
            (600_000, 1 << 17),
        ] {
            let number = mean(entries, bins, |k| k as f64);
            assert!(
                (number - entries as f64 / bins as f64).abs() < 1e-6,
                "{entries} {bins}: {number}"
            );
            assert!((mean(entries, bins, |_| 1.0) - 1.0).abs() < 1e-9);
        }
    }

    /// The table in the comment of `runtime/map.go`: 20.90 % of buckets overflow at a load of 6.5.
    #[test]
    fn overflow_at_a_load_of_six_and_a_half_is_what_the_runtime_says() {
        let share = mean(6_500_000, 1_000_000, |k| f64::from(k > 8));
        assert!((share - 0.2085).abs() < 0.001, "{share}");
    }
}
