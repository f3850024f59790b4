//! The agent as people run it: its configuration, its end, recycled process ids, and metrics of hostile programs.

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::{sleep, spawn};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use leakscope_testkit::{BuildFlags, Fixture, Running, send_signal, skip, versions};
use leakscope_watch::Store;
use support::{command, leakscope};

const SIGINT: i32 = 2;
const SIGKILL: i32 = 9;
const SIGTERM: i32 = 15;

/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(180);

fn fixture() -> Result<Fixture> {
    let version = versions()?.pop().context("a Go version")?;
    Fixture::build("watched", &version, &BuildFlags::default())
}

/// A running agent, ended when dropped.
struct Observer {
    child: Child,
    remarks: BufReader<std::process::ChildStderr>,
}

impl Observer {
    fn start(arguments: &[&str]) -> Result<Self> {
        let mut child = command()
            .args(["agent", "--observe"])
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let remarks = BufReader::new(child.stderr.take().context("its remarks")?);
        Ok(Self { child, remarks })
    }

    /// Where it offers metrics, by its own word.
    fn address(&mut self) -> Result<SocketAddr> {
        let mut line = String::new();
        while self.remarks.read_line(&mut line)? > 0 {
            if let Some((_, rest)) = line.split_once("metrics at http://") {
                return Ok(rest.trim().trim_end_matches("/metrics").parse()?);
            }
            line.clear();
        }
        bail!("it says no address");
    }

    /// Signals it and waits for its end: its status and its standard output.
    fn end(mut self, signal: i32) -> Result<(Option<i32>, String)> {
        send_signal(self.child.id() as i32, signal)?;
        let mut out = String::new();
        let mut stdout = self.child.stdout.take().context("its output")?;
        stdout.read_to_string(&mut out)?;
        Ok((self.child.wait()?.code(), out))
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn wait_for(what: &str, mut done: impl FnMut() -> Result<bool>) -> Result<()> {
    let began = Instant::now();
    while !done()? {
        ensure!(began.elapsed() < PATIENCE, "{what} did not happen");
        sleep(Duration::from_millis(50));
    }
    Ok(())
}

fn get(address: SocketAddr, path: &str) -> Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

#[test]
fn all_errors_of_a_configuration_are_told_at_once_with_their_lines() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("bad.toml");
    let text = "sensitivty = \"early\"\n[floors]\nbucket = \"5 parsecs\"\n[tests]\nz = \"high\"\n\
        [watch]\ninterval = \"1ms\"\n[[watch.metrics]]\nprocess = \"shop\"\nurl = \"https://127.0.0.1/metrics\"\n\
        series = { pool_size = \"x\" }\n[[signature]]\nname = \"empty\"\n";
    std::fs::write(&file, text)?;
    let path = file.to_str().context("a path")?;
    for arguments in [
        &["agent", "--observe", "--once", "--config", path][..],
        &["explain", "1", "--config", path],
    ] {
        let run = leakscope(arguments)?;
        ensure!(run.status == Some(2), "{:?}: {}", run.status, run.err);
        ensure!(run.out.is_empty(), "{}", run.out);
        for line in [1, 3, 5, 7, 10, 12] {
            let told = run.err.contains(&format!("line {line}:"));
            ensure!(told, "line {line} is not told: {}", run.err);
        }
        ensure!(run.err.contains("https is not asked"), "{}", run.err);
    }
    let missing = leakscope(["agent", "--observe", "--config", "/nowhere/at/all.toml"])?;
    ensure!(missing.status == Some(2), "{}", missing.err);
    // The promise that nothing else happens must be spelled out.
    let silent = leakscope(["agent", "--once"])?;
    ensure!(silent.status == Some(2), "{}", silent.err);
    Ok(())
}

#[test]
fn told_to_stop_it_stores_what_it_saw_and_goes_on_from_there_however_it_ended() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("watch.db");
    let store = path.to_str().context("a path")?;
    let running = fixture()?.spawn(&["-mode", "flat"])?;
    let pid = running.pid().to_string();
    let config = folder.path().join("fast.toml");
    std::fs::write(
        &config,
        "[floors]\nbucket = \"100ms\"\nkeep = \"1h\"\n[evaluate]\nevery = \"1s\"\n[watch]\ninterval = \"50ms\"\n",
    )?;
    let config = config.to_str().context("a path")?;
    let arguments = [&pid, "--store", store, "--config", config];
    let mut floors = 0;
    for (signal, status) in [
        (SIGTERM, Some(0)),
        (SIGKILL, None),
        (SIGINT, Some(130)),
        (SIGTERM, Some(0)),
    ] {
        let observer = Observer::start(&arguments)?;
        let before = floors;
        wait_for("more floors", || {
            let Ok(store) = Store::existing(&path) else {
                return Ok(false);
            };
            floors = store.floors().unwrap_or(0);
            Ok(floors > before + 20)
        })?;
        let (ended, _) = observer.end(signal)?;
        ensure!(ended == status, "signal {signal}: {ended:?}");
        let store = Store::existing(&path)?;
        // One process, whatever happened to the watcher: it goes on where it was.
        ensure!(store.process(1)?.who.pid == running.pid());
        ensure!(
            store.process(2).is_err(),
            "the process was taken for another"
        );
        let rows = store.rows(1, i64::MAX)?;
        let twice = rows.windows(2).any(|w| w[0] == w[1]);
        ensure!(!rows.is_empty() && !twice);
        floors = store.floors()?;
    }
    Ok(())
}

