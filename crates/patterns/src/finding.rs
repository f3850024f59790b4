//! What a pattern finds.

use leakscope_graph::{Fingerprint, Node, ObjIx};
use leakscope_target::Addr;

use crate::Pattern;

/// How bad it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Verdict {
    /// It will never be freed and never be used.
    Leak,
    /// It takes memory that the same data does not need.
    Waste,
    /// It would be a leak if it were not for a doubt that the reasons name.
    Suspect,
    /// One capture cannot tell it from what passes; a later one can.
    NeedsSecondCapture,
}

/// How sure a finding is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Confidence {
    /// Something else would show the same; the reasons say what.
    Medium,
    /// What was read allows nothing else.
    High,
}

/// What a finding is about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Subject {
    /// The map of this index in [`leakscope_go::heap::GoHeap::maps`].
    Map(usize),
    /// The goroutines of these indices, all started by the `go` statement that returns to this address.
    Goroutines {
        /// Indices into the heap's goroutines, ascending.
        indices: Vec<u32>,
        /// Return address of the `go` statement; 0 where not recorded.
        created_at: Addr,
    },
    /// An object with a finalizer or a cleanup.
    Attached {
        /// The object.
        object: ObjIx,
        /// Where the finalizer's code begins; nil of a cleanup.
        code: Addr,
    },
    /// An array of which only a part is used.
    Array {
        /// The array; of several the one that most is given back of.
        object: ObjIx,
        /// What holds them all.
        place: Node,
    },
    /// An iterator, and what it keeps.
    Iterator {
        /// Index of its map in [`leakscope_go::heap::GoHeap::maps`].
        map: usize,
        /// The object that it is in; `None` in a frame.
        within: Option<ObjIx>,
        /// What it keeps: an array of buckets or a table.
        keeps: ObjIx,
        /// What holds that.
        place: Node,
    },
    /// The goroutine that runs finalizers or cleanups.
    Runner {
        /// Its index in the heap's goroutines.
        goroutine: u32,
        /// Where the function that it has called stands.
        called: Addr,
    },
}

/// Something that was read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Evidence {
    /// The field or count, as the runtime's source spells it where it does.
    pub what: String,
    /// Its value.
    pub value: String,
    /// Where it was read, if it is one place.
    pub at: Option<u64>,
}

impl Evidence {
    pub(crate) fn new(what: &str, value: impl ToString, at: Option<u64>) -> Self {
        Self {
            what: what.to_owned(),
            value: value.to_string(),
            at,
        }
    }
}

/// One finding.
#[derive(Clone, Debug)]
pub struct Finding {
    /// What was found.
    pub pattern: &'static Pattern,
    /// How bad it is.
    pub verdict: Verdict,
    /// Bytes that following the advice gives back.
    pub bytes: u64,
    /// How sure that is.
    pub confidence: Confidence,
    /// Why so sure, and why not surer.
    pub reasons: Vec<String>,
    /// What it is about; of several that were joined, the one with most bytes.
    pub subject: Subject,
    /// How many subjects were joined.
    pub places: u64,
    /// The nodes of the dominator tree that it is about: a suspect at one of these is the same thing.
    pub points: Vec<Node>,
    /// What was read of the subject.
    pub evidence: Vec<Evidence>,
    /// What to do.
    pub advice: String,
    /// The change as lines of a diff of Go, where it has a form.
    pub change: Vec<String>,
    /// What would not help.
    pub no_help: &'static str,
    /// Stays the same across runs, machines and builds of the same code. `None` where no root reaches the subject.
    pub fingerprint: Option<Fingerprint>,
}
