//! One Go heap, rebuilt: the graph with its types, its maps, its totals and what they rest on.

use std::sync::Arc;

use leakscope_graph::{
    GraphBuilder, HeapGraph, Histogram, ObjIx, Reach, SizeRun, TooLarge, TypeIx,
};
use leakscope_target::{AddrRange, Fault, Image, Memory, Thread};

use crate::backing::{self, Backing, Recorder};
use crate::counters::{CounterMap, CounterReader, Counters};
use crate::coverage::{Amount, Coverage, Gaps};
use crate::finalizers::Finalizers;
use crate::foundation::Foundation;
use crate::goroutine_leaks::{GoroutineLeaks, WaitSource, Waits, hides_references};
use crate::goroutines::Goroutines;
use crate::heapbits::{Masks, PointerReader};
use crate::layouts::Layouts;
use crate::ledger::MemoryMap;
use crate::maps::{
    BoxCensus, BoxedMap, Checker, IteratorFinder, KeyCheck, MapInfo, Moved, OldIterator, Subjects,
    alloc_rules,
};
use crate::objects::{Hit, Objects};
use crate::owners::RootNames;
use crate::program::Program;
use crate::resolver::Names;
use crate::roots::{Root, Roots};
use crate::sites::Sites;
use crate::specials::{SpecialKind, Specials};
use crate::types::{GcMasks, TypeTable};
use crate::typing::{Shape, Static, TINY_BLOCK, Typed, UNTYPED_NOSCAN, UNTYPED_SCAN};

/// Captured bytes between two returns of memory to the kernel while references are collected.
const RELEASE_STEP: u64 = 8 << 20;

/// Pointers looked up before their references are added.
const LOOKUPS: usize = 256;
/// Stands for a pointer to no object.
const NOWHERE: u64 = u64::MAX;
/// Pointers that the buffer keeps room for between spans; a large object may hold any number.
const MAX_KEPT_WORDS: usize = 1 << 16;

/// A rebuilt heap. Owns everything it answers from; the captured bytes are gone by then.
pub struct GoHeap {
    /// Objects, references and roots. Type ids are this heap's own; [`GoHeap::names`] tells what they are called.
    pub graph: HeapGraph,
    /// What the roots reach, and over which reference first.
    pub reach: Reach,
    /// Objects by type, those no root reaches apart.
    pub histogram: Histogram,
    /// Every map found, by address.
    pub maps: Vec<MapInfo>,
    /// Whether their keys lie where searches look; nothing unless asked for.
    pub keys: KeyCheck,
    /// Maps whose elems lie in objects behind interfaces, by index; nothing unless asked for.
    pub boxed: Vec<BoxedMap>,
    /// Arrays of which slices and strings use a part only; nothing unless asked for.
    pub backings: Vec<Backing>,
    /// Buckets that growths of maps have moved without clearing them, by address of the map.
    pub moved: Vec<Moved>,
    /// Iterators that hold what their maps have outgrown, by address.
    pub iterators: Vec<OldIterator>,
    /// Goroutines that are not dead.
    pub goroutines: Goroutines,
    /// Which of them are blocked for good.
    pub leaks: GoroutineLeaks,
    /// Finalizers and cleanups.
    pub finalizers: Finalizers,
    /// Where objects lie in the target.
    pub objects: Objects,
    /// Where they were allocated, as far as the runtime has sampled it.
    pub sites: Sites,
    /// Where the runtime keeps what.
    pub(crate) memory: MemoryMap,
    /// What the runtime counted of itself at the moment of capture.
    pub counters: Counters,
    /// Sums in the runtime's own accounting.
    pub totals: Totals,
    /// What share of the heap is named, and every gap.
    pub coverage: Coverage,
    /// Names of types, roots and references.
    pub names: Names,
}

/// What is looked at beside what a heap is made of.
#[derive(Clone, Copy, Default)]
pub struct Asked<'a> {
    /// [`GoHeap::keys`]: for an image with values that was taken at one moment.
    pub keys: bool,
    /// [`GoHeap::backings`]: likewise.
    pub backings: bool,
    /// [`GoHeap::boxed`]. Needs no values.
    pub boxes: bool,
    /// The process itself, where it is at hand: keys' texts that the image has not are read there.
    pub running: Option<&'a dyn Memory>,
}

/// Why a heap cannot be rebuilt at all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The runtime's list of spans cannot be read.
    #[error("cannot read the heap's spans: {0}")]
    Spans(#[from] Fault),
    /// More than 32-bit ids can name.
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
}

