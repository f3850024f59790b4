//! From scanned pieces to the graph's columns: objects numbered by address, references by the object they lead to.

use std::sync::atomic::{AtomicU8, AtomicU32, Ordering::Relaxed};

use leakscope_graph::{Columns, ObjIx, Sizes, TooLarge, TypeIx};
use rayon::prelude::*;

use crate::classes::{ClassTable, Field};
use crate::gaps::Gaps;
use crate::hprof::scan::{Counts, Scanned};
use crate::index::Index;
use crate::kind::{Kind, Parts};
use crate::sizes::Sizing;
use crate::types::Types;

/// Stands for a reference to no object of the dump.
const NOWHERE: u32 = u32::MAX;
/// Stands for a type that is not set yet.
const UNSET: u32 = u32::MAX;
/// Sizes are kept in units of this many bytes; every layout aligns to it.
const UNIT: u64 = 8;

/// Slots of references that are no field of an object.
pub(crate) mod slots {
    /// From an instance to its class.
    pub(crate) const CLASS: u32 = u32::MAX;
    /// From a class to its superclass.
    pub(crate) const SUPER: u32 = u32::MAX - 1;
    /// From a class to its loader.
    pub(crate) const LOADER: u32 = u32::MAX - 2;
    /// From a class to its signers.
    pub(crate) const SIGNERS: u32 = u32::MAX - 3;
    /// From a class to its protection domain.
    pub(crate) const DOMAIN: u32 = u32::MAX - 4;
}

/// What else objects say, by id.
#[derive(Default)]
pub(crate) struct Aside {
    /// Values of fields that were wanted, by object, then by field.
    pub(crate) captured: Vec<(u32, Field, u64)>,
    /// Reference objects and what they refer to.
    pub(crate) weak: Vec<(u32, u32)>,
}

impl Aside {
    /// The value of a field that was wanted.
    pub(crate) fn value(&self, object: u32, field: Field) -> Option<u64> {
        let at = self
            .captured
            .partition_point(|(o, f, _)| (*o, *f) < (object, field));
        let (o, f, value) = self.captured.get(at)?;
        (*o == object && *f == field).then_some(*value)
    }

    /// What a reference object refers to.
    pub(crate) fn referent(&self, object: u32) -> Option<u32> {
        let at = self.weak.partition_point(|(o, _)| *o < object);
        let (o, referent) = self.weak.get(at)?;
        (*o == object).then_some(*referent)
    }
}

/// Every object whose type is one of those that `wanted` says by number, in order.
pub(crate) fn objects_of(columns: &Columns, wanted: &[bool]) -> Vec<u32> {
    let mut objects = Vec::new();
    for (object, type_) in (0u32..).zip(&columns.types) {
        if wanted.get(type_.index()).is_some_and(|wanted| *wanted) {
            objects.push(object);
        }
    }
    objects
}

/// What the columns are made with.
pub(crate) struct Plan<'a> {
    pub(crate) classes: &'a ClassTable,
    pub(crate) index: &'a Index,
    pub(crate) sizing: &'a Sizing,
    pub(crate) types: &'a Types,
    /// For each class, whether its instances are what keeps it: then they refer to it.
    pub(crate) kept_by_instances: &'a [bool],
    /// For each class, whether its static fields are references of its class object, not roots.
    pub(crate) own_statics: &'a [bool],
}

/// Shared columns while they are filled from several threads: each place is written by one.
struct Filling {
    types: Vec<AtomicU32>,
    sizes: Vec<AtomicU8>,
    counts: Vec<AtomicU32>,
}

/// A piece with ids in place of addresses; columns as those of [`Scanned`].
struct Resolved {
    /// [`NOWHERE`] of an object that counts no more.
    id: Vec<u32>,
    kind: Vec<Kind>,
    counts: Counts,
    to: Vec<u32>,
    slot: Vec<u32>,
    /// Objects too large for the column of sizes, with their units.
    large: Vec<(u32, u32)>,
    gaps: Gaps,
}

