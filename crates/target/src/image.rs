//! The target's bytes as captured: sorted segments over copied regions and mapped files.

use std::sync::Arc;

use memmap2::Mmap;

use crate::mapped::forget_pages;
use crate::overlap::disjoint;
use crate::{Addr, AddrRange, Fault, Memory, Region};

/// Where the bytes of a segment lie.
#[derive(Clone)]
pub enum Source {
    /// In the copied region of this index, from this offset.
    Copied {
        /// Index in the order the regions were added.
        region: usize,
        /// Byte offset in the region.
        offset: usize,
    },
    /// In a mapped file (a core, the executable), from this offset.
    File {
        /// The mapped file.
        file: Arc<Mmap>,
        /// Byte offset in the file.
        offset: usize,
    },
}

struct Segment {
    range: AddrRange,
    source: Source,
}

/// Collects segments for an [`Image`].
#[derive(Default)]
pub struct ImageBuilder {
    regions: Vec<Region>,
    segments: Vec<Segment>,
}

impl ImageBuilder {
    /// Adds a region of copied bytes; segments refer to it by the returned index.
    pub fn add_region(&mut self, region: Region) -> usize {
        self.regions.push(region);
        self.regions.len() - 1
    }

    /// Adds `range`, whose bytes start at `source`. Where segments overlap, the one added first wins.
    /// A segment that reaches past its source is cut to what the source holds.
    pub fn add(&mut self, range: AddrRange, source: Source) {
        let (held, offset) = match &source {
            Source::Copied { region, offset } => {
                (self.regions.get(*region).map_or(0, Region::len), *offset)
            }
            Source::File { file, offset } => (file.len(), *offset),
        };
        let len = range.len().min(held.saturating_sub(offset) as u64);
        if let Some(range) = AddrRange::new(range.start, len)
            && !range.is_empty()
        {
            self.segments.push(Segment { range, source });
        }
    }

    /// Sorts the segments, cuts overlaps and joins neighbours whose sources are neighbours too. O(n log n) however the
    /// segments overlap.
    pub fn build(self) -> Image {
        let ranges: Vec<AddrRange> = self.segments.iter().map(|s| s.range).collect();
        let mut segments: Vec<Segment> = Vec::with_capacity(ranges.len());
        for (range, index) in disjoint(&ranges) {
            let whole = &self.segments[index];
            let source = advance(&whole.source, range.start.0 - whole.range.start.0);
            let piece = Segment { range, source };
            match segments.last_mut() {
                Some(last) if last.range.end == range.start && follows(last, &piece) => {
                    last.range.end = range.end
                }
                _ => segments.push(piece),
            }
        }
        Image {
            regions: self.regions,
            segments,
        }
    }
}

fn advance(source: &Source, by: u64) -> Source {
    match source {
        Source::Copied { region, offset } => Source::Copied {
            region: *region,
            offset: offset + by as usize,
        },
        Source::File { file, offset } => Source::File {
            file: file.clone(),
            offset: offset + by as usize,
        },
    }
}

fn follows(a: &Segment, b: &Segment) -> bool {
    match (&advance(&a.source, a.range.len()), &b.source) {
        (
            Source::Copied {
                region: ra,
                offset: oa,
            },
            Source::Copied {
                region: rb,
                offset: ob,
            },
        ) => ra == rb && oa == ob,
        (
            Source::File {
                file: fa,
                offset: oa,
            },
            Source::File {
                file: fb,
                offset: ob,
            },
        ) => Arc::ptr_eq(fa, fb) && oa == ob,
        _ => false,
    }
}

/// Bytes of a target, frozen at one moment (or torn, if it was read while running).
pub struct Image {
    regions: Vec<Region>,
    segments: Vec<Segment>,
}

impl Image {
    /// An empty image to add to.
    pub fn builder() -> ImageBuilder {
        ImageBuilder::default()
    }

    fn find(&self, at: Addr) -> Option<&Segment> {
        let i = self.segments.partition_point(|s| s.range.end <= at);
        self.segments.get(i).filter(|s| s.range.start <= at)
    }

