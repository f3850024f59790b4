//! Contents of a few arrays, looked for again in the pieces where they must be. Only names of threads are read so.

use std::borrow::Cow;
use std::ops::Range;

use rayon::prelude::*;
use rustc_hash::FxHashMap;

use crate::hprof::scan;
use crate::hprof::split::Piece;
use crate::read::{Dump, Place};

/// Bytes of an array that are kept.
const MAX_BYTES: usize = 1 << 10;

/// `(what it was wanted for, type, first bytes)` of the arrays at the addresses `wanted`.
pub(crate) fn contents(
    bytes: &[u8],
    done: &(dyn Fn(Range<usize>) + Sync),
    dump: &Dump,
    wanted: &FxHashMap<u64, u32>,
) -> Vec<(u32, u8, Vec<u8>)> {
    let mut addresses: Vec<u64> = wanted.keys().copied().collect();
    addresses.sort_unstable();
    let may_hold = |place: &&Place| {
        let (low, high) = place.addresses;
        let first = addresses.partition_point(|a| *a < low);
        addresses.get(first).is_some_and(|a| *a <= high)
    };
    let places: Vec<&Place> = dump.places.iter().filter(may_hold).collect();
    let read = |place: &Place| {
        let mut found = Vec::new();
        let start = place.offset as usize;
        let end = start + place.parts.last().map_or(0, |p| p.end);
        let piece = Piece {
            offset: place.offset,
            bytes: Cow::Borrowed(bytes.get(start..end).unwrap_or_default()),
            parts: place.parts.clone(),
        };
        let mut keep = |at, type_, bytes: &[u8]| {
            let kept = &bytes[..bytes.len().min(MAX_BYTES)];
            found.push((at, type_, kept.to_vec()));
        };
        if !piece.bytes.is_empty() {
            match dump.header.id_size {
                4 => scan::contents::<4>(&piece, wanted, &mut keep),
                _ => scan::contents::<8>(&piece, wanted, &mut keep),
            }
        }
        done(start..end);
        found
    };
    let found: Vec<Vec<(u32, u8, Vec<u8>)>> = places.into_par_iter().map(read).collect();
    found.into_iter().flatten().collect()
}
