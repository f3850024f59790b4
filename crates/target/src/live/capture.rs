//! One capture from beginning to end: rehearse, predict, prepare, stop, plan, copy, let go.

use std::io::Read;
use std::time::{Duration, Instant};

use super::copy::{Copied, with_team};
use super::copy_list::CopyList;
use super::failure::Snag;
use super::work::Work;
use super::{
    Capture, CaptureOptions, LiveProcess, Method, Phase, StopReport, headroom, maps, predict,
};
use crate::stop::{Failure, Freezer, Holder};
use crate::{AddrRange, CopyPlanner, Error, Image, ImageBuilder, Region, Source, Thread};

/// Stops that are tried before a target that keeps growing is given up.
pub(super) const MAX_ATTEMPTS: u32 = 3;

/// Room for what a target allocates between rehearsal and stop: a share of what there is and a constant, at most a
/// maximum, since it counts as leakscope's own memory. Doubled with every attempt.
const GROWTH_SHARE: u64 = 32;
const GROWTH_LEAST: u64 = 4 << 20;
const GROWTH_MOST: u64 = 24 << 20;

/// Room for mappings that appear between rehearsal and stop, bytes of `/proc/PID/maps`.
const MAPS_ROOM: usize = 64 << 10;

/// Ranges that could not be copied of which the report tells where they are.
const EXAMPLES: usize = 3;

/// What an attempt yields.
struct Outcome {
    image: ImageBuilder,
    maps: Vec<u8>,
    copied: Copied,
    ranges: usize,
    threads: Vec<Thread>,
    measured: Option<Duration>,
    stopping: Duration,
    planning: Duration,
    copying: Duration,
}

impl LiveProcess {
    /// Copies what `planner` asks for into an image, while the process is stopped (or running, with
    /// [`CaptureOptions::no_stop`]).
    ///
    /// The stop is predicted from a rehearsal and refused above [`CaptureOptions::max_stop`]; one that takes longer all the
    /// same is ended then, and the capture fails rather than yielding a torn image. The process runs on whatever becomes
    /// of leakscope meanwhile. `progress` is called only while the process runs; it may write wherever it likes.
    ///
    /// Call [`release_on_panic`](crate::release_on_panic) early in the program, so that a panic in `planner` does not
    /// report before the process runs on.
    pub fn capture(
        &self,
        planner: &mut dyn CopyPlanner,
        opts: &CaptureOptions,
        progress: &mut dyn FnMut(Phase),
    ) -> Result<Capture, Error> {
        self.verify()?;
        let threads = self.thread_ids()?.len();
        let holder = if opts.no_stop {
            None
        } else {
            Some(Holder::start(&self.tasks, threads)?)
        };
        let mut attempts = 0;
        loop {
            attempts += 1;
            match self.attempt(holder.as_ref(), attempts, planner, opts, progress) {
                Ok((predicted, outcome)) => {
                    let freezer = holder.as_ref().map_or(Freezer::Outside, Holder::freezer);
                    return self.finish(outcome, predicted, attempts, freezer);
                }
                Err(Snag::Outgrown { .. }) if attempts < MAX_ATTEMPTS => {}
                Err(Snag::Outgrown { what }) => return Err(Error::Outgrown { what, attempts }),
                Err(snag) => return Err(self.error(snag, opts)),
            }
        }
    }

