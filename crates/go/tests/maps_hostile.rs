//! Heaps with damaged words: typing, census, owners and all ends soon, whatever it reads; and the same bytes always give
//! the same answer.

mod maps_support;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use leakscope_go::heap::GoHeap;
use leakscope_graph::Resolver;
use leakscope_target::{Addr, AddrRange, CoreFile, Image, Memory, Region, Source, map_file};
use leakscope_testkit::{BuildFlags, CpuTime, Fixture, Random, gcore, versions};
use maps_support::{Case, each_core_path};
use memmap2::Mmap;

/// Damaged images per version, pages damaged in each, and the longest that one may take.
const ROUNDS: u64 = 15;
const PAGES: usize = 64;
const PATIENCE: Duration = Duration::from_secs(20);
const PAGE: u64 = 4096;

/// Everything that is printed of a heap.
fn told(heap: &GoHeap) -> String {
    let mut out = format!("{:?}\n{:?}\n", heap.totals, heap.coverage);
    for row in heap
        .histogram
        .reachable
        .iter()
        .chain(&heap.histogram.unreachable)
    {
        let name = heap.names.type_name(row.type_);
        let package = heap.names.package(row.type_);
        out.push_str(&format!("{name} {package} {} {}\n", row.count, row.bytes));
    }
    for map in &heap.maps {
        out.push_str(&format!("{map:?} {}\n", heap.map_owner(map)));
    }
    out
}

#[test]
fn the_same_core_gives_the_same_answer() -> Result<()> {
    for fixture in ["typed", "mapstates"] {
        each_core_path(fixture, |core, exe| {
            let once = || -> Result<String> {
                Ok(told(
                    &Case::of_core(core, exe, serde_json::Value::Null)?.heap()?.0,
                ))
            };
            ensure!(once()? == once()?, "two answers");
            Ok(())
        })?;
    }
    Ok(())
}

#[test]
fn damaged_heaps_are_walked_to_the_end() -> Result<()> {
    for version in versions()? {
        for name in ["mapstates", "typed"] {
            let fixture = Fixture::build(name, &version, &BuildFlags::default())?;
            let running = fixture.spawn(&[])?;
            let Some(core) = gcore(running.pid())? else {
                return Ok(());
            };
            drop(running);
            let exe = map_file(fixture.path())?;
            let file = map_file(core.path())?;
            let opened = CoreFile::from_map(Arc::clone(&file))?;
            let whole = opened.image(Some(&exe))?.build();
            let sound = Case::of_core(core.path(), fixture.path(), serde_json::Value::Null)?;
            let (program, layouts) = (Arc::clone(&sound.program), sound.layouts.clone());
            let places = places(sound)?;
            let mut incomplete = 0;
            for seed in 1..=ROUNDS {
                let mut random = Random::new(seed << 32 | 0x1234_5678);
                let files = [&file, &exe];
                let image = damaged(&whole, &files, &places, &mut random)?;
                let start = CpuTime::start();
                // The list of spans itself may be what is damaged: then there is an error, and no heap.
                if let Ok(heap) = GoHeap::build(&program, &layouts, image, opened.threads()) {
                    told(&heap);
                    incomplete += heap.coverage.gaps.total();
                }
                ensure!(
                    start.elapsed() < PATIENCE,
                    "seed {seed} took {:?}",
                    start.elapsed()
                );
            }
            ensure!(incomplete > 0, "nothing was damaged");
        }
    }
    Ok(())
}

/// Map headers, and words all over the heap.
fn places(sound: Case) -> Result<Vec<u64>> {
    let image_ranges: Vec<AddrRange> = sound.image.ranges().collect();
    let (heap, _) = sound.heap()?;
    let mut places: Vec<u64> = heap.maps.iter().map(|m| m.address.0).collect();
    for address in places.clone() {
        let range = image_ranges.iter().find(|r| r.contains(Addr(address)));
        let range = range.context("a map outside the image")?;
        // Neighbours of headers: tables, directories, small groups and buckets lie close by.
        places.extend(
            (0..64)
                .map(|i| address + i * 512)
                .filter(|p| *p + PAGE < range.end.0),
        );
    }
    Ok(places)
}

/// `whole` with some words at some of `places` replaced by others. `files` is where its bytes are.
fn damaged(
    whole: &Image,
    files: &[&Arc<Mmap>],
    places: &[u64],
    random: &mut Random,
) -> Result<Image> {
    let mut pages: Vec<u64> = Vec::new();
    let mut region = Region::reserve(PAGES * PAGE as usize)?;
    for _ in 0..PAGES * 4 {
        let place = places[random.below(places.len() as u64) as usize];
        let page = place & !(PAGE - 1);
        let from = pages.len() * PAGE as usize;
        let Some(copy) = region.as_mut_slice().get_mut(from..from + PAGE as usize) else {
            break;
        };
        if pages.contains(&page) || whole.read(Addr(page), copy).is_err() {
            continue;
        }
        for _ in 0..1 + random.below(12) {
            let at = ((place - page) / 8 + random.below(64)).min(511) as usize * 8;
            let word = copy[at..].first_chunk_mut::<8>().context("no word")?;
            let old = u64::from_le_bytes(*word);
            let new = match random.below(8) {
                0 => 0,
                1 => u64::MAX,
                2 => old.wrapping_add(8),
                3 => old.wrapping_sub(1),
                4 => old << random.below(64),
                5 => 1 << random.below(64),
                6 => places[random.below(places.len() as u64) as usize],
                _ => random.number(),
            };
            *word = new.to_le_bytes();
        }
        pages.push(page);
    }
    let mut builder = Image::builder();
    let region = builder.add_region(region);
    for (i, page) in pages.iter().enumerate() {
        let range = AddrRange::new(Addr(*page), PAGE).context("page")?;
        builder.add(
            range,
            Source::Copied {
                region,
                offset: i * PAGE as usize,
            },
        );
    }
    for r in whole.ranges() {
        let bytes = whole.bytes(r.start, r.len())?;
        let inside = |f: &&&Arc<Mmap>| f.as_ptr_range().contains(&bytes.as_ptr());
        let file = files.iter().find(inside).context("bytes of no file")?;
        let offset = bytes.as_ptr().addr() - file.as_ptr().addr();
        builder.add(
            r,
            Source::File {
                file: Arc::clone(file),
                offset,
            },
        );
    }
    Ok(builder.build())
}
