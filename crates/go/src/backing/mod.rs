//! Arrays that are led to by slices and strings alone, which use only a part of them: what a short string cut from a large text
//! keeps, a slice far shorter than its array, elements that a slice has been cut off from.
//!
//! A slice or string header says how much of its array its holder can see (spec, "Slice types", "String types"; `reflect.SliceHeader`,
//! `reflect.StringHeader`). The collector keeps arrays whole. Headers are read as the references are collected, while the captured
//! bytes are there; what they add up to is known once the graph says which of them are reached.

mod headers;
mod recorder;

use leakscope_goabi::AllocRules;
use leakscope_graph::{HeapGraph, ObjIx, Reach};
use leakscope_target::Addr;
use rustc_hash::FxHashSet;

use crate::objects::Objects;
pub(crate) use recorder::Recorder;
use recorder::{Piece, Pieces};

/// An array of which no more than a part is used.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Backing {
    /// The array.
    pub object: ObjIx,
    /// Different parts of it that slices and strings see.
    pub pieces: u64,
    /// Bytes that some of them sees.
    pub used: u64,
    /// Bytes of objects for copies of them, each its own.
    pub copies: u64,
    /// Most bytes that one of them reaches behind its end: its capacity without its length.
    pub spare: u64,
    /// One of the longest of them.
    pub longest: Longest,
    /// Objects to which only elements lead that nobody sees; also led to from elsewhere, perhaps. Ascending, each once.
    pub forgotten: Box<[ObjIx]>,
}

/// A slice or string.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Longest {
    /// Where its header lies.
    pub header: Addr,
    /// Bytes that it sees.
    pub len: u64,
    /// The object that the header is in; `None` of a package variable.
    pub within: Option<ObjIx>,
}

/// What of an array is used, in order: bytes from its first to behind its last.
struct Used(Vec<(u64, u64)>);

impl Used {
    /// The union of pieces that are sorted by their start.
    fn of(pieces: &[Piece]) -> Self {
        let mut ranges: Vec<(u64, u64)> = Vec::new();
        for piece in pieces.iter().filter(|p| p.len > 0) {
            let (from, to) = (u64::from(piece.start), piece.end());
            match ranges.last_mut().filter(|last| from <= last.1) {
                Some(last) => last.1 = last.1.max(to),
                None => ranges.push((from, to)),
            }
        }
        Self(ranges)
    }

    fn bytes(&self) -> u64 {
        self.0.iter().map(|(from, to)| to - from).sum()
    }

    fn contains(&self, at: u64) -> bool {
        let after = self.0.partition_point(|(from, _)| *from <= at);
        let before = after.checked_sub(1).and_then(|i| self.0.get(i));
        before.is_some_and(|(_, to)| at < *to)
    }
}

/// The arrays of which something is not used, by object.
pub(crate) fn find(
    pieces: Pieces,
    objects: &Objects,
    graph: &HeapGraph,
    reach: &Reach,
    alloc: AllocRules,
) -> Vec<Backing> {
    let mut seen = pieces.of_slices_alone();
    seen.retain(|piece| {
        let held = piece.from.is_none_or(|from| reach.is_reached(from));
        held && reach.is_reached(piece.to)
    });
    seen.sort_unstable_by_key(|p| (p.to, p.start, p.len, p.capacity, p.from));
    let arrays = seen.chunk_by(|a, b| a.to == b.to);
    arrays
        .filter_map(|pieces| backing(pieces, objects, graph, alloc))
        .collect()
}

/// An array with all its pieces, sorted; `None` where all of it is used.
fn backing(
    pieces: &[Piece],
    objects: &Objects,
    graph: &HeapGraph,
    alloc: AllocRules,
) -> Option<Backing> {
    let object = pieces.first()?.to;
    let span = objects.spans().get(objects.span_of(object.0) as usize)?;
    let used = Used::of(pieces);
    let header = span.header();
    let forgotten = if span.noscan {
        Vec::new()
    } else {
        forgotten(graph, object, &used)
    };
    let bytes = used.bytes();
    if forgotten.is_empty() && bytes.saturating_mul(2) > span.elem_size.saturating_sub(header) {
        return None;
    }
    let different = pieces.chunk_by(|a, b| (a.start, a.len) == (b.start, b.len));
    let (mut count, mut copies) = (0, 0u64);
    for same in different {
        if let Some(piece) = same.first().filter(|p| p.len > 0) {
            count += 1;
            copies = copies.saturating_add(alloc.slot_size(piece.len.into(), span.noscan));
        }
    }
    let longest = pieces.iter().max_by_key(|p| p.len)?;
    Some(Backing {
        object,
        pieces: count,
        used: bytes,
        copies,
        spare: pieces.iter().map(Piece::spare).max().unwrap_or(0),
        longest: Longest {
            header: longest.header,
            len: longest.len.into(),
            within: longest.from,
        },
        forgotten: forgotten.into_boxed_slice(),
    })
}

/// What elements outside `used` lead to, and none inside does.
fn forgotten(graph: &HeapGraph, array: ObjIx, used: &Used) -> Vec<ObjIx> {
    let sees = |slot: u32| used.contains(u64::from(slot) * 8);
    let mut out: Vec<ObjIx> = graph
        .out(array)
        .filter(|edge| !sees(edge.slot) && edge.to != array)
        .map(|edge| edge.to)
        .collect();
    if !out.is_empty() {
        let seen = graph.out(array).filter(|edge| sees(edge.slot));
        let seen: FxHashSet<ObjIx> = seen.map(|edge| edge.to).collect();
        out.retain(|object| !seen.contains(object));
        out.sort_unstable();
        out.dedup();
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(start: u32, len: u32) -> Piece {
        Piece {
            to: ObjIx(0),
            from: None,
            start,
            len,
            capacity: len,
            header: Addr(0),
        }
    }

    #[test]
    fn what_several_pieces_see_counts_once() {
        let pieces = [
            piece(0, 8),
            piece(4, 8),
            piece(12, 0),
            piece(16, 8),
            piece(24, 4),
        ];
        let used = Used::of(&pieces);
        assert_eq!(used.0, [(0, 12), (16, 28)]);
        assert_eq!(used.bytes(), 24);
        let seen: Vec<u64> = (0..32).filter(|at| used.contains(*at)).collect();
        let expected: Vec<u64> = (0..12).chain(16..28).collect();
        assert_eq!(seen, expected);
    }
}
