//! What the shape of an object says about whether it grows.

use leakscope_graph::ObjIx;

use crate::bounds::Bound;
use crate::collections::Way;
use crate::heap::JvmHeap;

/// Capacities that an `ArrayList` takes on as it grows by half, from this one (`ArrayList.DEFAULT_CAPACITY`).
const FIRST_CAPACITY: u64 = 10;

/// What an object looks like that holds many.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shape {
    /// A collection or cache with a bound.
    Bounded(Bound),
    /// A list that is full, at a size that growing step by step does not lead to: made for exactly as many.
    Exact {
        /// Entries.
        len: u64,
    },
    /// A collection that takes whatever is added.
    Growing {
        /// Entries.
        len: u64,
        /// Entries there is room for; 0 where each has a node of its own.
        room: u64,
    },
    /// An array without a free place.
    FullArray {
        /// Places.
        places: u64,
    },
    /// An array with free places.
    Array {
        /// Places in use.
        used: u64,
        /// Places.
        places: u64,
        /// Whether their number is a power of two, as that of tables which double.
        doubling: bool,
    },
}

impl JvmHeap {
    /// What bounds an object, where something does.
    pub fn bound(&self, object: ObjIx) -> Option<Bound> {
        let at = self.bounds.binary_search_by_key(&object.0, |(o, _)| *o);
        Some(self.bounds[at.ok()?].1)
    }

    /// The shape of a collection, cache or array; `None` of other objects.
    pub fn shape(&self, object: ObjIx) -> Option<Shape> {
        if let Some(bound) = self.bound(object) {
            return Some(Shape::Bounded(bound));
        }
        if let Some(collection) = self.collection(object) {
            let len = collection.len;
            let capacities = self.lengths(collection.capacity);
            let full = collection.way == Way::Array && capacities.contains(&len) && len > 0;
            return Some(if full && !is_step(len) {
                Shape::Exact { len }
            } else {
                Shape::Growing {
                    len,
                    room: collection.capacity,
                }
            });
        }
        if !self.names.is_object_array(self.graph.type_of(object)) {
            return None;
        }
        let layout = &self.layout.layout;
        let elements = self
            .graph
            .size(object)
            .saturating_sub(layout.array_base.into());
        let places = self.lengths(elements / u64::from(layout.reference.max(1)));
        let used = self.graph.out(object).count() as u64;
        Some(if used >= *places.start() {
            Shape::FullArray { places: used }
        } else {
            Shape::Array {
                used,
                places: *places.end(),
                doubling: places.clone().any(u64::is_power_of_two),
            }
        })
    }

    /// How long an array may be that has room for `most` references: up to an alignment less.
    fn lengths(&self, most: u64) -> std::ops::RangeInclusive<u64> {
        let layout = &self.layout.layout;
        let padding = layout.alignment.saturating_sub(1) / layout.reference.max(1);
        most.saturating_sub(padding.into())..=most
    }
}

/// Whether a list that grows by half (`ArrayList.grow`) comes by this capacity.
fn is_step(capacity: u64) -> bool {
    let grow = |capacity: &u64| Some(capacity.saturating_add(capacity / 2));
    let mut steps = std::iter::successors(Some(FIRST_CAPACITY), grow);
    steps.find(|step| *step >= capacity) == Some(capacity)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_that_grew_are_told_from_those_made_for_as_many() {
        for step in [10, 15, 22, 33, 49, 73, 14_053] {
            assert!(is_step(step), "{step}");
        }
        for made in [1, 11, 40, 1000, 10_000, u64::MAX / 2] {
            assert!(!is_step(made), "{made}");
        }
    }
}
