//! Where objects were allocated: the runtime's memory profile, joined to the objects that it sampled.
//!
//! The runtime samples allocations, one about every [`Sites::rate`] bytes. For each sampled object it keeps a *profile
//! special* on the object's span until the object is freed, which leads to a *bucket*: the stack of the allocation and its
//! size (mprof.go, the same from 1.21 to 1.27 but for the width of the counts). So what is alive is known exactly of the
//! sampled objects, at the moment of capture; what the profile itself publishes is older, see [`Counts`].
//!
//! A program keeps no profile where nothing in it can read one: the linker then turns sampling off.

mod buckets;
mod scale;
mod stacks;
mod sums;

use leakscope_target::{Image, Memory};
use rustc_hash::FxHashMap;

use crate::coverage::Gaps;
use crate::layouts::Layouts;
use crate::program::Program;
use crate::specials::{SpecialKind, Specials};

pub use buckets::{Bucket, Counts};
pub use scale::Estimate;
pub use stacks::{Frame, Stacks};

/// Functions that read the profile: a program that has none of them keeps none. The linker asks for the first from 1.23
/// on, and for the second before (cmd/link/internal/ld/lib.go, `disableMemoryProfiling`).
const READERS: [&str; 2] = ["runtime.memProfileInternal", "runtime.MemProfile"];

/// Why there is no memory profile.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NoProfile {
    /// Nothing in the program can read one, so the linker has turned it off.
    NotLinked,
    /// The program has set `runtime.MemProfileRate` to zero.
    RateZero,
    /// The runtime's records could not be found.
    NotFound,
}

/// When what the runtime publishes of its profile was true.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Moment {
    /// At the end of the marking of the collection before the last: what `runtime.MemProfile` would have said at the
    /// moment of capture.
    #[default]
    CollectionBeforeLast,
    /// At the moment of capture: there has been no collection yet that publishes anything, so everything is.
    Capture,
    /// As before, or one collection earlier: which counts were next to be published is not known.
    Unknown,
}

/// Allocation sites, and which sampled objects are alive.
#[derive(Clone, Debug, Default)]
pub struct Sites {
    rate: u64,
    missing: Option<NoProfile>,
    moment: Moment,
    buckets: Vec<Bucket>,
    samples: Vec<Sample>,
}

/// A sampled object.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sample {
    /// The object.
    pub obj: u32,
    /// Where it was allocated: an index into [`Sites::buckets`].
    pub bucket: u32,
}

impl Sites {
    /// Reads the profile. What cannot be read or believed is counted in `gaps`.
    pub fn read(
        image: &Image,
        program: &Program,
        layouts: &Layouts,
        specials: &Specials,
        gaps: &mut Gaps,
    ) -> Self {
        let Some(of_sites) = &layouts.sites else {
            return Self::missing_for(NoProfile::NotFound);
        };
        let rate = of_sites.rate.and_then(|at| image.u64(at).ok());
        if rate == Some(0) || !kept(program) {
            let linked = kept(program);
            return Self::missing_for(if linked {
                NoProfile::RateZero
            } else {
                NoProfile::NotLinked
            });
        }
        let Some(rate) = rate else {
            return Self::missing_for(NoProfile::NotFound);
        };
        let (buckets, moment) = buckets::read(image, of_sites, gaps);
        let numbers: FxHashMap<u64, u32> = (buckets.iter().zip(0..))
            .map(|(b, i)| (b.at.0, i))
            .collect();
        let mut samples = Vec::new();
        for special in specials.iter().filter(|s| s.kind == SpecialKind::Profile) {
            match numbers.get(&special.payload.0) {
                Some(bucket) => samples.push(Sample {
                    obj: special.obj,
                    bucket: *bucket,
                }),
                None => gaps.add("sampled object of an unknown allocation site", special.at),
            }
        }
        Self {
            rate,
            missing: None,
            moment,
            buckets,
            samples,
        }
    }

    fn missing_for(reason: NoProfile) -> Self {
        Self {
            missing: Some(reason),
            ..Self::default()
        }
    }

    /// Why there is no profile; `None` where there is one.
    pub fn missing(&self) -> Option<NoProfile> {
        self.missing
    }

    /// Bytes between two samples, on average (`runtime.MemProfileRate`): 1 where each object is one.
    pub fn rate(&self) -> u64 {
        self.rate
    }

    /// When [`Bucket::published`] was true.
    pub fn moment(&self) -> Moment {
        self.moment
    }

    /// Every site, by stack and size, in the runtime's order.
    pub fn buckets(&self) -> &[Bucket] {
        &self.buckets
    }

    /// Every sampled object that the sweep has not freed, ascending by object.
    pub fn samples(&self) -> &[Sample] {
        &self.samples
    }

    /// The site of a sample.
    pub fn bucket(&self, sample: Sample) -> Option<&Bucket> {
        self.buckets.get(sample.bucket as usize)
    }
}

/// Whether the program has a function that reads the profile.
fn kept(program: &Program) -> bool {
    READERS
        .iter()
        .any(|name| program.functions().named(name).next().is_some())
}
