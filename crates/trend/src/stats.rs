//! The two estimators that everything rests on. Both look at every pair of points, so both take few points.

/// Mann-Kendall's statistic of an upward trend: the number of rising pairs less the falling ones, in standard deviations
/// of what it would be without order (normal approximation, corrected for ties and for continuity; Mann 1945, Kendall
/// 1975). Depends on the order of the values only: any increasing function of them gives the same. 0 for less than three.
pub fn mann_kendall(values: &[f64]) -> f64 {
    let n = values.len();
    if n < 3 {
        return 0.0;
    }
    let mut s = 0_i64;
    let mut ties = false;
    for (i, a) in values.iter().enumerate() {
        for b in &values[i + 1..] {
            s += i64::from(b > a) - i64::from(b < a);
            ties |= b == a;
        }
    }
    let n = n as f64;
    let mut variance = n * (n - 1.0) * (2.0 * n + 5.0);
    if ties {
        variance -= tied(values);
    }
    if variance <= 0.0 {
        return 0.0;
    }
    (s - s.signum()) as f64 / (variance / 18.0).sqrt()
}

/// Sum of t (t - 1) (2 t + 5) over groups of t equal values.
fn tied(values: &[f64]) -> f64 {
    let mut sum = 0.0;
    for (i, a) in values.iter().enumerate() {
        // Each group is counted where its first member stands.
        if values[..i].iter().any(|b| b == a) {
            continue;
        }
        let t = values[i..].iter().filter(|b| *b == a).count() as f64;
        sum += t * (t - 1.0) * (2.0 * t + 5.0);
    }
    sum
}

/// Theil and Sen's slope: the median of the slopes of all pairs, in values per unit of time (Theil 1950, Sen 1968). Up to
/// 29 % of the points may be anything. 0 where no two points have different times. `slopes` is working space.
pub fn theil_sen(times: &[f64], values: &[f64], slopes: &mut Vec<f64>) -> f64 {
    slopes.clear();
    for (i, (t, v)) in times.iter().zip(values).enumerate() {
        for (u, w) in times.iter().zip(values).skip(i + 1) {
            if u > t {
                slopes.push((w - v) / (u - t));
            }
        }
    }
    median(slopes).unwrap_or(0.0)
}

/// The median, of an even number the mean of the middle two; the values are reordered. `None` of nothing.
pub(crate) fn median(values: &mut [f64]) -> Option<f64> {
    let n = values.len();
    if n == 0 {
        return None;
    }
    let (below, middle, _) = values.select_nth_unstable_by(n / 2, f64::total_cmp);
    let middle = *middle;
    if n % 2 == 1 {
        return Some(middle);
    }
    let lower = below.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    Some(f64::midpoint(lower, middle))
}

/// What the median absolute deviation of normal noise is multiplied with to give its standard deviation.
const MAD_TO_SIGMA: f64 = 1.4826;

/// The noise around the line of slope `slope`: a standard deviation from the median absolute deviation.
pub(crate) fn noise(times: &[f64], values: &[f64], slope: f64, work: &mut Vec<f64>) -> f64 {
    work.clear();
    work.extend(times.iter().zip(values).map(|(t, v)| v - slope * t));
    let Some(level) = median(work) else {
        return 0.0;
    };
    for residual in work.iter_mut() {
        *residual = (*residual - level).abs();
    }
    MAD_TO_SIGMA * median(work).unwrap_or(0.0)
}

/// Share of the load's variation that a line in time may explain before the two count as one: what grows then cannot be
/// split between them, and all of it is the load's.
const COLLINEAR: f64 = 0.7;

/// Least variation of a load, as a share of its mean, that is one.
const LOAD_VARIES: f64 = 0.02;

/// How much `values` follow `load` beside a trend in time: `c` of the least squares fit `v = a + c load + m t`, or of
/// `v = a + c load` where load itself is a trend. Not below zero, and not more than makes values proportional to the
/// load: nothing that a request needs grows faster than requests do. `None` where load does not vary.
pub(crate) fn load_factor(times: &[f64], values: &[f64], load: &[f64]) -> Option<f64> {
    let n = times.len() as f64;
    let mean = |x: &[f64]| x.iter().sum::<f64>() / n;
    let (t0, v0, l0) = (mean(times), mean(values), mean(load));
    let (mut tt, mut tl, mut ll, mut tv, mut lv) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for ((t, v), l) in times.iter().zip(values).zip(load) {
        let (t, v, l) = (t - t0, v - v0, l - l0);
        tt += t * t;
        tl += t * l;
        ll += l * l;
        tv += t * v;
        lv += l * v;
    }
    let varies = (ll / n).sqrt() > LOAD_VARIES * l0;
    if !varies || tt <= 0.0 {
        return None;
    }
    let factor = if tl * tl > COLLINEAR * tt * ll {
        lv / ll
    } else {
        (lv * tt - tv * tl) / (tt * ll - tl * tl)
    };
    Some(factor.clamp(0.0, (v0 / l0).max(0.0)))
}

/// Values that are looked at side by side: one vector register.
const LANES: usize = 8;

