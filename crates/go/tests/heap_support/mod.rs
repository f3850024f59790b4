//! What the tests of the heap walk share: a heap read from an image, and marking over it.

#![allow(dead_code, reason = "each test uses its part")]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use leakscope_go::coverage::Gaps;
use leakscope_go::heapbits::{PointerMask, PointerReader};
use leakscope_go::layouts::Layouts;
use leakscope_go::objects::Objects;
use leakscope_go::program::Program;
use leakscope_go::roots::{RootSource, Roots};
use leakscope_target::{Addr, CoreFile, Image, Mapping, Memory, Thread, map_file};
use memmap2::Mmap;

/// A heap as read.
pub struct Heap {
    pub image: Image,
    pub program: Program,
    pub layouts: Layouts,
    pub objects: Objects,
    pub roots: Roots,
    pub gaps: Gaps,
    pub times: Vec<(&'static str, Duration)>,
}

impl Heap {
    pub fn of_core(core: &Path, exe: &Path) -> Result<Self> {
        let exe = map_file(exe)?;
        let core = CoreFile::open(core)?;
        let image = core.image(Some(&exe))?.build();
        Self::read(image, exe, core.mappings(), core.threads())
    }

    pub fn read(
        image: Image,
        exe: Arc<Mmap>,
        mappings: &[Mapping],
        threads: &[Thread],
    ) -> Result<Self> {
        let mut times = Vec::new();
        let mut start = Instant::now();
        let mut lap = |name| {
            times.push((name, start.elapsed()));
            start = Instant::now();
        };
        let program = Program::open(exe, mappings, &image)?;
        lap("program");
        let layouts = Layouts::resolve(
            program.debug(),
            &program.exe().go_version().to_string(),
            program.bias(),
        )?;
        lap("layouts");
        let mut gaps = Gaps::default();
        let objects = Objects::read(&image, &layouts, &mut gaps)?;
        lap("objects");
        let masks = |rtype| mask(&image, rtype);
        let source = RootSource {
            image: &image,
            program: &program,
            layouts: &layouts,
            objects: &objects,
            threads,
            masks: &masks,
        };
        let roots = Roots::read(source, &mut gaps);
        lap("roots");
        Ok(Self {
            image,
            program,
            layouts,
            objects,
            roots,
            gaps,
            times,
        })
    }

    /// Marks from the roots that `keep` lets through; returns one bit per object.
    pub fn mark(&mut self, keep: impl Fn(&leakscope_go::roots::Root) -> bool) -> Vec<bool> {
        let masks = |rtype| mask(&self.image, rtype);
        let mut reader = PointerReader::new(&self.image, &self.objects, &masks);
        let mut marked = vec![false; self.objects.len() as usize];
        let mut todo = Vec::new();
        for root in self.roots.roots.iter().filter(|r| keep(r)) {
            if !std::mem::replace(&mut marked[root.obj as usize], true) {
                todo.push(root.obj);
            }
        }
        while let Some(obj) = todo.pop() {
            reader.for_each_of(obj, |_, value| {
                if let Some(hit) = self.objects.find(value)
                    && !std::mem::replace(&mut marked[hit.obj as usize], true)
                {
                    todo.push(hit.obj);
                }
            });
        }
        for gap in reader.into_gaps().iter() {
            self.gaps
                .add_many(gap.reason, gap.count, gap.examples.first().copied());
        }
        marked
    }

    pub fn print(&self) {
        println!("times {:?}", self.times);
        println!("totals {:?}", self.objects.totals());
        for g in self.gaps.iter() {
            println!("gap {} x {} {:?}", g.count, g.reason, g.examples);
        }
    }
}

fn mask(image: &Image, rtype: Addr) -> Option<PointerMask> {
    let size = image.u64(rtype).ok()?;
    let ptr_bytes = image.u64(Addr(rtype.0 + 8)).ok()?;
    let mut data = image.ptr(Addr(rtype.0 + 32)).ok()?;
    if image.u8(Addr(rtype.0 + 20)).ok()? & 0x10 != 0
        && image.u64(data).is_ok_and(|p| image.u8(Addr(p)).is_ok())
    {
        data = image.ptr(data).ok()?;
    }
    let mut bytes = vec![0; (ptr_bytes / 8).div_ceil(64) as usize * 8];
    let n = (ptr_bytes / 8).div_ceil(8) as usize;
    image.read(data, &mut bytes[..n]).ok()?;
    let bits = bytes
        .chunks(8)
        .map(|c| u64::from_le_bytes(c.try_into().unwrap()))
        .collect();
    Some(PointerMask {
        size: size / 8,
        bits,
    })
}