/// Sums over the heap.
#[derive(Clone, Debug, Default)]
pub struct Totals {
    /// Allocated slots: what `runtime.MemStats` calls `HeapObjects` and `HeapAlloc`.
    pub allocated: Amount,
    /// Of these, found dead by the last collection and not swept yet.
    pub unswept: Amount,
    /// Reached by a root that the collector follows.
    pub reachable: Amount,
    /// Reached only by words that may be pointers.
    pub maybe_reachable: Amount,
    /// Reached by nothing and not in [`Totals::unswept`]: garbage that no collection has seen yet.
    pub unreachable: Amount,
    /// Of these, objects that the next collection will not free, by the reason.
    pub unreachable_kept: Vec<(&'static str, Amount)>,
    /// Bytes of spans that hold objects (`MemStats.HeapInuse`).
    pub span_bytes: u64,
    /// Number of those spans.
    pub spans: u64,
    /// Bytes of spans that the runtime manages by hand: stacks (`MemStats.StackInuse`) and the collector's work buffers.
    pub manual_bytes: u64,
    /// Number of goroutines that are not dead.
    pub goroutines: u64,
}

impl GoHeap {
    /// Rebuilds the heap of `program` from `image`, whose copied bytes are given back to the kernel on the way.
    /// What cannot be read or made sense of is a gap in [`GoHeap::coverage`].
    pub fn build(
        program: &Arc<Program>,
        layouts: &Layouts,
        image: Image,
        threads: &[Thread],
    ) -> Result<Self, BuildError> {
        Self::build_with(program, layouts, image, threads, Asked::default())
    }

    /// As [`GoHeap::build`], with a look at what is asked for.
    pub fn build_with(
        program: &Arc<Program>,
        layouts: &Layouts,
        image: Image,
        threads: &[Thread],
        asked: Asked<'_>,
    ) -> Result<Self, BuildError> {
        Self::read(program, layouts, Bytes::Released(image), threads, asked)
    }

    /// As [`GoHeap::build`], but `image` stays as it is: for whoever needs values too.
    pub fn build_beside(
        program: &Arc<Program>,
        layouts: &Layouts,
        image: &Image,
        threads: &[Thread],
    ) -> Result<Self, BuildError> {
        let bytes = Bytes::Kept(image);
        Self::read(program, layouts, bytes, threads, Asked::default())
    }

