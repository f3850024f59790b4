//! What grows between captures of one program, by any key that stays the same: fingerprints, types, owners.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::Held;

/// One key over all captures.
#[derive(Clone, PartialEq, Debug)]
pub struct GrowthRow<K> {
    /// What grew or shrank.
    pub key: K,
    /// Objects and bytes in each capture, in order; zero where the key is missing.
    pub sums: Vec<Held>,
    /// Bytes in the last capture less those in the first.
    pub bytes_grown: i64,
    /// Objects in the last capture less those in the first.
    pub objects_grown: i64,
    /// Whether bytes never fell from one capture to the next, and rose at least once.
    pub steady: bool,
    /// Bytes gained per unit of time, by least squares over all captures.
    pub slope: f64,
}

/// Compares captures, oldest first, each a table of `(key, objects and bytes)`; rows of one key add up. `times` places
/// them, in any unit; where it does not have one finite time per capture, they count as equally far apart.
/// Most bytes gained first, then by key.
pub fn growth<K: Ord>(
    times: &[f64],
    captures: impl IntoIterator<Item = impl IntoIterator<Item = (K, Held)>>,
) -> Vec<GrowthRow<K>> {
    let mut sums: BTreeMap<K, Vec<Held>> = BTreeMap::new();
    let mut count = 0;
    for capture in captures {
        for (key, held) in capture {
            let row = sums.entry(key).or_default();
            row.resize(count + 1, Held::default());
            row[count].objects = row[count].objects.saturating_add(held.objects);
            row[count].bytes = row[count].bytes.saturating_add(held.bytes);
        }
        count += 1;
    }
    let placed = times.len() == count && times.iter().all(|t| t.is_finite());
    let times: Vec<f64> = if placed {
        times.to_vec()
    } else {
        (0..count).map(|i| i as f64).collect()
    };
    let mut rows: Vec<GrowthRow<K>> = sums
        .into_iter()
        .map(|(key, mut sums)| {
            sums.resize(count, Held::default());
            row(key, sums, &times)
        })
        .collect();
    // Stable: equal growth stays in the order of keys.
    rows.sort_by_key(|row| Reverse(row.bytes_grown));
    rows
}

fn row<K>(key: K, sums: Vec<Held>, times: &[f64]) -> GrowthRow<K> {
    let (first, last) = match (sums.first(), sums.last()) {
        (Some(first), Some(last)) => (*first, *last),
        _ => Default::default(),
    };
    let grown = |from: u64, to: u64| {
        let difference = i128::from(to) - i128::from(from);
        difference.clamp(i64::MIN.into(), i64::MAX.into()) as i64
    };
    GrowthRow {
        key,
        bytes_grown: grown(first.bytes, last.bytes),
        objects_grown: grown(first.objects, last.objects),
        steady: last.bytes > first.bytes && sums.windows(2).all(|w| w[0].bytes <= w[1].bytes),
        slope: slope(times, &sums),
        sums,
    }
}

fn slope(times: &[f64], sums: &[Held]) -> f64 {
    let n = times.len().max(1) as f64;
    let mean_time = times.iter().sum::<f64>() / n;
    let mean_bytes = sums.iter().map(|s| s.bytes as f64).sum::<f64>() / n;
    let spread: f64 = times.iter().map(|t| (t - mean_time).powi(2)).sum();
    let common = times.iter().zip(sums);
    let common: f64 = common
        .map(|(t, s)| (t - mean_time) * (s.bytes as f64 - mean_bytes))
        .sum();
    if spread > 0.0 { common / spread } else { 0.0 }
}