/// In a process id namespace of its own, where the next process id can be chosen: starts a program, has it seen, ends it,
/// and starts another that gets the same id.
const RECYCLE: &str = r#"
set -e
"$EXE" -mode still </dev/null >/dev/null & first=$!
"$LEAKSCOPE" agent --observe --once --store "$STORE" watched
kill -9 $first; wait $first || true
echo $((first - 1)) >/proc/sys/kernel/ns_last_pid
"$EXE" -mode still </dev/null >/dev/null & second=$!
[ $first = $second ] || { echo "got $second, not $first" >&2; exit 3; }
"$LEAKSCOPE" agent --observe --once --store "$STORE" watched
"#;

#[test]
fn a_recycled_process_id_is_another_process() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("watch.db");
    let fixture = fixture()?;
    let output = Command::new("unshare")
        .args(["--pid", "--mount", "--fork", "--mount-proc", "--kill-child"])
        .args(["sh", "-c", RECYCLE])
        .env("EXE", fixture.path())
        .env("LEAKSCOPE", env!("CARGO_BIN_EXE_leakscope"))
        .env("STORE", &path)
        .stdin(Stdio::null())
        .output();
    let output = match output {
        Ok(output) if !path.exists() => {
            let why = String::from_utf8_lossy(&output.stderr).into_owned();
            skip!("no-containers", "{}", why.trim());
        }
        Ok(output) => output,
        Err(error) => skip!("no-containers", "unshare: {error}"),
    };
    ensure!(output.status.success(), "{output:?}");
    let store = Store::existing(&path)?;
    let (first, second) = (store.process(1)?.who, store.process(2)?.who);
    ensure!(first.pid == second.pid, "{first:?} {second:?}");
    ensure!(first.workload == second.workload && first.name == "watched");
    ensure!(store.process(3).is_err());
    Ok(())
}

/// A server that answers each connection by `answer`, for as long as the test runs.
fn serve(answer: fn(TcpStream) -> std::io::Result<()>) -> Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    spawn(move || {
        for stream in listener.incoming().flatten() {
            // Who asked may hang up.
            spawn(move || answer(stream));
        }
    });
    Ok(address)
}

const HEAD: &[u8] = b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\n";

fn endless(mut stream: TcpStream) -> std::io::Result<()> {
    stream.write_all(HEAD)?;
    loop {
        stream.write_all("pool_size 1\n".repeat(1000).as_bytes())?;
    }
}

fn garbage(mut stream: TcpStream) -> std::io::Result<()> {
    stream.write_all(HEAD)?;
    stream.write_all(b"pool_size 7\n\xff\xfe<html>\x1b[31m{{{{ NaN e+\n")
}

/// A byte now and then: each comes soon enough, and the answer never does.
fn slow(mut stream: TcpStream) -> std::io::Result<()> {
    stream.write_all(HEAD)?;
    loop {
        stream.write_all(b"#")?;
        sleep(Duration::from_millis(100));
    }
}

fn good(mut stream: TcpStream) -> std::io::Result<()> {
    let mut asked = [0; 1024];
    let _ = stream.read(&mut asked)?;
    stream.write_all(HEAD)?;
    stream.write_all(b"# TYPE threads gauge\nthreads{pool=\"a\"} 3\nthreads{pool=\"b\"} 4\n")
}

fn watch_hostile(folder: &Path) -> Result<(Observer, Running)> {
    let running = fixture()?.spawn(&["-mode", "flat"])?;
    let mut text = "[floors]\nbucket = \"100ms\"\nkeep = \"1h\"\n[watch]\ninterval = \"50ms\"\n\
        listen = \"127.0.0.1:0\"\nmetrics_timeout = \"5s\"\n"
        .to_owned();
    let servers = [
        (serve(endless)?, "endless"),
        (serve(garbage)?, "garbage"),
        (serve(slow)?, "slow"),
        (serve(good)?, "pool_size"),
    ];
    for (address, series) in servers {
        let metric = if series == "pool_size" {
            "threads"
        } else {
            "pool_size"
        };
        text += &format!(
            "[[watch.metrics]]\nprocess = \"watched\"\nurl = \"http://{address}/metrics\"\nseries = {{ {series} = \"{metric}\" }}\n"
        );
    }
    let config = folder.join("hostile.toml");
    std::fs::write(&config, text)?;
    let store = folder.join("watch.db");
    let pid = running.pid().to_string();
    let arguments = [
        pid.as_str(),
        "--config",
        config.to_str().context("a path")?,
        "--store",
        store.to_str().context("a path")?,
    ];
    Ok((Observer::start(&arguments)?, running))
}

