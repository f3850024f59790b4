//! Live JVMs through the command line: what it costs them is said first, and they run on whatever happens to us.

mod support;

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use leakscope_testkit::{Jdk, JvmDump, JvmFixtures, Running, send_signal};
use serde_json::Value;
use support::{command, leakscope, run, untouched};

/// No machine is so busy that what has been begun is not over within this time.
const PATIENCE: Duration = Duration::from_secs(60);
/// More than any pause of these fixtures is predicted to be.
const ENOUGH: [&str; 2] = ["--max-stop", "60s"];
const SIGKILL: i32 = 9;

fn spawn(jdk: u32, program: &str, flags: &[&str], arguments: &[&str]) -> Result<Running> {
    JvmFixtures::build()?.spawn(&Jdk::find(jdk)?, program, flags, arguments)
}

/// How many collections of the whole heap a JVM of G1 has made, by the counters in its file.
fn full_collections(pid: i32) -> Result<u64> {
    const NAME: &[u8] = b"sun.gc.collector.1.invocations\0";
    let folders = std::fs::read_dir("/tmp")?.filter_map(|entry| Some(entry.ok()?.path()));
    let mut files = folders.map(|folder| folder.join(pid.to_string()));
    let file = files.find(|file| file.is_file()).context("no counters")?;
    let bytes = std::fs::read(file)?;
    let name = bytes.windows(NAME.len()).position(|w| w == NAME);
    let entry = name
        .context("no counter")?
        .checked_sub(20)
        .context("an entry")?;
    let data = u32::from_le_bytes(bytes[entry + 16..entry + 20].try_into()?) as usize;
    Ok(u64::from_le_bytes(
        bytes[entry + data..entry + data + 8].try_into()?,
    ))
}

fn names(folder: &Path) -> Result<Vec<String>> {
    let entries = std::fs::read_dir(folder)?;
    let names = entries.map(|e| Ok(e?.file_name().to_string_lossy().into_owned()));
    names.collect()
}

/// Asserts that the JVM runs and answers others.
fn healthy(pid: i32) -> Result<()> {
    untouched(pid);
    ensure!(JvmDump::histogram_of(pid)?.contains_key("java.lang.String"));
    Ok(())
}

#[test]
fn a_histogram_and_a_dump_say_first_what_they_cost_and_force_no_collection() -> Result<()> {
    for jdk in [17, 25] {
        let running = spawn(jdk, "Layouts", &["-XX:+UseG1GC"], &["-count=5"])?;
        let pid = running.pid().to_string();
        let before = full_collections(running.pid())?;
        let mut words = vec!["histo", pid.as_str(), "--json"];
        words.extend(ENOUGH);
        let histo = leakscope(&words)?;
        ensure!(
            histo.err.contains("the JVM will stand still for about"),
            "{}",
            histo.err
        );
        let histo = histo.document("histo")?;
        let told = JvmDump::histogram_of(running.pid())?;
        let types = histo["types"].as_array().context("types")?;
        let mut compared = 0;
        for row in types {
            let name = row["type"].as_str().context("a type")?;
            let Some(sum) = told
                .get(name)
                .filter(|_| name.starts_with("com.acme.Layouts$"))
            else {
                continue;
            };
            ensure!(
                row["count"] == sum.count && row["bytes"] == sum.bytes,
                "{row} {sum:?}"
            );
            compared += 1;
        }
        ensure!(compared > 10, "{compared} classes");

        let folder = tempfile::tempdir()?;
        let dump = folder.path().join("heap.hprof");
        let path = dump.to_str().context("a path")?;
        let mut words = vec!["snap", pid.as_str(), "-o", path, "--json"];
        words.extend(ENOUGH);
        let snap = leakscope(&words)?;
        for word in ["stand still for about", "and write about", "at most"] {
            ensure!(snap.err.contains(word), "{}", snap.err);
        }
        let snap = snap.document("snap")?;
        ensure!(snap["written_bytes"] == dump.metadata()?.len(), "{snap:#}");
        ensure!(dump.metadata()?.mode() & 0o7777 == 0o600);
        ensure!(names(folder.path())? == ["heap.hprof"]);
        ensure!(
            full_collections(running.pid())? == before,
            "a collection was forced"
        );
        let analyze = leakscope(["analyze", path, "--json"])?.document("analyze")?;
        ensure!(analyze["target"]["runtime"] == "jvm");
        healthy(running.pid())?;
    }
    Ok(())
}

