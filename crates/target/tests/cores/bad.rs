//! Cores that are cut, corrupt, hostile or no cores at all: a typed error or a partial image, never a panic, soon.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use leakscope_target::{
    Addr, AddrRange, CoreError, CoreFile, Error, ExecutableMatch, Fault, Memory, Truncation,
    map_file,
};
use leakscope_testkit::{CoreWriter, Field};
use memmap2::{Mmap, MmapMut};

fn mapped(bytes: &[u8]) -> Arc<Mmap> {
    let mut map = MmapMut::map_anon(bytes.len().max(1)).unwrap();
    map[..bytes.len()].copy_from_slice(bytes);
    Arc::new(map.make_read_only().unwrap())
}

fn open(bytes: &[u8]) -> Result<CoreFile, CoreError> {
    CoreFile::from_map(mapped(bytes))
}

fn small() -> CoreWriter {
    let mut registers = [0; 27];
    registers[10] = 0xaaaa;
    registers[16] = 0x40_1000;
    registers[19] = 0x7fff_0100;
    registers[21] = 0xf5_0000;
    CoreWriter::new()
        .prpsinfo(77, b"victim", b"victim -x ")
        .prstatus(78, &registers)
        .auxv(&[(3, 0x40_0040), (9, 0x40_1000)])
        .files(&[(0x40_0000, 0x40_2000, 0, b"/bin/victim")])
        .load(0x40_0000, 5, 0x1000, b"first page")
        .load(0x40_1000, 5, 0x1000, b"")
        .load(0x60_0000, 6, 0x2000, &[7; 0x1000])
}

#[test]
fn a_well_formed_core_reads_back() {
    let core = open(&small().write()).ok().unwrap();
    assert_eq!(
        (core.pid(), core.command(), core.arguments()),
        (Some(77), &b"victim"[..], &b"victim -x"[..])
    );
    let thread = &core.threads()[0];
    assert_eq!(
        (thread.tid, thread.registers.pc, thread.registers.sp),
        (78, Addr(0x40_1000), Addr(0x7fff_0100))
    );
    assert_eq!(
        (thread.registers.fs_base, thread.registers.general[0]),
        (Addr(0xf5_0000), 0xaaaa)
    );
    assert_eq!(core.exe_path_hint().as_deref(), Some(&b"/bin/victim"[..]));
    let mappings: Vec<_> = core
        .mappings()
        .iter()
        .map(|m| (m.range.start.0, m.file_offset, m.path.len()))
        .collect();
    assert_eq!(
        mappings,
        [
            (0x40_0000, 0, 11),
            (0x40_1000, 0x1000, 11),
            (0x60_0000, 0, 0)
        ]
    );
    assert_eq!((core.problems().count(), core.truncation()), (0, None));
}

#[test]
fn bytes_past_the_file_part_of_a_segment_are_absent_not_zero() {
    let image = open(&small().write())
        .ok()
        .unwrap()
        .image(None)
        .unwrap()
        .build();
    assert_eq!(image.u8(Addr(0x60_0fff)), Ok(7));
    assert_eq!(
        image.u8(Addr(0x60_1000)),
        Err(Fault::NotInImage(Addr(0x60_1000)))
    );
    assert_eq!(
        image.u64(Addr(0x60_0ffc)),
        Err(Fault::NotInImage(Addr(0x60_1000)))
    );
}

#[test]
fn files_that_are_no_cores_are_named() {
    let spoilt = |field: Field, value: u64| {
        let mut bytes = small().write();
        field.set(&mut bytes, value);
        open(&bytes).err().unwrap()
    };
    assert_eq!(
        spoilt(Field::Type, 2),
        CoreError::NotACore {
            kind: "an executable"
        }
    );
    assert_eq!(
        spoilt(Field::Type, 3),
        CoreError::NotACore {
            kind: "an executable or shared library"
        }
    );
    assert_eq!(
        spoilt(Field::Type, 9),
        CoreError::Corrupt {
            what: "e_type",
            offset: 16,
            value: 9
        }
    );
    assert_eq!(spoilt(Field::Class, 1), CoreError::ThirtyTwoBit);
    assert_eq!(
        spoilt(Field::Class, 7),
        CoreError::Corrupt {
            what: "EI_CLASS",
            offset: 4,
            value: 7
        }
    );
    assert_eq!(
        spoilt(Field::Data, 2),
        CoreError::Machine { machine: 62 << 8 }
    );
    assert_eq!(
        spoilt(Field::Data, 0),
        CoreError::Corrupt {
            what: "EI_DATA",
            offset: 5,
            value: 0
        }
    );
    assert_eq!(
        spoilt(Field::Machine, 183),
        CoreError::Machine { machine: 183 }
    );
    assert_eq!(
        open(b"JAVA PROFILE 1.0.2").err(),
        Some(CoreError::NotElf {
            start: b"JAVA PRO".to_vec()
        })
    );
    assert_eq!(
        open(b"\x28\xb5\x2f\xfdxx").err(),
        Some(CoreError::Compressed { format: "zstd" })
    );
    assert!(matches!(
        open(b"\x7fELF\x02\x01").err(),
        Some(CoreError::Truncated { needed: 64, .. })
    ));
    let own = map_file(&std::env::current_exe().unwrap()).unwrap();
    assert!(matches!(
        CoreFile::from_map(own).err(),
        Some(CoreError::NotACore { .. })
    ));
}