#[test]
fn hostile_metrics_are_dropped_and_everything_else_goes_on() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (mut observer, _running) = watch_hostile(folder.path())?;
    let address = observer.address()?;
    let mut shown = String::new();
    wait_for("a round with all endpoints asked", || {
        shown = get(address, "/metrics")?;
        // On a busy machine, an endless answer may be too slow before it is too long.
        let failed = shown
            .lines()
            .filter(|line| line.contains("its metrics endpoint"))
            .filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok());
        Ok(failed.sum::<u64>() == 3)
    })?;
    let rounds = |text: &str| -> u64 {
        let line = text
            .lines()
            .find(|l| l.starts_with("leakscope_rounds_total"));
        line.and_then(|l| l.rsplit(' ').next()?.parse().ok())
            .unwrap_or(0)
    };
    let before = rounds(&shown);
    wait_for("rounds after it", || {
        Ok(rounds(&get(address, "/metrics")?) > before + 20)
    })?;
    let (status, _) = observer.end(SIGTERM)?;
    ensure!(status == Some(0), "{status:?}");
    let store = Store::existing(&folder.path().join("watch.db"))?;
    let rows = store.rows(1, i64::MAX)?;
    let of = |name: &str| {
        rows.iter()
            .filter(|row| row.series.name() == name)
            .collect::<Vec<_>>()
    };
    let pool = of("pool_size");
    ensure!(
        pool.len() > 3 && pool.iter().all(|row| row.value == 7.0),
        "{pool:?}"
    );
    for dropped in ["endless", "garbage", "slow"] {
        ensure!(of(dropped).is_empty(), "{dropped}");
    }
    ensure!(of("rss").len() > 3 && of("heap_floor").len() > 1);
    Ok(())
}

/// What the OpenMetrics specification asks of a text, as far as what the agent offers can break it.
fn lint(text: &str) -> Result<()> {
    let lines: Vec<&str> = text.lines().collect();
    ensure!(text.ends_with("# EOF\n"), "no end");
    let mut families = std::collections::BTreeMap::new();
    let mut samples = std::collections::BTreeSet::new();
    let mut family = ("", "");
    for line in &lines[..lines.len() - 1] {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            family = rest.split_once(' ').context("a type")?;
            ensure!(
                families.insert(family.0, family.1).is_none(),
                "twice: {line}"
            );
            ensure!(["gauge", "counter", "info"].contains(&family.1), "{line}");
        } else if let Some(rest) = line.strip_prefix("# UNIT ") {
            let (name, unit) = rest.split_once(' ').context("a unit")?;
            ensure!(
                name == family.0 && name.ends_with(&format!("_{unit}")),
                "{line}"
            );
        } else if let Some(rest) = line.strip_prefix("# HELP ") {
            ensure!(rest.starts_with(&format!("{} ", family.0)), "{line}");
        } else {
            let end = line.find(['{', ' ']).context("a sample")?;
            let suffix = match family.1 {
                "counter" => "_total",
                "info" => "_info",
                _ => "",
            };
            ensure!(line[..end] == format!("{}{suffix}", family.0), "{line}");
            let (series, value) = line.rsplit_once(' ').context("a value")?;
            ensure!(value.parse::<f64>().is_ok_and(f64::is_finite), "{line}");
            ensure!(samples.insert(series), "a series twice: {line}");
            let labels = &series[end..];
            ensure!(
                labels.is_empty() || (labels.starts_with('{') && labels.ends_with('}')),
                "{line}"
            );
        }
    }
    ensure!(samples.len() > 10, "{text}");
    Ok(())
}

#[test]
fn what_it_offers_is_openmetrics() -> Result<()> {
    let running = fixture()?.spawn(&["-mode", "flat"])?;
    let pid = running.pid().to_string();
    let mut observer = Observer::start(&[&pid, "--listen", "127.0.0.1:0", "--interval", "100ms"])?;
    let address = observer.address()?;
    let mut answer = String::new();
    wait_for("a sample with a floor", || {
        answer = get(address, "/metrics")?;
        Ok(answer.contains("leakscope_heap_floor_bytes{"))
    })?;
    let (head, body) = answer.split_once("\r\n\r\n").context("a head")?;
    ensure!(
        head.to_ascii_lowercase()
            .contains("content-type: application/openmetrics-text; version=1.0.0"),
        "{head}"
    );
    lint(body)?;
    ensure!(get(address, "/other")?.starts_with("HTTP/1.0 404"));
    Ok(())
}
