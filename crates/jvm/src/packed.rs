//! Packed dumps: gzip as the JVM writes it, in many members that are unpacked beside each other, other gzip, and zstd.

use std::io::{self, Read};

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

/// The plain bytes of a packed dump that is at hand as a whole.
pub fn unpack_bytes(packing: Packing, bytes: &[u8]) -> io::Result<Box<dyn Read + Send + '_>> {
    match packing {
        Packing::Gzip => Ok(Box::new(Members::new(bytes))),
        _ => unpack(packing, Box::new(bytes)),
    }
}

/// Members that are unpacked at a time, per thread.
const AT_A_TIME: usize = 8;
/// A member that unpacks to more is left to a stream: those of the JVM hold 1 MiB.
const MAX_MEMBER: u64 = 8 << 20;
/// A member's first bytes as the JVM writes them, but for the first one's (`heapDumperCompression.cpp`): no flags, no time.
const MEMBER: [u8; 8] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0];

/// Members of a gzip file, unpacked beside each other where they are small.
struct Members<'a> {
    bytes: &'a [u8],
    /// Where the next member begins.
    at: usize,
    ready: io::Cursor<Vec<u8>>,
    /// What could not be unpacked in members.
    rest: Option<MultiGzDecoder<&'a [u8]>>,
}

impl<'a> Members<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            at: 0,
            ready: io::Cursor::default(),
            rest: None,
        }
    }

    /// Places from `at` on where members may begin: each that does is among them.
    fn starts(&self) -> Vec<usize> {
        let most = rayon::current_num_threads() * AT_A_TIME;
        let mut starts = vec![self.at];
        let mut from = self.at + 1;
        while starts.len() < most
            && let Some(found) = find(&self.bytes[from.min(self.bytes.len())..])
        {
            starts.push(from + found);
            from += found + 1;
        }
        starts
    }

    /// Unpacks some members that follow each other; `false` at the end.
    fn fill(&mut self) -> bool {
        if self.at >= self.bytes.len() {
            return false;
        }
        let starts = self.starts();
        let unpacked: Vec<Option<(Vec<u8>, usize)>> = starts
            .par_iter()
            .map(|start| member(&self.bytes[*start..]))
            .collect();
        let mut plain = Vec::new();
        for (start, unpacked) in starts.iter().zip(unpacked) {
            // What only looked like the start of a member lies inside of one.
            if *start != self.at {
                continue;
            }
            let Some((bytes, len)) = unpacked else { break };
            plain.extend_from_slice(&bytes);
            self.at += len;
        }
        let some = !plain.is_empty();
        if !some {
            self.rest = Some(MultiGzDecoder::new(&self.bytes[self.at..]));
        }
        self.ready = io::Cursor::new(plain);
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

/// The member at the start of `bytes`, unpacked, and how long it was; `None` if it is none, or large.
fn member(bytes: &[u8]) -> Option<(Vec<u8>, usize)> {
    let mut decoder = GzDecoder::new(bytes);
    let mut plain = Vec::new();
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
            if let Some(rest) = &mut self.rest {
                return rest.read(buffer);
            }
            let read = self.ready.read(buffer)?;
            if read > 0 || buffer.is_empty() || !self.fill() {
                return Ok(read);
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
        let mut plain = Vec::new();
        unpack_bytes(Packing::Gzip, bytes)?.read_to_end(&mut plain)?;
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
