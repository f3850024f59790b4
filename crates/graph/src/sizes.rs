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
        /// Size of each object in units.
        column: Vec<u32>,
        /// Bytes of a unit.
        unit: u64,
    },
}

impl Sizes {
    /// Shallow size of one object in bytes.
    pub fn of(&self, object: ObjIx) -> u64 {
        match self {
            Self::Runs(runs) => runs[runs.partition_point(|r| r.first <= object) - 1].size,
            Self::Units { column, unit } => u64::from(column[object.index()]) * unit,
        }
    }

    /// `(object, size)` of objects below `objects`, in order.
    pub(crate) fn iter(&self, objects: u32) -> SizeIter<'_> {
        SizeIter {
            sizes: self,
            run: 0,
            at: 0,
            objects,
        }
    }
}

/// Sizes in the order of objects.
pub(crate) struct SizeIter<'a> {
    sizes: &'a Sizes,
    run: usize,
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
            Sizes::Units { column, unit } => u64::from(column[object.index()]) * unit,
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
