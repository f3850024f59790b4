//! The memory profile: where its records lie and what they look like.

use leakscope_target::Addr;

use super::source::Source;
use super::{Bucket, MemRecord, MemRecordCycle};

/// What the memory profile is read by (mprof.go).
#[derive(Debug, Clone)]
pub struct SiteLayouts {
    /// `runtime.bucket`
    pub bucket: Bucket,
    /// `runtime.memRecord`
    pub record: MemRecord,
    /// `runtime.memRecordCycle`
    pub cycle: MemRecordCycle,
    /// `runtime.memProfile`: the kind of the buckets of the memory profile.
    pub kind: u64,
    /// `runtime.mbuckets`: the first bucket.
    pub first: Addr,
    /// `runtime.mProfCycle`: number of the collection cycle, from its second bit on.
    pub now: Option<Addr>,
    /// `runtime.MemProfileRate`: bytes between two samples.
    pub rate: Option<Addr>,
}

impl Source<'_> {
    /// The memory profile, where the program can have one.
    pub(super) fn sites(&self) -> Option<SiteLayouts> {
        Some(SiteLayouts {
            bucket: Bucket::resolve(self).ok()?,
            record: MemRecord::resolve(self).ok()?,
            cycle: MemRecordCycle::resolve(self).ok()?,
            kind: self.constant(&["runtime.memProfile"]).ok()?,
            first: self.global("runtime.mbuckets").ok()?,
            now: self.global("runtime.mProfCycle").ok(),
            rate: self.global("runtime.MemProfileRate").ok(),
        })
    }
}
