//! What to say about a failure: the cause, the values seen, and what helps. One total function over typed errors.

pub(crate) mod attach;
mod core_file;
mod go;
mod heap_dump;
mod memory;
mod simulate;
mod snapshot;
mod target;
mod watch;

use std::error::Error;
use std::fmt::Write as _;
use std::io;

use leakscope_report::Text;

use crate::failure::Failure;

/// What to say about a failure.
#[derive(Debug)]
pub(crate) struct Advice {
    /// A stable name for programs and searches.
    pub(crate) code: &'static str,
    /// What is the matter.
    pub(crate) cause: String,
    /// Values that were found and matter.
    pub(crate) seen: Vec<String>,
    /// What helps, the best first: any one of them is enough.
    pub(crate) fixes: Vec<String>,
}

impl Advice {
    fn new(code: &'static str, cause: impl Into<String>) -> Self {
        Self {
            code,
            cause: cause.into(),
            seen: Vec::new(),
            fixes: Vec::new(),
        }
    }

    /// With the error's own words, and those of the errors under it, as the cause.
    fn of(code: &'static str, error: &dyn Error) -> Self {
        Self::new(code, chain(error))
    }

    fn seen(mut self, what: impl Into<String>) -> Self {
        self.seen.push(what.into());
        self
    }

    fn fix(mut self, what: impl Into<String>) -> Self {
        self.fixes.push(what.into());
        self
    }

    /// The message, in lines that a terminal shows as they are: whatever a target has put into it is escaped.
    pub(crate) fn message(&self) -> String {
        let mut out = format!(
            "leakscope: error[{}]: {}\n",
            self.code,
            Text::new(&self.cause)
        );
        for seen in &self.seen {
            let _ = writeln!(out, "  seen: {}", Text::new(seen));
        }
        for (i, fix) in self.fixes.iter().enumerate() {
            let label = if i == 0 { "fix" } else { "or" };
            let _ = writeln!(out, "  {label:>4}: {}", Text::new(fix));
        }
        out
    }
}

/// What to say about `failure`.
pub(crate) fn advice(failure: &Failure) -> Advice {
    match failure {
        Failure::Target(error) => target::advice(error),
        Failure::Go(error) => go::advice(error),
        Failure::Layout(error) => go::missing_layout(error),
        Failure::Build(error) => go::not_rebuilt(error),
        Failure::Output { path, source } => output(&path.display().to_string(), source),
        Failure::NotATarget { given } => {
            let given = Text::new(given);
            Advice::new(
                "target.unknown",
                format!("{given} is no process id, no file, and no process has this name"),
            )
            .fix("list the processes that can be read: leakscope ps")
        }
        Failure::Config { path, errors } => errors.iter().fold(
            Advice::new(
                "config.invalid",
                format!("{} cannot be used as a configuration", path.display()),
            )
            .fix("correct what is named; docs/trend.md lists every key"),
            |advice, error| advice.seen(error),
        ),
        Failure::History { source, why } => Advice::new(
            "history.unreadable",
            format!("cannot read {source} as a history: {why}"),
        )
        .fix("give lines of time_unix_s,channel,value under that header")
        .fix("give what Prometheus answers to /api/v1/query_range, as JSON"),
        Failure::NoProfile { path } => Advice::new(
            "output.no-profile",
            format!(
                "{} would be a pprof profile, which this command does not make",
                path.display()
            ),
        )
        .fix("make one of all objects: leakscope analyze TARGET -o FILE.pb.gz")
        .fix("choose a name that does not end in .pb.gz"),
        Failure::TooLarge(error) => {
            Advice::of("heap.too-large", error).fix("leakscope histo and maps need less")
        }
        Failure::Attach(error) => attach::advice(error),
        Failure::JvmPause {
            what,
            predicted,
            max_stop,
            heap,
        } => attach::pause(what, *predicted, *max_stop, *heap),
        Failure::JvmStops { what } => attach::stops(what),
        Failure::JvmValues => attach::values(),
        Failure::JvmToStdout => attach::to_stdout(),
        Failure::HeapDump { dump, source } => heap_dump::advice(dump, source),
        Failure::NotOfJvm => heap_dump::not_of_jvm(),
        Failure::NotOfDumps { dump } => heap_dump::not_of_dumps(dump),
        Failure::Memory(error) => memory::advice(error),
        Failure::MemoryExceeded { most, resident } => memory::exceeded(*most, *resident),
        Failure::MemoryOfDumps => memory::of_dumps(),
        Failure::NeedsValues { target } => Advice::new(
            "snapshot.needs-values",
            format!(
                "needs values, and {} was written without: --no-values",
                Text::new(target)
            ),
        )
        .fix("ask the process itself, or a snapshot with values: leakscope snap PID")
        .fix("without --show-values, keys of maps are not needed"),
        Failure::NoSuchObject { asked } => Advice::new(
            "heap.no-such-object",
            format!("{asked} is no address of an object, no type of one, and owns no map"),
        )
        .fix("types: leakscope histo TARGET --all")
        .fix("owners and addresses of maps: leakscope maps TARGET --all"),
        Failure::NoExecutable { core, hint, why } => {
            let advice = Advice::new(
                "core.no-executable",
                format!(
                    "the executable of core {} cannot be used: {why}",
                    core.display()
                ),
            );
            let advice = match hint {
                Some(path) => advice.seen(format!("the process ran {}", Text::new(path))),
                None => advice.seen("the core does not say what the process ran"),
            };
            advice.fix(format!(
                "name it: leakscope analyze {} --exe EXECUTABLE",
                core.display()
            ))
        }
        Failure::Simulate(refused) => simulate::advice(refused),
        Failure::NoRule { id } => Advice::new(
            "rule.unknown",
            format!("{} is no pattern of the catalogue", Text::new(id)),
        )
        .fix("list the catalogue: leakscope rule"),
        Failure::Baseline { path, why } => Advice::new(
            "baseline.unreadable",
            format!("{} cannot be a baseline: {why}", path.display()),
        )
        .fix("write one of everything: leakscope analyze TARGET --json --all -o before.json"),
        Failure::Suppressions { path, why } => Advice::new(
            "suppressions.unreadable",
            format!("cannot read fingerprints from {}: {why}", path.display()),
        )
        .fix("give one a line, as analyze shows them: v1:0123456789abcdef # why"),
        Failure::Watch(error) => watch::advice(error),
        Failure::NoStore => Advice::new(
            "store.missing",
            "no store is named to look the verdict up in",
        )
        .fix("name the agent's store: --store FILE, or its configuration: --config FILE"),
        Failure::Setup { what, source } => {
            Advice::new("own.setup", format!("cannot {what}: {source}"))
                .fix("run leakscope where seccomp filters and resource limits allow it")
        }
    }
}

fn output(path: &str, source: &io::Error) -> Advice {
    match source.kind() {
        io::ErrorKind::AlreadyExists => Advice::new("output.exists", format!("{path} exists"))
            .fix("replace it with --force")
            .fix("choose another name"),
        io::ErrorKind::StorageFull => Advice::new(
            "output.full",
            format!("no space left for {path}; nothing was left behind"),
        )
        .fix("write to another file system with -o"),
        _ => Advice::new("output.failed", format!("cannot write {path}: {source}"))
            .fix("choose a folder that exists and that you may write to, with -o"),
    }
}

/// An error with its sources. A source that its error already quotes is not repeated.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let words = error.to_string();
        if !text.ends_with(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        source = error.source();
    }
    text
}

#[cfg(test)]
mod tests;
