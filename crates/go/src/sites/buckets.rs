//! The records of allocation sites, by the list that links all of them (mprof.go, `mbuckets`).

use leakscope_target::{Addr, Image, Memory};
use rustc_hash::FxHashSet;

use super::Moment;
use crate::budget;
use crate::coverage::Gaps;
use crate::layouts::SiteLayouts;

/// Longest stack (mprof.go, `maxProfStackDepth`; 32 up to 1.22): the runtime refuses to set a longer one.
const MAX_STACK: u64 = 1024;
/// Cycles that are counted before they are published (mprof.go, `memRecord.future`).
const CYCLES: u64 = 3;

/// What was allocated and freed at a site.
///
/// Allocations come in at once, frees only when a collection's sweep finds them. So that both are of the same moment, the
/// runtime collects counts per collection and publishes them when all of a collection's frees are in: at the end of the
/// next collection's marking (mprof.go, comment at `memRecord`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// Objects allocated.
    pub allocs: u64,
    /// Of these, freed.
    pub frees: u64,
    /// Bytes allocated, as they were asked for.
    pub alloc_bytes: u64,
    /// Of these, freed.
    pub free_bytes: u64,
}

impl Counts {
    /// Objects allocated and not freed; none where the counts contradict each other.
    pub fn objects(&self) -> u64 {
        self.allocs.saturating_sub(self.frees)
    }

    /// Bytes allocated and not freed.
    pub fn bytes(&self) -> u64 {
        self.alloc_bytes.saturating_sub(self.free_bytes)
    }

    fn add(&mut self, other: Self) {
        self.allocs = self.allocs.wrapping_add(other.allocs);
        self.frees = self.frees.wrapping_add(other.frees);
        self.alloc_bytes = self.alloc_bytes.wrapping_add(other.alloc_bytes);
        self.free_bytes = self.free_bytes.wrapping_add(other.free_bytes);
    }
}

/// A site: sampled allocations of one size by one stack. Counts are those of the sample, not scaled.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Bucket {
    /// Where its record lies.
    pub at: Addr,
    /// Bytes asked for by each allocation.
    pub size: u64,
    /// Return addresses, innermost first; one for each function, inlined ones too.
    pub stack: Vec<u64>,
    /// What the runtime publishes.
    pub published: Counts,
    /// Everything up to the moment of capture, but for frees that the sweep has not come to.
    pub total: Counts,
}

/// Reads every site.
pub(super) fn read(image: &Image, layouts: &SiteLayouts, gaps: &mut Gaps) -> (Vec<Bucket>, Moment) {
    let now = layouts.now.and_then(|at| image.u32(at).ok());
    // The lowest bit tells whether the cycle's counts were moved to `active`; they are zero then (`mProf_FlushLocked`).
    let cycle = now.map(|value| u64::from(value >> 1) % CYCLES);
    let mut reader = Reader {
        image,
        layouts,
        cycle,
        words_left: budget::held(image) / 8,
    };
    let mut buckets = Vec::new();
    let mut seen = FxHashSet::default();
    let mut at = match image.ptr(layouts.first) {
        Ok(first) => first,
        Err(_) => {
            gaps.add(
                "list of allocation sites that cannot be read",
                layouts.first,
            );
            Addr(0)
        }
    };
    while !at.is_nil() {
        if !seen.insert(at.0) {
            gaps.add("list of allocation sites that leads back into itself", at);
            break;
        }
        match reader.bucket(at) {
            Ok((bucket, next)) => {
                buckets.push(bucket);
                at = next;
            }
            Err(reason) => {
                gaps.add(reason, at);
                break;
            }
        }
    }
    let moment = moment(&mut buckets, cycle);
    (buckets, moment)
}

/// Where nothing has been published yet, `runtime.MemProfile` publishes everything (mprof.go, `memProfileInternal`).
fn moment(buckets: &mut [Bucket], cycle: Option<u64>) -> Moment {
    let published = |b: &Bucket| b.published.allocs != 0 || b.published.frees != 0;
    if !buckets.iter().any(published) {
        for bucket in buckets {
            bucket.published = bucket.total;
        }
        return Moment::Capture;
    }
    match cycle {
        Some(_) => Moment::CollectionBeforeLast,
        None => Moment::Unknown,
    }
}

struct Reader<'a> {
    image: &'a Image,
    layouts: &'a SiteLayouts,
    cycle: Option<u64>,
    /// Stacks that exist take room in the image.
    words_left: u64,
}

impl Reader<'_> {
    /// The site at `at`, and where the next one is.
    fn bucket(&mut self, at: Addr) -> Result<(Bucket, Addr), &'static str> {
        let f = &self.layouts.bucket;
        const UNREADABLE: &str = "allocation site that cannot be read";
        let head = self
            .image
            .bytes(at, f.size.into())
            .map_err(|_| UNREADABLE)?;
        if f.kind.get(head) != self.layouts.kind {
            return Err("allocation site of another kind");
        }
        let depth = f.stack_len.get(head);
        if depth > MAX_STACK || depth > self.words_left {
            return Err("allocation site with an impossible stack");
        }
        self.words_left -= depth;
        let stack_at = at.0.saturating_add(f.size.into());
        let words = self.image.bytes(Addr(stack_at), depth * 8);
        let (words, _) = words.map_err(|_| UNREADABLE)?.as_chunks::<8>();
        let record_at = Addr(stack_at.saturating_add(depth * 8));
        let record = self
            .image
            .bytes(record_at, self.layouts.record.size.into())
            .map_err(|_| UNREADABLE)?;
        let size = f.object_size.get(head);
        let (published, total) = self.counts(record, size);
        let bucket = Bucket {
            at,
            size,
            stack: words.iter().map(|w| u64::from_le_bytes(*w)).collect(),
            published,
            total,
        };
        Ok((bucket, Addr(f.all_next.get(head))))
    }

    fn counts(&self, record: &[u8], size: u64) -> (Counts, Counts) {
        let of_record = &self.layouts.record;
        let cycle_size = u64::from(self.layouts.cycle.size);
        let one = |offset: u64| {
            let cycle = usize::try_from(offset).ok().and_then(|o| record.get(o..));
            self.cycle_counts(cycle.unwrap_or_default(), size)
        };
        let active = one(of_record.active.offset.into());
        let (mut published, mut total) = (active, active);
        for i in 0..CYCLES {
            let counts = one(u64::from(of_record.future.offset) + i * cycle_size);
            total.add(counts);
            if self.cycle == Some(i) {
                published.add(counts);
            }
        }
        (published, total)
    }

    fn cycle_counts(&self, cycle: &[u8], size: u64) -> Counts {
        let f = &self.layouts.cycle;
        let (allocs, frees) = (f.allocs.get(cycle), f.frees.get(cycle));
        // From 1.27 on, only counts are kept: all objects of a site are of one size.
        let bytes = |field: Option<crate::layouts::Field>, count: u64| {
            field.map_or(count.wrapping_mul(size), |f| f.get(cycle))
        };
        Counts {
            allocs,
            frees,
            alloc_bytes: bytes(f.alloc_bytes, allocs),
            free_bytes: bytes(f.free_bytes, frees),
        }
    }
}