#[test]
fn a_jvm_is_not_stopped_for_longer_than_allowed() -> Result<()> {
    let running = spawn(17, "Layouts", &[], &["-count=5"])?;
    let pid = running.pid().to_string();
    let folder = tempfile::tempdir()?;
    let dump = folder.path().join("heap.hprof");
    let path = dump.to_str().context("a path")?;
    for words in [
        &["snap", pid.as_str(), "-o", path, "--max-stop", "1ms"][..],
        &["histo", pid.as_str(), "--max-stop", "1ms"],
    ] {
        let run = leakscope(words)?;
        run.failed_with("jvm.pause");
        ensure!(run.err.contains("--max-stop"), "{}", run.err);
    }
    leakscope(["snap", pid.as_str(), "-o", path, "--no-stop"])?.failed_with("jvm.stops");
    ensure!(names(folder.path())?.is_empty());
    healthy(running.pid())
}

#[test]
fn questions_to_a_live_jvm_are_answered_from_a_dump_that_is_gone_afterwards() -> Result<()> {
    let running = spawn(17, "Leaks", &["-XX:+UseG1GC"], &[])?;
    let pid = running.pid().to_string();
    let before = full_collections(running.pid())?;
    let folder = tempfile::tempdir()?;
    let ask = |words: &[&str]| {
        run(command()
            .env("TMPDIR", folder.path())
            .args(words)
            .arg("--json"))
    };
    let analyze = ask(&[&["analyze", pid.as_str()][..], &ENOUGH].concat())?;
    for word in ["stand still for about", "and write about", "at most"] {
        ensure!(analyze.err.contains(word), "{}", analyze.err);
    }
    let analyze = analyze.document("analyze")?;
    let target = &analyze["target"];
    ensure!(
        target["kind"] == "live" && target["pid"] == running.pid() && target["runtime"] == "jvm",
        "{target:#}"
    );
    ensure!(analyze["capture"]["stop_measured_ns"].as_u64() > Some(0));
    let leak = &running.truth()["leaks"][0];
    let (holder, class) = (&leak["holder"], leak["class"].as_str().context("a class")?);
    let field = holder.as_str().and_then(|h| h.rsplit('.').next());
    let field = field.context("a field")?;
    let suspects = analyze["suspects"].as_array().context("suspects")?;
    ensure!(
        suspects
            .iter()
            .any(|row| row["holder"].to_string().contains(field)),
        "{suspects:#?}"
    );
    let why = ask(&[&["why", pid.as_str(), class][..], &ENOUGH].concat())?.document("why")?;
    ensure!(why["paths"].to_string().contains(field), "{why:#}");
    let packed = folder.path().join("heap.hprof.gz");
    let path = packed.to_str().context("a path")?;
    ask(&[&["snap", pid.as_str(), "-o", path][..], &ENOUGH].concat())?.document("snap")?;
    for target in [pid.as_str(), path] {
        let threads = ask(&[&["threads", target][..], &ENOUGH].concat())?.document("threads")?;
        let rows = threads["threads"].as_array().context("threads")?;
        ensure!(rows.iter().any(|row| row["name"] == "main"), "{threads:#}");
    }
    for command in ["goroutines", "sites", "ledger"] {
        ask(&[command, pid.as_str()])?.failed_with("go.jvm");
    }
    ask(&["analyze", pid.as_str(), "--max-stop", "1ms"])?.failed_with("jvm.pause");
    ensure!(names(folder.path())? == ["heap.hprof.gz"]);
    ensure!(
        full_collections(running.pid())? == before,
        "a collection was forced"
    );
    healthy(running.pid())
}

#[test]
fn a_jvm_outlives_whoever_dumps_it_and_nothing_is_left_behind() -> Result<()> {
    let running = spawn(17, "Leaks", &[], &[])?;
    let pid = running.pid().to_string();
    let folder = tempfile::tempdir()?;
    let dump = folder.path().join("heap.hprof");
    let mut snap = command()
        .args(["snap", pid.as_str(), "-o"])
        .arg(&dump)
        .args(ENOUGH)
        .stderr(Stdio::null())
        .stdout(Stdio::null())
        .spawn()?;
    // Once the folder for the dump is there, the JVM is asked or about to be.
    let end = Instant::now() + PATIENCE;
    while names(folder.path())?.is_empty() {
        ensure!(Instant::now() < end && snap.try_wait()?.is_none());
        sleep(Duration::from_millis(1));
    }
    send_signal(snap.id() as i32, SIGKILL)?;
    snap.wait()?;
    let end = Instant::now() + PATIENCE;
    // It may have been done already; else all of it goes when the JVM is done.
    while names(folder.path())?
        .iter()
        .any(|name| name != "heap.hprof")
    {
        ensure!(Instant::now() < end, "{:?} is left", names(folder.path())?);
        sleep(Duration::from_millis(20));
    }
    healthy(running.pid())
}

