//! Replays of histories as people run them: files, servers, configurations, and everything wrong with them.

mod support;

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use leakscope_trend_bench::{Scenario, Sizing, record};
use serde_json::Value;
use support::{Run, leakscope};
use tempfile::TempDir;

const START: f64 = 1_790_000_000.0;

/// A history of the benchmark as lines.
fn csv(folder: &TempDir, scenario: Scenario) -> Result<PathBuf> {
    let history = record(scenario, Sizing::Base, 300);
    let mut text = "time_unix_s,channel,value\n".to_owned();
    for sample in &history.samples {
        let at = START + sample.at as f64 / 1e3;
        let start = if sample.signal.name() == "start_time" {
            START
        } else {
            0.0
        };
        writeln!(
            text,
            "{at},{},{}",
            sample.signal.name(),
            sample.value + start
        )?;
    }
    let path = folder.path().join(format!("{scenario:?}.csv"));
    std::fs::write(&path, text)?;
    Ok(path)
}

fn replay(path: &Path, more: &[&str]) -> Result<Run> {
    let mut arguments = vec!["replay", path.to_str().context("a path")?];
    arguments.extend(more);
    leakscope(arguments)
}

fn lines(run: &Run) -> Result<Vec<Value>> {
    ensure!(run.status == Some(0), "{}", run.err);
    let lines = run.out.lines().map(serde_json::from_str);
    Ok(lines.collect::<Result<_, _>>()?)
}

fn leaks(lines: &[Value]) -> usize {
    lines.iter().filter(|l| l["verdict"] == "leak").count()
}

#[test]
fn a_leak_is_a_leak_and_a_daily_wave_is_none() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let leak = csv(&folder, Scenario::LinearLeak)?;
    let found = lines(&replay(&leak, &["--json", "--runtime", "go"])?)?;
    ensure!(leaks(&found) > 0, "{found:?}");
    let of = found
        .iter()
        .find(|l| l["verdict"] == "leak")
        .context("a leak")?;
    ensure!(of["channel"] == "heap_floor", "{of}");
    for number in [
        "time_unix_s",
        "risk",
        "slope_bytes_per_s",
        "time_to_exhaustion_s",
    ] {
        ensure!(
            of[number].as_f64().is_some_and(|n| n > 0.0),
            "{number}: {of}"
        );
    }
    ensure!(of["tests"].as_array().is_some_and(|t| t.len() > 5), "{of}");
    let wave = csv(&folder, Scenario::Diurnal)?;
    let found = lines(&replay(&wave, &["--json"])?)?;
    ensure!(leaks(&found) == 0 && !found.is_empty(), "{found:?}");
    Ok(())
}

#[test]
fn the_page_has_a_plot_and_the_reason_and_svg_goes_into_a_file() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let leak = csv(&folder, Scenario::LinearLeak)?;
    let svg = folder.path().join("floors.svg");
    let run = replay(&leak, &["--svg", svg.to_str().context("a path")?])?;
    let page = run.page()?;
    for word in [
        "heap_floor, full at",
        "why heap_floor was a leak",
        "passed  pace",
    ] {
        ensure!(page.contains(word), "no {word} in {page}");
    }
    let picture = std::fs::read_to_string(&svg)?;
    ensure!(picture.starts_with("<svg") && picture.contains("leak"));
    replay(&leak, &["--svg", svg.to_str().context("a path")?])?.failed_with("output.exists");
    Ok(())
}

#[test]
fn lines_that_cannot_be_read_are_named_and_the_rest_is_judged() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let path = csv(&folder, Scenario::LinearLeak)?;
    let mut text = std::fs::read_to_string(&path)?;
    text.insert_str(
        "time_unix_s,channel,value\n".len(),
        "soon,rss,5\n1790000000,\x1b[31m,5\n",
    );
    std::fs::write(&path, text)?;
    let run = replay(&path, &[])?;
    let page = run.page()?;
    ensure!(page.contains("line 2: \"soon\" is no time"), "{page}");
    ensure!(
        page.contains("line 3: ") && page.contains("why heap_floor"),
        "{page}"
    );
    let json = replay(&path, &["--json"])?;
    ensure!(json.err.contains("line 2"), "{}", json.err);
    ensure!(leaks(&lines(&json)?) > 0);
    Ok(())
}

#[test]
fn what_is_no_history_is_refused_by_its_cause() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("history");
    for text in [
        "",
        "a,b,c\n1,rss,2\n",
        "time_unix_s,channel,value\n",
        "{\"status\":\"error\",\"error\":\"bad\"}",
        "{",
        "\u{1b}[2J",
    ] {
        std::fs::write(&path, text)?;
        replay(&path, &[])?.failed_with("history.unreadable");
    }
    replay(&folder.path().join("none"), &[])?.failed_with("history.unreadable");
    let server = leakscope([
        "replay",
        "--prometheus",
        "http://127.0.0.1:1",
        "--query",
        "up",
    ])?;
    server.failed_with("history.unreadable");
    let secure = leakscope([
        "replay",
        "--prometheus",
        "https://localhost",
        "--query",
        "up",
    ])?;
    secure.failed_with("history.unreadable");
    Ok(())
}

