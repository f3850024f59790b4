//! Shallow sizes of objects: as runs of equal ones, or as a column, whichever is smaller for a runtime.

use crate::ObjIx;

/// Objects from `first` up to the next run's first all have this shallow size.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SizeRun {
    /// First object of the run.
    pub first: ObjIx,
    /// Shallow size in bytes: the slot as the runtime accounts it.
    pub size: u64,
}

/// The shallow size of every object.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Sizes {
    /// Runs in ascending order, the first of object 0: for runtimes that keep objects of a size together.
    Runs(Vec<SizeRun>),
    /// One number per object, to be multiplied: for runtimes that put objects of all sizes beside each other.
    Units {
        /// Size of each object in units; [`Sizes::LARGE`] of those in `large`.
        column: Vec<u8>,
        /// Objects of [`Sizes::LARGE`] units and more, ascending, each with its units.
        large: Vec<(u32, u32)>,
        /// Bytes of a unit.
        unit: u64,
    },
}

impl Sizes {
    /// Objects of so many units and more stand in a list of their own: few are so large.
    pub const LARGE: u8 = u8::MAX;

    /// Shallow size of one object in bytes.
    pub fn of(&self, object: ObjIx) -> u64 {
        match self {
            Self::Runs(runs) => runs[runs.partition_point(|r| r.first <= object) - 1].size,
            Self::Units {
                column,
                large,
                unit,
            } => match column[object.index()] {
                Self::LARGE => {
                    let at = large.partition_point(|(o, _)| *o < object.0);
                    let found = large.get(at).filter(|(o, _)| *o == object.0);
                    found.map_or(0, |(_, units)| u64::from(*units) * unit)
                }
                units => u64::from(units) * unit,
            },
        }
    }

    /// `(object, size)` of objects below `objects`, in order.
    pub(crate) fn iter(&self, objects: u32) -> SizeIter<'_> {
        SizeIter {
            sizes: self,
            run: 0,
            large: 0,
            at: 0,
            objects,
        }
    }
}

/// Sizes in the order of objects.
pub(crate) struct SizeIter<'a> {
    sizes: &'a Sizes,
    run: usize,
    /// Entries of the list of large objects that are passed.
    large: usize,
    at: u32,
    objects: u32,
}

impl Iterator for SizeIter<'_> {
    type Item = (ObjIx, u64);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.at >= self.objects {
            return None;
        }
        let object = ObjIx(self.at);
        let size = match self.sizes {
            Sizes::Units {
                column,
                large,
                unit,
            } => match column[object.index()] {
                Sizes::LARGE => {
                    let entry = large.get(self.large).filter(|(o, _)| *o == object.0);
                    self.large += usize::from(entry.is_some());
                    entry.map_or(0, |(_, units)| u64::from(*units) * unit)
                }
                units => u64::from(units) * unit,
            },
            Sizes::Runs(runs) => {
                while runs.get(self.run + 1).is_some_and(|r| r.first <= object) {
                    self.run += 1;
                }
                runs[self.run].size
            }
        };
        self.at += 1;
        Some((object, size))
    }
}

impl From<Vec<SizeRun>> for Sizes {
    fn from(runs: Vec<SizeRun>) -> Self {
        Self::Runs(runs)
    }
}
