//! What the tests of the heap walk share: heaps read from cores and from stopped processes, and marking over them.

#![allow(dead_code, reason = "each test uses its part")]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use leakscope_go::coverage::Gaps;
use leakscope_go::heapbits::PointerReader;
use leakscope_go::layouts::Layouts;
use leakscope_go::objects::Objects;
use leakscope_go::planner::GoPlanner;
use leakscope_go::program::Program;
use leakscope_go::roots::{Root, RootSource, Roots};
use leakscope_go::types::GcMasks;
use leakscope_target::{
    CaptureOptions, CoreFile, Image, LiveProcess, StopReport, Thread, map_file,
};

/// A heap as read.
pub(crate) struct Heap {
    pub(crate) image: Image,
    pub(crate) program: Arc<Program>,
    pub(crate) objects: Objects,
    pub(crate) roots: Roots,
    pub(crate) gaps: Gaps,
}

/// A process that can be read as often as wanted.
pub(crate) struct Live {
    process: LiveProcess,
    program: Arc<Program>,
    layouts: Layouts,
    planner: GoPlanner,
}

impl Live {
    pub(crate) fn open(pid: i32) -> Result<Self> {
        let process = LiveProcess::open(pid)?;
        let mappings = process.mappings()?;
        let program = Program::open(process.executable(), &mappings, &process.memory())?;
        let layouts = layouts(&program)?;
        let planner = GoPlanner::new(&program, layouts.clone());
        Ok(Self {
            process,
            program: Arc::new(program),
            layouts,
            planner,
        })
    }

    /// The same, but copies no span without pointers.
    pub(crate) fn without_noscan(pid: i32) -> Result<Self> {
        let mut live = Self::open(pid)?;
        live.planner = live.planner.noscan_where(Box::new(|_| false));
        Ok(live)
    }

    /// Stops it, copies, lets it go, and reads the heap.
    pub(crate) fn read(&mut self) -> Result<(Heap, StopReport)> {
        let options = CaptureOptions {
            max_stop: Duration::from_secs(20),
            ..CaptureOptions::default()
        };
        let capture = self
            .process
            .capture(&mut self.planner, &options, &mut |_| {})?;
        let mut image = capture.image;
        self.program
            .exe()
            .add_static(self.program.bias(), &mut image);
        let heap = Heap::read(
            image.build(),
            Arc::clone(&self.program),
            &self.layouts,
            &capture.threads,
        )?;
        Ok((heap, capture.stop))
    }
}

pub(crate) fn layouts(program: &Program) -> Result<Layouts> {
    let version = program.exe().go_version().to_string();
    Ok(Layouts::resolve(program.debug(), &version, program.bias())?)
}

impl Heap {
    pub(crate) fn of_core(core: &Path, exe: &Path) -> Result<Self> {
        let exe = map_file(exe)?;
        let core = CoreFile::open(core)?;
        let image = core.image(Some(&exe))?.build();
        let program = Program::open(exe, core.mappings(), &image)?;
        let layouts = layouts(&program)?;
        Self::read(image, Arc::new(program), &layouts, core.threads())
    }

    pub(crate) fn read(
        image: Image,
        program: Arc<Program>,
        layouts: &Layouts,
        threads: &[Thread],
    ) -> Result<Self> {
        let mut gaps = Gaps::default();
        let objects = Objects::read(&image, layouts, &mut gaps)?;
        let masks = GcMasks::new(&program, &image);
        let source = RootSource {
            image: &image,
            program: &program,
            layouts,
            objects: &objects,
            threads,
            masks: &masks,
        };
        let roots = Roots::read(source, &mut gaps);
        Ok(Self {
            image,
            program,
            objects,
            roots,
            gaps,
        })
    }

    /// Marks from the roots that `keep` lets through; one answer per object.
    pub(crate) fn mark(&mut self, keep: impl Fn(&Root) -> bool) -> Vec<bool> {
        let masks = GcMasks::new(&self.program, &self.image);
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
}
