//! Finds the layout that explains a dump: the right one predicts where the next object begins.

use rayon::prelude::*;
use rustc_hash::FxHashMap;

use super::Layout;
use super::injected::injected;
use crate::classes::ClassTable;
use crate::kind::{Kind, Parts};

/// `(header, array base)` of each way to store the class of an object: compressed class pointers; full ones, with the
/// array's length behind them and with padding behind that; compact headers (JEP 450), which look like a 32-bit JVM.
const HEADERS: &[(u32, u32)] = &[(12, 16), (16, 24), (16, 20), (8, 12)];
/// `ObjectAlignmentInBytes`.
const ALIGNMENTS: &[u32] = &[8, 16, 32, 64, 128, 256];

/// Bytes of fields of classes whose instances say something about the layout: those of the JDK have some hundred.
const MOST_BYTES: u32 = 4096;

/// An object and the distance from its start to the next one's.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    pub(crate) kind: Kind,
    pub(crate) length: u32,
    pub(crate) distance: u64,
}

/// A layout and how well it explains the samples.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Detected {
    pub(crate) layout: Layout,
    /// Samples whose size is the distance.
    pub(crate) exact: u64,
    /// Samples that would reach into the next object.
    pub(crate) overlapping: u64,
}

/// The layout that explains most of `samples`, and hardly ever one object into another. Of equals the usual one.
pub(crate) fn detect(classes: &ClassTable, samples: &[Sample], id_size: u8) -> Detected {
    let mut counted: FxHashMap<(Kind, u32, u64), u64> = FxHashMap::default();
    for s in samples {
        *counted.entry((s.kind, s.length, s.distance)).or_default() += 1;
    }
    // Classes that no one writes would make each candidate costly.
    let usual = |kind: Kind| match kind.parts() {
        Parts::Instance(Some(class)) => classes.shape(class).bytes <= MOST_BYTES,
        _ => true,
    };
    let counted = counted.into_iter().filter(|((kind, ..), _)| usual(*kind));
    let mut counted: Vec<((Kind, u32, u64), u64)> = counted.collect();
    counted.sort_unstable();
    let judged: Vec<Detected> = candidates(id_size)
        .into_par_iter()
        .map(|layout| judge(layout, classes, &counted))
        .collect();
    let sound = |d: &&Detected| d.overlapping * 200 <= d.exact;
    let first = judged.first().copied();
    let best = judged.iter().filter(sound).rev().max_by_key(|d| d.exact);
    best.copied().or(first).unwrap_or(Detected {
        layout: USUAL,
        exact: 0,
        overlapping: 0,
    })
}

/// That of a 64-bit JVM with compressed references.
const USUAL: Layout = Layout {
    header: 12,
    array_base: 16,
    reference: 4,
    alignment: 8,
    gaps_filled: true,
};

/// Every layout that there may be, the usual ones first.
fn candidates(id_size: u8) -> Vec<Layout> {
    let mut candidates = Vec::new();
    for &(header, array_base) in HEADERS {
        for reference in [4, 8] {
            for &alignment in ALIGNMENTS {
                for gaps_filled in [true, false] {
                    candidates.push(Layout {
                        header,
                        array_base,
                        reference,
                        alignment,
                        gaps_filled,
                    });
                }
            }
        }
    }
    if id_size == 4 {
        candidates.retain(|c| c.header == 8 && c.reference == 4);
    }
    candidates
}

fn judge(layout: Layout, classes: &ClassTable, counted: &[((Kind, u32, u64), u64)]) -> Detected {
    let (mut exact, mut overlapping) = (0, 0);
    let mut sizes: FxHashMap<u32, u64> = FxHashMap::default();
    for ((kind, length, distance), count) in counted {
        let size = match kind.parts() {
            Parts::Objects(_) => layout.array(None, *length),
            Parts::Primitives(type_) => layout.array(Some(type_), *length),
            Parts::Instance(Some(class)) => *sizes
                .entry(class)
                .or_insert_with(|| instance(&layout, classes, class)),
            Parts::Instance(None) | Parts::Mirror(_) => continue,
        };
        match size.cmp(distance) {
            std::cmp::Ordering::Equal => exact += count,
            std::cmp::Ordering::Greater => overlapping += count,
            std::cmp::Ordering::Less => {}
        }
    }
    Detected {
        layout,
        exact,
        overlapping,
    }
}

/// Size of an instance of a class under `layout`.
pub(crate) fn instance(layout: &Layout, classes: &ClassTable, class: u32) -> u64 {
    layout.instance(&chain(classes, class, None))
}

/// The same of a class below `above`, whose instances take `bytes`, where none of its own fields come to lie among those
/// of `above`.
pub(crate) fn instance_behind(
    layout: &Layout,
    classes: &ClassTable,
    class: u32,
    above: &str,
    bytes: u64,
) -> u64 {
    let behind = Layout {
        header: u32::try_from(bytes).unwrap_or(u32::MAX / 2),
        ..*layout
    };
    behind.instance(&chain(classes, class, Some(above)))
}

/// Types of the fields of a class and of those above it, the root of all first; only those below the class `above`, if
/// that is given.
fn chain(classes: &ClassTable, class: u32, above: Option<&str>) -> Vec<Vec<u8>> {
    let ancestors = classes.ancestors(class).map(|c| classes.get(c));
    let below = ancestors.take_while(|c| above != Some(c.internal.as_str()));
    let mut chain: Vec<Vec<u8>> = below
        .map(|class| {
            let own = class.raw.iter().flat_map(|raw| &raw.fields);
            let own = own.map(|f| f.type_);
            own.chain(injected(classes, class).iter().copied())
                .collect()
        })
        .collect();
    chain.reverse();
    chain
}
