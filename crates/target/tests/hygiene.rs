//! What leakscope does to itself, each time in a process of its own: this test program, run again with a role.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};

use leakscope_target::{
    PrivateFile, ReadProbe, SudoCaller, TargetAccess, drop_privileges, no_core_dumps,
    raise_oom_score_adj,
};

const ROLE: &str = "LEAKSCOPE_TEST_ROLE";
const FOLDER: &str = "LEAKSCOPE_TEST_FOLDER";
/// A user and group without rights.
const NOBODY: u32 = 65534;

/// This program again, playing `role`.
fn role(name: &str, folder: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([
        "--exact",
        "the_role_of_a_child",
        "--nocapture",
        "--test-threads=1",
    ]);
    command
        .env(ROLE, name)
        .env(FOLDER, folder)
        .env_remove("SUDO_UID")
        .env_remove("SUDO_GID");
    command
}

/// The `key=value` lines that the role printed.
fn said(mut command: Command) -> BTreeMap<String, String> {
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    text.lines()
        .filter_map(|l| l.split_once('='))
        .map(|(k, v)| (k.to_owned(), v.to_owned()))
        .collect()
}

fn is_root() -> bool {
    Path::new("/proc/self")
        .metadata()
        .is_ok_and(|m| m.uid() == 0)
}

/// A line of the `status` of this thread.
fn status(key: &str) -> String {
    let text = std::fs::read_to_string("/proc/thread-self/status").unwrap();
    let line = text
        .lines()
        .find_map(|l| l.strip_prefix(key))
        .unwrap_or_default();
    line.trim_start_matches(':')
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}

#[expect(clippy::print_stdout, reason = "how a role answers")]
fn say(key: &str, value: impl std::fmt::Display) {
    println!("\n{key}={value}");
}

#[test]
fn the_role_of_a_child() {
    let Ok(role) = std::env::var(ROLE) else {
        return;
    };
    let folder = std::env::var_os(FOLDER).unwrap();
    let out = Path::new(&folder).join("out");
    match role.as_str() {
        "quiet" => {
            raise_oom_score_adj().unwrap();
            no_core_dumps().unwrap();
            say(
                "oom",
                std::fs::read_to_string("/proc/self/oom_score_adj")
                    .unwrap()
                    .trim(),
            );
            let limits = std::fs::read_to_string("/proc/self/limits").unwrap();
            let core = limits
                .lines()
                .find(|l| l.starts_with("Max core file size"))
                .unwrap();
            say(
                "core",
                core.split_whitespace()
                    .skip(4)
                    .take(2)
                    .collect::<Vec<_>>()
                    .join(" "),
            );
            std::process::abort();
        }
        "drop" => {
            say("caller", SudoCaller::detect().is_some());
            let mut file = PrivateFile::create(&out, false).unwrap();
            file.write_all(b"findings").unwrap();
            no_core_dumps().unwrap();
            let first = drop_privileges().unwrap();
            let caps = |key: &str| say(key, status(key));
            for key in [
                "Uid",
                "Gid",
                "Groups",
                "CapInh",
                "CapPrm",
                "CapEff",
                "CapBnd",
                "CapAmb",
                "NoNewPrivs",
            ] {
                caps(key);
            }
            say("became", first.became.is_some());
            say("bounding_kept", first.bounding_kept.is_some());
            let again = drop_privileges().unwrap();
            say("again", again.capabilities + again.bounding);
            say("dumpable", dumpable() == Some(true));
            say("regain", std::fs::File::open("/proc/1/mem").is_ok());
            say(
                "probe",
                TargetAccess::look(1).unwrap().read == ReadProbe::Denied,
            );
            file.commit().unwrap();
        }
        "full" => {
            let mut file = PrivateFile::create(&out, true).unwrap();
            say(
                "error",
                (0..100).any(|_| file.write_all(&[1; 1024]).is_err()),
            );
        }
        "park" => {
            let mut file = PrivateFile::create(&out, false).unwrap();
            file.write_all(&[1; 4096]).unwrap();
            say("ready", 1);
            loop {
                std::thread::park();
            }
        }
        other => panic!("no role {other}"),
    }
}

