//! Shallow sizes by class, as the JVM that wrote the dump accounts them.

use rustc_hash::FxHashMap;

use crate::classes::ClassTable;
use crate::hprof::bytes::OBJECT;
use crate::hprof::scan::Scanned;
use crate::index::Index;
use crate::kind::{Kind, Parts};
use crate::layout::{Detected, Layout, Sample, detect, instance, instance_behind};

/// Objects whose distance to the next one is measured to find the layout.
const SAMPLES: u64 = 200_000;
/// Objects in a row that are sampled: such of one moment lie side by side.
const ROW: u64 = 512;
/// Bytes that the JVM leaves free on either side of a group of fields of a class that is `@Contended`, or has fields
/// that are (`ContendedPaddingWidth`).
const PADDING: u64 = 128;
/// What aligning such groups adds at most.
const ALIGNING: u64 = 16;

/// Classes of which the JVM keeps fields apart, with the number of their groups: `@Contended` in the sources of
/// `java.base`, JDK 8 to 25. What that adds is seen from the distances between instances, and how it is done from
/// `FieldLayoutBuilder::compute_regular_layout` and `insert_contended_padding` (`fieldLayoutBuilder.cpp`).
const CONTENDED: &[(&str, u64)] = &[
    ("java/lang/Thread", 1),
    ("java/util/concurrent/ConcurrentHashMap$CounterCell", 1),
    ("java/util/concurrent/Exchanger$Node", 1),
    ("java/util/concurrent/ForkJoinPool", 3),
    ("java/util/concurrent/ForkJoinPool$WorkQueue", 3),
    (
        "java/util/concurrent/SubmissionPublisher$BufferedSubscription",
        3,
    ),
    ("java/util/concurrent/atomic/Striped64$Cell", 1),
];

/// `static` fields with these names are the JVM's own and take no room in the class object (`heapDumper.cpp`).
pub(crate) const NOT_STATICS: &[&str] = &["<resolved_references>", "<init_lock>", "<signers>"];

/// Sizes of everything in a dump.
pub(crate) struct Sizing {
    pub(crate) detected: Detected,
    /// Size of an instance of each class.
    instances: Vec<u64>,
    /// Size of a `java.lang.Class` object without the static fields of its class.
    mirror: u64,
    static_bytes: Vec<u64>,
}

impl Sizing {
    /// Finds the layout and each class's size. Looks at samples, and once over all kinds.
    pub(crate) fn of(
        classes: &ClassTable,
        pieces: &[Scanned],
        index: &Index,
        id_size: u8,
        is_static: &dyn Fn(u64) -> bool,
    ) -> Self {
        let detected = detect(classes, &samples(pieces, index), id_size);
        let layout = detected.layout;
        let mut instances: Vec<u64> = (0..classes.len())
            .map(|class| instance(&layout, classes, class))
            .collect();
        correct(&layout, classes, pieces, index, &mut instances);
        let static_bytes: Vec<u64> = (0..classes.len())
            .map(|class| static_bytes(&layout, classes, class, is_static))
            .collect();
        let own = classes.named("java/lang/Class");
        let least = own.map_or(0, |class| instances[class as usize]);
        let mirror = mirror(classes, index, &static_bytes, least);
        Self {
            detected,
            instances,
            mirror,
            static_bytes,
        }
    }

    pub(crate) fn layout(&self) -> &Layout {
        &self.detected.layout
    }

    /// Size of an object of this kind; `length` of arrays.
    #[inline]
    pub(crate) fn of_kind(&self, kind: Kind, length: u32) -> u64 {
        match kind.parts() {
            Parts::Instance(Some(class)) => self.instances[class as usize],
            Parts::Instance(None) => 0,
            Parts::Objects(_) => self.layout().array(None, length),
            Parts::Primitives(type_) => self.layout().array(Some(type_), length),
            Parts::Mirror(class) => self.of_mirror(class),
        }
    }

    /// Size of an instance of a class.
    pub(crate) fn of_instance(&self, class: u32) -> u64 {
        self.instances[class as usize]
    }

