//! Finalizers and cleanups: what they are set on, what they keep, and which are due.

use leakscope_graph::{ObjIx, RootIx};
use leakscope_target::{Addr, Image, Memory};

use crate::roots::{RootKind, Roots};
use crate::specials::SpecialKind;

/// What is to run when an object is gone.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum AttachedKind {
    /// `runtime.SetFinalizer`: gets the object, so everything that it refers to is kept (mgcmark.go, `markrootSpans`).
    Finalizer,
    /// `runtime.AddCleanup`: keeps its function and its argument (mgcmark.go, `markrootSpans`; 1.24 on).
    Cleanup,
}

/// A finalizer or a cleanup that is not due.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Attached {
    /// The object it is set on.
    pub on: ObjIx,
    /// Which of both.
    pub kind: AttachedKind,
    /// The runtime's record of it.
    pub at: Addr,
    /// Where a finalizer's code begins; nil of cleanups, whose function may be one that the runtime has made.
    pub code: Addr,
}

/// Calls that wait for the goroutine that makes them.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Due {
    /// Number of calls, with the one that is being made.
    pub calls: u64,
    /// A root that they hold something by.
    pub root: Option<RootIx>,
}

/// All finalizers and cleanups of a heap.
#[derive(Clone, Debug, Default)]
pub struct Finalizers {
    list: Vec<Attached>,
    kept: Vec<(ObjIx, ObjIx)>,
    /// Finalizers that are due; in 1.24 cleanups too (mfinal.go, `finq`).
    pub finalizers: Due,
    /// Cleanups that are due (mcleanup.go, `gcCleanups`; 1.25 on).
    pub cleanups: Due,
}

impl Finalizers {
    pub(crate) fn of(image: &Image, roots: &Roots) -> Self {
        let mut found = Self {
            finalizers: Due {
                calls: roots.due_finalizers,
                root: None,
            },
            cleanups: Due {
                calls: roots.due_cleanups,
                root: None,
            },
            ..Self::default()
        };
        for special in roots.specials.iter() {
            let (kind, code) = match special.kind {
                SpecialKind::Finalizer => {
                    let code = image.ptr(special.payload).unwrap_or_default();
                    (AttachedKind::Finalizer, code)
                }
                SpecialKind::Cleanup => (AttachedKind::Cleanup, Addr(0)),
                _ => continue,
            };
            found.list.push(Attached {
                on: ObjIx(special.obj),
                kind,
                at: special.at,
                code,
            });
        }
        for (i, root) in (0u32..).zip(&roots.roots) {
            match root.kind {
                RootKind::Finalizer { on } | RootKind::Cleanup { on } => {
                    found.kept.push((ObjIx(on), ObjIx(root.obj)));
                }
                RootKind::FinalizerQueue => {
                    found.finalizers.root.get_or_insert(RootIx(i));
                }
                RootKind::CleanupQueue => {
                    found.cleanups.root.get_or_insert(RootIx(i));
                }
                _ => {}
            }
        }
        found.kept.sort_unstable();
        found.kept.dedup();
        found
    }

    /// Those that are not due, ascending by object.
    pub fn iter(&self) -> impl Iterator<Item = &Attached> {
        self.list.iter()
    }

    /// Those set on one object.
    pub fn on(&self, object: ObjIx) -> &[Attached] {
        let from = self.list.partition_point(|a| a.on < object);
        let rest = self.list.get(from..).unwrap_or_default();
        &rest[..rest.partition_point(|a| a.on == object)]
    }

    /// What the functions and arguments of those set on `object` keep, as long as it is there: not what a finalizer keeps of the
    /// object itself.
    pub fn kept_by(&self, object: ObjIx) -> impl Iterator<Item = ObjIx> + '_ {
        let from = self.kept.partition_point(|(on, _)| *on < object);
        let rest = self.kept.get(from..).unwrap_or_default();
        rest.iter()
            .take_while(move |(on, _)| *on == object)
            .map(|(_, to)| *to)
    }
}
