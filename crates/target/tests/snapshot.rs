//! Snapshots: what is written is read again, and what is damaged is named, never read as something else.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use leakscope_target::{
    Addr, AddrRange, Error, Image, Mapping, MappingUsage, Memory, Perms, Region, Registers,
    Residency, SnapshotContent, SnapshotError, SnapshotFile, SnapshotSize, Source, Thread,
    write_snapshot,
};
use leakscope_testkit::Random;

const EXECUTABLE: &[u8] = b"\x7fELF and more of it";
const ABOUT: &[u8] = br#"{"what":"a test"}"#;

fn range(start: u64, len: u64) -> AddrRange {
    AddrRange::new(Addr(start), len).expect("in the address space")
}

/// Ranges of odd lengths, one of them over several blocks, and what lies in them.
fn memory() -> Result<(Image, Vec<AddrRange>)> {
    let ranges = vec![
        range(0x1000, 3),
        range(0x1003, 4093),
        range(0x9000, 1),
        range(0x40_0000, (5 << 20) + 17),
    ];
    let total: u64 = ranges.iter().map(AddrRange::len).sum();
    let mut region = Region::reserve(total as usize)?;
    let mut random = Random::new(1);
    for (i, byte) in region.as_mut_slice().iter_mut().enumerate() {
        // Half of it compresses well, half not at all.
        *byte = if i & 4096 == 0 {
            7
        } else {
            random.number() as u8
        };
    }
    let mut image = Image::builder();
    let region = image.add_region(region);
    let mut offset = 0;
    for range in &ranges {
        image.add(*range, Source::Copied { region, offset });
        offset += range.len() as usize;
    }
    Ok((image.build(), ranges))
}

fn threads() -> Vec<Thread> {
    let registers = Registers {
        pc: Addr(0x401000),
        sp: Addr(u64::MAX),
        fs_base: Addr(3),
        general: [9; 15],
    };
    vec![Thread { tid: 42, registers }]
}

fn mappings() -> Vec<Mapping> {
    let perms = Perms {
        read: true,
        write: false,
        execute: true,
        shared: true,
    };
    let path = b"/bin/\xffodd".to_vec();
    vec![Mapping {
        range: range(0x40_0000, 0x1000),
        perms,
        file_offset: 4096,
        path,
    }]
}

fn residency() -> Residency {
    let usage = |mapping| MappingUsage {
        mapping,
        rss: 4096,
        anonymous: 0,
        swap: 8192,
    };
    Residency {
        mappings: mappings().into_iter().map(usage).collect(),
        resident: Some(vec![range(0x40_0000, 0x1000)]),
    }
}

fn snapshot() -> Result<(Vec<u8>, SnapshotSize)> {
    let (image, ranges) = memory()?;
    let mut bytes = Vec::new();
    let content = SnapshotContent {
        image: &image,
        ranges: &ranges,
        threads: &threads(),
        mappings: &mappings(),
        executable: EXECUTABLE,
        about: ABOUT,
        residency: Some(&residency()),
    };
    let mut last = (0, 1);
    let size = write_snapshot(&mut bytes, &content, &mut |done, total| {
        last = (done, total)
    })?;
    ensure!(last.0 == last.1, "progress ended at {last:?}");
    Ok((bytes, size))
}

/// What reading all of a snapshot comes to.
fn read_all(folder: &Path, bytes: &[u8]) -> Result<Image, Error> {
    let path = folder.join("x.lks");
    std::fs::write(&path, bytes).expect("a temporary file");
    let named = |source| Error::Snapshot {
        path: path.clone(),
        source,
    };
    let file = SnapshotFile::open(&path)?;
    let executable = file.executable().map_err(named)?;
    let image = file.image().map_err(named)?.build();
    assert_eq!(&executable[..], EXECUTABLE);
    assert_eq!(file.about(), ABOUT);
    assert_eq!(file.threads(), threads());
    assert_eq!(file.mappings(), mappings());
    assert_eq!(file.residency().map_err(named)?, Some(residency()));
    Ok(image)
}