#[test]
fn corrupt_headers_are_named_with_their_offset() {
    let bytes = small().write();
    let spoilt = |field: Field, value: u64| {
        let mut bytes = bytes.clone();
        field.set(&mut bytes, value);
        open(&bytes).err().unwrap()
    };
    let corrupt = |what, field: Field, value| CoreError::Corrupt {
        what,
        offset: field.place().0 as u64,
        value,
    };
    let size = Field::SegmentFileSize(3);
    assert_eq!(
        spoilt(size, 0x2001),
        corrupt("p_filesz (larger than p_memsz)", size, 0x2001)
    );
    let vaddr = Field::SegmentVaddr(3);
    assert_eq!(
        spoilt(vaddr, u64::MAX - 9),
        corrupt("p_vaddr (wraps)", vaddr, u64::MAX - 9)
    );
    let offset = Field::SegmentOffset(3);
    assert_eq!(
        spoilt(offset, u64::MAX - 9),
        corrupt("p_offset", offset, u64::MAX - 9)
    );
    assert_eq!(
        spoilt(Field::PhEntSize, 32),
        corrupt("e_phentsize", Field::PhEntSize, 32)
    );
    assert_eq!(
        spoilt(Field::PhOff, u64::MAX - 7),
        corrupt("e_phoff", Field::PhOff, u64::MAX - 7)
    );
    assert_eq!(spoilt(Field::PhOff, 0), corrupt("e_phoff", Field::PhOff, 0));
    assert_eq!(
        spoilt(Field::PhNum, 0),
        corrupt("the count of program headers", Field::PhNum, 0)
    );
    assert!(matches!(
        spoilt(Field::PhNum, 0xfffe),
        CoreError::Truncated {
            what: "the table of program headers",
            ..
        }
    ));
    assert!(matches!(
        spoilt(Field::PhNum, 0xffff),
        CoreError::Truncated { .. }
    ));
}

#[test]
fn a_truncated_core_is_read_as_far_as_it_goes_and_says_how_much_is_missing() {
    let bytes = small().write();
    let cut = bytes.len() - 0x800;
    let core = open(&bytes[..cut]).ok().unwrap();
    let truncation = Truncation {
        needed: bytes.len() as u64,
        held: cut as u64,
    };
    assert_eq!(core.truncation(), Some(truncation));
    assert_eq!(truncation.missing(), 0x800);
    let image = core.image(None).unwrap().build();
    assert_eq!(image.u8(Addr(0x60_07ff)), Ok(7));
    assert_eq!(
        image.u8(Addr(0x60_0800)),
        Err(Fault::NotInImage(Addr(0x60_0800)))
    );
    assert_eq!(core.threads().len(), 1);

    let notes_cut = open(&bytes[..64 + 4 * 56 + 200]).ok().unwrap();
    assert!(notes_cut.truncation().is_some());
    assert_eq!(notes_cut.problems().first()[0].what, "notes cut short");
    assert_eq!((notes_cut.pid(), notes_cut.threads().len()), (Some(77), 0));
    let headers_cut = CoreError::Truncated {
        what: "the table of program headers",
        needed: 64 + 4 * 56,
        held: 100,
    };
    assert_eq!(open(&bytes[..100]).err(), Some(headers_cut));
}

#[test]
fn a_sparse_core_reads_its_holes_as_the_zeros_they_stand_for() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("core");
    let bytes = CoreWriter::new()
        .load(0x1000_0000, 6, 1 << 30, &[0; 4096])
        .write();
    let mut with_hole = bytes.clone();
    Field::SegmentFileSize(1).set(&mut with_hole, 1 << 30);
    let mut file = std::fs::File::create(&path).unwrap();
    file.write_all(&with_hole).unwrap();
    file.set_len((bytes.len() as u64 - 4096) + (1 << 30))
        .unwrap();
    let core = CoreFile::open(&path).unwrap();
    assert_eq!(core.truncation(), None);
    assert_eq!(
        core.image(None).unwrap().build().u64(Addr(0x3000_0000)),
        Ok(0)
    );
}

