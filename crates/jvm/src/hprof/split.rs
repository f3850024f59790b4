//! Cuts a dump into pieces of whole sub-records that can be scanned beside each other.

use std::borrow::Cow;
use std::io::{self, Read};
use std::ops::Range;

use super::sub::{Bad, Subs};
use super::tables::Tables;
use crate::gaps::Gaps;

/// Bytes of a piece: many times a segment of today's JVMs (1 MiB), few times a processor's cache.
const PIECE: usize = 4 << 20;
/// Segments up to this size are not cut: only their end is looked for.
const SMALL_SEGMENT: u64 = 8 << 20;
/// Names and traces longer than this are no such things; they are skipped.
const MAX_RECORD: u32 = 64 << 20;
/// Bytes read at a time from a stream.
const READ: usize = 4 << 20;
/// Bytes of the head of a record.
const HEAD: usize = 9;

const HEAP_DUMP: u8 = 0x0c;
const HEAP_DUMP_SEGMENT: u8 = 0x1c;

/// Whole sub-records, but for the very last piece of a dump that is cut short.
pub(crate) struct Piece<'a> {
    /// Where `bytes` begin in the dump.
    pub(crate) offset: u64,
    pub(crate) bytes: Cow<'a, [u8]>,
    /// The parts of `bytes` that hold sub-records.
    pub(crate) parts: Vec<Range<usize>>,
}

/// Where the dump comes from.
pub(crate) enum Source<'a> {
    /// All of it.
    Bytes(&'a [u8]),
    /// Piece by piece.
    Stream(Box<dyn Read + Send + 'a>),
}

/// The segment that is being read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Segment {
    /// None: a record begins.
    None,
    /// This many bytes are left of it.
    Left(u64),
    /// It ends where no sub-record begins, or with the dump.
    Open,
}

/// Reads records, and hands out those of the heap in pieces.
pub(crate) struct Splitter<'a, const W: usize> {
    source: Source<'a>,
    /// What was read of a stream and not handed out.
    buffer: Vec<u8>,
    /// The stream is at its end.
    ended: bool,
    /// Offset of the window in the dump.
    offset: u64,
    segment: Segment,
    /// Bytes to pass over.
    skip: u64,
    pub(crate) tables: Tables,
    pub(crate) gaps: Gaps,
    /// Where the dump ends before it should.
    pub(crate) cut: Option<u64>,
    /// The stream failed.
    pub(crate) failed: Option<io::Error>,
}

/// What a look at the window came to.
enum Step {
    /// Go on.
    Done,
    /// The window ends within a record.
    More,
}

impl<'a, const W: usize> Splitter<'a, W> {
    /// A splitter behind the header, which was `offset` long. `buffer` is what was read of a stream so far.
    pub(crate) fn new(source: Source<'a>, buffer: Vec<u8>, offset: u64) -> Self {
        Self {
            source,
            buffer,
            ended: false,
            offset,
            segment: Segment::None,
            skip: 0,
            tables: Tables::default(),
            gaps: Gaps::default(),
            cut: None,
            failed: None,
        }
    }

    /// Bytes of the dump that were read so far.
    pub(crate) fn position(&self) -> u64 {
        self.offset
    }

