//! From the bytes of a dump to columns of its pieces, scanned beside each other.

use std::io::Read;
use std::ops::Range;

use rayon::prelude::*;

use crate::classes::ClassTable;
use crate::error::Error;
use crate::gaps::Gaps;
use crate::hprof::header::Header;
use crate::hprof::scan::{Scanned, classes, scan, scan_deferred};
use crate::hprof::split::{Piece, Source, Splitter};
use crate::hprof::tables::Tables;
use crate::packed::Packing;

/// Pieces that are looked through for classes before objects are: JVMs write classes first.
const CLASS_PIECES: usize = 16;
/// Pieces per thread that are read ahead.
const AHEAD: usize = 2;
/// Bytes of a stream that its header is looked for in.
const START: u64 = 64;

/// A dump to read.
pub enum Input<'a> {
    /// All of its bytes, in memory or mapped.
    Bytes {
        /// The bytes.
        bytes: &'a [u8],
        /// Called with ranges that are not needed for now.
        done: &'a (dyn Fn(Range<usize>) + Sync),
    },
    /// The same of a packed dump.
    Packed {
        /// How it is packed.
        packing: Packing,
        /// The packed bytes.
        bytes: &'a [u8],
        /// Called with ranges that are not needed for now.
        done: &'a (dyn Fn(Range<usize>) + Sync),
    },
    /// A stream of its bytes, unpacked.
    Stream(Box<dyn Read + Send + 'a>),
}

/// A dump taken apart.
pub(crate) struct Dump {
    pub(crate) header: Header,
    pub(crate) tables: Tables,
    pub(crate) classes: ClassTable,
    pub(crate) pieces: Vec<Scanned>,
    /// Where each piece lies, and the lowest and highest address in it: to find contents again.
    pub(crate) places: Vec<Place>,
    pub(crate) gaps: Gaps,
    /// Where it ends before it should.
    pub(crate) cut: Option<u64>,
    /// Bytes read.
    pub(crate) bytes: u64,
}

/// Where objects of some addresses are.
pub(crate) struct Place {
    pub(crate) offset: u64,
    pub(crate) parts: Vec<Range<usize>>,
    pub(crate) addresses: (u64, u64),
}

/// Reads a dump of which all bytes are at hand as far as it goes. `done` is called with ranges that were read.
pub(crate) fn read_bytes(
    bytes: &[u8],
    done: &(dyn Fn(Range<usize>) + Sync),
) -> Result<Dump, Error> {
    let header = Header::parse(bytes)?;
    by_width(header, Source::Bytes(bytes), Vec::new(), done)
}

/// Reads an unpacked stream as far as it goes.
pub(crate) fn read_stream(mut stream: Box<dyn Read + Send + '_>) -> Result<Dump, Error> {
    let mut start = Vec::new();
    let _ = stream.by_ref().take(START).read_to_end(&mut start)?;
    let header = Header::parse(&start)?;
    let rest = start.split_off(header.len);
    by_width(header, Source::Stream(stream), rest, &|_| {})
}

fn by_width(
    header: Header,
    source: Source<'_>,
    buffer: Vec<u8>,
    done: &(dyn Fn(Range<usize>) + Sync),
) -> Result<Dump, Error> {
    match header.id_size {
        4 => parse::<4>(header, source, buffer, done),
        _ => parse::<8>(header, source, buffer, done),
    }
}

fn parse<const W: usize>(
    header: Header,
    source: Source<'_>,
    buffer: Vec<u8>,
    done: &(dyn Fn(Range<usize>) + Sync),
) -> Result<Dump, Error> {
    let mut splitter = Splitter::<W>::new(source, buffer, header.len as u64);
    let mut table = ClassTable::default();
    let mut batch: Vec<Piece<'_>> = Vec::new();
    let mut described = Vec::new();
    while batch.len() < CLASS_PIECES
        && let Some(piece) = splitter.next()
    {
        let found = classes::<W>(&piece);
        let over = found.is_empty() && !described.is_empty();
        described.extend(found);
        batch.push(piece);
        if over {
            break;
        }
    }
    table.add::<W>(described, &splitter.tables);
    let mut dump = Dump {
        header,
        tables: Tables::default(),
        classes: table,
        pieces: Vec::new(),
        places: Vec::new(),
        gaps: Gaps::default(),
        cut: None,
        bytes: 0,
    };
    let ahead = rayon::current_num_threads() * AHEAD;
    while !batch.is_empty() {
        let (scanned, next) = rayon::join(
            || -> Vec<Scanned> {
                let scan = |piece: &Piece<'_>| scan::<W>(piece, &dump.classes);
                batch.par_iter().map(scan).collect()
            },
            || -> Vec<Piece<'_>> { std::iter::from_fn(|| splitter.next()).take(ahead).collect() },
        );
        for (piece, scanned) in batch.iter().zip(&scanned) {
            let start = piece.offset as usize;
            done(start..start + piece.bytes.len());
            let low = scanned.address.iter().min().copied();
            let high = scanned.address.iter().max().copied();
            dump.places.push(Place {
                offset: piece.offset,
                parts: piece.parts.clone(),
                addresses: (low.unwrap_or(u64::MAX), high.unwrap_or(0)),
            });
        }
        dump.pieces.extend(scanned);
        batch = next;
    }
    finish::<W>(dump, splitter)
}

/// What is known only at the end: classes that came late, instances that were put off.
fn finish<const W: usize>(mut dump: Dump, splitter: Splitter<'_, W>) -> Result<Dump, Error> {
    dump.bytes = splitter.position();
    let late = dump
        .pieces
        .iter_mut()
        .flat_map(|p| std::mem::take(&mut p.classes));
    let late: Vec<_> = late.collect();
    dump.classes.add::<W>(late, &splitter.tables);
    let deferred: Vec<Vec<u8>> = (dump.pieces.iter_mut())
        .map(|p| std::mem::take(&mut p.deferred))
        .filter(|d| !d.is_empty())
        .collect();
    let mut scanned: Vec<Scanned> = deferred
        .par_iter()
        .map(|bytes| scan_deferred::<W>(bytes, &dump.classes))
        .collect();
    dump.pieces.append(&mut scanned);
    dump.gaps.add_all(&splitter.gaps);
    for piece in &dump.pieces {
        dump.gaps.add_all(&piece.gaps);
    }
    dump.gaps.add_many(
        "classes left out, as all together have too many fields",
        dump.classes.too_large,
        std::iter::empty(),
    );
    dump.gaps.add_many(
        "records that are cut short",
        splitter.tables.broken,
        std::iter::empty(),
    );
    let cuts = dump.pieces.iter().filter_map(|p| p.cut);
    dump.cut = splitter.cut.into_iter().chain(cuts).min();
    let objects = dump.pieces.iter().any(|p| !p.address.is_empty());
    if !objects && dump.classes.iter().all(|(_, c)| c.raw.is_none()) {
        return Err(match splitter.failed {
            Some(failed) => Error::Io(failed),
            None => Error::NoHeap {
                records: splitter.tables.records,
                bytes: dump.bytes,
            },
        });
    }
    if splitter.failed.is_some() {
        dump.cut.get_or_insert(dump.bytes);
    }
    dump.tables = splitter.tables;
    Ok(dump)
}
