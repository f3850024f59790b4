//! The same heap from every wrapping, and from files that end anywhere.

use std::io::{Read, Write};

use crate::common::{build, shapes};
use flate2::{Compression, write::GzEncoder};
use leakscope_jvm::{Input, JvmHeap, Packing, unpack};
use leakscope_testkit::{HprofShape, RandomHprof};

/// What must be the same however the dump comes.
fn told(heap: &JvmHeap) -> String {
    let rows = &heap.histogram.reachable;
    format!(
        "{:?} {:?} {:?} {} {} {:?}",
        heap.totals,
        heap.layout,
        rows,
        heap.graph.objects(),
        heap.graph.edges(),
        heap.threads.iter().map(|t| &t.stack).collect::<Vec<_>>(),
    )
}

fn stream(bytes: impl Read + Send) -> JvmHeap {
    JvmHeap::build(Input::Stream(Box::new(bytes))).unwrap()
}

fn packed(bytes: &[u8]) -> JvmHeap {
    JvmHeap::build(Input::Packed {
        packing: Packing::of(bytes),
        bytes,
        done: &|_| {},
    })
    .unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A reader that hands out few bytes at a time.
struct Drops<'a>(&'a [u8]);

impl Read for Drops<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let most = buffer.len().min(7);
        self.0.read(&mut buffer[..most])
    }
}

#[test]
fn every_wrapping_tells_the_same() {
    for shape in shapes() {
        let dump = RandomHprof::new(3, 200, &shape);
        let whole = told(&build(&dump.file).unwrap());
        assert_eq!(told(&stream(&dump.file[..])), whole, "{shape:?}");
        assert_eq!(told(&stream(Drops(&dump.file))), whole, "{shape:?}");
        let one = gzip(&dump.file);
        // As HotSpot writes them: a member for each block.
        let blocks: Vec<u8> = dump.file.chunks(1000).flat_map(gzip).collect();
        let zstd = zstd::encode_all(&dump.file[..], 1).unwrap();
        for file in [&one, &blocks, &zstd] {
            let packing = Packing::of(file);
            assert_ne!(packing, Packing::None);
            assert_eq!(told(&packed(file)), whole, "{shape:?}, {packing:?}");
            let plain = unpack(packing, Box::new(&file[..])).unwrap();
            assert_eq!(
                told(&stream(plain)),
                whole,
                "{shape:?}, {packing:?} as a stream"
            );
        }
    }
}

#[test]
fn a_packed_dump_that_ends_early_is_read_as_far_as_it_goes() {
    let dump = RandomHprof::new(5, 400, &shapes()[0]);
    let blocks: Vec<u8> = dump.file.chunks(1000).flat_map(gzip).collect();
    let heap = packed(&blocks[..blocks.len() * 4 / 5]);
    assert!(heap.cut.is_some());
    assert!(heap.graph.objects() > 50);
}

#[test]
fn a_dump_cut_anywhere_is_an_error_or_tells_where_it_ends() {
    for shape in [shapes()[0], shapes()[2], shapes()[12]] {
        let dump = RandomHprof::new(11, 40, &shape);
        let whole = build(&dump.file).unwrap().graph.objects();
        let mut before = 0;
        for end in 0..dump.file.len() {
            let (mapped, streamed) = (
                build(&dump.file[..end]),
                JvmHeap::build(Input::Stream(Box::new(&dump.file[..end]))),
            );
            assert_eq!(mapped.is_ok(), streamed.is_ok(), "{shape:?}: {end}");
            let (Ok(heap), Ok(streamed)) = (mapped, streamed) else {
                assert_eq!(before, 0, "{shape:?}: {end}: less than a shorter one");
                continue;
            };
            assert_eq!(told(&heap), told(&streamed), "{shape:?}: {end}");
            let objects = heap.graph.objects();
            assert!(objects >= before && objects <= whole, "{shape:?}: {end}");
            // Between two records nothing shows that there should be more.
            if let Some(cut) = heap.cut {
                assert!(cut <= end as u64, "{shape:?}: {cut} of {end}");
            }
            before = objects;
        }
        assert_eq!(before, whole);
    }
}

#[test]
fn without_roots_every_thread_is_one_and_that_is_said() {
    let shape = HprofShape {
        roots: false,
        ..shapes()[0]
    };
    for seed in 1..10 {
        let dump = RandomHprof::new(seed, 300, &shape);
        let heap = build(&dump.file).unwrap();
        let threads = dump
            .objects
            .iter()
            .filter(|o| o.class == "java.lang.Thread");
        for thread in threads {
            let at = heap.find(thread.id).unwrap();
            assert!(heap.reach.is_strong(at), "seed {seed}: {:x}", thread.id);
        }
        let said = heap.gaps.iter().any(|g| g.reason.starts_with("no thread"));
        assert_eq!(said, !heap.threads.is_empty(), "seed {seed}");
    }
}
