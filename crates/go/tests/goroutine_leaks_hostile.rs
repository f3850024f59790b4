//! Leaked goroutines in images that lack pages or hold wrong words: no goroutine that can run is called leaked because
//! something could not be read, and wrong words are read to the end.

mod maps_support;

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use leakscope_go::goroutine_leaks::{Doubt, Verdict};
use leakscope_go::heap::GoHeap;
use leakscope_go::program::Program;
use leakscope_target::{Addr, AddrRange, CoreFile, Image, Memory, Region, Source, map_file};
use leakscope_testkit::{BuildFlags, CpuTime, Fixture, Random, gcore, versions};
use maps_support::Case;
use memmap2::Mmap;

/// Images per version, pages changed in each, and the longest that one may take.
const ROUNDS: u64 = 25;
const PAGES: u64 = 6;
const PATIENCE: Duration = Duration::from_secs(20);
const PAGE: u64 = 4096;
/// Ranges larger than this are left alone: little of them is in use.
const LARGE: u64 = 64 << 20;

/// A core of the fixture.
struct Core {
    whole: Image,
    files: [Arc<Mmap>; 2],
    case: Case,
    threads: Vec<leakscope_target::Thread>,
    /// Where goroutines, their frames and what they wait for lie.
    places: Vec<u64>,
    /// Number of leaked goroutines in the whole of it.
    leaked: usize,
}

fn each(check: impl Fn(&Core, &mut Random) -> Result<()>) -> Result<()> {
    for version in versions()? {
        let fixture = Fixture::build("leaks", &version, &BuildFlags::default())?;
        let running = fixture.spawn(&[])?;
        let Some(core) = gcore(running.pid())? else {
            return Ok(());
        };
        drop(running);
        let exe = map_file(fixture.path())?;
        let file = map_file(core.path())?;
        let opened = CoreFile::from_map(Arc::clone(&file))?;
        let whole = opened.image(Some(&exe))?.build();
        let case = || Case::of_core(core.path(), fixture.path(), serde_json::Value::Null);
        let (heap, _) = case()?.heap()?;
        let mut places = Vec::new();
        for (index, goroutine) in (0u32..).zip(heap.goroutines.iter()) {
            places.push(goroutine.at.0);
            places.extend(heap.leaks.awaited(index).iter().map(|a| a.at.0));
            let frames = heap.goroutines.frames(goroutine).iter();
            places.extend(frames.map(|f| f.sp.0));
        }
        let leaked = |v: &Verdict| *v == Verdict::Leaked;
        let core = Core {
            whole,
            files: [file, exe],
            case: case()?,
            threads: opened.threads().to_vec(),
            leaked: heap.leaks.iter().filter(leaked).count(),
            places,
        };
        for seed in 1..=ROUNDS {
            let mut random = Random::new(seed << 32 | 0x1234_5678);
            check(&core, &mut random).with_context(|| format!("go{version}, seed {seed}"))?;
        }
    }
    Ok(())
}

impl Core {
    /// Some pages where goroutines are, and some from anywhere.
    fn pages(&self, random: &mut Random) -> Vec<u64> {
        let ranges: Vec<AddrRange> = self.whole.ranges().filter(|r| r.len() < LARGE).collect();
        let mut pages: Vec<u64> = (0..1 + random.below(PAGES))
            .map(|_| match random.below(2) {
                0 => self.places[random.below(self.places.len() as u64) as usize],
                _ => {
                    let range = &ranges[random.below(ranges.len() as u64) as usize];
                    range.start.0 + random.below(range.len())
                }
            })
            .map(|at| at & !(PAGE - 1))
            .collect();
        pages.sort_unstable();
        pages.dedup();
        pages
    }

