//! Replicas that started one after the other: what grows with uptime is a leak, what all of them hold alike is traffic.

use std::collections::BTreeSet;
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use leakscope_testkit::{BuildFlags, Fixture, Running, versions};
use leakscope_watch::{Agent, Config, Verdict};

/// Seconds in place of hours. Shares leave room for a few dozen samples in place of days.
const SECONDS: &str = "
[floors]
bucket = \"500ms\"
keep = \"10m\"
warm_up = \"4s\"
stale = \"60s\"
[evaluate]
every = \"500ms\"
windows = [\"20s\"]
[tests]
min_span = \"8s\"
min_growth = \"6 MiB\"
[fleet]
every = \"1s\"
span = \"36s\"
min_gap = \"3s\"
agree = 0.9
disagree = 0.8
[watch]
limit = \"256 MiB\"
";

/// Replicas of each workload, and the time between two starts.
const REPLICAS: usize = 4;
const STAGGER: Duration = Duration::from_secs(4);

/// Longest wait for the verdicts.
const PATIENCE: Duration = Duration::from_secs(90);

fn since_1970() -> Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}

#[test]
fn replicas_that_leak_are_told_from_replicas_under_growing_traffic() -> Result<()> {
    let version = versions()?.pop().context("a Go version")?;
    let flags = BuildFlags {
        ldflags: "-s -w".to_owned(),
        ..BuildFlags::default()
    };
    // Two executables: two workloads.
    let leaking = Fixture::build("watched", &version, &BuildFlags::default())?;
    let growing = Fixture::build("watched", &version, &flags)?;
    let epoch = since_1970().as_secs().to_string();
    let mut leaks: Vec<Running> = Vec::new();
    let mut traffic: Vec<Running> = Vec::new();
    for replica in 0..REPLICAS {
        if replica > 0 {
            sleep(STAGGER);
        }
        leaks.push(leaking.spawn(&["-mode", "leak", "-rate", "3145728"])?);
        let arguments = ["-mode", "traffic", "-rate", "2097152", "-epoch", &epoch];
        traffic.push(growing.spawn(&arguments)?);
    }
    let pids = |of: &[Running]| of.iter().map(Running::pid).collect::<BTreeSet<i32>>();
    let (leaks, traffic) = (pids(&leaks), pids(&traffic));

    let mut config = Config::from_toml(SECONDS).map_err(|e| anyhow::anyhow!("{e:?}"))?;
    config.watch.only = leaks.union(&traffic).map(ToString::to_string).collect();
    let now = || since_1970().as_millis() as i64;
    let mut agent = Agent::new(config, SECONDS, now())?;
    let began = Instant::now();
    let mut verdicts: Vec<Verdict> = Vec::new();
    let found = |verdicts: &[Verdict], pids: &BTreeSet<i32>, verdict: &str, follows: &str| {
        verdicts.iter().any(|v| {
            let fleet = v.fleet.as_ref();
            pids.contains(&v.who.pid)
                && v.channel == "heap_floor"
                && v.verdict == verdict
                && fleet.is_some_and(|f| f.follows == follows && f.replicas == REPLICAS)
        })
    };
    let told = |verdicts: &[Verdict]| {
        found(verdicts, &leaks, "leak", "uptime") && found(verdicts, &traffic, "suspect", "clock")
    };
    while !told(&verdicts) && began.elapsed() < PATIENCE {
        verdicts.extend(agent.round(now()).verdicts);
        sleep(Duration::from_millis(200));
    }
    let of_heaps: Vec<_> = verdicts
        .iter()
        .filter(|v| v.channel == "heap_floor")
        .map(|v| (leaks.contains(&v.who.pid), v.who.pid, &v.verdict, &v.fleet))
        .collect();
    ensure!(told(&verdicts), "{of_heaps:#?}");
    let called: Vec<&Verdict> = verdicts
        .iter()
        .filter(|v| traffic.contains(&v.who.pid) && v.verdict == "leak")
        .collect();
    ensure!(called.is_empty(), "{called:#?}");
    Ok(())
}