    fn attempt(
        &self,
        holder: Option<&Holder>,
        attempt: u32,
        planner: &mut dyn CopyPlanner,
        opts: &CaptureOptions,
        progress: &mut dyn FnMut(Phase),
    ) -> Result<(Duration, Outcome), Snag> {
        progress(Phase::Rehearsing { attempt });
        let threads = self.thread_ids().map_err(Snag::Failed)?.len();
        let copy_threads = opts.copy_threads.max(1);
        let begun = Instant::now();
        let mut plan = planner.rehearse(&self.memory()).map_err(Snag::Plan)?;
        let planning = begun.elapsed();
        let mut list = CopyList::with_capacity(plan.capacity());
        if !list.fill(plan.ranges()) {
            return Err(Snag::Outgrown {
                what: "the list of ranges",
            });
        }
        let bytes = list.bytes();
        let predicted = match holder {
            Some(_) => predict::stop(self.pid(), &list, threads, copy_threads, planning)
                .map_err(Snag::Failed)?,
            None => Duration::ZERO,
        };
        if predicted > opts.max_stop {
            let max_stop = opts.max_stop;
            return Err(Snag::Failed(Error::StopTooLong {
                predicted,
                max_stop,
                bytes,
                threads,
            }));
        }
        progress(Phase::Preparing {
            predicted: holder.map(|_| predicted),
            bytes,
            threads,
        });
        let growth = (bytes / GROWTH_SHARE + GROWTH_LEAST).min(GROWTH_MOST) << (attempt - 1);
        let mut region = prepare(bytes.saturating_add(growth)).map_err(Snag::Failed)?;
        let maps_file = self.open_file("maps").map_err(Snag::Failed)?;
        let mut maps =
            vec![0; self.maps_len().map_err(Snag::Failed)?.saturating_mul(2) + MAPS_ROOM];
        progress(if holder.is_some() {
            Phase::Stopping
        } else {
            Phase::Reading
        });

        let room = region.len() as u64;
        let (result, copied, list) =
            with_team(self.pid(), &mut region, list, copy_threads, |team| {
                let mut work = Work {
                    process: self,
                    planner,
                    plan: &mut plan,
                    team,
                    room,
                    maps: &mut maps,
                    maps_file,
                };
                match holder {
                    Some(holder) => work.stopped(holder, opts.max_stop),
                    None => work.running(),
                }
            });
        let timed = result.map_err(|snag| match snag {
            Snag::Stop(Failure::Deadline) => {
                let (max_stop, bytes) = (opts.max_stop, list.bytes());
                Snag::Failed(Error::StopEnded {
                    max_stop,
                    copied: copied.bytes,
                    bytes,
                })
            }
            other => other,
        })?;
        if let Some(stopped) = timed.measured {
            progress(Phase::Resumed {
                stopped,
                bytes: copied.bytes,
            });
        }
        if let Some(fault) = copied.fault {
            return Err(Snag::Read(fault));
        }
        maps.truncate(timed.maps_len);
        let ranges = plan.ranges().len();
        let outcome = Outcome {
            image: image(region, &list, plan.ranges(), &copied.skipped),
            maps,
            copied,
            ranges,
            threads: timed.threads,
            measured: timed.measured,
            stopping: timed.stopping,
            planning: timed.planning,
            copying: timed.copying,
        };
        Ok((predicted, outcome))
    }

    /// Length of `/proc/PID/maps` now.
    fn maps_len(&self) -> Result<usize, Error> {
        let mut text = Vec::new();
        self.open_file("maps")?
            .read_to_end(&mut text)
            .map_err(|source| Error::Proc {
                pid: self.pid(),
                file: "maps",
                source,
            })
    }

    fn finish(
        &self,
        o: Outcome,
        predicted: Duration,
        attempts: u32,
        freezer: Freezer,
    ) -> Result<Capture, Error> {
        let mappings = maps::parse(&o.maps).ok_or_else(|| self.malformed("maps"))?;
        let method = if o.measured.is_some() {
            Method::Stop
        } else {
            Method::NoStop
        };
        let stop = StopReport {
            method,
            predicted,
            measured: o.measured,
            stopping: o.stopping,
            planning: o.planning,
            copying: o.copying,
            copied_bytes: o.copied.bytes,
            ranges: o.ranges,
            threads: o.threads.len(),
            attempts,
            torn: method == Method::NoStop,
            skipped_bytes: o.copied.skipped.iter().map(AddrRange::len).sum(),
            skipped_ranges: o.copied.skipped.len(),
            first_skipped: o.copied.skipped.iter().take(EXAMPLES).copied().collect(),
            freezer,
        };
        Ok(Capture {
            image: o.image,
            threads: o.threads,
            mappings,
            stop,
        })
    }
}

/// A region of `bytes` bytes, faulted in, if there is memory for it.
fn prepare(bytes: u64) -> Result<Region, Error> {
    headroom::check(bytes)?;
    let len = usize::try_from(bytes).map_err(|_| Error::Reserve {
        bytes,
        source: std::io::Error::from(std::io::ErrorKind::OutOfMemory),
    })?;
    let mut region = Region::reserve(len)?;
    let len = region.len();
    region.prefault(len)?;
    Ok(region)
}

/// The copied ranges as segments, without what was skipped.
fn image(
    mut region: Region,
    list: &CopyList,
    ranges: &[AddrRange],
    skipped: &[AddrRange],
) -> ImageBuilder {
    region.release(list.bytes() as usize, region.len());
    let mut image = Image::builder();
    let region = image.add_region(region);
    let wanted = ranges.iter().filter(|r| !r.is_empty());
    for (range, (placed, offset)) in wanted.zip(list.placed()) {
        let mut add = |from: AddrRange| {
            let offset = (offset + (from.start.0 - placed.start.0)) as usize;
            image.add(from, Source::Copied { region, offset });
        };
        let mut rest = *range;
        let first = skipped.partition_point(|s| s.end <= range.start);
        for s in skipped
            .get(first..)
            .unwrap_or_default()
            .iter()
            .take_while(|s| s.start < range.end)
        {
            if s.start > rest.start {
                add(AddrRange {
                    start: rest.start,
                    end: s.start,
                });
            }
            rest.start = rest.start.max(s.end);
        }
        if !rest.is_empty() {
            add(rest);
        }
    }
    image
}