    /// The image without `pages`, but with those of `region` in their place.
    fn image(&self, pages: &[u64], region: Option<Region>) -> Result<Image> {
        let mut builder = Image::builder();
        if let Some(region) = region {
            let region = builder.add_region(region);
            for (i, page) in pages.iter().enumerate() {
                let offset = i * PAGE as usize;
                let range = AddrRange::new(Addr(*page), PAGE).context("page")?;
                builder.add(range, Source::Copied { region, offset });
            }
        }
        for range in self.whole.ranges() {
            let inside = pages.iter().filter(|p| range.contains(Addr(**p)));
            let mut from = range.start.0;
            for page in inside.copied().chain([range.end.0]) {
                self.add(&mut builder, from, page)?;
                from = page + PAGE;
            }
        }
        Ok(builder.build())
    }

    fn add(&self, builder: &mut leakscope_target::ImageBuilder, from: u64, to: u64) -> Result<()> {
        let Some(range) = AddrRange::new(Addr(from), to.saturating_sub(from)) else {
            return Ok(());
        };
        if range.is_empty() {
            return Ok(());
        }
        let bytes = self.whole.bytes(range.start, range.len())?;
        let inside = |f: &&Arc<Mmap>| f.as_ptr_range().contains(&bytes.as_ptr());
        let file = self.files.iter().find(inside).context("bytes of no file")?;
        let offset = bytes.as_ptr().addr() - file.as_ptr().addr();
        let file = Arc::clone(file);
        builder.add(range, Source::File { file, offset });
        Ok(())
    }

    fn heap(&self, image: Image) -> Result<Option<GoHeap>> {
        let start = CpuTime::start();
        let heap = GoHeap::build(&self.case.program, &self.case.layouts, image, &self.threads);
        ensure!(start.elapsed() < PATIENCE, "took {:?}", start.elapsed());
        // The list of spans itself may be what is missing: then there is an error, and no heap.
        Ok(heap.ok())
    }
}

/// Leaked goroutines that are in a function which can still be woken.
fn falsely_leaked(heap: &GoHeap, program: &Program) -> Vec<String> {
    let mut wrong = Vec::new();
    for (index, goroutine) in (0u32..).zip(heap.goroutines.iter()) {
        let frames = heap.goroutines.frames(goroutine).iter();
        let mut names = frames
            .filter_map(|f| program.functions().find(f.lookup_pc()))
            .map(|f| f.name());
        if heap.leaks.verdict(index) == Verdict::Leaked
            && let Some(name) = names.find(|n| n.starts_with("main.live"))
        {
            wrong.push(name.to_owned());
        }
    }
    wrong
}

#[test]
fn what_cannot_be_read_makes_nobody_leaked() -> Result<()> {
    let doubted = Cell::new(0);
    each(|core, random| {
        let pages = core.pages(random);
        if let Some(heap) = core.heap(core.image(&pages, None)?)? {
            let wrong = falsely_leaked(&heap, &core.case.program);
            ensure!(wrong.is_empty(), "without {pages:x?}: {wrong:?}");
            let leaked = |v: &Verdict| *v == Verdict::Leaked;
            ensure!(heap.leaks.iter().filter(leaked).count() <= core.leaked);
            let unread = |v: &Verdict| *v == Verdict::Suspect(Doubt::Unread);
            doubted.set(doubted.get() + heap.leaks.iter().filter(unread).count());
        }
        Ok(())
    })?;
    ensure!(doubted.get() > 0, "nothing that counts was missing");
    Ok(())
}

#[test]
fn wrong_words_are_read_to_the_end() -> Result<()> {
    each(|core, random| {
        let mut pages = core.pages(random);
        pages.retain(|page| core.whole.bytes(Addr(*page), PAGE).is_ok());
        let mut region = Region::reserve((PAGES + 1) as usize * PAGE as usize)?;
        for (page, copy) in pages
            .iter()
            .zip(region.as_mut_slice().chunks_mut(PAGE as usize))
        {
            core.whole.read(Addr(*page), copy)?;
            for _ in 0..1 + random.below(64) {
                let at = random.below(PAGE / 8) as usize * 8;
                let new = match random.below(4) {
                    0 => 0,
                    1 => random.below(u64::MAX),
                    _ => core.places[random.below(core.places.len() as u64) as usize],
                };
                copy[at..at + 8].copy_from_slice(&new.to_le_bytes());
            }
        }
        core.heap(core.image(&pages, Some(region))?)?;
        Ok(())
    })
}
