//! Where objects were allocated, in words.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use leakscope_go::heap::GoHeap;
use leakscope_go::sites::{Bucket, Estimate, Frame, Moment, NoProfile, Stacks};
use leakscope_graph::{Held, HeldSet};
use leakscope_report::{
    Document, HeldSite, Place, ProfileRow, Published, SampleSum, SiteRow, SitesDoc, Text,
};

use super::head_of;
use super::suspects::Holders;
use crate::failure::Failure;
use crate::heap::AnyHeap;
use crate::read::Subject;

/// Most sites told of one suspect.
const OF_SUSPECT: usize = 5;

/// Every allocation site with something alive, not collected or published, the most living bytes first.
pub(crate) fn sites(subject: &Subject, limit: Option<usize>) -> Result<SitesDoc, Failure> {
    let mut rows = Vec::new();
    if let Some(heap) = subject.heap.go() {
        rows = Found::of(heap).rows(heap);
    }
    let site_count = rows.len() as u64;
    rows.truncate(limit.unwrap_or(usize::MAX));
    Ok(SitesDoc {
        head: head_of(Document::Sites, subject),
        profile: profile(&subject.heap),
        site_count,
        sites: rows,
    })
}

/// Living bytes by site, by a name that stays the same from one build to the next.
pub(super) fn by_name(heap: &AnyHeap) -> Vec<(String, Held)> {
    let Some(heap) = heap.go() else {
        return Vec::new();
    };
    let mut sums: BTreeMap<String, Held> = BTreeMap::new();
    for row in Found::of(heap).rows(heap) {
        let place = &row.place;
        let line = place.line.map_or(String::new(), |line| format!(":{line}"));
        let sum = sums
            .entry(format!("{}{line}", place.function.raw()))
            .or_default();
        sum.objects = sum.objects.saturating_add(row.live.objects);
        sum.bytes = sum.bytes.saturating_add(row.live.bytes);
    }
    sums.into_iter()
        .filter(|(_, held)| held.bytes > 0)
        .collect()
}

/// What is known of the program's memory profile.
pub(super) fn profile(heap: &AnyHeap) -> ProfileRow {
    let Some(heap) = heap.go() else {
        return ProfileRow {
            missing: Some("none: allocation sites are read of Go programs".into()),
            rate: None,
            published_at: None,
            live: SampleSum::default(),
            garbage: SampleSum::default(),
        };
    };
    let found = Found::of(heap);
    let sites = &heap.sites;
    let mut whole = Sums::default();
    for sums in &found.by_bucket {
        whole.live.add_all(&sums.live);
        whole.garbage.add_all(&sums.garbage);
    }
    ProfileRow {
        missing: sites.missing().map(|reason| Text::new(why(reason))),
        rate: sites.missing().is_none().then(|| sites.rate()),
        published_at: sites
            .missing()
            .is_none()
            .then(|| Text::new(when(sites.moment()))),
        live: sum(&whole.live),
        garbage: sum(&whole.garbage),
    }
}

fn why(reason: NoProfile) -> &'static str {
    match reason {
        NoProfile::NotLinked => {
            "this binary keeps no memory profile: nothing in it reads one, so the linker turned sampling off. \
             Import net/http/pprof or runtime/pprof, or refer to runtime.MemProfile, and allocation sites are told"
        }
        NoProfile::RateZero => {
            "this program keeps no memory profile: runtime.MemProfileRate is 0. Leave it at its default of 512 KiB, \
             and allocation sites are told"
        }
        NoProfile::NotFound => "the memory profile could not be found in this binary",
    }
}

fn when(moment: Moment) -> &'static str {
    match moment {
        Moment::CollectionBeforeLast => {
            "as of the collection before the last: what runtime.MemProfile says now"
        }
        Moment::Capture => "as of now: no collection has published anything yet",
        Moment::Unknown => "as of the collection before the last, or one earlier",
    }
}

/// Sampled objects of a site by what became of them.
#[derive(Clone, Copy, Default)]
struct Sums {
    live: Estimate,
    garbage: Estimate,
}

/// Sampled objects of each bucket.
struct Found {
    by_bucket: Vec<Sums>,
}

impl Found {
    fn of(heap: &GoHeap) -> Self {
        let sites = &heap.sites;
        let mut by_bucket = vec![Sums::default(); sites.buckets().len()];
        for (bucket, sum) in sites.sum(|o| heap.reach.is_reached(o)) {
            by_bucket[bucket as usize].live = sum;
        }
        for (bucket, sum) in sites.sum(|o| !heap.reach.is_reached(o)) {
            by_bucket[bucket as usize].garbage = sum;
        }
        Self { by_bucket }
    }