/// The smallest of the values that are known (not NaN), and the first place where it stands.
pub(crate) fn lowest(values: &[f32]) -> Option<(usize, f32)> {
    let low = extreme(values, f32::INFINITY, |a, b| if b < a { b } else { a });
    let at = values.iter().position(|v| *v == low)?;
    Some((at, low))
}

/// The largest of the values that are known (not NaN).
pub(crate) fn highest(values: &[f32]) -> Option<f32> {
    let high = extreme(values, f32::NEG_INFINITY, |a, b| if b > a { b } else { a });
    (high > f32::NEG_INFINITY).then_some(high)
}

/// The mean of the values that are known (not NaN).
pub(crate) fn mean_of(values: &[f32]) -> Option<f64> {
    // Lane by lane, as below: a sum in order may not use vectors.
    let (mut sums, mut counts) = ([0.0_f64; LANES], [0_u32; LANES]);
    for chunk in values.chunks(LANES) {
        for ((sum, count), value) in sums.iter_mut().zip(&mut counts).zip(chunk) {
            let known = !value.is_nan();
            *sum += if known { f64::from(*value) } else { 0.0 };
            *count += u32::from(known);
        }
    }
    let count: u32 = counts.iter().sum();
    (count > 0).then(|| sums.iter().sum::<f64>() / f64::from(count))
}

/// Folds lane by lane, so that the compiler may use vectors: `f32::min` in order may not be.
fn extreme(values: &[f32], none: f32, better: impl Fn(f32, f32) -> f32) -> f32 {
    let mut lanes = [none; LANES];
    let chunks = values.chunks_exact(LANES);
    let rest = chunks.remainder();
    for chunk in chunks {
        for (lane, value) in lanes.iter_mut().zip(chunk) {
            *lane = better(*lane, *value);
        }
    }
    let all = lanes.iter().chain(rest);
    all.fold(none, |found, value| better(found, *value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mann_kendall_is_that_of_the_textbook() {
        // Gilbert 1987, table A18 style: a perfect order of 8 has S = 28 and variance 65.33.
        let order: Vec<f64> = (0..8).map(f64::from).collect();
        assert!((mann_kendall(&order) - 27.0 / 65.333_333_f64.sqrt()).abs() < 1e-6);
        let falling: Vec<f64> = order.iter().rev().copied().collect();
        assert!((mann_kendall(&falling) + mann_kendall(&order)).abs() < 1e-12);
        assert_eq!(mann_kendall(&[5.0; 9]), 0.0);
        // One pair of ties: variance (8*7*21 - 2*1*9) / 18.
        let tied = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 6.0];
        assert!((mann_kendall(&tied) - 26.0 / ((1176.0 - 18.0) / 18.0_f64).sqrt()).abs() < 1e-9);
    }

    #[test]
    fn extremes_leave_out_what_is_not_known() {
        let mut values = vec![f32::NAN; 37];
        assert_eq!((lowest(&values), highest(&values)), (None, None));
        for (at, value) in [(3, 5.0), (20, 2.0), (30, 2.0), (36, 9.0)] {
            values[at] = value;
        }
        assert_eq!(
            (lowest(&values), highest(&values)),
            (Some((20, 2.0)), Some(9.0))
        );
        assert_eq!((lowest(&[]), highest(&[])), (None, None));
        assert_eq!(mean_of(&values), Some(4.5));
        assert_eq!(mean_of(&[f32::NAN; 9]), None);
    }

    #[test]
    fn theil_sen_ignores_a_quarter_of_outliers() {
        let times: Vec<f64> = (0..20).map(f64::from).collect();
        let mut values: Vec<f64> = times.iter().map(|t| 3.0 * t + 7.0).collect();
        for i in [3, 8, 13, 18, 19] {
            values[i] = 1e9;
        }
        let slope = theil_sen(&times, &values, &mut Vec::new());
        assert!((slope - 3.0).abs() < 0.5, "{slope}");
    }

    #[test]
    fn what_follows_load_is_told_from_what_follows_time() {
        let times: Vec<f64> = (0..24).map(f64::from).collect();
        let load: Vec<f64> = times.iter().map(|t| (t * 1.7).sin() + 2.0).collect();
        let values: Vec<f64> = times
            .iter()
            .zip(&load)
            .map(|(t, l)| 20.0 + 5.0 * l + 0.5 * t)
            .collect();
        assert!((load_factor(&times, &values, &load).unwrap() - 5.0).abs() < 1e-9);
        // A load that is a trend takes all of it, as far as values are proportional.
        let rising: Vec<f64> = times.iter().map(|t| 10.0 + t).collect();
        let double: Vec<f64> = rising.iter().map(|l| 5.0 + 2.0 * l).collect();
        assert!((load_factor(&times, &double, &rising).unwrap() - 2.0).abs() < 1e-9);
        let steeper: Vec<f64> = rising.iter().map(|l| 9.0 * l - 80.0).collect();
        assert!(load_factor(&times, &steeper, &rising).unwrap() < 6.0);
        assert_eq!(load_factor(&times, &values, &[1.0; 24]), None);
    }
}
