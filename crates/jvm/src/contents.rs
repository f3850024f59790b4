//! Contents of a few arrays, looked for again in the pieces where they must be. Only names of threads are read so.

use std::borrow::Cow;
use std::io::{self, Read};
use std::ops::Range;

use rayon::prelude::*;
use rustc_hash::FxHashMap;

use crate::hprof::scan;
use crate::hprof::split::Piece;
use crate::packed::Packed;
use crate::read::{Dump, Place};

/// Bytes of an array that are kept.
const MAX_BYTES: usize = 1 << 10;
/// A piece that unpacks to more is passed over: but for one with an array of that size, none does.
const MAX_UNPACKED: u64 = 64 << 20;

/// A dump that can be read a second time.
pub(crate) enum Again<'a> {
    /// All of its bytes, and what is called with ranges that are no longer needed.
    Bytes(&'a [u8], &'a (dyn Fn(Range<usize>) + Sync)),
    /// A packed one.
    Packed(&'a Packed<'a>),
}

/// An array: what it was wanted for, its type, and its first bytes.
pub(crate) type Found = (u32, u8, Vec<u8>);

/// The arrays at the addresses `wanted`.
pub(crate) fn contents(again: &Again<'_>, dump: &Dump, wanted: &FxHashMap<u64, u32>) -> Vec<Found> {
    let mut addresses: Vec<u64> = wanted.keys().copied().collect();
    addresses.sort_unstable();
    let may_hold = |place: &&Place| {
        let (low, high) = place.addresses;
        let first = addresses.partition_point(|a| *a < low);
        addresses.get(first).is_some_and(|a| *a <= high)
    };
    let places: Vec<&Place> = dump.places.iter().filter(may_hold).collect();
    let look = |place: &Place, bytes: Cow<'_, [u8]>| look(dump, wanted, place, bytes);
    match again {
        Again::Bytes(bytes, done) => {
            let read = |place: &Place| {
                let range = place.offset as usize..place.end() as usize;
                let found = look(
                    place,
                    Cow::Borrowed(bytes.get(range.clone()).unwrap_or_default()),
                );
                done(range);
                found
            };
            places.into_par_iter().flat_map_iter(read).collect()
        }
        Again::Packed(packed) => {
            // Places that are unpacked from one and the same start on are so one after the other.
            let from = |place: &Place| packed.entry(place.offset);
            let runs: Vec<&[&Place]> = places.chunk_by(|a, b| from(a) == from(b)).collect();
            let read = |run: &&[&Place]| {
                let mut found = Vec::new();
                // What cannot be unpacked now has no name: the rest was read.
                let _ = unpacked(packed, run, |place, bytes| {
                    found.extend(look(place, Cow::Owned(bytes)));
                });
                found
            };
            runs.par_iter().flat_map_iter(read).collect()
        }
    }
}

/// Hands out the bytes of places that lie behind the same start.
fn unpacked(
    packed: &Packed<'_>,
    places: &[&Place],
    mut each: impl FnMut(&Place, Vec<u8>),
) -> io::Result<()> {
    let Some(first) = places.first() else {
        return Ok(());
    };
    let (mut at, start) = packed.entry(first.offset);
    let mut stream = packed.from(start)?;
    for place in places {
        let len = place.end() - place.offset;
        if len > MAX_UNPACKED {
            continue;
        }
        let before = place.offset.saturating_sub(at);
        io::copy(&mut stream.by_ref().take(before), &mut io::sink())?;
        let mut bytes = Vec::with_capacity(len as usize);
        stream.by_ref().take(len).read_to_end(&mut bytes)?;
        at = place.end();
        each(place, bytes);
    }
    Ok(())
}

/// The arrays that are in a place whose bytes these are.
fn look(
    dump: &Dump,
    wanted: &FxHashMap<u64, u32>,
    place: &Place,
    bytes: Cow<'_, [u8]>,
) -> Vec<Found> {
    let mut found = Vec::new();
    if bytes.len() as u64 != place.end() - place.offset {
        return found;
    }
    let piece = Piece {
        offset: place.offset,
        bytes,
        parts: place.parts.clone(),
    };
    let mut keep = |at, type_, bytes: &[u8]| {
        let kept = &bytes[..bytes.len().min(MAX_BYTES)];
        found.push((at, type_, kept.to_vec()));
    };
    match dump.header.id_size {
        4 => scan::contents::<4>(&piece, wanted, &mut keep),
        _ => scan::contents::<8>(&piece, wanted, &mut keep),
    }
    found
}

impl Place {
    /// Where the last of its parts ends, in the dump.
    fn end(&self) -> u64 {
        self.offset + self.parts.last().map_or(0, |part| part.end as u64)
    }
}
