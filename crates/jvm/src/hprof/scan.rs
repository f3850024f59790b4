//! One piece of a dump as columns: objects, their references, roots.

use rustc_hash::FxHashMap;

use super::bytes::{Cursor, id_at, width};
use super::class::RawClass;
use super::split::Piece;
use super::sub::{Bad, RawRoot, Sub, Subs};
use crate::classes::{ClassTable, Field};
use crate::gaps::Gaps;
use crate::kind::Kind;

/// Objects whose number of references does not fit a byte say so by this.
const MANY: u8 = u8::MAX;

/// Bytes of a dump that an object takes at least, by most.
const BYTES_PER_OBJECT: usize = 32;
/// Bytes of a dump for each reference that is not null, the object's other ones counted in.
const BYTES_PER_REFERENCE: usize = 16;

/// Objects of one piece. Columns run along objects, or along all their references.
#[derive(Default)]
pub(crate) struct Scanned {
    /// Address of each object.
    pub(crate) address: Vec<u64>,
    /// What each is.
    pub(crate) kind: Vec<Kind>,
    /// Of each array, in order, its length.
    pub(crate) lengths: Vec<u32>,
    /// How many references each has.
    pub(crate) counts: Counts,
    /// Address that each reference leads to; never zero.
    pub(crate) to: Vec<u64>,
    /// The slot it lies in.
    pub(crate) slot: Vec<u32>,
    /// Of reference objects: their address, and that of what they refer to.
    pub(crate) weak: Vec<(u64, u64)>,
    /// Values of fields that were wanted: address of the object, which field, value.
    pub(crate) captured: Vec<(u64, Field, u64)>,
    pub(crate) roots: Vec<RawRoot>,
    pub(crate) classes: Vec<RawClass>,
    /// Instances of classes that are not known yet, as sub-records.
    pub(crate) deferred: Vec<u8>,
    pub(crate) gaps: Gaps,
    /// Where sub-records end before they should.
    pub(crate) cut: Option<u64>,
}

/// Numbers that are small as a rule.
#[derive(Default)]
pub(crate) struct Counts {
    /// Each, up to [`MANY`].
    few: Vec<u8>,
    /// Those that are more.
    many: Vec<u32>,
}

impl Counts {
    fn push(&mut self, count: usize) {
        match u8::try_from(count) {
            Ok(few) if few < MANY => self.few.push(few),
            _ => {
                self.few.push(MANY);
                self.many.push(count as u32);
            }
        }
    }

    /// Each, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        let mut many = self.many.iter();
        self.few.iter().map(move |few| match *few {
            MANY => many.next().copied().unwrap_or_default(),
            few => few.into(),
        })
    }
}

impl Scanned {
    /// Adds an object that is no array, with its references as `(address, slot)`.
    pub(crate) fn add(
        &mut self,
        address: u64,
        kind: Kind,
        references: impl Iterator<Item = (u64, u32)>,
    ) {
        let before = self.to.len();
        for (to, slot) in references.filter(|(to, _)| *to != 0) {
            self.to.push(to);
            self.slot.push(slot);
        }
        let references = self.to.len() - before;
        self.object(address, kind, references);
    }

    fn object(&mut self, address: u64, kind: Kind, references: usize) {
        self.address.push(address);
        self.kind.push(kind);
        self.counts.push(references);
    }

    /// Room for what is in so many bytes as a rule. What is not needed of it is never written to, and given back by
    /// [`Self::shrink`]; growing step by step would copy everything.
    fn with_room(bytes: usize) -> Self {
        let objects = bytes / BYTES_PER_OBJECT;
        let references = bytes / BYTES_PER_REFERENCE;
        Self {
            address: Vec::with_capacity(objects),
            kind: Vec::with_capacity(objects),
            counts: Counts {
                few: Vec::with_capacity(objects),
                many: Vec::new(),
            },
            to: Vec::with_capacity(references),
            slot: Vec::with_capacity(references),
            ..Self::default()
        }
    }

    fn shrink(&mut self) {
        self.address.shrink_to_fit();
        self.kind.shrink_to_fit();
        self.lengths.shrink_to_fit();
        self.counts.few.shrink_to_fit();
        self.to.shrink_to_fit();
        self.slot.shrink_to_fit();
        self.captured.shrink_to_fit();
    }
}

/// The classes among `piece`'s sub-records.
pub(crate) fn classes<const W: usize>(piece: &Piece<'_>) -> Vec<RawClass> {
    let mut classes = Vec::new();
    for part in &piece.parts {
        let mut subs = Subs::<W>::new(&piece.bytes[part.clone()]);
        while let Ok(Some(sub)) = subs.next() {
            if let Sub::Class(body) = sub {
                classes.extend(RawClass::parse(&mut Cursor::<W>::new(body)));
            }
        }
    }
    classes
}

/// Scans a piece. Instances of classes that `table` lacks are put off.
pub(crate) fn scan<const W: usize>(piece: &Piece<'_>, table: &ClassTable) -> Scanned {
    let bytes = piece.parts.iter().map(ExactSizeIterator::len).sum();
    let mut scan = Scan::<W> {
        table,
        out: Scanned::with_room(bytes),
        recent: [(0, u32::MAX); RECENT],
        last_chance: false,
    };
    for part in &piece.parts {
        let start = piece.offset + part.start as u64;
        scan.part(&piece.bytes[part.clone()], start);
    }
    scan.out.shrink();
    scan.out
}

