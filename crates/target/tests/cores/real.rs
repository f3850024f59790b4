//! Cores of a real process, written by gdb and by the kernel: every byte, thread and name against what the process said.

use std::path::{Path, PathBuf};

use crate::support::{self, RODATA, Truth, build, gcore, kernel_core, skip};
use leakscope_target::{
    Addr, BuildIds, CoreError, CoreFile, ExecutableMatch, Fault, Image, Memory, map_file,
};

type Maker = fn(&Path, &Path) -> Result<(PathBuf, Truth), String>;

/// Both kinds of core of the program in `dir/name`, or a loud skip.
fn cores(test: &str, dir: &Path, exe: &Path) -> Vec<(&'static str, CoreFile, Truth)> {
    let makers: [(&'static str, Maker); 2] = [("gcore", gcore), ("kernel-core", kernel_core)];
    let mut cores = Vec::new();
    for (kind, make) in makers {
        match make(exe, dir) {
            Ok((path, truth)) => cores.push((kind, CoreFile::open(&path).unwrap(), truth)),
            Err(why) => skip(&format!("no-{kind}"), test, &why),
        }
    }
    cores
}

fn read(image: &Image, at: u64, len: usize) -> Result<Vec<u8>, Fault> {
    let mut bytes = vec![0; len];
    image.read(Addr(at), &mut bytes).map(|()| bytes)
}

#[test]
fn heap_bss_text_and_read_only_data_are_what_the_process_had() {
    let dir = tempfile::tempdir().unwrap();
    for (name, flags) in [
        ("pie", &["-pie", "-fPIE"][..]),
        ("fixed", &["-no-pie"]),
        ("static", &["-static", "-no-pie"]),
    ] {
        let exe = build(dir.path(), name, flags);
        let map = map_file(&exe).unwrap();
        for (kind, core, truth) in cores("heap_bss_text", dir.path(), &exe) {
            let at = format!("{kind} of {name}");
            let alone = core.image(None).unwrap().build();
            assert_eq!(
                read(&alone, truth.heap, support::HEAP),
                Ok(Truth::heap_bytes()),
                "{at}"
            );
            assert_eq!(read(&alone, truth.bss + 5000, 1), Ok(vec![0x77]), "{at}");
            let missing = read(&alone, truth.rodata, RODATA);
            assert_eq!(
                missing,
                Err(Fault::NotInImage(Addr(truth.rodata))),
                "{at}: not zeros"
            );

            assert_eq!(
                core.check_executable(&map),
                Ok(ExecutableMatch::BuildId),
                "{at}"
            );
            let whole = core.image(Some(&map)).unwrap().build();
            assert_eq!(
                read(&whole, truth.rodata, RODATA),
                Ok(vec![0x5a; RODATA]),
                "{at}"
            );
            assert_eq!(
                read(&whole, truth.heap, support::HEAP),
                Ok(Truth::heap_bytes()),
                "{at}"
            );
            assert!(whole.holds(Addr(truth.main), 64), "{at}");
            assert_eq!(core.truncation(), None, "{at}");
            assert_eq!(core.problems().count(), 0, "{at}: {:?}", core.problems());
        }
    }
}

#[test]
fn threads_registers_command_and_executable_are_known() {
    let dir = tempfile::tempdir().unwrap();
    let exe = build(dir.path(), "a-name-longer-than-15", &[]);
    for (kind, core, truth) in cores("threads_registers", dir.path(), &exe) {
        let tids: Vec<i32> = core.threads().iter().map(|t| t.tid).collect();
        assert_eq!(tids.len(), 2, "{kind}");
        for (tid, thread_self) in [
            (truth.pid, truth.main_self),
            (truth.second_tid, truth.second_self),
        ] {
            let thread = core
                .threads()
                .iter()
                .find(|t| t.tid == tid)
                .expect("every thread is in the core");
            assert_eq!(thread.registers.fs_base, Addr(thread_self), "{kind}");
            let sp = thread.registers.sp;
            let stack = core
                .mappings()
                .iter()
                .find(|m| m.contains(sp))
                .expect("the stack is mapped");
            assert!(
                stack.perms.write && !stack.perms.execute,
                "{kind}: {stack:?}"
            );
            assert!(core.held().holds(sp, 8), "{kind}");
            assert!(
                core.mappings()
                    .iter()
                    .any(|m| m.contains(thread.registers.pc)),
                "{kind}"
            );
        }
        assert_eq!(core.pid(), Some(truth.pid), "{kind}");
        // The kernel cuts the name at 15 bytes, gdb at 16.
        assert!(
            b"a-name-longer-than-15".starts_with(core.command()) && core.command().len() >= 15,
            "{kind}"
        );
        assert!(
            core.arguments().ends_with(b"a-name-longer-than-15") || kind == "kernel-core",
            "{kind}"
        );
        let path = core.exe_path_hint().expect("the path of the executable");
        assert_eq!(path, exe.as_os_str().as_encoded_bytes(), "{kind}");
        assert!(
            core.auxv()
                .iter()
                .any(|(key, value)| *key == 6 && *value == 4096),
            "{kind}: AT_PAGESZ"
        );
        assert!(
            core.mappings()
                .windows(2)
                .all(|w| w[0].range.end <= w[1].range.start),
            "{kind}"
        );
        let ids = core.build_ids_of_exe();
        assert_eq!(
            ids,
            BuildIds::of_elf(&std::fs::read(&exe).unwrap()),
            "{kind}"
        );
        assert_eq!(ids.gnu.map(|id| id.len()), Some(20), "{kind}");
        assert!(
            core.maps_file(b"libc.so.6") && !core.maps_file(b"libjvm.so"),
            "{kind}"
        );
        assert_eq!(core.refuse_jvm(), Ok(()), "{kind}");
    }
}

#[test]
fn an_executable_of_another_build_is_refused_with_both_ids() {
    let dir = tempfile::tempdir().unwrap();
    let exe = build(dir.path(), "one", &[]);
    let other = map_file(&build(dir.path(), "other", &["-DSALT=1"])).unwrap();
    for (kind, core, _) in cores("another_build", dir.path(), &exe) {
        let expected = CoreError::Mismatch {
            core: core.build_ids_of_exe(),
            executable: BuildIds::of_elf(&other),
        };
        assert_eq!(
            core.check_executable(&other),
            Err(expected.clone()),
            "{kind}"
        );
        assert_eq!(core.image(Some(&other)).err(), Some(expected), "{kind}");
    }
}

#[test]
fn without_build_ids_the_first_page_and_the_size_tell() {
    let dir = tempfile::tempdir().unwrap();
    let none = "-Wl,--build-id=none";
    let exe = build(dir.path(), "one", &[none]);
    let same = map_file(&exe).unwrap();
    let other = map_file(&build(dir.path(), "other", &[none, "-static"])).unwrap();
    let cut = dir.path().join("cut");
    std::fs::write(&cut, &same[..8192]).unwrap();
    let cut = map_file(&cut).unwrap();
    let text = dir.path().join("text");
    std::fs::write(&text, "no executable").unwrap();
    let text = map_file(&text).unwrap();
    for (kind, core, _) in cores("first_page", dir.path(), &exe) {
        assert_eq!(
            core.check_executable(&same),
            Ok(ExecutableMatch::Bytes),
            "{kind}"
        );
        assert!(
            matches!(
                core.check_executable(&other),
                Err(CoreError::MismatchedBytes { .. })
            ),
            "{kind}"
        );
        let expected = core.check_executable(&cut);
        assert!(
            matches!(expected, Err(CoreError::MismatchedSize { held: 8192, .. })),
            "{kind}: {expected:?}"
        );
        assert_eq!(
            core.check_executable(&text),
            Err(CoreError::NotAnExecutable),
            "{kind}"
        );
    }
}