#[test]
fn every_error_of_a_configuration_is_named_at_once() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let history = csv(&folder, Scenario::Flat)?;
    let path = folder.path().join("leakscope.toml");
    std::fs::write(
        &path,
        "sense = 1\n[tests]\nz = \"x\"\n\n[floors]\nbucket = \"5\"\n",
    )?;
    let run = replay(&history, &["--config", path.to_str().context("a path")?])?;
    run.failed_with("config.invalid");
    for line in ["line 1:", "line 3:", "line 6:"] {
        ensure!(run.err.contains(line), "no {line} in {}", run.err);
    }
    Ok(())
}

#[test]
fn windows_of_seconds_come_from_the_configuration_alone() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let config = folder.path().join("fast.toml");
    std::fs::write(
        &config,
        "[floors]\nbucket = \"1s\"\nkeep = \"10m\"\nwarm_up = \"2s\"\nstale = \"1m\"\n\
         [evaluate]\nevery = \"2s\"\nwindows = [\"1m\", \"30s\"]\n\
         [tests]\nmin_span = \"10s\"\nmin_growth = \"1 MiB\"\n",
    )?;
    let mut text = "time_unix_s,channel,value\n1790000000,heap_max,1000000000\n".to_owned();
    for second in 0..90 {
        let value = 100_000_000 + 9_000_000 * second;
        writeln!(text, "{},heap_floor,{value}", START + f64::from(second))?;
    }
    let path = folder.path().join("fast.csv");
    std::fs::write(&path, text)?;
    let config = config.to_str().context("a path")?;
    let found = lines(&replay(
        &path,
        &["--json", "--runtime", "jvm", "--config", config],
    )?)?;
    ensure!(leaks(&found) == 1, "{found:?}");
    let usual = lines(&replay(&path, &["--json", "--runtime", "jvm"])?)?;
    ensure!(leaks(&usual) == 0, "{usual:?}");
    Ok(())
}

/// The answer of Prometheus to a range query about two pods: one leaks.
fn range() -> Result<String> {
    let mut values = [String::new(), String::new()];
    for minute in 0..24 * 60 {
        let at = START + 60.0 * f64::from(minute);
        write!(values[0], "[{at},\"{}\"],", 3e8 + 8e5 * f64::from(minute))?;
        write!(values[1], "[{at},\"300000000\"],")?;
    }
    let series = values.iter().zip(["a", "b"]).map(|(values, pod)| {
        let values = values.trim_end_matches(',');
        format!(
            "{{\"metric\":{{\"__name__\":\"go_gc_heap_live_bytes\",\"pod\":\"{pod}\"}},\"values\":[{values}]}},\
             {{\"metric\":{{\"__name__\":\"container_spec_memory_limit_bytes\",\"pod\":\"{pod}\"}},\"values\":[[{START},\"4e9\"]]}}"
        )
    });
    let series: Vec<String> = series.collect();
    Ok(format!(
        "{{\"status\":\"success\",\"data\":{{\"resultType\":\"matrix\",\"result\":[{}]}}}}",
        series.join(",")
    ))
}

#[test]
fn a_range_of_prometheus_is_judged_from_a_file_and_from_a_server() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("range.json");
    std::fs::write(&path, range()?)?;
    let from_file = replay(&path, &["--json"])?;
    let found = lines(&from_file)?;
    let leaking: Vec<&Value> = found.iter().filter(|l| l["verdict"] == "leak").collect();
    ensure!(
        leaking.len() == 1 && leaking[0]["process"] == "pod=\"a\"",
        "{leaking:?}"
    );

    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = format!("http://{}", listener.local_addr()?);
    let body = range()?;
    let server = std::thread::spawn(move || -> Result<String> {
        let (mut stream, _) = listener.accept()?;
        let mut request = Vec::new();
        let mut buffer = [0; 4096];
        while !request.windows(4).any(|w| w == b"\r\n\r\n") {
            let n = stream.read(&mut buffer)?;
            request.extend_from_slice(&buffer[..n]);
        }
        let length = body.len();
        write!(
            stream,
            "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        )?;
        Ok(String::from_utf8_lossy(&request).into_owned())
    });
    let query = "heap_floor=go_gc_heap_live_bytes{pod=~\"a|b\"}";
    let run = leakscope([
        "replay",
        "--json",
        "--prometheus",
        &address,
        "--query",
        query,
    ])?;
    let request = server.join().map_err(|_| anyhow::anyhow!("the server"))??;
    ensure!(
        request.starts_with("GET /api/v1/query_range?query=go_gc_heap"),
        "{request}"
    );
    ensure!(run.status == Some(0), "{}", run.err);
    Ok(())
}
