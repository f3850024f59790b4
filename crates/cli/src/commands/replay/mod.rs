//! `leakscope replay`: a recorded history through the trend engine: what would have been said, when, and why.

mod csv;
mod feed;
mod history;
mod prometheus;

use std::io::Read as _;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use leakscope_report::{ReplayDoc, Text, replay_svg, to_json_line};
use leakscope_target::PrivateFile;
use leakscope_trend::{Config, Runtime};

use self::history::{History, Unread};
use self::prometheus::Query;
use crate::args::{Common, ReplayArgs, ReplayRuntime};
use crate::failure::Failure;
use crate::output;
use crate::progress::Progress;

/// Largest history that is read.
const MAX_FILE: u64 = 2 << 30;

/// Largest configuration that is read.
const MAX_CONFIG: u64 = 1 << 20;

/// Changes that a page shows.
const ROWS: usize = 20;

pub(crate) fn run(
    args: &ReplayArgs,
    options: &Common,
    progress: &mut Progress,
) -> Result<(), Failure> {
    let config = config(args.config.as_deref())?;
    progress.phase("read the history");
    let (source, histories, unread) = match (&args.prometheus, &args.history) {
        (Some(server), _) => ask(server, args, &config)?,
        (None, Some(path)) => read(path, &config)?,
        (None, None) => return Err(refused("nothing", "a history or --prometheus is wanted")),
    };
    progress.phase("judge it");
    let remarks = unread.remarks();
    if options.json {
        for remark in &remarks {
            progress.remark(&Text::new(remark).to_string());
        }
    }
    let mut docs: Vec<ReplayDoc> = histories
        .into_iter()
        .map(|mut history| {
            history.sort();
            let (runtime, said) = match args.runtime {
                Some(ReplayRuntime::Go) => (Runtime::Go, true),
                Some(ReplayRuntime::Jvm) => (Runtime::Jvm, true),
                None => (feed::guess(&history), false),
            };
            let mut doc = feed::feed(&history, runtime, &config);
            doc.source = source.clone();
            doc.runtime = worded(runtime, said);
            doc
        })
        .collect();
    if let Some(first) = docs.first_mut() {
        first.remarks.extend(remarks.iter().map(Text::new));
    } else {
        let why = remarks.first().map_or("no sample in it", String::as_str);
        return Err(refused(&source.to_string(), why));
    }
    if let Some(path) = &args.svg {
        write_svg(path, &docs, options)?;
    }
    progress.pause();
    write(&docs, args, options)
}

fn worded(runtime: Runtime, said: bool) -> String {
    let name = match runtime {
        Runtime::Go => "go",
        Runtime::Jvm => "jvm",
    };
    if said {
        name.to_owned()
    } else {
        format!("{name}, by its channels; --runtime says otherwise")
    }
}

/// The lines as JSON, in order of time, or a page for each process.
fn write(docs: &[ReplayDoc], args: &ReplayArgs, options: &Common) -> Result<(), Failure> {
    if !options.json {
        return output::pages(docs, options, args.rows.of_text(ROWS));
    }
    let mut lines: Vec<_> = docs.iter().flat_map(|doc| &doc.lines).collect();
    lines.sort_by(|a, b| a.time_unix_s.total_cmp(&b.time_unix_s));
    let mut bytes = Vec::new();
    for line in lines {
        bytes.extend(to_json_line(line).map_err(|e| output::unwritable(e.into()))?);
    }
    output::write(&bytes, options)
}

fn write_svg(path: &Path, docs: &[ReplayDoc], options: &Common) -> Result<(), Failure> {
    use std::io::Write as _;
    let failed = |source| Failure::Output {
        path: path.to_owned(),
        source,
    };
    let picture = replay_svg(docs).map_err(|e| failed(std::io::Error::other(e)))?;
    let mut file = PrivateFile::create(path, options.force).map_err(failed)?;
    file.write_all(picture.as_bytes()).map_err(failed)?;
    file.commit().map_err(failed)
}

/// The configuration, or the default one.
fn config(path: Option<&Path>) -> Result<Config, Failure> {
    let Some(path) = path else {
        return Ok(Config::default());
    };
    let invalid = |errors: Vec<String>| Failure::Config {
        path: path.to_owned(),
        errors,
    };
    let bytes = bounded(path, MAX_CONFIG).map_err(|e| invalid(vec![e]))?;
    let text = String::from_utf8(bytes).map_err(|_| invalid(vec!["not UTF-8".to_owned()]))?;
    Config::from_toml(&text)
        .map_err(|errors| invalid(errors.iter().map(ToString::to_string).collect()))
}

fn refused(source: &str, why: &str) -> Failure {
    Failure::History {
        source: source.to_owned(),
        why: why.to_owned(),
    }
}

/// A whole file, if it is not longer than that.
fn bounded(path: &Path, most: u64) -> Result<Vec<u8>, String> {
    let file = std::fs::File::open(path).map_err(|e| e.to_string())?;
    let mut bytes = Vec::new();
    let read = file.take(most + 1).read_to_end(&mut bytes);
    read.map_err(|e| e.to_string())?;
    if bytes.len() as u64 > most {
        return Err(format!("larger than {}", leakscope_report::bytes(most)));
    }
    Ok(bytes)
}

type Read = (Text, Vec<History>, Unread);

/// A file, by its beginning: JSON of Prometheus, or lines.
fn read(path: &Path, config: &Config) -> Result<Read, Failure> {
    let name = path.display().to_string();
    let bytes = bounded(path, MAX_FILE).map_err(|e| refused(&name, &e))?;
    let source = Text::new(&name);
    let start = bytes.trim_ascii_start();
    if start.starts_with(b"{") {
        let (mut histories, mut unread) = (Vec::new(), Unread::default());
        prometheus::read(&bytes, None, config, &mut histories, &mut unread)
            .map_err(|e| refused(&name, &e))?;
        return Ok((source, histories, unread));
    }
    let first = start.split(|b| *b == b'\n').next().unwrap_or_default();
    if first.trim_ascii() != csv::HEADER.as_bytes() {
        let why = format!("neither JSON nor lines under the header {}", csv::HEADER);
        return Err(refused(&name, &why));
    }
    let (history, unread) = csv::read(start, config);
    let histories = if history.samples.is_empty() {
        Vec::new()
    } else {
        vec![history]
    };
    Ok((source, histories, unread))
}

/// A server, once for each query.
fn ask(server: &str, args: &ReplayArgs, config: &Config) -> Result<Read, Failure> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let to = now.map_or(0.0, |d| d.as_secs_f64());
    let span = (to - args.since.as_secs_f64(), to);
    let (mut histories, mut unread) = (Vec::new(), Unread::default());
    for given in &args.queries {
        let query = Query::parse(given, config);
        let answer = prometheus::fetch(server, &query.text, span, args.step)
            .map_err(|e| refused(server, &e))?;
        let channel = query.channel.as_deref();
        prometheus::read(&answer, channel, config, &mut histories, &mut unread)
            .map_err(|e| refused(server, &format!("{given}: {e}")))?;
    }
    Ok((Text::new(server), histories, unread))
}