    /// Sites by stack: those of one stack and several sizes are one.
    fn rows(&self, heap: &GoHeap) -> Vec<SiteRow> {
        let mut stacks = Stacks::new(heap.names.program().functions());
        let own = Own::of(heap);
        let mut by_stack: BTreeMap<&[u64], (Sums, Published)> = BTreeMap::new();
        for (bucket, sums) in heap.sites.buckets().iter().zip(&self.by_bucket) {
            let published = published(bucket);
            if sums.live.sampled == 0 && sums.garbage.sampled == 0 && published.alloc_objects == 0 {
                continue;
            }
            let (all, told) = by_stack.entry(&bucket.stack).or_default();
            all.live.add_all(&sums.live);
            all.garbage.add_all(&sums.garbage);
            told.alloc_objects = told.alloc_objects.saturating_add(published.alloc_objects);
            told.alloc_bytes = told.alloc_bytes.saturating_add(published.alloc_bytes);
            told.in_use_objects = told.in_use_objects.saturating_add(published.in_use_objects);
            told.in_use_bytes = told.in_use_bytes.saturating_add(published.in_use_bytes);
        }
        let mut rows: Vec<SiteRow> = by_stack
            .into_iter()
            .map(|(stack, (sums, published))| {
                let frames = stacks.visible(stack);
                SiteRow {
                    place: told(frames.get(own.position(&frames))),
                    stack: frames.iter().map(place).collect(),
                    live: sum(&sums.live),
                    garbage: sum(&sums.garbage),
                    published,
                }
            })
            .collect();
        // Stable: equal sums stay in the order of their addresses.
        rows.sort_by_key(|row| Reverse((row.live.bytes, row.published.in_use_bytes)));
        rows
    }
}

fn published(bucket: &Bucket) -> Published {
    let counts = &bucket.published;
    Published {
        alloc_objects: counts.allocs,
        alloc_bytes: counts.alloc_bytes,
        in_use_objects: counts.objects(),
        in_use_bytes: counts.bytes(),
    }
}

/// Who allocated what is in `held`, the most bytes first.
pub(super) fn of_held(holders: &Holders<'_>, held: &HeldSet) -> Vec<HeldSite> {
    let Some(heap) = holders.heap.go() else {
        return Vec::new();
    };
    let mut stacks = Stacks::new(heap.names.program().functions());
    let own = Own::of(heap);
    let mut by_place: BTreeMap<Place, Allocated<'_>> = BTreeMap::new();
    let mut whole = Estimate::default();
    for (bucket, sum) in heap.sites.sum(|o| held.contains(&holders.tree, o)) {
        let Some(bucket) = heap.sites.buckets().get(bucket as usize) else {
            continue;
        };
        let frames = stacks.visible(&bucket.stack);
        let at = own.position(&frames);
        let allocated = by_place.entry(told(frames.get(at))).or_default();
        allocated.sum.add_all(&sum);
        if sum.bytes() > allocated.most {
            (allocated.most, allocated.frames, allocated.at) = (sum.bytes(), frames, at);
        }
        whole.add_all(&sum);
    }
    let share = |sum: &Estimate| sum.bytes() as f64 / whole.bytes().max(1) as f64;
    let mut rows: Vec<HeldSite> = by_place
        .into_iter()
        .map(|(place, allocated)| HeldSite {
            place,
            stack: allocated.frames.iter().map(self::place).collect(),
            caller: allocated.at as u64 + 1,
            held: self::sum(&allocated.sum),
            share: share(&allocated.sum).min(1.0),
        })
        .collect();
    // Stable: equal sums stay in the order of their places.
    rows.sort_by_key(|row| Reverse(row.held.bytes));
    rows.truncate(OF_SUSPECT);
    rows
}

/// What was allocated at one place, and the stack that allocated most of it there.
#[derive(Default)]
struct Allocated<'a> {
    sum: Estimate,
    most: u64,
    frames: Vec<Frame<'a>>,
    /// The place itself, among the frames.
    at: usize,
}

fn sum(estimate: &Estimate) -> SampleSum {
    SampleSum {
        sampled_objects: estimate.sampled,
        sampled_bytes: estimate.sampled_bytes,
        objects: estimate.objects(),
        bytes: estimate.bytes(),
        error: estimate.error(),
    }
}

fn place(frame: &Frame<'_>) -> Place {
    Place {
        function: Text::new(frame.function),
        file: (frame.file != "?" && !frame.file.is_empty()).then(|| Text::new(frame.file)),
        line: (frame.line > 0).then_some(frame.line),
    }
}

/// A frame, or a place without a name where the stack has none.
fn told(frame: Option<&Frame<'_>>) -> Place {
    let nowhere = Place {
        function: Text::default(),
        file: None,
        line: None,
    };
    frame.map_or(nowhere, place)
}

/// Tells the program's functions from the standard library's.
struct Own {
    module: String,
}

impl Own {
    fn of(heap: &GoHeap) -> Self {
        let info = heap.names.program().exe().build_info();
        Self {
            module: info.module.clone(),
        }
    }

    /// The first function that is not of the standard library, or the first at all.
    fn position(&self, frames: &[Frame<'_>]) -> usize {
        let own = frames.iter().position(|f| self.is_own(f.function));
        own.unwrap_or(0)
    }

    /// Packages of the standard library have no dot in their first part, and are not of the program's module.
    fn is_own(&self, function: &str) -> bool {
        let dots = function.split('[').next().unwrap_or_default();
        let first = dots.split('/').next().unwrap_or_default();
        let module = self.module.as_str();
        function.starts_with("main.")
            || (!module.is_empty()
                && function
                    .strip_prefix(module)
                    .is_some_and(|rest| rest.starts_with(['/', '.'])))
            || (dots.contains('/') && first.contains('.'))
    }
}
