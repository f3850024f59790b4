//! `leakscope agent --observe`: watches processes and writes a line for each verdict that changes.

use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use leakscope_report::to_json_line;
use leakscope_watch::{Agent, Config, Endpoint, RoundReport};

use crate::args::{AgentArgs, Common};
use crate::failure::Failure;
use crate::interrupt;
use crate::output;
use crate::progress::Progress;
use crate::views::watch::line;

/// Longest sleep before it is asked whether to stop.
const NAP: Duration = Duration::from_millis(200);

/// Largest configuration that is read.
const MAX_CONFIG: u64 = 1 << 20;

pub(crate) fn run(
    args: &AgentArgs,
    options: &Common,
    progress: &mut Progress,
) -> Result<(), Failure> {
    let (config, text) = configuration(args)?;
    let endpoint = match config.watch.listen {
        Some(address) => Some(Endpoint::open(address).map_err(|source| Failure::Setup {
            what: "offer metrics at the address that --listen names",
            source,
        })?),
        None => None,
    };
    let mut agent = Agent::new(config, &text, now())?;
    if let Some(address) = endpoint.as_ref().and_then(Endpoint::address) {
        progress.remark(&format!("metrics at http://{address}/metrics"));
    }
    if agent.config().watch.store.is_none() {
        progress.remark("verdicts are forgotten at the end; --store FILE keeps them");
    }
    interrupt::until_told(|stopped| {
        let result = watch(
            &mut agent,
            args.once,
            endpoint.as_ref(),
            options,
            progress,
            stopped,
        );
        // What was sampled is kept, however it ended.
        let finished = agent.finish().map_err(Failure::from);
        result.and(finished)
    })
}

fn watch(
    agent: &mut Agent,
    once: bool,
    endpoint: Option<&Endpoint>,
    options: &Common,
    progress: &mut Progress,
    stopped: &dyn Fn() -> bool,
) -> Result<(), Failure> {
    let interval = Duration::from_millis(agent.config().watch.interval.unsigned_abs());
    let mut next = Instant::now();
    let mut told = Vec::new();
    loop {
        let report = agent.round(now());
        write(&report, options)?;
        tell(&report, &mut told, progress);
        if let Some(endpoint) = endpoint {
            endpoint.show(agent.exposition());
        }
        if once {
            return Ok(());
        }
        next += interval;
        if next < Instant::now() {
            // Too slow, or the machine slept: rounds are left out, not made up for.
            next = Instant::now() + interval;
        }
        loop {
            if stopped() {
                return Ok(());
            }
            let left = next.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            std::thread::sleep(left.min(NAP));
        }
    }
}

/// A line for each verdict that changed.
fn write(report: &RoundReport, options: &Common) -> Result<(), Failure> {
    for verdict in &report.verdicts {
        let line = to_json_line(&line(verdict)).map_err(|e| output::unwritable(e.into()))?;
        output::append(&line, options)?;
    }
    Ok(())
}

/// What cannot be watched, once for each reason.
fn tell(report: &RoundReport, told: &mut Vec<String>, progress: &Progress) {
    for (reason, count) in &report.gaps {
        if !told.contains(reason) {
            let reason_shown = leakscope_report::Text::new(reason);
            progress.remark(&format!("not watched: {count} ({reason_shown})"));
            told.push(reason.clone());
        }
    }
}

/// The configuration, with what the command line says over it, and its text as it will be stored.
fn configuration(args: &AgentArgs) -> Result<(Config, String), Failure> {
    let (mut config, text) = match &args.config {
        Some(path) => read(path)?,
        None => (Config::default(), String::new()),
    };
    let watch = &mut config.watch;
    if let Some(interval) = args.interval {
        watch.interval = i64::try_from(interval.as_millis())
            .unwrap_or(i64::MAX)
            .max(1);
    }
    if let Some(store) = &args.store {
        watch.store = Some(store.clone());
    }
    if let Some(listen) = args.listen {
        watch.listen = Some(listen);
    }
    if !args.processes.is_empty() {
        watch.only.clone_from(&args.processes);
    }
    Ok((config, text))
}

/// A configuration and its text.
pub(crate) fn read(path: &Path) -> Result<(Config, String), Failure> {
    use std::io::Read;
    let failed = |errors| Failure::Config {
        path: path.to_owned(),
        errors,
    };
    let mut text = String::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(MAX_CONFIG + 1).read_to_string(&mut text))
        .map_err(|e| failed(vec![e.to_string()]))?;
    let config = Config::from_toml(&text)
        .map_err(|errors| failed(errors.iter().map(ToString::to_string).collect()))?;
    Ok((config, text))
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX))
}
