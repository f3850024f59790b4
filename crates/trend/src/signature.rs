//! Patterns that show in several series at once, and plain thresholds, which are patterns of one.

use crate::config::Tests;
use crate::floors::Floors;
use crate::stats::{mann_kendall, median, theil_sen};
use crate::{Millis, Signal, Verdict, minutes};

/// Most conditions of a signature.
pub(crate) const MAX_CONDITIONS: usize = 8;

/// Most signatures and thresholds.
pub(crate) const MAX_SIGNATURES: usize = 128;

/// Longest name of a signal.
const MAX_NAME: usize = 64;

/// How much of a series shapes are seen in.
const SHAPE_WINDOW: Millis = minutes(360);

/// Share of its middle value by which a series rises at least, or stays flat at most.
const SHAPE_CHANGE: f64 = 0.05;

/// The look of a series.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Shape {
    /// A trend upwards over six hours, by a twentieth at least.
    Rising,
    /// No change over six hours by more than a twentieth.
    Flat,
    /// Its newest value is larger.
    Above(f64),
    /// Its newest value is smaller.
    Below(f64),
}

/// One series and what it must look like.
#[derive(Clone, PartialEq, Debug)]
pub struct Condition {
    /// Name of the signal.
    pub signal: String,
    /// The look that it must have.
    pub shape: Shape,
}

/// A pattern: all conditions at once.
#[derive(Clone, PartialEq, Debug)]
pub struct Signature {
    /// Its name in output.
    pub name: String,
    /// What must hold.
    pub conditions: Vec<Condition>,
    /// For how long, at least.
    pub holds_for: Millis,
    /// What is said while it holds.
    pub verdict: Verdict,
}

impl Signature {
    pub(crate) fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            conditions: Vec::new(),
            holds_for: 0,
            verdict: Verdict::Suspect,
        }
    }
}

/// Where a signal can be had from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Source {
    /// From outside: counters of the runtime, `/proc`, the cgroup.
    Outside,
    /// Only from an endpoint with metrics that the program itself offers.
    MetricsEndpoint,
    /// Only from a look into the heap.
    HeapLook,
}

/// A signal that signatures may name, beside the channels.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SignalFact {
    /// Its name.
    pub name: &'static str,
    /// What it is, with its unit.
    pub meaning: &'static str,
    /// Where it can be had from.
    pub source: Source,
}

const fn fact(name: &'static str, meaning: &'static str, source: Source) -> SignalFact {
    SignalFact {
        name,
        meaning,
        source,
    }
}

/// The signals that the built-in signatures and the documentation name. A signature may name others: whoever feeds
/// series decides what there is.
pub const SIGNAL_FACTS: &[SignalFact] = &[
    fact(
        "heap_share",
        "live heap over its capacity, 0 to 1",
        Source::Outside,
    ),
    fact(
        "rss_share",
        "resident memory over the limit, 0 to 1",
        Source::Outside,
    ),
    fact(
        "native_share",
        "native memory over its room, 0 to 1",
        Source::Outside,
    ),
    fact("stacks", "bytes of stacks", Source::Outside),
    fact("threads", "threads", Source::Outside),
    fact("classes", "loaded classes", Source::Outside),
    fact("fds", "open descriptors", Source::Outside),
    fact(
        "pool_size",
        "threads of an executor",
        Source::MetricsEndpoint,
    ),
    fact(
        "thread_local_entries",
        "entries of ThreadLocalMap",
        Source::HeapLook,
    ),
];

/// Whether a signature may name this signal.
pub(crate) fn is_signal(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= MAX_NAME
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

/// The signatures that are always there. They hold where their signals are known.
pub(crate) fn built_in() -> Vec<Signature> {
    let all = |name: &str, conditions: &[(&str, Shape)]| Signature {
        conditions: conditions
            .iter()
            .map(|(signal, shape)| Condition {
                signal: (*signal).to_owned(),
                shape: *shape,
            })
            .collect(),
        ..Signature::named(name)
    };
    vec![
        all(
            "old-generation-rises-while-pools-idle",
            &[
                (Signal::HeapFloor.name(), Shape::Rising),
                ("pool_size", Shape::Below(1.0)),
            ],
        ),
        all(
            "thread-locals-pile-up",
            &[
                ("threads", Shape::Flat),
                ("thread_local_entries", Shape::Rising),
            ],
        ),
        all(
            "goroutines-and-stacks-rise",
            &[
                (Signal::Count.name(), Shape::Rising),
                ("stacks", Shape::Rising),
            ],
        ),
        all(
            "resident-rises-over-flat-heap",
            &[
                (Signal::Rss.name(), Shape::Rising),
                (Signal::HeapFloor.name(), Shape::Flat),
                (Signal::Native.name(), Shape::Rising),
            ],
        ),
        all(
            "class-loaders-pile-up",
            &[
                ("classes", Shape::Rising),
                (Signal::Native.name(), Shape::Rising),
            ],
        ),
    ]
}

/// Looks at a series: the value that was looked at, and whether it has the shape. `None` where it is not known.
pub(crate) fn look(
    shape: Shape,
    floors: Option<&Floors>,
    newest: Option<f64>,
    from: i64,
    rules: &Tests,
    work: &mut ShapeWork,
) -> Option<(f64, bool)> {
    match shape {
        Shape::Above(bound) => newest.map(|v| (v, v > bound)),
        Shape::Below(bound) => newest.map(|v| (v, v < bound)),
        Shape::Rising | Shape::Flat => {
            let floors = floors?;
            work.fill(floors, from, rules);
            let n = work.times.len();
            let seconds = work.times.last()? - work.times.first()?;
            if n < rules.min_groups || seconds * 1e3 < rules.min_span as f64 {
                return None;
            }
            let slope = theil_sen(&work.times, &work.values, &mut work.slopes);
            let z = mann_kendall(&work.values);
            let middle = median(&mut work.values)?.abs().max(f64::MIN_POSITIVE);
            let change = slope * seconds / middle;
            let holds = match shape {
                Shape::Rising => z >= rules.z && change >= SHAPE_CHANGE,
                _ => change.abs() <= SHAPE_CHANGE,
            };
            Some((change, holds))
        }
    }
}

/// Working space for [`look`].
#[derive(Clone, Default, Debug)]
pub(crate) struct ShapeWork {
    times: Vec<f64>,
    values: Vec<f64>,
    slopes: Vec<f64>,
}

impl ShapeWork {
    /// The minima of up to `groups` parts of the newest six hours, not before bucket `from`.
    fn fill(&mut self, floors: &Floors, from: i64, rules: &Tests) {
        self.times.clear();
        self.values.clear();
        let Some((newest, _)) = floors.newest() else {
            return;
        };
        let oldest = (newest - SHAPE_WINDOW).div_euclid(floors.bucket());
        let (first, rows) = floors.since(from.max(oldest));
        let width = rows.len().div_ceil(rules.groups.max(1)).max(1);
        let seconds = floors.bucket() as f64 / 1e3;
        for (i, part) in rows.chunks(width).enumerate() {
            let low = part.iter().copied().fold(f32::NAN, f32::min);
            if !low.is_nan() {
                let bucket = first + (i * width) as i64;
                self.times.push(bucket as f64 * seconds);
                self.values.push(f64::from(low));
            }
        }
    }
}