#[test]
fn paths_that_cannot_be_cores_are_refused_without_blocking() {
    let dir = tempfile::tempdir().unwrap();
    assert!(matches!(
        CoreFile::open(dir.path()).err(),
        Some(Error::NotAFile { .. })
    ));
    let pipe = dir.path().join("pipe");
    assert!(
        std::process::Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .unwrap()
            .success()
    );
    assert!(matches!(
        CoreFile::open(&pipe).err(),
        Some(Error::NotAFile { .. })
    ));
    assert!(matches!(
        CoreFile::open(Path::new("/dev/zero")).err(),
        Some(Error::NotAFile { .. })
    ));
    assert!(matches!(
        CoreFile::open(&dir.path().join("none")).err(),
        Some(Error::Open { .. })
    ));
    let empty = dir.path().join("empty");
    std::fs::write(&empty, "").unwrap();
    let error = CoreFile::open(&empty).err().unwrap();
    assert!(
        matches!(&error, Error::Core { source: CoreError::NotElf { start }, .. } if start.is_empty()),
        "{error:?}"
    );
}

#[test]
fn a_java_core_is_recognised() {
    let files: &[(u64, u64, u64, &[u8])] = &[
        (0x1000, 0x2000, 0, b"/opt/jdk/lib/server/libjvm.so"),
        (0x2000, 0x3000, 1, b"/opt/jdk/bin/java"),
    ];
    let core = open(&CoreWriter::new().files(files).write()).ok().unwrap();
    assert_eq!(core.refuse_jvm(), Err(CoreError::Jvm));
}

#[test]
fn malformed_notes_are_left_out_and_counted() {
    let mut absurd_count = 0x1000_0000_0000_0000_u64.to_le_bytes().to_vec();
    absurd_count.extend(4096_u64.to_le_bytes());
    let mut one_without_name = 1_u64.to_le_bytes().to_vec();
    one_without_name.extend(4096_u64.to_le_bytes());
    one_without_name.extend([1; 24]);
    let long_path = vec![b'a'; 1 << 20];
    let core = CoreWriter::new()
        .note(b"CORE", 1, &[0; 300])
        .note(b"CORE", 3, &[0; 60])
        .note(b"CORE", 6, &[1; 32])
        .note(b"CORE", 0x4649_4c45, &[0; 9])
        .note(b"CORE", 0x4649_4c45, &absurd_count)
        .note(b"CORE", 0x4649_4c45, &one_without_name)
        .note(b"OTHER", 1, b"not ours")
        .files(&[
            (0x1000, 0x2000, 0, &long_path),
            (0x5000, 0x4000, 0, b"backwards"),
            (0x6000, 0x7000, 0, b"good"),
        ]);
    let core = open(&core.write()).ok().unwrap();
    assert_eq!(core.problems().count(), 7, "{:?}", core.problems());
    assert_eq!(
        core.mappings()
            .iter()
            .map(|m| m.path.as_slice())
            .collect::<Vec<_>>(),
        [b"good"]
    );

    let mut misaligned = small().write();
    Field::SegmentAlign(0).set(&mut misaligned, 4096);
    assert_eq!(
        open(&misaligned).ok().unwrap().problems().first()[0].what,
        "p_align of the notes"
    );
}

fn within(limit: Duration, what: &str, work: impl FnOnce()) {
    let start = Instant::now();
    work();
    assert!(start.elapsed() < limit, "{what} took {:?}", start.elapsed());
}

#[test]
fn a_hundred_thousand_overlapping_segments_take_no_quadratic_time() {
    let mut nested = CoreWriter::new();
    let mut staggered = CoreWriter::new();
    let n = 100_000_u64;
    for i in 0..n {
        nested = nested.load(0x10_0000 + i * 8, 6, 4 * n * 8 - 2 * i * 8, &[1; 16]);
        staggered = staggered.load(0x10_0000 + (n - i) * 64, 6, 1 << 20, &[2; 100]);
    }
    let paths: Vec<u8> = vec![b'p'; 4000];
    let whole: &[(u64, u64, u64, &[u8])] = &[(0, 1 << 40, 0, &paths)];
    for (what, core) in [("nested", nested), ("staggered", staggered.files(whole))] {
        let map = mapped(&core.write());
        within(Duration::from_secs(5), what, || {
            let core = CoreFile::from_map(map).ok().unwrap();
            let image = core.image(None).unwrap().build();
            let ranges: Vec<AddrRange> = image.ranges().collect();
            assert!(ranges.windows(2).all(|w| w[0].end <= w[1].start));
            assert!(!core.mappings().is_empty());
        });
    }
}

