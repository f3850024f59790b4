//! Cores with damaged memory: whatever is in them, the walk ends soon and says what it could not read.

mod heap_support;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use heap_support::{Heap, layouts};
use leakscope_go::heapbits::PointerReader;
use leakscope_go::program::Program;
use leakscope_go::types::GcMasks;
use leakscope_target::{
    Addr, AddrRange, CoreFile, Image, Memory, Region, Source, Thread, map_file,
};
use leakscope_testkit::{BuildFlags, CpuTime, Fixture, Random, gcore, versions};
use memmap2::Mmap;

/// Damaged images per version, places damaged in each, and the longest that one may take.
const ROUNDS: u64 = 150;
const PLACES: usize = 40;
const PATIENCE: Duration = Duration::from_secs(20);
const PAGE: u64 = 4096;

#[test]
fn damaged_memory_never_stops_the_walk() -> Result<()> {
    for version in versions()? {
        let fixture = Fixture::build("exact", &version, &BuildFlags::default())?;
        let running = fixture.spawn(&["-mode", "gc"])?;
        let Some(core) = gcore(running.pid())? else {
            return Ok(());
        };
        drop(running);
        let exe = map_file(fixture.path())?;
        let core_file = map_file(core.path())?;
        let core = CoreFile::from_map(Arc::clone(&core_file))?;
        let whole = core.image(Some(&exe))?.build();
        let program = Arc::new(Program::open(Arc::clone(&exe), core.mappings(), &whole)?);
        let layouts = layouts(&program)?;
        let places = places(core.image(Some(&exe))?.build(), &program, core.threads())?;
        let files = [core_file, exe];
        let mut gaps = 0;
        for seed in 1..=ROUNDS {
            let mut random = Random::new(seed << 32 | 0x1234_5678);
            let image = damaged(&whole, &files, &places, &mut random)?;
            let start = CpuTime::start();
            // The list of spans itself may be what is damaged: then there is an error, and no heap.
            if let Ok(heap) = Heap::read(image, Arc::clone(&program), &layouts, core.threads()) {
                let masks = GcMasks::new(&heap.program, &heap.image);
                let mut reader = PointerReader::new(&heap.image, &heap.objects, &masks);
                let mut reached = 0u64;
                for span in 0..heap.objects.spans().len() as u32 {
                    reader.for_each_in_span(span, |_, _, value| {
                        reached += u64::from(heap.objects.find(value).is_some());
                    });
                }
                gaps += heap.gaps.total() + reader.into_gaps().total();
                for obj in (0..heap.objects.len()).step_by(101) {
                    let base = heap.objects.base(obj);
                    assert_eq!(heap.objects.find(base.0).map(|h| h.obj), Some(obj));
                }
            }
            assert!(
                start.elapsed() < PATIENCE,
                "seed {seed} took {:?}",
                start.elapsed()
            );
        }
        assert!(gaps > 0, "nothing was damaged");
    }
    Ok(())
}

/// Where the runtime's own records lie.
fn places(image: Image, program: &Arc<Program>, threads: &[Thread]) -> Result<Vec<u64>> {
    let layouts = layouts(program)?;
    let heap = Heap::read(image, Arc::clone(program), &layouts, threads)?;
    let globals = &layouts.globals;
    let all_spans = layouts.mheap.allspans.at(globals.mheap);
    let array = heap.image.ptr(all_spans)?;
    let len = heap.image.u64(Addr(all_spans.0 + 8))?;
    let mut places = vec![
        globals.allgs.0,
        globals.allm.0,
        heap.image.ptr(globals.allm)?.0,
    ];
    places.extend([globals.allfin.0, globals.gcphase.0, all_spans.0]);
    places.extend((0..len).step_by(100).map(|i| array.0 + i * 8));
    for i in 0..len {
        places.push(heap.image.ptr(Addr(array.0 + i * 8))?.0);
    }
    for g in heap.roots.goroutines.iter() {
        let innermost = heap.roots.goroutines.frames(g).first();
        places.extend([g.at.0, innermost.map_or(g.at.0, |f| f.sp.0)]);
    }
    places.extend(heap.roots.specials.iter().map(|s| s.at.0));
    places.extend(heap.objects.spans().iter().map(|s| s.start.0));
    places.extend(program.modules().iter().map(|m| m.data.start.0));
    Ok(places)
}

/// `whole` with some words at some of `places` replaced by others. `files` is where its bytes are.
fn damaged(
    whole: &Image,
    files: &[Arc<Mmap>],
    places: &[u64],
    random: &mut Random,
) -> Result<Image> {
    let mut pages: Vec<u64> = Vec::new();
    let mut region = Region::reserve(PLACES * PAGE as usize)?;
    while pages.len() < PLACES {
        let place = places[random.below(places.len() as u64) as usize];
        let page = place & !(PAGE - 1);
        let from = pages.len() * PAGE as usize;
        let copy = &mut region.as_mut_slice()[from..from + PAGE as usize];
        if pages.contains(&page) || whole.read(Addr(page), copy).is_err() {
            continue;
        }
        for _ in 0..1 + random.below(8) {
            let at = ((place - page) / 8 + random.below(24)).min(511) as usize * 8;
            let word = copy[at..].first_chunk_mut::<8>().context("no word")?;
            let old = u64::from_le_bytes(*word);
            let new = match random.below(8) {
                0 => 0,
                1 => u64::MAX,
                2 => old.wrapping_add(8),
                3 => old.wrapping_sub(1),
                4 => old << random.below(64),
                5 => u64::MAX - 4096,
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
        let offset = i * PAGE as usize;
        builder.add(range, Source::Copied { region, offset });
    }
    for r in whole.ranges() {
        let bytes = whole.bytes(r.start, r.len())?;
        let inside = |f: &&Arc<Mmap>| f.as_ptr_range().contains(&bytes.as_ptr());
        let file = files.iter().find(inside).context("bytes of no file")?;
        let offset = bytes.as_ptr().addr() - file.as_ptr().addr();
        let file = Arc::clone(file);
        builder.add(r, Source::File { file, offset });
    }
    Ok(builder.build())
}
