//! Who gets no signal, and lives on.

use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::Result;
use leakscope_target::{Attach, AttachError, Error};
use leakscope_testkit::{
    BuildFlags, Fixture, Jdk, JvmFixtures, SIGCONT, SIGSTOP, alive, send_signal, versions,
};

use crate::{LIMIT, PATIENCE, left_behind, small};

#[test]
fn what_is_no_jvm_gets_no_signal() -> Result<()> {
    let mut sleeper = Command::new("sleep").arg("600").spawn()?;
    let pid = sleeper.id() as i32;
    let refused = Attach::open(pid, PATIENCE).map(|_| ());
    assert!(
        matches!(refused, Err(AttachError::NotJvm { .. })),
        "{refused:?}"
    );
    assert_eq!(sleeper.try_wait()?, None);
    sleeper.kill()?;
    sleeper.wait()?;
    // A Go program catches the signal, and would end all the same.
    let version = versions()?.pop().unwrap_or_default();
    let mut go =
        Fixture::build("exact", &version, &BuildFlags::default())?.spawn(&["-mode", "gc"])?;
    let refused = Attach::open(go.pid(), PATIENCE).map(|_| ());
    assert!(
        matches!(refused, Err(AttachError::NotJvm { .. })),
        "{refused:?}"
    );
    assert!(go.ended()?.is_none());
    let own = Attach::open(std::process::id() as i32, PATIENCE).map(|_| ());
    assert!(matches!(
        own,
        Err(AttachError::Target(Error::Itself { .. }))
    ));
    for pid in [0, -1, i32::MAX] {
        let none = Attach::open(pid, PATIENCE).map(|_| ());
        assert!(
            matches!(none, Err(AttachError::Target(Error::NoSuchProcess { .. }))),
            "{none:?}"
        );
    }
    Ok(())
}

fn socket(pid: i32) -> String {
    format!("/tmp/.java_pid{pid}")
}

#[test]
fn a_jvm_that_does_not_catch_the_signal_gets_none() -> Result<()> {
    // With -Xrs the JVM listens from its start, as nobody could ask it to. Without its socket it is like one that does not.
    let mut plain = small(17, &["-Xrs"])?;
    Attach::open(plain.pid(), PATIENCE)?;
    std::fs::remove_file(socket(plain.pid()))?;
    let refused = Attach::open(plain.pid(), PATIENCE).map(|_| ());
    // Whether it ignores the signal it has from us: shells start what runs in the background so.
    assert!(
        matches!(refused, Err(AttachError::SignalNotCaught { .. })),
        "{refused:?}"
    );
    assert!(plain.ended()?.is_none());
    // One that ignores it would never answer.
    let java = Jdk::find(17)?.tool("java");
    let mut deaf = Command::new("sh")
        .args(["-c", "trap '' QUIT; exec \"$0\" \"$@\""])
        .arg(java)
        .args(["-Xrs", "-cp"])
        .arg(JvmFixtures::build()?.classes())
        .args(["com.acme.Layouts", "-count=1"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut line = String::new();
    if let Some(output) = deaf.stdout.take() {
        std::io::BufRead::read_line(&mut std::io::BufReader::new(output), &mut line)?;
    }
    std::fs::remove_file(socket(deaf.id() as i32))?;
    let refused = Attach::open(deaf.id() as i32, PATIENCE).map(|_| ());
    deaf.kill()?;
    deaf.wait()?;
    assert!(
        matches!(
            refused,
            Err(AttachError::SignalNotCaught { ignored: true, .. })
        ),
        "{refused:?}"
    );
    Ok(())
}

#[test]
fn a_jvm_that_lets_nobody_attach_is_not_disturbed() -> Result<()> {
    for more in [&[][..], &["-XX:-UsePerfData"]] {
        let mut flags = vec!["-XX:+DisableAttachMechanism"];
        flags.extend(more);
        let mut closed = small(17, &flags)?;
        let refused = Attach::open(closed.pid(), PATIENCE).map(|_| ());
        assert!(
            matches!(refused, Err(AttachError::Disabled { .. })),
            "{refused:?}"
        );
        assert!(closed.ended()?.is_none());
    }
    Ok(())
}

#[test]
fn one_that_stands_still_is_refused_or_given_up() -> Result<()> {
    let stopped = small(17, &[])?;
    let pid = stopped.pid();
    let attach = Attach::open(pid, PATIENCE)?;
    send_signal(pid, SIGSTOP)?;
    while leakscope_target::ProcessSummary::of(pid)?.state != 'T' {
        std::thread::yield_now();
    }
    let refused = Attach::open(pid, PATIENCE).map(|_| ());
    assert!(
        matches!(refused, Err(AttachError::Stopped { state: 'T', .. })),
        "{refused:?}"
    );
    let silent = attach.command("properties", &[], LIMIT, Duration::from_millis(300));
    assert!(
        matches!(silent, Err(AttachError::NoAnswer { .. })),
        "{silent:?}"
    );
    send_signal(pid, SIGCONT)?;
    attach.command("properties", &[], LIMIT, PATIENCE)?;
    Ok(())
}

#[test]
fn one_that_ends_meanwhile_is_reported_as_gone() -> Result<()> {
    let mut running = small(25, &[])?;
    let pid = running.pid();
    let attach = Attach::open(pid, PATIENCE)?;
    running.tell("quit")?;
    running.wait_for_end()?;
    let gone = attach.command("properties", &[], LIMIT, PATIENCE);
    assert!(gone.is_err() && !alive(pid), "{gone:?}");
    let none = Attach::open(pid, PATIENCE).map(|_| ());
    assert!(matches!(none, Err(AttachError::Target(_))), "{none:?}");
    assert_eq!(left_behind(pid)?, [""; 0]);
    Ok(())
}
