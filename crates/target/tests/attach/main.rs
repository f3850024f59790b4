//! Real JVMs answer, whoever and wherever they are; what is no JVM, or would end by the signal, gets none.

mod contained;
mod refused;

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use leakscope_target::{Attach, AttachError, DumpPlace, Jvm};
use leakscope_testkit::{Jdk, JvmDump, JvmFixtures, Running};

/// No machine is so busy that a JVM that answers at all does not within this time.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// More than any answer here.
pub(crate) const LIMIT: usize = 16 << 20;
/// More than a dump of the fixtures takes, bytes.
pub(crate) const ROOM: u64 = 100 << 20;

pub(crate) fn small(jdk: u32, flags: &[&str]) -> Result<Running> {
    JvmFixtures::build()?.spawn(&Jdk::find(jdk)?, "Layouts", flags, &["-count=5"])
}

/// Dumps through `attach` to `wanted` and says whether that was copied.
pub(crate) fn dump(attach: &Attach, wanted: &Path) -> Result<bool> {
    let place = DumpPlace::prepare(attach, wanted, ROOM)?;
    let copied = place.copies();
    let words = attach.command("dumpheap", &[place.path(), b"-all"], LIMIT, PATIENCE)?;
    ensure!(
        place.written() > 0,
        "no dump: {}",
        String::from_utf8_lossy(&words)
    );
    let length = place.finish(wanted, false)?;
    let file = wanted.metadata()?;
    ensure!(file.len() == length && file.mode() & 0o7777 == 0o600);
    ensure!(file.uid() == rustix::process::geteuid().as_raw());
    ensure!(std::fs::read(wanted)?.starts_with(b"JAVA PROFILE 1.0.2"));
    Ok(copied)
}

pub(crate) fn names(folder: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

/// Files that asking process `pid` made in `/tmp` and that nobody needs any more.
pub(crate) fn left_behind(pid: i32) -> Result<Vec<String>> {
    let own = std::process::id();
    let mut names = names(Path::new("/tmp"))?;
    names.retain(|name| {
        *name == format!(".attach_pid{pid}") || name.starts_with(&format!(".leakscope.{own}-"))
    });
    Ok(names)
}

#[test]
fn a_jvm_of_each_version_answers_and_dumps() -> Result<()> {
    for major in [17, 25] {
        let running = small(major, &[])?;
        let pid = running.pid();
        let jvm = Jvm::look(pid).context("it is not known as a JVM")?;
        let version = String::from_utf8(jvm.version.context("a version")?)?;
        assert_eq!(
            Some(version.as_str()),
            running.truth()["java"].as_str(),
            "{major}"
        );
        assert!(jvm.catches_quit && !jvm.attach_disabled);
        let first = Attach::open(pid, PATIENCE)?;
        let second = Attach::open(pid, PATIENCE)?;
        for attach in [&first, &second] {
            let text = attach.command("properties", &[], LIMIT, PATIENCE)?;
            let text = String::from_utf8_lossy(&text);
            ensure!(
                text.contains(&format!("java.version={version}")),
                "{major}: {text}"
            );
            let odd = attach.command("no-such-command", &[], LIMIT, PATIENCE);
            ensure!(matches!(odd, Err(AttachError::Refused { .. })), "{odd:?}");
            let short = attach.command("properties", &[], 10, PATIENCE);
            ensure!(
                matches!(short, Err(AttachError::BadAnswer { .. })),
                "{short:?}"
            );
        }
        let folder = tempfile::tempdir()?;
        let wanted = folder.path().join("heap.hprof");
        ensure!(!dump(&first, &wanted)?, "copied for nothing");
        // What is there stays there.
        let place = DumpPlace::prepare(&first, &wanted, ROOM)?;
        first.command("dumpheap", &[place.path(), b"-all"], LIMIT, PATIENCE)?;
        let failed = place.finish(&wanted, false).unwrap_err();
        assert_eq!(failed.kind(), std::io::ErrorKind::AlreadyExists);
        assert_eq!(names(folder.path())?, ["heap.hprof"]);
        assert_eq!(left_behind(pid)?, [""; 0]);
        // And it goes on serving others.
        assert!(JvmDump::histogram_of(pid)?.contains_key("com.acme.Layouts$Empty"));
    }
    Ok(())
}

#[test]
fn the_old_version_of_the_protocol_and_paths_with_odd_names_work() -> Result<()> {
    let running = small(17, &[])?;
    let attach = Attach::open(running.pid(), PATIENCE)?;
    let folder = tempfile::tempdir()?;
    let odd = folder.path().join("a b\u{e4}'\"$;");
    std::fs::create_dir(&odd)?;
    dump(&attach, &odd.join("heap.hprof"))?;
    Ok(())
}

#[test]
fn a_dump_that_does_not_fit_is_not_begun() -> Result<()> {
    let running = small(17, &[])?;
    let attach = Attach::open(running.pid(), PATIENCE)?;
    let folder = tempfile::tempdir()?;
    let failed = DumpPlace::prepare(&attach, &folder.path().join("x"), u64::MAX / 2);
    assert!(matches!(failed, Err(AttachError::NoSpace { .. })));
    let none = DumpPlace::prepare(&attach, &folder.path().join("none/x"), 1);
    assert!(matches!(none, Err(AttachError::Os { .. })));
    assert_eq!(names(folder.path())?, [""; 0]);
    Ok(())
}