    /// Size of the `java.lang.Class` object of a class.
    fn of_mirror(&self, class: u32) -> u64 {
        let bytes = self.mirror + self.static_bytes[class as usize];
        bytes.next_multiple_of(self.layout().alignment.into())
    }
}

fn samples(pieces: &[Scanned], index: &Index) -> Vec<Sample> {
    let all: u64 = pieces.iter().map(|p| p.address.len() as u64).sum();
    let step = (all / SAMPLES).max(1) * ROW;
    let mut samples = Vec::new();
    let mut number = 0;
    for piece in pieces {
        let mut lengths = piece.lengths.iter();
        for (address, kind) in piece.address.iter().zip(&piece.kind) {
            let length = if kind.is_array() {
                lengths.next().copied()
            } else {
                None
            };
            number += 1;
            if number % step >= ROW {
                continue;
            }
            if let Some(next) = index.after(*address) {
                samples.push(Sample {
                    kind: *kind,
                    length: length.unwrap_or_default(),
                    distance: next - address,
                });
            }
        }
    }
    samples
}

/// Makes classes larger whose fields the JVM keeps apart: by what lies between any two of their instances at least. Fields
/// of classes below them lie behind.
fn correct(
    layout: &Layout,
    classes: &ClassTable,
    pieces: &[Scanned],
    index: &Index,
    sizes: &mut [u64],
) {
    let place = |class: u32| {
        CONTENDED
            .iter()
            .position(|(name, _)| classes.is_a(class, name))
    };
    let places: Vec<Option<usize>> = (0..classes.len()).map(place).collect();
    let mut least = [u64::MAX; CONTENDED.len()];
    for piece in pieces {
        for (address, kind) in piece.address.iter().zip(&piece.kind) {
            if let Parts::Instance(Some(class)) = kind.parts()
                && let Some(place) = places[class as usize]
                && let Some(next) = index.after(*address)
            {
                let more = (next - address).saturating_sub(sizes[class as usize]);
                least[place] = least[place].min(more);
            }
        }
    }
    for (place, (name, groups)) in CONTENDED.iter().enumerate() {
        let most = (groups + 1) * PADDING + ALIGNING;
        // What is less than the room on both sides is a gap between objects, or nothing.
        if !(2 * PADDING - ALIGNING..=most).contains(&least[place]) {
            continue;
        }
        let Some(head) = classes.named(name) else {
            continue;
        };
        let bytes = sizes[head as usize] + least[place];
        for class in (0..classes.len()).filter(|c| places[*c as usize] == Some(place)) {
            sizes[class as usize] = instance_behind(layout, classes, class, name, bytes);
        }
    }
}

fn static_bytes(
    layout: &Layout,
    classes: &ClassTable,
    class: u32,
    is_static: &dyn Fn(u64) -> bool,
) -> u64 {
    let raw = classes.get(class).raw.as_ref();
    let fields = raw.iter().flat_map(|raw| &raw.statics);
    let fields = fields.filter(|f| is_static(f.name));
    fields
        .map(|f| match f.type_ {
            OBJECT => u64::from(layout.reference),
            4 | 8 => 1,
            5 | 9 => 2,
            6 | 10 => 4,
            _ => 8,
        })
        .sum()
}

/// Bytes that the JVM adds to a `java.lang.Class` object at most (`CLASS_INJECTED_FIELDS` in `javaClasses.hpp`).
const MAX_INJECTED: u64 = 128;

/// What most `java.lang.Class` objects are large without the statics of their class.
fn mirror(classes: &ClassTable, index: &Index, static_bytes: &[u64], least: u64) -> u64 {
    let mut counts: FxHashMap<u64, u64> = FxHashMap::default();
    for (number, class) in classes.iter() {
        let statics = static_bytes[number as usize];
        if statics == 0
            && class.raw.is_some()
            && let Some(next) = index.after(class.id)
            && next - class.id <= least + MAX_INJECTED
        {
            *counts.entry(next - class.id).or_default() += 1;
        }
    }
    let mut counts: Vec<(u64, u64)> = counts.into_iter().collect();
    counts.sort_unstable();
    let most = counts.iter().rev().max_by_key(|(_, count)| *count);
    most.map_or(least, |(size, _)| (*size).max(least))
}
