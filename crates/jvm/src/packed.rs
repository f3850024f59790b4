//! Packed dumps: gzip as the JVM writes it, in many members that are unpacked beside each other, other gzip, and zstd.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::ops::Range;
use std::sync::Mutex;

use flate2::bufread::GzDecoder;
use flate2::read::MultiGzDecoder;
use rayon::prelude::*;

/// How a dump is packed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Packing {
    /// Not at all.
    None,
    /// gzip (RFC 1952).
    Gzip,
    /// Zstandard (RFC 8878).
    Zstd,
}

impl Packing {
    /// How what begins with `start` is packed.
    pub fn of(start: &[u8]) -> Self {
        match start {
            [0x1f, 0x8b, 8, ..] => Self::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Self::Zstd,
            _ => Self::None,
        }
    }
}

/// The plain bytes of a packed stream.
pub fn unpack<'a>(
    packing: Packing,
    stream: Box<dyn Read + Send + 'a>,
) -> io::Result<Box<dyn Read + Send + 'a>> {
    Ok(match packing {
        Packing::None => stream,
        Packing::Gzip => Box::new(MultiGzDecoder::new(stream)),
        Packing::Zstd => Box::new(zstd::Decoder::new(stream)?),
    })
}

/// A packed dump that is at hand as a whole, and where a first look at it found that one may begin to unpack.
pub(crate) struct Packed<'a> {
    packing: Packing,
    bytes: &'a [u8],
    done: Done<'a>,
    /// Members that are unpacked by themselves, ascending: where each begins, unpacked and packed.
    members: Mutex<Vec<(u64, usize)>>,
}

/// Called with ranges that are not needed for now.
type Done<'a> = &'a (dyn Fn(Range<usize>) + Sync);

impl<'a> Packed<'a> {
    pub(crate) fn new(packing: Packing, bytes: &'a [u8], done: Done<'a>) -> Self {
        Self {
            packing,
            bytes,
            done,
            members: Mutex::default(),
        }
    }

    /// All of it, unpacked.
    pub(crate) fn whole(&self) -> io::Result<Box<dyn Read + Send + '_>> {
        match self.packing {
            Packing::Gzip => Ok(Box::new(Members::new(self))),
            packing => unpack(packing, Box::new(Watched::new(self, 0))),
        }
    }

    /// The latest place at or before `offset` of the unpacked dump from which one may begin: there, and in the packed one.
    pub(crate) fn entry(&self, offset: u64) -> (u64, usize) {
        let members = self.members.lock().unwrap_or_else(|e| e.into_inner());
        let at = members.partition_point(|(plain, _)| *plain <= offset);
        at.checked_sub(1).map_or((0, 0), |at| members[at])
    }

    /// What begins at `start` of the packed dump, unpacked.
    pub(crate) fn from(&self, start: usize) -> io::Result<Box<dyn Read + Send + '_>> {
        unpack(self.packing, Box::new(Watched::new(self, start)))
    }

    fn remember(&self, plain: u64, at: usize) {
        let mut members = self.members.lock().unwrap_or_else(|e| e.into_inner());
        if members
            .last()
            .is_none_or(|(last, _)| plain >= last + ENTRIES)
        {
            members.push((plain, at));
        }
    }
}

/// Bytes of a packed dump that are read before what was read is said to be done with.
const STRIDE: usize = 4 << 20;

/// Packed bytes, which are done with once they were read.
struct Watched<'a> {
    bytes: &'a [u8],
    done: Done<'a>,
    at: usize,
    told: usize,
}

impl<'a> Watched<'a> {
    fn new(packed: &Packed<'a>, at: usize) -> Self {
        Self {
            bytes: packed.bytes,
            done: packed.done,
            at,
            told: at,
        }
    }
}

impl Read for Watched<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = (&self.bytes[self.at..]).read(buffer)?;
        self.at += read;
        if self.at >= self.told + STRIDE {
            (self.done)(self.told..self.at);
            self.told = self.at;
        }
        Ok(read)
    }
}

impl Drop for Watched<'_> {
    fn drop(&mut self) {
        (self.done)(self.told..self.at);
    }
}

/// Members that are unpacked at a time, per thread.
const AT_A_TIME: usize = 8;
/// A member that unpacks to more is left to a stream: those of the JVM hold 1 MiB.
const MAX_MEMBER: u64 = 8 << 20;
/// Such a member is no longer than this, even where nothing in it can be packed (RFC 1951: 5 bytes for each 64 KiB).
const MAX_PACKED: usize = 9 << 20;
/// A member's first bytes as the JVM writes them, but for the first one's (`heapDumperCompression.cpp`): no flags, no time.
const MEMBER: [u8; 8] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0];

/// Room for what a member of the JVM unpacks to, and a byte to find its end.
const ROOM: usize = (1 << 20) + 1;
/// Bytes between two places from which one may begin, at least: a dump may have members of no length at all.
const ENTRIES: u64 = 256 << 10;