    fn read(
        program: &Arc<Program>,
        layouts: &Layouts,
        mut bytes: Bytes<'_>,
        threads: &[Thread],
        asked: Asked<'_>,
    ) -> Result<Self, BuildError> {
        let image = bytes.image();
        let mut gaps = Gaps::default();
        let mut types = TypeTable::new(program.clone());
        let Foundation {
            objects,
            roots,
            typed,
            mut maps,
            moved,
            unread,
        } = Foundation::read(program, layouts, image, threads, &mut types, &mut gaps)?;
        let waits = Waits::read(WaitSource {
            image,
            program,
            layouts,
            objects: &objects,
            roots: &roots,
            threads,
        });
        let kind = |header: TypeIx| match typed.shapes.get(header.0).shape {
            Shape::MapHeader(map) => typed.kinds.get(&map).copied(),
            _ => None,
        };
        let keys = asked.keys.then(|| {
            let subjects = Subjects {
                program,
                image,
                objects: &objects,
                maps: &maps,
                running: asked.running,
            };
            Checker::run(subjects, &mut types, kind)
        });
        if let Some(keys) = &keys {
            keys.exclude_overwritten(&mut maps, &mut gaps);
        }
        let alloc = alloc_rules(layouts);
        let boxed = asked.boxes.then(|| {
            let kind = |map: &MapInfo| kind(map.type_);
            BoxCensus::run(image, &objects, alloc, &mut types, &maps, kind)
        });
        let sites = Sites::read(image, program, layouts, &roots.specials, &mut gaps);
        let finalizers = Finalizers::of(image, &roots);
        let memory = MemoryMap::read(image, layouts, threads);
        let counters = Arc::new(CounterMap::resolve(program.debug()));
        let counters = CounterReader::new(counters, program.bias()).sample(image);
        let mut unread_edges = Gaps::default();
        let mut onlookers = Onlookers {
            recorder: (asked.backings).then(|| Recorder::new(&objects, &types, &typed)),
            iterators: IteratorFinder::new(
                bytes.image(),
                program.debug(),
                &objects,
                &types,
                &typed,
                &maps,
            ),
        };
        onlookers.roots(bytes.image(), program, &typed.statics, &roots.roots);
        let builder = edges(
            &mut bytes,
            &objects,
            program,
            &mut onlookers,
            &mut unread_edges,
        )?;
        let pieces = onlookers.recorder.map(Recorder::finish);
        let iterators = onlookers.iterators.finish();
        let unread = unread || hides_references(&unread_edges);
        gaps.add_all(&unread_edges);
        drop(bytes);
        let Typed {
            type_of,
            shapes,
            kinds,
            statics,
            local_names,
        } = typed;
        let (root_names, graph_roots) =
            RootNames::new(program, &types, &statics, local_names, &roots);
        let type_of = type_of.into_iter().map(TypeIx).collect();
        let graph = builder.finish(type_of, size_runs(&objects), graph_roots)?;
        let leaks = GoroutineLeaks::judge(waits, &graph, &roots.roots, unread);
        let reach = Reach::of(&graph);
        let histogram = Histogram::of(&graph, &reach);
        let backings = pieces.map(|p| backing::find(p, &objects, &graph, &reach, alloc));
        Ok(Self {
            totals: totals(&objects, &roots, &reach),
            coverage: coverage(&objects, &graph, &reach, gaps),
            names: Names::new(program, types, &shapes, &kinds, root_names),
            goroutines: roots.goroutines,
            leaks,
            finalizers,
            objects,
            sites,
            memory,
            counters: counters.unwrap_or_default(),
            graph,
            reach,
            histogram,
            maps,
            iterators,
            keys: keys.unwrap_or_default(),
            boxed: boxed.unwrap_or_default(),
            backings: backings.unwrap_or_default(),
            moved,
        })
    }
}

/// Who looks at references while the bytes around them are there.
struct Onlookers<'a> {
    recorder: Option<Recorder<'a>>,
    iterators: IteratorFinder<'a>,
}

impl Onlookers<'_> {
    fn roots(&mut self, image: &Image, program: &Program, statics: &[Static], roots: &[Root]) {
        if let Some(recorder) = &mut self.recorder {
            recorder.roots(image, program, statics, roots);
        }
        self.iterators.roots(image, roots);
    }

    /// A reference: the pointer `value` to `hit`, in word `word` of the data of `from`, before which its slot has so many words of
    /// header.
    #[inline]
    fn reference(&mut self, image: &Image, from: (u32, u32), word: u32, value: u64, hit: Hit) {
        self.iterators.reference(image, from, word, hit);
        if let Some(recorder) = &mut self.recorder
            && recorder.wants(hit.span)
        {
            recorder.reference(image, from, word, value, hit);
        }
    }
}

/// Captured bytes, and whether they are still needed once references are collected.
enum Bytes<'a> {
    Released(Image),
    Kept(&'a Image),
}

impl Bytes<'_> {
    fn image(&self) -> &Image {
        match self {
            Self::Released(image) => image,
            Self::Kept(image) => image,
        }
    }

    /// Gives bytes that nobody looks at again back to the kernel.
    fn done_with(&mut self, range: AddrRange) {
        if let Self::Released(image) = self {
            image.release(range);
        }
    }
}

/// Collects every reference, giving memory back behind itself.
fn edges(
    bytes: &mut Bytes<'_>,
    objects: &Objects,
    program: &Program,
    onlookers: &mut Onlookers<'_>,
    gaps: &mut Gaps,
) -> Result<GraphBuilder, TooLarge> {
    let mut builder = GraphBuilder::new(objects.len());
    let spans = objects.spans();
    let mut first = 0;
    while first < spans.len() {
        let mut end = first;
        let mut passed = 0;
        while end < spans.len() && passed < RELEASE_STEP {
            passed += spans[end].bytes;
            end += 1;
        }
        let image = bytes.image();
        let masks = GcMasks::new(program, image);
        let found = edges_of(image, objects, &masks, first..end, &mut builder, onlookers)?;
        gaps.add_all(&found);
        let range = AddrRange {
            start: spans[first].start,
            end: spans[end - 1].end(),
        };
        bytes.done_with(range);
        first = end;
    }
    Ok(builder)
}

