//! The mappings of a core: its `PT_LOAD`s (rights) joined with `NT_FILE` (paths).

use super::headers::Segment;
use super::notes::MappedFile;
use super::{CoreProblem, Problems};
use crate::overlap::disjoint;
use crate::{Addr, AddrRange, Mapping, Perms};

/// The most bytes of paths in the joined list. Real lists hold a few hundred KiB; a hostile core could name one long
/// path for millions of segments.
const MAX_PATH_BYTES: usize = 64 << 20;

/// Joins both lists into one, sorted by address and disjoint.
///
/// A kernel's core has a `PT_LOAD` for every mapping. gdb's leaves out the ones it does not dump, so those are known
/// from `NT_FILE` only, with no rights.
pub(super) fn join(
    segments: &[Segment],
    files: &[MappedFile],
    problems: &mut Problems,
) -> Vec<Mapping> {
    let loads = disjoint(&segments.iter().map(|s| s.range).collect::<Vec<_>>());
    let named = disjoint(&files.iter().map(|f| f.range).collect::<Vec<_>>());
    let mut mappings = Vec::with_capacity(loads.len().max(named.len()));
    let mut path_bytes = 0;
    let mut push = |range: AddrRange, load: Option<usize>, file: Option<usize>| {
        let perms = load
            .and_then(|i| segments.get(i))
            .map_or(Perms::default(), |s| s.perms);
        let mut mapping = Mapping {
            range,
            perms,
            file_offset: 0,
            path: Vec::new(),
        };
        if let Some(file) = file.and_then(|i| files.get(i)) {
            mapping.file_offset = file
                .offset
                .saturating_add(range.start.0 - file.range.start.0);
            path_bytes += file.path.len();
            if path_bytes <= MAX_PATH_BYTES {
                mapping.path.clone_from(&file.path);
            }
        }
        mappings.push(mapping);
    };
    let mut loads = loads.into_iter().peekable();
    let mut named = named.into_iter().peekable();
    let mut at = Addr(0);
    while let Some(start) = loads
        .peek()
        .map(|l| l.0.start)
        .into_iter()
        .chain(named.peek().map(|f| f.0.start))
        .min()
    {
        at = at.max(start);
        let load = loads.peek().copied();
        let file = named.peek().copied();
        let covers = |piece: Option<(AddrRange, usize)>| {
            piece
                .filter(|(range, _)| range.contains(at))
                .map(|(_, i)| i)
        };
        // The next address at which either list changes.
        let end = [load, file]
            .into_iter()
            .flatten()
            .map(|(range, _)| {
                if range.start <= at {
                    range.end
                } else {
                    range.start
                }
            })
            .min()
            .unwrap_or(at);
        push(AddrRange { start: at, end }, covers(load), covers(file));
        at = end;
        loads.next_if(|(range, _)| range.end <= at);
        named.next_if(|(range, _)| range.end <= at);
    }
    if path_bytes > MAX_PATH_BYTES {
        problems.push(CoreProblem {
            what: "NT_FILE (paths left out of the list of mappings)",
            offset: 0,
        });
    }
    mappings
}
