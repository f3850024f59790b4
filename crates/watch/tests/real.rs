//! Real programs under one watcher, with windows of seconds by configuration: the right verdict on each.
#![expect(clippy::print_stdout, reason = "figures of the run")]

use std::collections::BTreeMap;
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use leakscope_testkit::{BuildFlags, Fixture, Jdk, JvmFixtures, Running, versions};
use leakscope_watch::{Agent, Config, Verdict};

/// What is said of hours, said of seconds. Nothing else differs from the ordinary road.
const SECONDS: &str = "
[floors]
bucket = \"500ms\"
keep = \"10m\"
warm_up = \"4s\"
stale = \"60s\"
[evaluate]
every = \"500ms\"
windows = [\"20s\", \"12s\"]
[tests]
min_span = \"8s\"
min_growth = \"6 MiB\"
count_growth = 60
[watch]
limit = \"256 MiB\"
";

/// Longest wait for the leaks. Programs grow by the clock, so that a slow machine costs samples, not time.
const PATIENCE: Duration = Duration::from_secs(100);

/// Those that do not leak are watched for as long as this, or as long as the leaks take.
const AT_LEAST: Duration = Duration::from_secs(30);

/// A program, and the series that is to be called a leak, if one is.
struct Scenario {
    name: String,
    running: Running,
    leaks: Option<&'static str>,
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |d| d.as_millis() as i64)
}

/// Watches all of them at once until every leak is called one, and the others long enough.
fn watch(scenarios: &[Scenario]) -> Result<()> {
    let mut config = Config::from_toml(SECONDS).map_err(|e| anyhow::anyhow!("{e:?}"))?;
    let pids = scenarios.iter().map(|s| s.running.pid().to_string());
    config.watch.only = pids.collect();
    let mut agent = Agent::new(config, SECONDS, now())?;
    let began = Instant::now();
    let mut leaks: BTreeMap<(i32, String), Verdict> = BTreeMap::new();
    let called = |leaks: &BTreeMap<(i32, String), Verdict>, s: &Scenario| {
        s.leaks
            .is_none_or(|series| leaks.contains_key(&(s.running.pid(), series.to_owned())))
    };
    loop {
        let report = agent.round(now());
        for verdict in report.verdicts {
            if verdict.verdict == "leak" {
                leaks
                    .entry((verdict.who.pid, verdict.channel.clone()))
                    .or_insert(verdict);
            }
        }
        let all = scenarios.iter().all(|s| called(&leaks, s));
        if (all && began.elapsed() >= AT_LEAST) || began.elapsed() >= PATIENCE {
            break;
        }
        sleep(Duration::from_millis(250));
    }
    println!("watched for {:?}", began.elapsed());
    let mut wrong = Vec::new();
    for scenario in scenarios {
        let pid = scenario.running.pid();
        let of_it: Vec<&Verdict> = leaks
            .iter()
            .filter(|((p, _), _)| *p == pid)
            .map(|(_, v)| v)
            .collect();
        let channels: Vec<&str> = of_it.iter().map(|v| v.channel.as_str()).collect();
        println!("{}: {channels:?}", scenario.name);
        let right = match scenario.leaks {
            Some(series) => channels.contains(&series),
            None => channels.is_empty(),
        };
        if !right {
            wrong.push(format!(
                "{}: leaks in {channels:?}, not {:?}: {of_it:#?}",
                scenario.name, scenario.leaks
            ));
        }
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

#[test]
fn go_programs_get_the_right_verdict_with_a_percentage_and_with_a_limit() -> Result<()> {
    let version = versions()?.pop().context("a Go version")?;
    let flags = BuildFlags {
        ldflags: "-s -w".to_owned(),
        ..BuildFlags::default()
    };
    let whole = Fixture::build("watched", &version, &BuildFlags::default())?;
    let stripped = Fixture::build("watched", &version, &flags)?;
    let modes = [
        ("leak", "4194304", Some("heap_floor")),
        ("cache", "6291456", None),
        ("flat", "0", None),
        ("diurnal", "0", None),
        ("native", "4194304", Some("native")),
        ("goroutines", "20", Some("goroutines")),
        ("threads", "8", Some("threads")),
    ];
    let mut scenarios = Vec::new();
    for (fixture, environment) in [
        (&whole, &[][..]),
        (&stripped, &[("GOGC", "off"), ("GOMEMLIMIT", "160MiB")][..]),
    ] {
        for (mode, rate, leaks) in modes {
            let arguments = ["-mode", mode, "-rate", rate];
            scenarios.push(Scenario {
                name: format!("{mode} {environment:?}"),
                running: fixture.spawn_with(&arguments, environment, PATIENCE)?,
                leaks,
            });
        }
    }
    watch(&scenarios)
}

#[test]
fn jvms_get_the_right_verdict_under_each_collector() -> Result<()> {
    let fixtures = JvmFixtures::build()?;
    let collectors = [
        (
            17,
            &[
                "-XX:+UseG1GC",
                "-XX:InitiatingHeapOccupancyPercent=5",
                "-XX:-G1UseAdaptiveIHOP",
            ][..],
        ),
        (17, &["-XX:+UseParallelGC", "-Xmn8m"][..]),
        (25, &["-XX:+UseZGC", "-XX:ZCollectionInterval=1"][..]),
    ];
    let modes = [
        ("leak", "-mode=1", Some("heap_floor")),
        ("cache", "-mode=2", None),
        ("flat", "-mode=0", None),
        ("waves", "-mode=5", None),
        ("native", "-mode=3", Some("native")),
        ("threads", "-mode=4", Some("threads")),
    ];
    let mut scenarios = Vec::new();
    for (release, flags) in collectors {
        let jdk = Jdk::find(release)?;
        for (name, mode, leaks) in modes {
            let mut words = vec!["-Xms64m", "-Xmx128m", "-XX:MaxDirectMemorySize=1g"];
            words.extend(flags);
            let rate = if name == "threads" {
                "-rate=8"
            } else {
                "-rate=3072"
            };
            scenarios.push(Scenario {
                name: format!("{name} {release} {}", flags[0]),
                running: fixtures.spawn(&jdk, "Watched", &words, &[mode, rate])?,
                leaks,
            });
        }
    }
    watch(&scenarios)
}