/// Whether the kernel would let others look at this process: it gives the files of `/proc` to root if not.
fn dumpable() -> Option<bool> {
    let euid = status("Uid").split(' ').nth(1)?.parse::<u32>().ok()?;
    Some(std::fs::metadata("/proc/self/mem").ok()?.uid() == euid)
}

#[test]
fn an_abort_leaves_no_core_and_the_oom_killer_takes_this_process_first() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -c unlimited 2>/dev/null; exec \"$@\"", "sh"]);
    let child = role("quiet", dir.path());
    command.arg(child.get_program()).args(child.get_args());
    command
        .envs(child.get_envs().filter_map(|(k, v)| Some((k, v?))))
        .current_dir(dir.path());
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        text.contains("\noom=1000\n") && text.contains("\ncore=0 0\n"),
        "{text}"
    );
    assert!(
        output.status.signal().is_some() && !output.status.core_dumped(),
        "{:?}",
        output.status
    );
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn under_sudo_it_becomes_the_caller_without_any_capability_and_the_output_is_the_callers() {
    if !is_root() {
        leakscope_testkit::skip!("not-root", "dropping privileges takes having them");
    }
    let dir = tempfile::tempdir().unwrap();
    std::os::unix::fs::chown(dir.path(), Some(NOBODY), Some(NOBODY)).unwrap();
    let mut command = role("drop", dir.path());
    command
        .env("SUDO_UID", NOBODY.to_string())
        .env("SUDO_GID", NOBODY.to_string());
    let said = said(command);
    let is = |key: &str, value: &str| {
        assert_eq!(
            said.get(key).map(String::as_str),
            Some(value),
            "{key} in {said:?}"
        )
    };
    is("caller", "true");
    is("became", "true");
    is("Uid", "65534 65534 65534 65534");
    is("Gid", "65534 65534 65534 65534");
    is("Groups", "65534");
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        is(set, "0000000000000000");
    }
    is("NoNewPrivs", "1");
    is("bounding_kept", "false");
    is("again", "0");
    is("dumpable", "false");
    is("regain", "false");
    is("probe", "true");
    let out = dir.path().join("out").metadata().unwrap();
    assert_eq!(
        (out.uid(), out.gid(), out.mode() & 0o777),
        (NOBODY, NOBODY, 0o600)
    );
}

#[test]
fn as_root_without_sudo_it_keeps_access_to_files_only() {
    if !is_root() {
        leakscope_testkit::skip!("not-root", "dropping privileges takes having them");
    }
    let dir = tempfile::tempdir().unwrap();
    let said = said(role("drop", dir.path()));
    let is = |key: &str, value: &str| {
        assert_eq!(
            said.get(key).map(String::as_str),
            Some(value),
            "{key} in {said:?}"
        )
    };
    is("caller", "false");
    is("became", "false");
    is("Uid", "0 0 0 0");
    // Bit 1: CAP_DAC_OVERRIDE.
    for set in ["CapPrm", "CapEff", "CapBnd"] {
        is(set, "0000000000000002");
    }
    is("again", "0");
    is("probe", "true");
}

#[test]
fn a_full_disk_leaves_nothing_behind_and_what_was_there_intact() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("out"), "old").unwrap();
    let child = role("full", dir.path());
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' XFSZ; ulimit -f 8; exec \"$@\"", "sh"]);
    command.arg(child.get_program()).args(child.get_args());
    command.envs(child.get_envs().filter_map(|(k, v)| Some((k, v?))));
    assert_eq!(said(command).get("error").map(String::as_str), Some("true"));
    assert_eq!(std::fs::read(dir.path().join("out")).unwrap(), b"old");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn kill_9_while_writing_leaves_no_file() {
    let dir = tempfile::tempdir().unwrap();
    let mut child = role("park", dir.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap())
        .lines()
        .map_while(Result::ok);
    assert!(lines.any(|l| l == "ready=1"));
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}
