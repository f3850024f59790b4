//! Sums over sampled objects.

use leakscope_graph::ObjIx;

use super::{Estimate, Sites};

impl Sites {
    /// What the sampled objects that `is_meant` says yes to stand for, by bucket: indices into [`Sites::buckets`], ascending.
    /// Buckets without such objects are left out.
    pub fn sum(&self, is_meant: impl Fn(ObjIx) -> bool) -> Vec<(u32, Estimate)> {
        let mut counts = vec![0u64; self.buckets.len()];
        for sample in &self.samples {
            if let Some(count) = counts.get_mut(sample.bucket as usize)
                && is_meant(ObjIx(sample.obj))
            {
                *count += 1;
            }
        }
        let met = (0..).zip(&self.buckets).zip(counts);
        met.filter(|(_, count)| *count > 0)
            .map(|((number, bucket), count)| {
                let mut sum = Estimate::default();
                sum.add(count, bucket.size, self.rate);
                (number, sum)
            })
            .collect()
    }
}