fn edges_of(
    image: &Image,
    objects: &Objects,
    masks: &dyn Masks,
    spans: std::ops::Range<usize>,
    builder: &mut GraphBuilder,
    onlookers: &mut Onlookers<'_>,
) -> Result<Gaps, TooLarge> {
    let mut reader = PointerReader::new(image, objects, masks);
    // Pointers are looked up span by span, not one at a time as they come: each lookup misses the cache, and the
    // processor waits for many of them at once where they do not depend on each other.
    let mut words: Vec<(u32, u32, u64)> = Vec::new();
    for number in spans {
        let header = (objects.spans()[number].header() / 8) as u32;
        reader.for_each_in_span(number as u32, |obj, word, value| {
            words.push((obj, word - header.min(word), value));
        });
        for chunk in words.chunks_mut(LOOKUPS) {
            for (obj, word, value) in chunk.iter_mut() {
                let Some(hit) = objects.find(*value) else {
                    *value = NOWHERE;
                    continue;
                };
                onlookers.reference(image, (*obj, header), *word, *value, hit);
                *value = hit.obj.into();
            }
            for (obj, slot, to) in chunk {
                if let Some(to) = u32::try_from(*to).ok().filter(|_| *to != NOWHERE) {
                    builder.edge(ObjIx(*obj), ObjIx(to), *slot)?;
                }
            }
        }
        words.clear();
        words.shrink_to(MAX_KEPT_WORDS);
    }
    Ok(reader.into_gaps())
}

fn size_runs(objects: &Objects) -> Vec<SizeRun> {
    let mut runs: Vec<SizeRun> = Vec::new();
    for span in objects.spans().iter().filter(|s| s.objects > 0) {
        if runs.last().is_none_or(|run| run.size != span.elem_size) {
            runs.push(SizeRun {
                first: ObjIx(span.first_obj),
                size: span.elem_size,
            });
        }
    }
    runs
}

fn coverage(objects: &Objects, graph: &HeapGraph, reach: &Reach, gaps: Gaps) -> Coverage {
    let mut coverage = Coverage {
        gaps,
        ..Coverage::default()
    };
    for span in objects.spans() {
        let ids = (span.first_obj..span.first_obj + span.objects).map(ObjIx);
        for object in ids.filter(|o| reach.is_reached(*o)) {
            let amount = match graph.type_of(object).0 {
                UNTYPED_SCAN => &mut coverage.untyped_scan,
                UNTYPED_NOSCAN => &mut coverage.untyped_noscan,
                _ => &mut coverage.named,
            };
            amount.add(span.elem_size);
            coverage.all.add(span.elem_size);
        }
    }
    coverage
}

fn totals(objects: &Objects, roots: &Roots, reach: &Reach) -> Totals {
    let sums = objects.totals();
    let mut totals = Totals {
        allocated: sums.allocated,
        unswept: sums.unswept,
        span_bytes: sums.span_bytes,
        spans: objects.spans().len() as u64,
        manual_bytes: sums.manual_bytes,
        goroutines: roots.goroutines.len() as u64,
        ..Totals::default()
    };
    let mut kept = Kept::default();
    for span in objects.spans() {
        let tiny = span.noscan && span.elem_size == TINY_BLOCK;
        for obj in span.first_obj..span.first_obj + span.objects {
            let amount = if reach.is_strong(ObjIx(obj)) {
                &mut totals.reachable
            } else if reach.is_reached(ObjIx(obj)) {
                &mut totals.maybe_reachable
            } else if objects.is_unswept_garbage(obj) {
                continue;
            } else {
                kept.add(tiny, obj, span.elem_size, &roots.specials);
                &mut totals.unreachable
            };
            amount.add(span.elem_size);
        }
    }
    totals.unreachable_kept = kept.rows();
    totals
}

/// Unreachable objects that outlive the next collection.
#[derive(Default)]
struct Kept {
    finalizer: Amount,
    tiny: Amount,
}

impl Kept {
    fn add(&mut self, tiny: bool, obj: u32, bytes: u64, specials: &Specials) {
        let mut specials = specials.of(obj).iter();
        if specials.any(|s| s.kind == SpecialKind::Finalizer) {
            self.finalizer.add(bytes);
        } else if tiny {
            self.tiny.add(bytes);
        }
    }

    fn rows(self) -> Vec<(&'static str, Amount)> {
        [
            ("a finalizer is to run first", self.finalizer),
            ("a tiny allocation may share the block", self.tiny),
        ]
        .into_iter()
        .filter(|(_, amount)| amount.objects > 0)
        .collect()
    }
}
