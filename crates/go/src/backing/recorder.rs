//! Takes down headers as references are collected.

use leakscope_graph::ObjIx;
use leakscope_target::{Addr, Image, Memory};

use crate::objects::{Hit, Objects};
use crate::program::Program;
use crate::roots::{Root, RootKind};
use crate::spans::Span;
use crate::types::TypeTable;
use crate::typing::{Shapes, Static, Typed};

use super::headers::{Header, Headers};

/// Arrays without pointers are looked at from this size on: less is not worth a change of code.
const LEAST_BYTES: u64 = 1 << 10;
/// Arrays with pointers from this size on: what their elements hold may be large.
const LEAST_WITH_POINTERS: u64 = 128;
/// Static values around a word: arrays in arrays.
const MAX_NESTED: usize = 16;

/// What a slice or string sees of an array. Offsets are in the array's data, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Piece {
    pub(super) to: ObjIx,
    /// The object with the header; `None` of a package variable.
    pub(super) from: Option<ObjIx>,
    pub(super) start: u32,
    pub(super) len: u32,
    pub(super) capacity: u32,
    pub(super) header: Addr,
}

impl Piece {
    pub(super) fn end(&self) -> u64 {
        u64::from(self.start) + u64::from(self.len)
    }

    /// Bytes behind its end that it can be made longer by.
    pub(super) fn spare(&self) -> u64 {
        u64::from(self.capacity.saturating_sub(self.len))
    }
}

/// All that was taken down.
pub(crate) struct Pieces {
    list: Vec<Piece>,
    /// One bit for each object: something else leads to it than a slice or string.
    otherwise: Vec<u64>,
}

impl Pieces {
    /// Pieces of arrays that nothing else leads to.
    pub(super) fn of_slices_alone(mut self) -> Vec<Piece> {
        let otherwise = std::mem::take(&mut self.otherwise);
        let led_to = |object: ObjIx| {
            let word = otherwise.get(object.0 as usize / 64);
            word.is_some_and(|word| word >> (object.0 % 64) & 1 != 0)
        };
        self.list.retain(|piece| !led_to(piece.to));
        self.list
    }
}

/// Takes down what leads to arrays that are worth it.
pub(crate) struct Recorder<'a> {
    objects: &'a Objects,
    headers: Headers<'a>,
    type_of: &'a [u32],
    shapes: &'a Shapes,
    worth: Vec<bool>,
    pieces: Pieces,
}

impl<'a> Recorder<'a> {
    /// A recorder for the heap of `typed`.
    pub(crate) fn new(objects: &'a Objects, types: &'a TypeTable, typed: &'a Typed) -> Self {
        Self {
            objects,
            headers: Headers {
                types,
                kinds: &typed.kinds,
            },
            type_of: &typed.type_of,
            shapes: &typed.shapes,
            worth: objects.spans().iter().map(is_worth).collect(),
            pieces: Pieces {
                list: Vec::new(),
                otherwise: vec![0; objects.len() as usize / 64 + 1],
            },
        }
    }

    /// Whether references to objects of this span are to be told.
    #[inline]
    pub(crate) fn wants(&self, span: u32) -> bool {
        self.worth.get(span as usize).copied().unwrap_or(false)
    }

    /// A reference: the pointer `value` to `hit`, in word `word` of the data of `from`, before which its slot has so many words of
    /// header.
    pub(crate) fn reference(
        &mut self,
        image: &Image,
        (from, header): (u32, u32),
        word: u32,
        value: u64,
        hit: Hit,
    ) {
        if self.objects.is_unswept_garbage(from) {
            return;
        }
        let number = self.type_of.get(from as usize).copied().unwrap_or(0);
        let found = (self.headers).in_object(self.shapes.get(number), u64::from(word) * 8);
        let piece = found.and_then(|found| {
            let words = u64::from(word) + u64::from(header);
            let at = self.objects.base(from).0.checked_add(words * 8)?;
            self.piece(image, found, Addr(at), value, hit)
        });
        self.take(
            hit.obj,
            piece.map(|p| Piece {
                from: Some(ObjIx(from)),
                ..p
            }),
        );
    }

    /// All that is no object and leads to one.
    pub(crate) fn roots(
        &mut self,
        image: &Image,
        program: &Program,
        statics: &[Static],
        roots: &[Root],
    ) {
        // What a collection has left on a system stack is no use of an array.
        let used = |root: &&Root| !matches!(root.kind, RootKind::SystemStack { .. });
        for root in roots.iter().filter(used) {
            let Some(hit) = self
                .objects
                .find(root.value)
                .filter(|hit| self.wants(hit.span))
            else {
                continue;
            };
            let piece = match root.kind {
                RootKind::Global { at } => self
                    .in_variable(program, statics, at)
                    .and_then(|found| self.piece(image, found, at, root.value, hit)),
                _ => None,
            };
            self.take(hit.obj, piece);
        }
    }

    pub(crate) fn finish(self) -> Pieces {
        self.pieces
    }

    /// The header at `at` among the package variables.
    fn in_variable(&self, program: &Program, statics: &[Static], at: Addr) -> Option<Header> {
        if let Some((global, offset)) = program.global_at(at) {
            let type_ = self.headers.types.from_dwarf(global.type_)?;
            return self.headers.in_value(type_, offset);
        }
        let end = statics.partition_point(|s| s.at <= at);
        let mut before = statics.get(..end)?.iter().rev().take(MAX_NESTED);
        let around = before.find(|s| at.0 - s.at.0 < s.len)?;
        let offset = at.0 - around.at.0;
        let offset = match around.stride {
            Some(stride) => offset.checked_rem(stride)?,
            None => offset,
        };
        self.headers.in_value(around.type_, offset)
    }

    /// What the header at `at` sees, if it says something that can be.
    fn piece(
        &self,
        image: &Image,
        header: Header,
        at: Addr,
        value: u64,
        hit: Hit,
    ) -> Option<Piece> {
        let span = self.objects.spans().get(hit.span as usize)?;
        let data = hit.base.checked_add(span.header())?;
        let start = value.checked_sub(data)?;
        let room = span.usable().checked_sub(start)?;
        let word = |i: u64| image.u64(Addr(at.0.checked_add(i * 8)?)).ok();
        let (len, capacity) = match header {
            Header::String => {
                let len = word(1)?;
                (len, len)
            }
            Header::Slice(elem) => {
                let (len, capacity) = (word(1)?, word(2)?);
                (len.checked_mul(elem)?, capacity.checked_mul(elem)?)
            }
        };
        (len <= capacity && capacity <= room).then_some(())?;
        Some(Piece {
            to: ObjIx(hit.obj),
            from: None,
            start: u32::try_from(start).ok()?,
            len: u32::try_from(len).ok()?,
            capacity: u32::try_from(capacity).ok()?,
            header: at,
        })
    }

    fn take(&mut self, to: u32, piece: Option<Piece>) {
        // Of a heap of little but pieces, those that fit into as much memory as the heap's own columns are enough.
        let room = self.pieces.list.len() < self.type_of.len();
        match piece.filter(|_| room) {
            Some(piece) => self.pieces.list.push(piece),
            None => {
                if let Some(word) = self.pieces.otherwise.get_mut(to as usize / 64) {
                    *word |= 1 << (to % 64);
                }
            }
        }
    }
}

fn is_worth(span: &Span) -> bool {
    let least = if span.noscan {
        LEAST_BYTES
    } else {
        LEAST_WITH_POINTERS
    };
    span.elem_size >= least && span.elem_size <= u32::MAX.into()
}