    fn segment_bytes<'a>(&'a self, s: &'a Segment) -> &'a [u8] {
        let len = s.range.len() as usize;
        let bytes = match &s.source {
            Source::Copied { region, offset } => {
                self.regions[*region].as_slice().get(*offset..*offset + len)
            }
            Source::File { file, offset } => file.get(*offset..*offset + len),
        };
        bytes.unwrap_or_default()
    }

    /// The bytes from `at` to the end of the segment that holds `at`, without copying.
    pub fn bytes_from(&self, at: Addr) -> Result<&[u8], Fault> {
        let s = self.find(at).ok_or(Fault::NotInImage(at))?;
        self.segment_bytes(s)
            .get((at.0 - s.range.start.0) as usize..)
            .ok_or(Fault::NotInImage(at))
    }

    /// `len` bytes at `at`, without copying. Fails where they do not lie in one segment; [`Memory::read`] crosses segments.
    pub fn bytes(&self, at: Addr, len: u64) -> Result<&[u8], Fault> {
        let from = self.bytes_from(at)?;
        usize::try_from(len)
            .ok()
            .and_then(|len| from.get(..len))
            .ok_or(Fault::NotInImage(Addr(
                at.0.saturating_add(from.len() as u64),
            )))
    }

    /// Whether all of `len` bytes at `at` are held.
    pub fn holds(&self, at: Addr, len: u64) -> bool {
        let mut at = at;
        let Some(end) = at.checked_add(len) else {
            return false;
        };
        while at < end {
            match self.find(at) {
                Some(s) => at = s.range.end,
                None => return false,
            }
        }
        true
    }

    /// The ranges held, sorted and disjoint.
    pub fn ranges(&self) -> impl Iterator<Item = AddrRange> + '_ {
        self.segments.iter().map(|s| s.range)
    }

    /// The ranges whose bytes were copied from the target, sorted and disjoint: all that lie in no file.
    pub fn copied_ranges(&self) -> impl Iterator<Item = AddrRange> + '_ {
        let copied = |s: &&Segment| matches!(s.source, Source::Copied { .. });
        self.segments.iter().filter(copied).map(|s| s.range)
    }

    /// The parts of `within` that were copied, rising.
    pub fn copied_within(&self, within: AddrRange) -> impl Iterator<Item = AddrRange> + '_ {
        let first = (self.segments).partition_point(|s| s.range.end <= within.start);
        let meets = self.segments.get(first..).unwrap_or_default().iter();
        meets
            .take_while(move |s| s.range.start < within.end)
            .filter(|s| matches!(s.source, Source::Copied { .. }))
            .map(move |s| AddrRange {
                start: s.range.start.max(within.start),
                end: s.range.end.min(within.end),
            })
    }

    /// `len` copied bytes at `at`, to be changed; `None` where they were not copied, or not in one piece.
    pub fn copied_mut(&mut self, at: Addr, len: u64) -> Option<&mut [u8]> {
        let i = self.segments.partition_point(|s| s.range.end <= at);
        let s = self.segments.get(i).filter(|s| s.range.start <= at)?;
        let Source::Copied { region, offset } = s.source else {
            return None;
        };
        let skipped = at.0 - s.range.start.0;
        if len > s.range.len() - skipped {
            return None;
        }
        let from = offset.checked_add(usize::try_from(skipped).ok()?)?;
        let to = from.checked_add(usize::try_from(len).ok()?)?;
        self.regions
            .get_mut(region)?
            .as_mut_slice()
            .get_mut(from..to)
    }

    /// Gives the memory behind `range` back to the kernel. Copied bytes there must not be read again: they would read as
    /// zeros. Bytes that lie in files are only dropped from this process's resident memory and stay readable.
    pub fn release(&mut self, range: AddrRange) {
        if range.is_empty() {
            return;
        }
        let first = self
            .segments
            .partition_point(|s| s.range.end <= range.start);
        for s in self.segments[first..]
            .iter()
            .take_while(|s| s.range.start < range.end)
        {
            let start = s.range.start.max(range.start);
            let len = (s.range.end.min(range.end).0 - start.0) as usize;
            let skipped = (start.0 - s.range.start.0) as usize;
            match &s.source {
                Source::Copied { region, offset } => {
                    let from = offset + skipped;
                    self.regions[*region].release(from, from + len);
                }
                Source::File { file, offset } => {
                    let from = offset + skipped;
                    forget_pages(file, from, from + len);
                }
            }
        }
    }
}

