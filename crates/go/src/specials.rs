//! Specials: finalizers, cleanups, weak handles and allocation sites, as the runtime attaches them to objects
//! (mheap.go, `special`; a list per span, by offset and kind).

use leakscope_target::{Addr, Image};

use crate::budget;
use crate::coverage::Gaps;
use crate::layouts::Layouts;
use crate::objects::Objects;

/// What a special is for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum SpecialKind {
    /// `runtime.SetFinalizer`.
    Finalizer,
    /// `weak.Make`, `unique.Make`.
    WeakHandle,
    /// The allocation was sampled by the memory profile.
    Profile,
    /// `runtime.AddCleanup`.
    Cleanup,
    /// Any other: pin counters, test and debug aids.
    Other,
}

/// One special.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Special {
    /// Where the record lies.
    pub at: Addr,
    /// What it says: the finalizer's or cleanup's function value, the handle, the profile bucket; nil for others.
    pub payload: Addr,
    /// The object it is attached to.
    pub obj: u32,
    /// The value it is attached to, which lies inside that object: several tiny values share one.
    pub value: Addr,
    /// What it is for.
    pub kind: SpecialKind,
}

/// Every special of a heap, in the order of objects.
#[derive(Clone, Debug, Default)]
pub struct Specials {
    list: Vec<Special>,
}

impl Specials {
    /// Reads the lists of all spans. What cannot be read is counted in `gaps`.
    pub fn read(image: &Image, layouts: &Layouts, objects: &Objects, gaps: &mut Gaps) -> Self {
        let mut specials = Self::default();
        // Records that exist take room: lists that lead back into themselves end when that is used up.
        let mut left = budget::most_records(image, layouts.special.size);
        for span in objects.spans() {
            let mut at = span.specials;
            let mut last = (0, 0);
            while !at.is_nil() {
                let Ok(record) = image.bytes(at, layouts.special.size.into()) else {
                    gaps.add("special that cannot be read", at);
                    break;
                };
                let offset = layouts.special.offset.get(record);
                let place = (offset, layouts.special.kind.get(record));
                if place < last || offset >= span.bytes || left == 0 {
                    gaps.add("special out of order", at);
                    break;
                }
                left -= 1;
                last = place;
                match objects.find(span.start.0 + offset) {
                    Some(hit) => {
                        let kind = kind_of(layouts, place.1);
                        let payload = payload(image, layouts, at, kind);
                        specials.list.push(Special {
                            at,
                            payload,
                            obj: hit.obj,
                            value: Addr(span.start.0 + offset),
                            kind,
                        });
                    }
                    None => gaps.add("special of an object that is not allocated", at),
                }
                at = Addr(layouts.special.next.get(record));
            }
        }
        specials
    }

    /// All of them, ascending by object.
    pub fn iter(&self) -> impl Iterator<Item = &Special> {
        self.list.iter()
    }

    /// Those of one object.
    pub fn of(&self, obj: u32) -> &[Special] {
        let from = self.list.partition_point(|s| s.obj < obj);
        let rest = self.list.get(from..).unwrap_or_default();
        &rest[..rest.partition_point(|s| s.obj == obj)]
    }

    /// Number of specials.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
}

fn kind_of(layouts: &Layouts, kind: u64) -> SpecialKind {
    let kinds = &layouts.special_kinds;
    let is = |of: Option<u64>| of == Some(kind);
    if is(kinds.finalizer) {
        SpecialKind::Finalizer
    } else if is(kinds.weak_handle) {
        SpecialKind::WeakHandle
    } else if is(kinds.profile) {
        SpecialKind::Profile
    } else if is(kinds.cleanup) {
        SpecialKind::Cleanup
    } else {
        SpecialKind::Other
    }
}

fn payload(image: &Image, layouts: &Layouts, at: Addr, kind: SpecialKind) -> Addr {
    let field = match kind {
        SpecialKind::Finalizer => Some(layouts.special_finalizer.func),
        SpecialKind::WeakHandle => layouts.special_weak_handle.as_ref().map(|s| s.handle),
        SpecialKind::Profile => Some(layouts.special_profile.bucket),
        SpecialKind::Cleanup => layouts.special_cleanup.as_ref().map(|s| s.func),
        SpecialKind::Other => None,
    };
    let word = field.and_then(|f| image.bytes(f.at(at), 8).ok());
    Addr(
        word.and_then(|w| w.try_into().ok())
            .map_or(0, u64::from_le_bytes),
    )
}