impl Plan<'_> {
    /// Makes the columns; the pieces are gone behind it.
    pub(crate) fn columns(
        &self,
        mut pieces: Vec<Scanned>,
        gaps: &mut Gaps,
    ) -> Result<(Columns, Aside), TooLarge> {
        let objects = self.index.len() as usize;
        let filling = Filling {
            types: column(objects, UNSET),
            sizes: std::iter::repeat_with(|| AtomicU8::new(0))
                .take(objects)
                .collect(),
            counts: column(objects, 0),
        };
        pieces.push(self.mirrors());
        let aside = self.aside(&mut pieces);
        let listed: usize = pieces.iter().map(|p| p.address.len()).sum();
        // Then none is listed twice.
        let distinct = listed == objects;
        let resolve = |piece: Scanned| self.resolve(piece, &filling, distinct);
        let mut resolved: Vec<Resolved> = if distinct {
            pieces.into_par_iter().map(resolve).collect()
        } else {
            // Some are listed twice: the first one counts, so the order matters.
            pieces.into_iter().map(resolve).collect()
        };
        let mut large = Vec::new();
        for piece in &mut resolved {
            gaps.add_all(&piece.gaps);
            large.append(&mut piece.large);
        }
        large.sort_unstable();
        let first_edge = first_edges(filling.counts)?;
        let edges = first_edge.last().map_or(0, |e| *e as usize);
        let to = column(edges, 0);
        let slot = column(edges, 0);
        resolved
            .into_par_iter()
            .for_each(|piece| self.scatter(&piece, &first_edge, &to, &slot));
        let columns = Columns {
            types: plain(filling.types).into_iter().map(TypeIx).collect(),
            sizes: Sizes::Units {
                column: (filling.sizes.into_iter())
                    .map(AtomicU8::into_inner)
                    .collect(),
                large,
                unit: UNIT,
            },
            first_edge,
            edge_to: plain(to).into_iter().map(ObjIx).collect(),
            edge_slot: plain(slot),
        };
        Ok((columns, aside))
    }

    /// The `java.lang.Class` objects, which a dump lists in another way than objects.
    fn mirrors(&self) -> Scanned {
        let mut mirrors = Scanned::default();
        for (number, class) in self.classes.iter() {
            let Some(raw) = &class.raw else { continue };
            let statics = (raw.statics.iter().enumerate())
                .filter(|_| self.own_statics[number as usize])
                .map(|(slot, field)| (field.value, slot as u32));
            let others = [
                (raw.superclass, slots::SUPER),
                (raw.loader, slots::LOADER),
                (raw.signers, slots::SIGNERS),
                (raw.domain, slots::DOMAIN),
            ];
            mirrors.add(class.id, Kind::mirror(number), statics.chain(others));
        }
        mirrors
    }

    /// Puts ids in place of addresses, and fills types, sizes and numbers of references.
    fn resolve(&self, piece: Scanned, filling: &Filling, distinct: bool) -> Resolved {
        let mut gaps = Gaps::default();
        let mut large = Vec::new();
        let to = self.ids(&piece.to, &mut gaps);
        let mut id = Vec::with_capacity(piece.address.len());
        let mut lengths = piece.lengths.iter();
        let mut next = 0;
        let objects = piece.address.iter().zip(&piece.kind);
        for ((address, kind), count) in objects.zip(piece.counts.iter()) {
            let length = if kind.is_array() {
                lengths.next()
            } else {
                None
            };
            let references = next..next + count as usize;
            next = references.end;
            let type_ = self.types.of_kind(*kind).0;
            let found = self.index.find(*address).filter(|id| {
                let place = &filling.types[*id as usize];
                if distinct {
                    place.store(type_, Relaxed);
                    return true;
                }
                let fresh = place.compare_exchange(UNSET, type_, Relaxed, Relaxed);
                if fresh.is_err() {
                    gaps.add("objects listed more than once: id", *address);
                }
                fresh.is_ok()
            });
            id.push(found.unwrap_or(NOWHERE));
            let Some(id) = found else { continue };
            let length = length.copied().unwrap_or_default();
            let units = self.sizing.of_kind(*kind, length) / UNIT;
            let short = u8::try_from(units).unwrap_or(Sizes::LARGE);
            if short == Sizes::LARGE {
                large.push((id, u32::try_from(units).unwrap_or(u32::MAX)));
            }
            filling.sizes[id as usize].store(short, Relaxed);
            let found = to[references].iter().filter(|to| **to != NOWHERE);
            let found = found.count() + usize::from(self.class_edge(*kind).is_some());
            filling.counts[id as usize].store(found as u32, Relaxed);
        }
        Resolved {
            id,
            kind: piece.kind,
            counts: piece.counts,
            to,
            slot: piece.slot,
            large,
            gaps,
        }
    }

    /// The objects at `addresses`; [`NOWHERE`] for those that are not in the dump, which are counted.
    fn ids(&self, addresses: &[u64], gaps: &mut Gaps) -> Vec<u32> {
        let mut nowhere = (0, [0; 3]);
        let ids = addresses.iter().map(|address| {
            self.index.find(*address).unwrap_or_else(|| {
                if let Some(example) = nowhere.1.get_mut(nowhere.0 as usize) {
                    *example = *address;
                }
                nowhere.0 += 1;
                NOWHERE
            })
        });
        let ids = ids.collect();
        let (count, examples) = nowhere;
        let examples = examples.into_iter().take(count as usize);
        gaps.add_many(
            "references to objects that are not in the dump: id",
            count,
            examples,
        );
        ids
    }

    /// The class that an object refers to by being an instance of it, where that is what keeps the class.
    #[inline]
    fn class_edge(&self, kind: Kind) -> Option<u32> {
        let (Parts::Instance(Some(class)) | Parts::Objects(Some(class))) = kind.parts() else {
            return None;
        };
        if !self.kept_by_instances[class as usize] {
            return None;
        }
        self.index.find(self.classes.get(class).id)
    }

    /// Puts a piece's references where they belong.
    fn scatter(&self, piece: &Resolved, first_edge: &[u32], to: &[AtomicU32], slot: &[AtomicU32]) {
        let mut next = 0;
        let objects = piece.id.iter().zip(&piece.kind);
        for ((id, kind), count) in objects.zip(piece.counts.iter()) {
            let references = next..next + count as usize;
            next = references.end;
            if *id == NOWHERE {
                continue;
            }
            let mut at = first_edge[*id as usize] as usize;
            for e in references {
                if piece.to[e] != NOWHERE {
                    to[at].store(piece.to[e], Relaxed);
                    slot[at].store(piece.slot[e], Relaxed);
                    at += 1;
                }
            }
            if let Some(class) = self.class_edge(*kind) {
                to[at].store(class, Relaxed);
                slot[at].store(slots::CLASS, Relaxed);
            }
        }
    }

    fn aside(&self, pieces: &mut [Scanned]) -> Aside {
        let mut aside = Aside::default();
        for piece in pieces {
            for (address, field, value) in std::mem::take(&mut piece.captured) {
                let id = self.index.find(address);
                aside.captured.extend(id.map(|id| (id, field, value)));
            }
            for (address, referent) in std::mem::take(&mut piece.weak) {
                let both = self.index.find(address).zip(self.index.find(referent));
                aside.weak.extend(both);
            }
        }
        aside.captured.sort_unstable();
        aside.weak.sort_unstable();
        aside
    }
}

/// Where each object's references begin, and one more: their number.
fn first_edges(counts: Vec<AtomicU32>) -> Result<Vec<u32>, TooLarge> {
    let mut total = 0u32;
    let mut first = plain(counts);
    for place in &mut first {
        let next = total.checked_add(*place);
        *place = total;
        total = next.ok_or(TooLarge { what: "references" })?;
    }
    first.reserve_exact(1);
    first.push(total);
    Ok(first)
}

fn column(len: usize, value: u32) -> Vec<AtomicU32> {
    std::iter::repeat_with(|| AtomicU32::new(value))
        .take(len)
        .collect()
}

fn plain(column: Vec<AtomicU32>) -> Vec<u32> {
    column.into_iter().map(AtomicU32::into_inner).collect()
}