impl Memory for Image {
    fn read(&self, at: Addr, buf: &mut [u8]) -> Result<(), Fault> {
        let mut at = at;
        let mut filled = 0;
        while filled < buf.len() {
            let from = self.bytes_from(at)?;
            let n = from.len().min(buf.len() - filled);
            buf[filled..filled + n].copy_from_slice(&from[..n]);
            filled += n;
            at = at.checked_add(n as u64).ok_or(Fault::NotInImage(at))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(parts: &[(u64, &[u8])]) -> Image {
        let mut b = Image::builder();
        for (at, bytes) in parts {
            let mut r = Region::reserve(bytes.len()).unwrap();
            r.as_mut_slice()[..bytes.len()].copy_from_slice(bytes);
            let region = b.add_region(r);
            let range = AddrRange::new(Addr(*at), bytes.len() as u64).unwrap();
            b.add(range, Source::Copied { region, offset: 0 });
        }
        b.build()
    }

    #[test]
    fn reads_cross_segments_and_never_answer_short() {
        let i = image(&[(0x1000, &[1, 2, 3]), (0x1003, &[4, 5])]);
        let mut buf = [0; 5];
        i.read(Addr(0x1000), &mut buf).unwrap();
        assert_eq!(buf, [1, 2, 3, 4, 5]);
        assert_eq!(
            i.read(Addr(0x1001), &mut [0; 5]),
            Err(Fault::NotInImage(Addr(0x1005)))
        );
        assert_eq!(i.bytes(Addr(0x1003), 2).unwrap(), [4, 5]);
        assert!(i.bytes(Addr(0x1002), 2).is_err());
        assert!(i.holds(Addr(0x1000), 5));
        assert!(!i.holds(Addr(0xfff), 2));
    }

    #[test]
    fn the_first_segment_wins_where_two_overlap() {
        let i = image(&[(0x1002, &[9, 9]), (0x1000, &[1, 2, 3, 4, 5, 6])]);
        let mut buf = [0; 6];
        i.read(Addr(0x1000), &mut buf).unwrap();
        assert_eq!(buf, [1, 2, 9, 9, 5, 6]);
    }

    fn file(bytes: &[u8]) -> Arc<Mmap> {
        let mut map = memmap2::MmapMut::map_anon(bytes.len()).unwrap();
        map.copy_from_slice(bytes);
        Arc::new(map.make_read_only().unwrap())
    }

    fn range(start: u64, end: u64) -> AddrRange {
        AddrRange {
            start: Addr(start),
            end: Addr(end),
        }
    }

    #[test]
    fn a_segment_is_cut_to_what_its_source_holds() {
        let mut b = Image::builder();
        let of_file = |offset| Source::File {
            file: file(&[1, 2, 3]),
            offset,
        };
        b.add(range(0x1000, 0x2000), of_file(1));
        b.add(range(0x3000, 0x4000), of_file(3));
        b.add(range(0x5000, 0x6000), of_file(usize::MAX));
        b.add(
            range(0x7000, 0x8000),
            Source::Copied {
                region: 0,
                offset: 0,
            },
        );
        b.add(range(0x9000, 0x8000), of_file(0));
        let i = b.build();
        assert_eq!(i.ranges().collect::<Vec<_>>(), [range(0x1000, 0x1002)]);
        assert_eq!(i.bytes(Addr(0x1000), 2).unwrap(), [2, 3]);
        assert_eq!(i.u16(Addr(0x1001)), Err(Fault::NotInImage(Addr(0x1002))));
    }

    #[test]
    fn neighbours_of_one_source_become_one_segment() {
        let mut b = Image::builder();
        let bytes = file(&[1, 2, 3, 4, 5, 6]);
        for (start, offset) in [(0x1002, 2), (0x1000, 0), (0x1004, 0)] {
            b.add(
                range(start, start + 2),
                Source::File {
                    file: bytes.clone(),
                    offset,
                },
            );
        }
        let i = b.build();
        assert_eq!(i.bytes(Addr(0x1000), 4).unwrap(), [1, 2, 3, 4]);
        assert_eq!(
            i.bytes(Addr(0x1003), 2),
            Err(Fault::NotInImage(Addr(0x1004)))
        );
        assert_eq!(i.u64(Addr(0x1000)), Err(Fault::NotInImage(Addr(0x1006))));
        assert_eq!(i.ranges().count(), 2);
    }

    #[test]
    fn the_ends_of_the_address_space_are_ordinary() {
        let mut b = Image::builder();
        b.add(
            range(u64::MAX - 2, u64::MAX),
            Source::File {
                file: file(&[8, 9]),
                offset: 0,
            },
        );
        b.add(
            range(0, 1),
            Source::File {
                file: file(&[7]),
                offset: 0,
            },
        );
        let i = b.build();
        assert_eq!(
            (i.u8(Addr(0)), i.u16(Addr(u64::MAX - 2))),
            (Ok(7), Ok(0x0908))
        );
        assert_eq!(
            i.u16(Addr(u64::MAX - 1)),
            Err(Fault::NotInImage(Addr(u64::MAX)))
        );
        assert!(i.u64(Addr(u64::MAX)).is_err());
        assert!(!i.holds(Addr(u64::MAX - 1), 2) && i.holds(Addr(u64::MAX), 0));
    }

    #[test]
    fn overlapping_segments_read_as_the_first_added_says_byte_by_byte() {
        let mut seed = 88_172_645_463_325_252_u64;
        let mut random = |below: u64| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            seed % below
        };
        for _ in 0..300 {
            let mut b = Image::builder();
            let mut expected = [None; 64];
            for _ in 0..random(12) {
                let (start, len) = (random(50), random(14) + 1);
                let bytes: Vec<u8> = (0..len).map(|_| random(256) as u8).collect();
                for (i, byte) in bytes.iter().enumerate() {
                    expected[start as usize + i].get_or_insert(*byte);
                }
                b.add(
                    range(start, start + len),
                    Source::File {
                        file: file(&bytes),
                        offset: 0,
                    },
                );
            }
            let image = b.build();
            let read: Vec<Option<u8>> = (0..64).map(|a| image.u8(Addr(a)).ok()).collect();
            assert_eq!(read, expected);
        }
    }

    #[test]
    fn released_copies_are_given_back_and_files_stay_readable() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("bytes");
        std::fs::write(&path, vec![5; 3 * 4096]).unwrap();
        let mut b = Image::builder();
        b.add(
            range(0x10_0000, 0x10_3000),
            Source::File {
                file: crate::map_file(&path).unwrap(),
                offset: 0,
            },
        );
        let mut region = Region::reserve(3 * 4096).unwrap();
        region.as_mut_slice().fill(6);
        let region = b.add_region(region);
        b.add(
            range(0x20_0000, 0x20_3000),
            Source::Copied { region, offset: 0 },
        );
        let mut i = b.build();
        i.release(range(0x10_0800, 0x20_2000));
        assert_eq!(i.bytes(Addr(0x10_0000), 0x3000).unwrap(), [5; 0x3000]);
        let copied = i.bytes(Addr(0x20_0000), 0x3000).unwrap();
        assert_eq!((copied[0x1fff], copied[0x2000]), (0, 6));
        i.release(range(0x20_2fff, 0x20_2000));
        i.release(range(0, u64::MAX));
        assert_eq!(i.u8(Addr(0x20_2000)), Ok(0));
    }
}