/// Scans sub-records that were put off; what is not known now never will be.
pub(crate) fn scan_deferred<const W: usize>(bytes: &[u8], table: &ClassTable) -> Scanned {
    let mut scan = Scan::<W> {
        table,
        out: Scanned::default(),
        recent: [(0, u32::MAX); RECENT],
        last_chance: true,
    };
    scan.part(bytes, 0);
    scan.out.shrink();
    scan.out
}

/// Classes looked up lately that are kept at hand.
const RECENT: usize = 128;

struct Scan<'a, const W: usize> {
    table: &'a ClassTable,
    out: Scanned,
    recent: [(u64, u32); RECENT],
    last_chance: bool,
}

impl<const W: usize> Scan<'_, W> {
    fn part(&mut self, bytes: &[u8], start: u64) {
        let mut subs = Subs::<W>::new(bytes);
        loop {
            let before = subs.position();
            match subs.next() {
                Ok(None) => break,
                Ok(Some(sub)) => self.sub(sub, || &bytes[before..], start + before as u64),
                Err(Bad::Cut) => {
                    self.out.cut.get_or_insert(start + before as u64);
                    break;
                }
                Err(_) => {
                    let at = start + before as u64;
                    self.out.gaps.add(
                        "heap segments with nonsense in them, the rest of which is lost: file offset",
                        at,
                    );
                    break;
                }
            }
        }
    }

    #[inline]
    fn class(&mut self, id: u64) -> Option<u32> {
        let place = &mut self.recent[(id >> 3) as usize % RECENT];
        if place.0 == id && place.1 != u32::MAX {
            return Some(place.1);
        }
        let class = self.table.find(id)?;
        *place = (id, class);
        Some(class)
    }

    #[inline]
    fn sub<'b>(&mut self, sub: Sub<'_>, bytes: impl Fn() -> &'b [u8], at: u64) {
        match sub {
            Sub::Instance { id, class, fields } => match self.class(class) {
                Some(number) if self.table.is_complete(number) => self.instance(id, number, fields),
                _ if self.last_chance => {
                    self.out
                        .gaps
                        .add("objects whose class is not in the dump: id", id);
                    self.out.object(id, Kind::UNKNOWN, 0);
                }
                _ => {
                    let len = 1 + 2 * W + 8 + fields.len();
                    self.out.deferred.extend_from_slice(&bytes()[..len]);
                }
            },
            Sub::Objects {
                id,
                class,
                elements,
            } => {
                let kind = match self.class(class) {
                    Some(number) => Kind::objects(number),
                    None if self.last_chance => Kind::objects_of_unknown(),
                    None => {
                        let len = 1 + 2 * W + 8 + elements.len();
                        self.out.deferred.extend_from_slice(&bytes()[..len]);
                        return;
                    }
                };
                let before = self.out.to.len();
                for (i, element) in elements.chunks_exact(W).enumerate() {
                    let to = id_at::<W>(element, 0);
                    if to != 0 {
                        self.out.to.push(to);
                        self.out.slot.push(i as u32);
                    }
                }
                self.out.lengths.push((elements.len() / W) as u32);
                let references = self.out.to.len() - before;
                self.out.object(id, kind, references);
            }
            Sub::Primitives {
                id, type_, count, ..
            } => {
                self.out.lengths.push(count);
                self.out.object(id, Kind::primitives(type_), 0);
            }
            Sub::Root(root) => self.out.roots.push(root),
            Sub::Class(body) => match RawClass::parse(&mut Cursor::<W>::new(body)) {
                Some(class) => self.out.classes.push(class),
                None => self
                    .out
                    .gaps
                    .add("classes that make no sense: file offset", at),
            },
        }
    }

    #[inline]
    fn instance(&mut self, id: u64, number: u32, fields: &[u8]) {
        let shape = self.table.shape(number);
        if fields.len() != shape.bytes as usize {
            self.out
                .gaps
                .add("objects larger or smaller than their class says: id", id);
        }
        let before = self.out.to.len();
        for (slot, offset) in shape.references.iter().enumerate() {
            // Offsets ascend: what is shorter than its class says has nothing behind.
            if *offset as usize >= fields.len() {
                break;
            }
            let to = id_at::<W>(fields, *offset as usize);
            if to == 0 {
                continue;
            }
            if shape.referent == Some(*offset) {
                self.out.weak.push((id, to));
            } else {
                self.out.to.push(to);
                self.out.slot.push(slot as u32);
            }
        }
        for (field, offset, type_) in &shape.captured {
            let value = value_at::<W>(fields, *offset as usize, *type_);
            if let Some(value) = value {
                self.out.captured.push((id, *field, value));
            }
        }
        let references = self.out.to.len() - before;
        self.out.object(id, Kind::instance(number), references);
    }
}

/// A value of a basic type.
fn value_at<const W: usize>(fields: &[u8], at: usize, type_: u8) -> Option<u64> {
    let bytes = fields.get(at..at + width::<W>(type_)?)?;
    Some(bytes.iter().fold(0, |value, b| value << 8 | u64::from(*b)))
}

/// Bytes of arrays, looked for by their addresses in a piece that was scanned before.
pub(crate) fn contents<const W: usize>(
    piece: &Piece<'_>,
    wanted: &FxHashMap<u64, u32>,
    mut found: impl FnMut(u32, u8, &[u8]),
) {
    for part in &piece.parts {
        let mut subs = Subs::<W>::new(&piece.bytes[part.clone()]);
        while let Ok(Some(sub)) = subs.next() {
            if let Sub::Primitives {
                id,
                type_,
                elements,
                ..
            } = sub
                && let Some(index) = wanted.get(&id)
            {
                found(*index, type_, elements);
            }
        }
    }
}