fn error_of(result: Result<Image, Error>) -> Option<SnapshotError> {
    match result {
        Err(Error::Snapshot { source, .. }) => Some(source),
        _ => None,
    }
}

#[test]
fn what_was_written_is_read_again() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (bytes, size) = snapshot()?;
    ensure!(size.written == bytes.len() as u64 && size.written < size.unpacked);
    let again = read_all(folder.path(), &bytes)?;
    let (image, ranges) = memory()?;
    ensure!(
        again.copied_ranges().map(|r| r.len()).sum::<u64>()
            == ranges.iter().map(AddrRange::len).sum::<u64>()
    );
    for range in ranges {
        let (mut was, mut is) = (vec![0; range.len() as usize], vec![1; range.len() as usize]);
        image.read(range.start, &mut was)?;
        again.read(range.start, &mut is)?;
        ensure!(was == is, "{range:?}");
    }
    Ok(())
}

#[test]
fn a_missing_end_a_newer_format_and_other_files_are_named() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (bytes, _) = snapshot()?;
    for len in [8, 15, 16, 40, bytes.len() / 2, bytes.len() - 1] {
        let error = error_of(read_all(folder.path(), &bytes[..len]));
        ensure!(
            error == Some(SnapshotError::Truncated { len: len as u64 }),
            "{len}: {error:?}"
        );
    }
    let mut newer = bytes.clone();
    newer[8] = 2;
    let error = error_of(read_all(folder.path(), &newer));
    ensure!(
        error
            == Some(SnapshotError::Newer {
                found: 2,
                newest: 1
            })
    );
    for other in [&b""[..], b"LKSNAP\n", b"\x7fELF"] {
        let error = error_of(read_all(folder.path(), other));
        ensure!(error == Some(SnapshotError::NotASnapshot), "{error:?}");
    }
    Ok(())
}

#[test]
fn no_flipped_bit_changes_an_answer() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (bytes, _) = snapshot()?;
    let (image, ranges) = memory()?;
    let mut random = Random::new(7);
    // Every byte of head, index and foot; a sample of the rest.
    let tail = bytes.len() - 700;
    let sample = std::iter::repeat_with(|| random.index(bytes.len())).take(300);
    let places = (0..64).chain(tail..bytes.len()).chain(sample);
    let mut refused = 0;
    for at in places.collect::<Vec<_>>() {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << (at % 8);
        match read_all(folder.path(), &flipped) {
            Err(Error::Snapshot { .. }) => refused += 1,
            Err(other) => return Err(other).context("not an error of the snapshot"),
            // A bit that means nothing, such as one that frames keep unused.
            Ok(again) => {
                for range in &ranges {
                    let (mut was, mut is) =
                        (vec![0; range.len() as usize], vec![1; range.len() as usize]);
                    image.read(range.start, &mut was)?;
                    again.read(range.start, &mut is)?;
                    ensure!(was == is, "byte {at}");
                }
            }
        }
    }
    ensure!(refused > 900, "{refused} refused");
    Ok(())
}

#[test]
fn a_full_disk_is_an_error_of_the_writer() -> Result<()> {
    struct Full(usize);
    impl std::io::Write for Full {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            if self.0 < bytes.len() {
                return Err(std::io::ErrorKind::StorageFull.into());
            }
            self.0 -= bytes.len();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let (image, ranges) = memory()?;
    let content = SnapshotContent {
        image: &image,
        ranges: &ranges,
        threads: &[],
        mappings: &[],
        executable: &[],
        about: &[],
        residency: None,
    };
    let failed = write_snapshot(&mut Full(1 << 20), &content, &mut |_, _| {});
    ensure!(failed.is_err_and(|e| e.kind() == std::io::ErrorKind::StorageFull));
    Ok(())
}