#[test]
fn ps_and_doctor_know_jvms_and_whether_they_would_answer() -> Result<()> {
    let open = spawn(25, "Layouts", &["-XX:+UseSerialGC"], &["-count=1"])?;
    let closed = spawn(
        17,
        "Layouts",
        &["-XX:+DisableAttachMechanism"],
        &["-count=1"],
    )?;
    let ps = leakscope(["ps", "--json"])?.document("ps")?;
    let row = |pid: i32| -> Result<&Value> {
        let mut rows = ps["processes"].as_array().into_iter().flatten();
        rows.find(|row| row["pid"] == pid)
            .with_context(|| format!("no {pid}"))
    };
    let row_of_open = row(open.pid())?;
    ensure!(
        row_of_open["runtime"] == "jvm"
            && row_of_open["main"] == "com.acme.Layouts"
            && row_of_open["runtime_version"] == open.truth()["java"]
            && row_of_open["collector"] == "Serial"
            && row_of_open["readable"] == true,
        "{row_of_open:#}"
    );
    // Of the heap's 512 MiB, one survivor space is never counted.
    let most = row_of_open["heap_max_bytes"].as_u64().context("a bound")?;
    ensure!((400 << 20..=512 << 20).contains(&most), "{most}");
    ensure!(
        row_of_open["heap_used_bytes"].as_u64() > Some(0),
        "{row_of_open:#}"
    );
    let row_of_closed = row(closed.pid())?;
    ensure!(
        row_of_closed["readable"] == false
            && row_of_closed["why_not"]
                .as_str()
                .is_some_and(|why| why.contains("DisableAttachMechanism")),
        "{row_of_closed:#}"
    );
    let page = leakscope(["ps"])?;
    ensure!(page.page()?.contains("com.acme.Layouts"), "{}", page.out);
    for (running, status) in [(&open, "ok"), (&closed, "fail")] {
        let doctor = leakscope(["doctor", &running.pid().to_string(), "--json"])?;
        let doctor = doctor.document("doctor")?;
        let checks = doctor["checks"].as_array().context("checks")?;
        let attach = checks.iter().find(|check| check["code"] == "jvm.attach");
        let attach = attach.context("no check")?;
        ensure!(attach["status"] == status, "{attach:#}");
        ensure!(doctor["target"]["runtime"] == "jvm");
    }
    Ok(())
}

#[test]
fn root_dumps_the_jvm_of_another_user_into_a_file_of_its_own() -> Result<()> {
    const USER: &str = "43210";
    let possible = Command::new("setpriv")
        .args(["--reuid", USER, "--regid", USER, "--clear-groups", "true"])
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !possible {
        leakscope_testkit::skip!(
            "no-containers",
            "not root, or setpriv cannot change the user"
        );
    }
    let other = OtherUser::start(USER)?;
    let folder = tempfile::tempdir()?;
    let dump = folder.path().join("heap.hprof");
    let mut words = vec!["snap".to_owned(), other.pid().to_string(), "-o".to_owned()];
    words.push(dump.to_str().context("a path")?.to_owned());
    words.extend(ENOUGH.map(str::to_owned));
    let snap = leakscope(&words)?;
    ensure!(snap.status == Some(0), "{}", snap.err);
    let file = dump.metadata()?;
    ensure!(file.mode() & 0o7777 == 0o600 && file.uid() != USER.parse::<u32>()?);
    ensure!(std::fs::read(&dump)?.starts_with(b"JAVA PROFILE"));
    ensure!(names(folder.path())? == ["heap.hprof"]);
    untouched(other.pid());
    Ok(())
}

/// A JVM of another user, ended when dropped.
struct OtherUser {
    jvm: std::process::Child,
    _classes: tempfile::TempDir,
}

impl OtherUser {
    fn start(user: &str) -> Result<Self> {
        use std::io::BufRead;
        // Where the other user may read.
        let classes = tempfile::tempdir()?;
        let built = JvmFixtures::build()?.classes().join("com");
        let script = "cp -r \"$0\" \"$1\" && chmod -R a+rX \"$1\"";
        let copied = Command::new("sh")
            .args(["-c", script])
            .arg(built)
            .arg(classes.path())
            .status()?;
        ensure!(copied.success());
        let mut jvm = Command::new("setpriv")
            .args(["--reuid", user, "--regid", user, "--clear-groups"])
            .arg(Jdk::find(17)?.tool("java"))
            .args(["-Xmx128m", "-cp"])
            .arg(classes.path())
            .args(["com.acme.Layouts", "-count=1"])
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        let output = jvm.stdout.take().context("its output")?;
        std::io::BufReader::new(output).read_line(&mut line)?;
        let started = Self {
            jvm,
            _classes: classes,
        };
        ensure!(line.contains("\"ready\":true"), "it says {line:?}");
        Ok(started)
    }

    fn pid(&self) -> i32 {
        self.jvm.id() as i32
    }
}

impl Drop for OtherUser {
    fn drop(&mut self) {
        let _ = self.jvm.kill();
        let _ = self.jvm.wait();
    }
}
