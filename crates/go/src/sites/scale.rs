//! From a sample to what was sampled from.

/// Two-sided 95 % of a normal distribution, in standard deviations.
const SIGMAS_95: f64 = 1.96;

/// How many objects and bytes a number of samples stands for.
///
/// An object of `s` bytes is sampled with the probability `p = 1 - exp(-s/rate)`: samples come as a Poisson process over
/// allocated bytes (malloc.go, `nextSample`). So each sample stands for `1/p` objects, as in `scaleHeapSample` of
/// runtime/pprof, and adds `s²(1-p)/p²` to the variance of the bytes.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Estimate {
    /// Sampled objects.
    pub sampled: u64,
    /// Their bytes.
    pub sampled_bytes: u64,
    objects: f64,
    bytes: f64,
    variance: f64,
}

impl Estimate {
    /// Counts `count` sampled objects of `size` bytes each, at one sample in `rate` bytes.
    pub fn add(&mut self, count: u64, size: u64, rate: u64) {
        self.sampled = self.sampled.saturating_add(count);
        self.sampled_bytes = self
            .sampled_bytes
            .saturating_add(count.saturating_mul(size));
        let (count, size) = (count as f64, size as f64);
        let p = if rate <= 1 {
            1.0
        } else {
            -f64::exp_m1(-size / rate as f64)
        };
        if p <= 0.0 {
            return;
        }
        self.objects += count / p;
        self.bytes += count * size / p;
        self.variance += count * size * size * (1.0 - p) / (p * p);
    }

    /// Counts all of `other` too.
    pub fn add_all(&mut self, other: &Self) {
        self.sampled = self.sampled.saturating_add(other.sampled);
        self.sampled_bytes = self.sampled_bytes.saturating_add(other.sampled_bytes);
        self.objects += other.objects;
        self.bytes += other.bytes;
        self.variance += other.variance;
    }

    /// Objects, estimated.
    pub fn objects(&self) -> u64 {
        self.objects as u64
    }

    /// Bytes, estimated.
    pub fn bytes(&self) -> u64 {
        self.bytes as u64
    }

    /// By what share of [`bytes`](Self::bytes) the truth may lie above or below, in 95 of 100 cases; 0 where every object
    /// was sampled.
    pub fn error(&self) -> f64 {
        if self.bytes > 0.0 {
            SIGMAS_95 * self.variance.sqrt() / self.bytes
        } else {
            0.0
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// runtime/pprof/protomem.go, `scaleHeapSample`.
    fn scale_heap_sample(count: f64, size: f64, rate: f64) -> (u64, u64) {
        let average = size / count;
        let scale = 1.0 / (1.0 - (-average / rate).exp());
        ((count * scale) as u64, (size * scale) as u64)
    }

    #[test]
    fn samples_are_scaled_as_runtime_pprof_scales_them() {
        for (count, size) in [(1, 16), (7, 1024), (100, 524_288), (3, 10 << 20)] {
            let mut estimate = Estimate::default();
            estimate.add(count, size, 512 << 10);
            let (objects, bytes) =
                scale_heap_sample(count as f64, (count * size) as f64, (512 << 10) as f64);
            assert!(estimate.objects().abs_diff(objects) <= 1 + objects / 1_000_000);
            assert!(estimate.bytes().abs_diff(bytes) <= 1 + bytes / 1_000_000);
        }
    }

    #[test]
    fn nothing_is_scaled_where_every_object_is_a_sample() {
        let mut estimate = Estimate::default();
        estimate.add(3, 100, 1);
        assert_eq!((estimate.objects(), estimate.bytes()), (3, 300));
        assert_eq!(estimate.error(), 0.0);
    }

    #[test]
    fn the_error_holds_in_about_95_of_100_samplings() {
        const RATE: u64 = 512 << 10;
        const SIZE: u64 = 4096;
        const OBJECTS: u64 = 40_000;
        let mut seed = 88_172_645_463_325_252_u64;
        let mut uniform = || {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            (seed >> 11) as f64 / (1u64 << 53) as f64
        };
        let mut within = 0;
        for _ in 0..200 {
            let p = 1.0 - (-(SIZE as f64) / RATE as f64).exp();
            let sampled = (0..OBJECTS).filter(|_| uniform() < p).count() as u64;
            let mut estimate = Estimate::default();
            estimate.add(sampled, SIZE, RATE);
            let truth = (OBJECTS * SIZE) as f64;
            let off = (estimate.bytes() as f64 - truth).abs() / estimate.bytes() as f64;
            within += u32::from(off <= estimate.error());
        }
        assert!((180..=199).contains(&within), "{within} of 200");
    }

    #[test]
    fn absurd_sizes_do_no_harm() {
        let mut estimate = Estimate::default();
        estimate.add(u64::MAX, u64::MAX, u64::MAX);
        estimate.add(1, 0, 512);
        assert_eq!(estimate.sampled_bytes, u64::MAX);
        assert!(estimate.error().is_finite());
    }
}
