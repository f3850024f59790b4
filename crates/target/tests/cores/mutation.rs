//! Real and synthetic cores with bytes flipped, fields replaced and ends cut, thousands of times: never a panic, never long.

use std::sync::Arc;
use std::time::{Duration, Instant};

use leakscope_target::{Addr, CoreFile, Memory};
use leakscope_testkit::{CoreWriter, Random};
use memmap2::{Mmap, MmapMut};

use crate::support;

/// Values that break readers more often than random ones do.
fn nasty(random: &mut Random) -> u64 {
    let choices = [
        0,
        1,
        u64::MAX,
        u64::MAX - 7,
        1 << 63,
        0xffff,
        1 << random.below(64),
        random.number(),
        0x1000,
        56,
        8,
    ];
    choices[random.index(choices.len())]
}

/// Everything that a reader of cores does.
fn use_all(map: Arc<Mmap>, executable: &Arc<Mmap>) -> bool {
    let Ok(core) = CoreFile::from_map(map) else {
        return false;
    };
    for mapping in core.mappings() {
        let _ = core.held().u64(mapping.range.start);
        let _ = core.held().u64(Addr(mapping.range.end.0.wrapping_sub(4)));
    }
    let path = core.exe_path_hint().unwrap_or_default();
    let ids = core.build_ids_of_exe();
    assert!(path.len() <= 1 << 13 && ids.to_string().len() < 2000);
    assert!(
        core.mappings()
            .windows(2)
            .all(|w| w[0].range.end <= w[1].range.start)
    );
    for thread in core.threads() {
        let _ = core.held().read(thread.registers.sp, &mut [0; 64]);
    }
    for executable in [None, Some(executable)] {
        if let Ok(image) = core.image(executable) {
            let image = image.build();
            let mut last = Addr(0);
            for range in image.ranges() {
                assert!(last <= range.start && !range.is_empty());
                assert!(image.bytes(range.start, range.len()).is_ok());
                last = range.end;
            }
        }
    }
    true
}

fn mutate(original: &[u8], hot: usize, executable: &Arc<Mmap>, times: usize, random: &mut Random) {
    let mut opened = 0;
    for round in 0..times {
        let len = if round % 4 == 0 {
            random.index(original.len()) + 1
        } else {
            original.len()
        };
        let mut map = MmapMut::map_anon(len).unwrap();
        map.copy_from_slice(&original[..len]);
        let hot = hot.min(len);
        for _ in 0..1 + random.index(6) {
            let at = random.index(hot);
            match random.index(3) {
                0 => map[at] ^= 1 << random.index(8),
                1 => map[at] = nasty(random) as u8,
                _ => {
                    let at = at & !7;
                    let value = nasty(random).to_le_bytes();
                    let n = value.len().min(len - at);
                    map[at..at + n].copy_from_slice(&value[..n]);
                }
            }
        }
        let start = Instant::now();
        opened += usize::from(use_all(Arc::new(map.make_read_only().unwrap()), executable));
        assert!(
            start.elapsed() < Duration::from_secs(5),
            "round {round} took {:?}",
            start.elapsed()
        );
    }
    assert!(
        opened > times / 10,
        "only {opened} of {times} mutations got past the headers: the test reaches nothing"
    );
}

#[test]
fn a_mutated_real_core_never_panics() {
    let dir = tempfile::tempdir().unwrap();
    let exe = support::build(dir.path(), "victim", &["-static", "-no-pie"]);
    let executable = leakscope_target::map_file(&exe).unwrap();
    let core = support::gcore(&exe, dir.path()).or_else(|_| support::kernel_core(&exe, dir.path()));
    let path = match core {
        Ok((path, _)) => path,
        Err(why) => return support::skip("no-gcore", "a_mutated_real_core_never_panics", &why),
    };
    let mut original = std::fs::read(&path).unwrap();
    // Headers, notes and some contents; the rest is stacks, megabytes to copy each time.
    original.truncate(1 << 19);
    let hot = original.len().min(1 << 14);
    mutate(
        &original,
        hot,
        &executable,
        1500,
        &mut Random::new(0x1234_5678_9abc_def1),
    );
}

#[test]
fn a_mutated_synthetic_core_never_panics() {
    let dir = tempfile::tempdir().unwrap();
    let exe = std::fs::read(support::build(dir.path(), "victim", &[])).unwrap();
    let executable = leakscope_target::map_file(&dir.path().join("victim")).unwrap();
    let mut writer = CoreWriter::new()
        .prpsinfo(1, b"name", b"arguments")
        .auxv(&[(3, 0x40_0040), (9, 0x40_1000), (31, 0x60_0000)])
        .files(&[
            (0x40_0000, 0x40_1000, 0, b"/x/victim"),
            (0x40_1000, 0x40_4000, 1, b"/x/victim"),
            (0x50_0000, 0x51_0000, 0, b"/lib"),
        ]);
    for tid in 0..3 {
        writer = writer.prstatus(tid, &[0x60_0000; 27]);
    }
    let writer = writer
        .load(0x40_0000, 4, 0x1000, &exe[..4096])
        .load(0x40_1000, 5, 0x3000, b"")
        .load(0x60_0000, 6, 0x2000, b"/x/victim\0");
    let original = writer.write();
    mutate(
        &original,
        original.len(),
        &executable,
        20_000,
        &mut Random::new(0xfeed_5678_9abc_def1),
    );
}
