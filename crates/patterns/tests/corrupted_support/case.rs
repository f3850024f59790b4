//! A program in a core, whose heap is built again and again with other bytes, and what the catalogue finds in it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use leakscope_go::heap::{Asked, GoHeap};
use leakscope_go::layouts::Layouts;
use leakscope_go::owners::Group;
use leakscope_go::program::Program;
use leakscope_graph::{Dominators, GroupIx};
use leakscope_patterns::{Confidence, Finding, Seen, Subject, Verdict, find};
use leakscope_target::{Addr, CoreFile, Image, Region, Source, Thread, map_file};
use memmap2::Mmap;

pub(crate) struct Case {
    pub(crate) program: Arc<Program>,
    pub(crate) whole: Image,
    layouts: Layouts,
    threads: Vec<Thread>,
    /// Where the image's bytes are.
    files: [Arc<Mmap>; 2],
}

/// One finding, without anything that another build of the same heap may number in another way.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Told {
    pub(crate) pattern: &'static str,
    /// The header of the map that it is about.
    pub(crate) map: Option<u64>,
    /// What it is about otherwise.
    subject: String,
    verdict: Verdict,
    pub(crate) confidence: Confidence,
    pub(crate) places: u64,
    pub(crate) bytes: u64,
    pub(crate) reasons: Vec<String>,
}

/// A heap, and what was found in it.
pub(crate) struct Built {
    pub(crate) heap: GoHeap,
    pub(crate) told: Vec<Told>,
    /// What each map holds, itself included, by its header.
    pub(crate) holds: BTreeMap<u64, u64>,
}

impl Case {
    pub(crate) fn of_core(core: &Path, exe: &Path) -> Result<Self> {
        let exe = map_file(exe)?;
        let file = map_file(core)?;
        let core = CoreFile::from_map(Arc::clone(&file))?;
        let whole = core.image(Some(&exe))?.build();
        let program = Program::open(Arc::clone(&exe), core.mappings(), &whole)?;
        let version = program.exe().go_version().to_string();
        let layouts = Layouts::resolve(program.debug(), &version, program.bias())?;
        Ok(Self {
            program: Arc::new(program),
            whole,
            layouts,
            threads: core.threads().to_vec(),
            files: [file, exe],
        })
    }

    /// The heap as it is.
    pub(crate) fn sound(&self) -> Result<Built> {
        let first = self.whole.ranges().next().context("nothing")?;
        self.with(first.start, &[])
    }

    /// The heap with other bytes at `at`.
    pub(crate) fn with(&self, at: Addr, bytes: &[u8]) -> Result<Built> {
        let image = self.damaged(at, bytes)?;
        let asked = Asked {
            keys: true,
            backings: true,
            boxes: true,
            running: None,
        };
        let heap = GoHeap::build_with(&self.program, &self.layouts, image, &self.threads, asked)?;
        let (told, holds) = told(&heap)?;
        Ok(Built { heap, told, holds })
    }

    /// The image with other bytes at `at`. All that lies together in it is copied: what is read must not be of two sources.
    fn damaged(&self, at: Addr, bytes: &[u8]) -> Result<Image> {
        let around = self.whole.ranges().find(|range| range.contains(at));
        let around = around.context("nothing there")?;
        let mut region = Region::reserve(around.len() as usize)?;
        let copy = region
            .as_mut_slice()
            .get_mut(..around.len() as usize)
            .context("a region too small")?;
        copy.copy_from_slice(self.whole.bytes(around.start, around.len())?);
        let from = (at.0 - around.start.0) as usize;
        let place = copy.get_mut(from..from + bytes.len());
        place.context("damage past the end")?.copy_from_slice(bytes);
        let mut builder = Image::builder();
        let region = builder.add_region(region);
        builder.add(around, Source::Copied { region, offset: 0 });
        for range in self.whole.ranges().filter(|range| *range != around) {
            let bytes = self.whole.bytes(range.start, range.len())?;
            let inside = |f: &&Arc<Mmap>| f.as_ptr_range().contains(&bytes.as_ptr());
            let file = self.files.iter().find(inside).context("bytes of no file")?;
            let offset = bytes.as_ptr().addr() - file.as_ptr().addr();
            let file = Arc::clone(file);
            builder.add(range, Source::File { file, offset });
        }
        Ok(builder.build())
    }
}

fn told(heap: &GoHeap) -> Result<(Vec<Told>, BTreeMap<u64, u64>)> {
    let groups = heap.names.groups();
    let tree = Dominators::of(&heap.graph, &groups.roots)?;
    let goroutines: BTreeMap<u32, GroupIx> = (0u32..)
        .zip(&groups.of)
        .filter_map(|(i, group)| match group {
            Group::Goroutine(index) => Some((*index, GroupIx(i))),
            _ => None,
        })
        .collect();
    let seen = Seen {
        heap,
        tree: &tree,
        groups: &groups.roots,
        goroutines,
    };
    let found = find(&seen, |_| true);
    let holds = (heap.maps.iter())
        .filter_map(|map| Some((map.address.0, tree.retained(map.object?))))
        .collect();
    Ok((found.into_iter().map(|f| one(heap, f)).collect(), holds))
}

fn one(heap: &GoHeap, finding: Finding) -> Told {
    let (map, subject) = match finding.subject {
        Subject::Map(map) => (Some(map), String::new()),
        Subject::Iterator {
            map, within, keeps, ..
        } => (Some(map), format!("{within:?} {keeps:?}")),
        other => (None, format!("{other:?}")),
    };
    Told {
        pattern: finding.pattern.id,
        map: map.and_then(|map| Some(heap.maps.get(map)?.address.0)),
        subject,
        verdict: finding.verdict,
        confidence: finding.confidence,
        places: finding.places,
        bytes: finding.bytes,
        reasons: finding.reasons,
    }
}