/// Members of a gzip file, unpacked beside each other where they are small.
struct Members<'a> {
    packed: &'a Packed<'a>,
    /// Where the next member begins, and where what it unpacks to does.
    at: usize,
    plain: u64,
    ready: VecDeque<io::Cursor<Vec<u8>>>,
    /// Room that was read from and may be written to again.
    spare: Vec<Vec<u8>>,
    /// What could not be unpacked in members.
    rest: Option<MultiGzDecoder<Watched<'a>>>,
}

impl<'a> Members<'a> {
    fn new(packed: &'a Packed<'a>) -> Self {
        Self {
            packed,
            at: 0,
            plain: 0,
            ready: VecDeque::new(),
            spare: Vec::new(),
            rest: None,
        }
    }

    /// Places from `at` on where members may begin: each that does is among them.
    fn starts(&self) -> Vec<usize> {
        let bytes = self.packed.bytes;
        let most = rayon::current_num_threads() * AT_A_TIME;
        let mut starts = vec![self.at];
        let mut from = self.at + 1;
        while starts.len() < most {
            let end = bytes.len().min(from.saturating_add(MAX_PACKED));
            let Some(found) = find(&bytes[from.min(end)..end]) else {
                break;
            };
            starts.push(from + found);
            from += found + 1;
        }
        starts
    }

    /// Unpacks some members that follow each other; `false` at the end.
    fn fill(&mut self) -> bool {
        let bytes = self.packed.bytes;
        if self.at >= bytes.len() {
            return false;
        }
        let begun = self.at;
        let starts = self.starts();
        let mut room = || self.spare.pop().unwrap_or_default();
        let rooms: Vec<Vec<u8>> = starts.iter().map(|_| room()).collect();
        let unpacked: Vec<Option<(Vec<u8>, usize)>> = (rooms.into_par_iter())
            .zip(&starts)
            .map(|(room, start)| member(&bytes[*start..], room))
            .collect();
        for (start, unpacked) in starts.iter().zip(unpacked) {
            // What only looked like the start of a member lies inside of one.
            if *start != self.at {
                continue;
            }
            let Some((plain, len)) = unpacked else { break };
            self.packed.remember(self.plain, self.at);
            self.at += len;
            self.plain += plain.len() as u64;
            self.ready.push_back(io::Cursor::new(plain));
        }
        (self.packed.done)(begun..self.at);
        if self.at == begun {
            self.packed.remember(self.plain, self.at);
            let rest = Watched::new(self.packed, self.at);
            self.rest = Some(MultiGzDecoder::new(rest));
        }
        true
    }
}

/// The next place in `bytes` that looks like the start of a member.
fn find(bytes: &[u8]) -> Option<usize> {
    let mut from = 0;
    loop {
        let at = from + bytes[from..].iter().position(|b| *b == MEMBER[0])?;
        if bytes[at..].starts_with(&MEMBER) {
            return Some(at);
        }
        from = at + 1;
    }
}

/// The member at the start of `bytes`, unpacked into `plain`, and how long it was; `None` if it is none, or large.
fn member(bytes: &[u8], mut plain: Vec<u8>) -> Option<(Vec<u8>, usize)> {
    let mut decoder = GzDecoder::new(bytes);
    plain.clear();
    plain.reserve(ROOM);
    (&mut decoder)
        .take(MAX_MEMBER + 1)
        .read_to_end(&mut plain)
        .ok()?;
    if plain.len() as u64 > MAX_MEMBER {
        return None;
    }
    let left = decoder.into_inner().len();
    Some((plain, bytes.len() - left))
}

impl Read for Members<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if let Some(ready) = self.ready.front_mut() {
                let read = ready.read(buffer)?;
                if read > 0 || buffer.is_empty() {
                    return Ok(read);
                }
                let read = self.ready.pop_front();
                self.spare.extend(read.map(io::Cursor::into_inner));
            } else if let Some(rest) = &mut self.rest {
                return rest.read(buffer);
            } else if !self.fill() {
                return Ok(0);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, write::GzEncoder};

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn unpacked(bytes: &[u8]) -> io::Result<Vec<u8>> {
        let packed = Packed::new(Packing::Gzip, bytes, &|_| {});
        let mut plain = Vec::new();
        packed.whole()?.read_to_end(&mut plain)?;
        let (at, start) = packed.entry(plain.len() as u64 / 2);
        let mut rest = Vec::new();
        packed.from(start)?.read_to_end(&mut rest)?;
        assert_eq!(rest, plain[at as usize..], "from {at}");
        Ok(plain)
    }

    #[test]
    fn members_are_joined_in_order() {
        let mut packed = Vec::new();
        let mut plain = Vec::new();
        for i in 0..100u32 {
            // Stored members, with what looks like the start of another inside.
            let mut bytes = MEMBER.to_vec();
            bytes.extend_from_slice(&i.to_be_bytes().repeat(i as usize));
            packed.extend(gzip(&bytes));
            plain.extend(bytes);
        }
        assert_eq!(unpacked(&packed).unwrap(), plain);
        let cut = &packed[..packed.len() - 9];
        assert!(unpacked(cut).is_err());
        assert_eq!(unpacked(&gzip(&vec![7; 20 << 20])).unwrap().len(), 20 << 20);
    }
}