#[test]
fn more_segments_than_e_phnum_can_count_are_read() {
    let mut writer = CoreWriter::new();
    for i in 0..70_000_u64 {
        writer = writer.load(0x10_0000 + i * 0x2000, 6, 0x1000, &[i as u8]);
    }
    let mut bytes = writer.write();
    let core = open(&bytes).ok().unwrap();
    assert_eq!(core.mappings().len(), 70_000);
    assert_eq!(
        core.image(None)
            .unwrap()
            .build()
            .u8(Addr(0x10_0000 + 69_999 * 0x2000)),
        Ok(69_999_u64 as u8)
    );
    let section = bytes.len() - 64;
    bytes[section + 44..section + 48].copy_from_slice(&u32::MAX.to_le_bytes());
    let error = CoreError::Corrupt {
        what: "the count of program headers",
        offset: 56,
        value: u64::from(u32::MAX),
    };
    assert_eq!(open(&bytes).err(), Some(error));
}

/// Offset in the file, address, length and flags of the first `PT_LOAD` of an executable that satisfies `which`.
fn load_of(exe: &[u8], which: impl Fn(u32) -> bool) -> (usize, u64, usize) {
    let word = |at: usize| u64::from_le_bytes(exe[at..at + 8].try_into().unwrap());
    let half = |at: usize| u32::from_le_bytes(exe[at..at + 4].try_into().unwrap());
    let headers = (0..usize::from(exe[56])).map(|i| 64 + i * 56);
    let found = headers
        .into_iter()
        .find(|at| half(*at) == 1 && which(half(at + 4)))
        .unwrap();
    (
        word(found + 8) as usize,
        word(found + 16),
        word(found + 32) as usize,
    )
}

#[test]
fn without_a_list_of_files_the_entry_point_places_the_executable() {
    let dir = tempfile::tempdir().unwrap();
    let exe = map_file(&crate::support::build(
        dir.path(),
        "victim",
        &["-pie", "-fPIE"],
    ))
    .unwrap();
    let entry = u64::from_le_bytes(exe[24..32].try_into().unwrap());
    let bias = 0x5555_0000_0000;
    let writer = |entry: u64| {
        let core = CoreWriter::new().auxv(&[(9, entry), (31, 0x7000_0010)]);
        open(
            &core
                .load(0x7000_0000, 6, 0x1000, b"0123456789abcdef./victim\0")
                .write(),
        )
        .ok()
        .unwrap()
    };
    let core = writer(entry + bias);
    assert_eq!(core.exe_path_hint().as_deref(), Some(&b"./victim"[..]));
    assert_eq!(core.check_executable(&exe), Ok(ExecutableMatch::Unverified));
    let image = core.image(Some(&exe)).unwrap().build();
    let (offset, address, len) = load_of(&exe, |flags| flags == 5);
    assert_eq!(
        image.bytes(Addr(address + bias), len as u64).unwrap(),
        &exe[offset..offset + len]
    );
    let (_, writable, _) = load_of(&exe, |flags| flags & 2 != 0);
    assert!(
        image.u8(Addr(writable + bias)).is_err(),
        "what the process may have written is not in the file"
    );
    // A bias that no loader makes: nothing is guessed.
    let crooked = writer(entry + bias + 8).image(Some(&exe)).unwrap().build();
    assert_eq!(crooked.ranges().count(), 1);
}

#[test]
fn parts_of_the_executable_that_the_process_could_write_are_not_taken_from_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let exe = map_file(&crate::support::build(
        dir.path(),
        "victim",
        &["-static", "-no-pie"],
    ))
    .unwrap();
    let (offset, address, len) = load_of(&exe, |flags| flags == 5);
    let len = len & !4095;
    let end = address + len as u64;
    let half = address + ((len as u64 / 2) & !4095);
    let path: &[u8] = b"/x/victim";
    let files = [(address, end, offset as u64 / 4096, path)];
    let core = CoreWriter::new().auxv(&[(9, address)]).files(&files);
    let core = core
        .load(address, 5, half - address, b"")
        .load(half, 7, end - half, b"");
    let image = open(&core.write())
        .ok()
        .unwrap()
        .image(Some(&exe))
        .unwrap()
        .build();
    assert_eq!(
        image.ranges().collect::<Vec<_>>(),
        [AddrRange {
            start: Addr(address),
            end: Addr(half)
        }]
    );
    let read = image.bytes(Addr(address), half - address).unwrap();
    assert_eq!(read, &exe[offset..offset + (half - address) as usize]);
}