    /// The next piece; `None` at the end.
    pub(crate) fn next(&mut self) -> Option<Piece<'a>> {
        match self.source {
            Source::Bytes(all) => loop {
                let start = usize::try_from(self.offset).ok()?.min(all.len());
                let window = &all[start..];
                let (used, parts) = self.look(window, true);
                if parts.is_empty() && used > 0 {
                    self.offset += used as u64;
                    continue;
                }
                return self.piece(Cow::Borrowed(&window[..used]), parts);
            },
            Source::Stream(_) => loop {
                let window = std::mem::take(&mut self.buffer);
                let (used, parts) = self.look(&window, self.ended);
                self.buffer = window;
                if used == 0 && parts.is_empty() && !self.ended {
                    self.fill();
                    continue;
                }
                let rest = self.buffer.split_off(used);
                let bytes = std::mem::replace(&mut self.buffer, rest);
                if parts.is_empty() && used > 0 {
                    self.offset += used as u64;
                    continue;
                }
                return self.piece(Cow::Owned(bytes), parts);
            },
        }
    }

    fn piece(&mut self, bytes: Cow<'a, [u8]>, parts: Vec<Range<usize>>) -> Option<Piece<'a>> {
        let offset = self.offset;
        self.offset += bytes.len() as u64;
        (!parts.is_empty()).then_some(Piece {
            offset,
            bytes,
            parts,
        })
    }

    /// Reads more of a stream.
    fn fill(&mut self) {
        let Source::Stream(stream) = &mut self.source else {
            return;
        };
        let wanted = READ.max(self.buffer.len()) as u64;
        let mut limited = stream.take(wanted);
        match limited.read_to_end(&mut self.buffer) {
            Ok(n) => self.ended = (n as u64) < wanted,
            Err(e) => {
                self.failed = Some(e);
                self.ended = true;
            }
        }
    }

    /// How much of `window` to hand out, and which parts of that are the heap's. `last` if nothing comes behind it.
    fn look(&mut self, window: &[u8], last: bool) -> (usize, Vec<Range<usize>>) {
        let mut at = 0;
        let mut parts = Vec::new();
        while at < PIECE && at < window.len() {
            if self.skip > 0 {
                let now = self.skip.min((window.len() - at) as u64);
                self.skip -= now;
                at += now as usize;
                continue;
            }
            let step = match self.segment {
                Segment::None => self.record(window, &mut at, last),
                Segment::Left(left) => self.segment(window, &mut at, left, last, &mut parts),
                Segment::Open => self.open(window, &mut at, last, &mut parts),
            };
            if let Step::More = step {
                break;
            }
        }
        if last
            && at == window.len()
            && (self.skip > 0 || matches!(self.segment, Segment::Left(1..)))
        {
            self.cut.get_or_insert(self.offset + at as u64);
            self.skip = 0;
            self.segment = Segment::None;
        }
        (at, parts)
    }

    /// A record begins at `at`.
    fn record(&mut self, window: &[u8], at: &mut usize, last: bool) -> Step {
        let rest = &window[*at..];
        let Some(head) = rest.first_chunk::<HEAD>() else {
            return self.short(window, at, last);
        };
        let tag = head[0];
        let len = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        match tag {
            HEAP_DUMP | HEAP_DUMP_SEGMENT => {
                *at += HEAD;
                self.tables.records += 1;
                // A JVM that could not go back to fill in the length left zero: the rest is the heap.
                let open = tag == HEAP_DUMP && len == 0;
                self.segment = if open {
                    Segment::Open
                } else {
                    Segment::Left(len.into())
                };
            }
            0x01..=0x0e | 0x2c if len <= MAX_RECORD => {
                let Some(body) = rest.get(HEAD..HEAD + len as usize) else {
                    return self.short(window, at, last);
                };
                self.tables.add::<W>(tag, body);
                *at += HEAD + len as usize;
            }
            _ => {
                let offset = self.offset + *at as u64;
                self.gaps.add(
                    "records of unknown kind or absurd length, passed over: file offset",
                    offset,
                );
                *at += HEAD;
                self.skip = len.into();
            }
        }
        Step::Done
    }

    /// The window ends within what begins at `at`.
    fn short(&mut self, window: &[u8], at: &mut usize, last: bool) -> Step {
        if last {
            self.cut.get_or_insert(self.offset + *at as u64);
            *at = window.len();
        }
        Step::More
    }

    /// `at` is in a segment of which `left` bytes are left.
    fn segment(
        &mut self,
        window: &[u8],
        at: &mut usize,
        left: u64,
        last: bool,
        parts: &mut Vec<Range<usize>>,
    ) -> Step {
        if left == 0 {
            self.segment = Segment::None;
            return Step::Done;
        }
        let there = window.len() - *at;
        let inside = usize::try_from(left).unwrap_or(usize::MAX).min(there);
        let whole = inside as u64 == left;
        if left <= SMALL_SEGMENT && whole {
            parts.push(*at..*at + inside);
            *at += inside;
            self.segment = Segment::None;
            return Step::Done;
        }
        let body = &window[*at..*at + inside];
        let (used, bad) = hop::<W>(body, PIECE);
        if used > 0 {
            parts.push(*at..*at + used);
            *at += used;
            self.segment = Segment::Left(left - used as u64);
        }
        match bad {
            None => Step::Done,
            // The next window shows the rest of it.
            Some(Bad::Cut) if !last && !whole => Step::More,
            Some(Bad::Cut) if !whole => {
                self.cut.get_or_insert(self.offset + *at as u64);
                *at = window.len();
                self.segment = Segment::None;
                Step::More
            }
            Some(_) => {
                let offset = self.offset + *at as u64;
                self.gaps.add(
                    "heap segments with nonsense in them, the rest of which is lost: file offset",
                    offset,
                );
                self.skip = left - used as u64;
                self.segment = Segment::None;
                Step::Done
            }
        }
    }

    /// `at` is in a segment of unknown length.
    fn open(
        &mut self,
        window: &[u8],
        at: &mut usize,
        last: bool,
        parts: &mut Vec<Range<usize>>,
    ) -> Step {
        let (used, bad) = hop::<W>(&window[*at..], PIECE);
        if used > 0 {
            parts.push(*at..*at + used);
            *at += used;
        }
        match bad {
            None => Step::Done,
            Some(Bad::Cut) => self.short(window, at, last),
            Some(_) => {
                self.segment = Segment::None;
                Step::Done
            }
        }
    }
}

/// Bytes of whole sub-records at the start of `bytes`, at least `enough` of them if there are; what stopped it before.
fn hop<const W: usize>(bytes: &[u8], enough: usize) -> (usize, Option<Bad>) {
    let mut subs = Subs::<W>::new(bytes);
    while subs.position() < enough {
        match subs.next() {
            Ok(Some(_)) => {}
            Ok(None) => break,
            Err(bad) => return (subs.position(), Some(bad)),
        }
    }
    (subs.position(), None)
}
