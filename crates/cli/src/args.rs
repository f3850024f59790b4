//! The command line.

mod replay;

mod watch;

use std::ffi::OsString;
use std::num::NonZeroUsize;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::BoolishValueParser;
use clap::{Args, ColorChoice, Parser, Subcommand, ValueEnum};

pub(crate) use replay::{ReplayArgs, ReplayRuntime};
pub(crate) use watch::{AgentArgs, ExplainArgs};

/// What stands above the examples of `--help`.
const ENVIRONMENT: &str = "\
Every option can also be set in the environment, as LEAKSCOPE_ and its name: LEAKSCOPE_MAX_STOP=250ms, \
LEAKSCOPE_JSON=1. NO_COLOR and CLICOLOR_FORCE are honoured.

EXIT STATUS
  0    done
  1    analyze found what --fail-on names
  2    could not do it; the reason and what helps are on standard error
  130  interrupted

EXAMPLES
  leakscope ps                              Go programs and JVMs of this machine
  leakscope analyze 4242                    overview of a live process
  leakscope histo sessiond --all            all types of the process of that name
  leakscope maps core.4242 --exe ./service  every map of a core
  leakscope analyze 4242 --max-stop 50ms    never stop it for longer than that
  leakscope histo 4242 -o histo.json        JSON into a file
  leakscope analyze 4242 -o heap.pb.gz      for go tool pprof
  leakscope top 4242                        counters of its runtime, every 2 s
  leakscope doctor 4242                     why it cannot be read, and what helps";

/// Says what fills the memory of Go programs and JVMs, and who holds it.
///
/// The process is read from the outside: nothing is added to it. It is stopped for the time of one copy, at most
/// --max-stop, and runs on while the copy is analysed.
#[derive(Parser, Debug)]
#[command(name = "leakscope", version, after_long_help = ENVIRONMENT, subcommand_required = true)]
#[command(
    arg_required_else_help = true,
    disable_help_subcommand = true,
    disable_version_flag = true,
    max_term_width = 80
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(subcommand)]
    pub(crate) command: Command,
    /// Print version
    #[arg(short = 'V', long, action = clap::ArgAction::Version, hide_short_help = true)]
    version: Option<bool>,
}

/// What to do.
#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Show an overview of a heap: sums, top types, top maps, coverage
    #[command(
        after_long_help = "EXAMPLES\n  leakscope analyze 4242\n  leakscope analyze core.4242 --exe ./service --json\n  leakscope analyze leak.lks --fail-on leak,GO-MAP-NEVER-SHRINKS --baseline before.json"
    )]
    Analyze(AnalyzeArgs),
    /// List the objects by type and by package
    #[command(
        after_long_help = "EXAMPLES\n  leakscope histo sessiond --all --retained\n  leakscope histo 4242 --json -o histo.json"
    )]
    Histo(SumsArgs),
    /// List the maps: who owns them, how full they are, what they cost
    #[command(
        after_long_help = "EXAMPLES\n  leakscope maps 4242 --limit 5\n  leakscope maps core.4242 --exe ./service"
    )]
    Maps(SumsArgs),
    /// Show what holds an object, those of a type, or entries of a map
    #[command(
        after_long_help = "ABOUT is an address (0xc000012340), a type (main.session), or the owner of a map (main.server.sessions).\n\nEXAMPLES\n  leakscope why 4242 main.session\n  leakscope why leak.lks 0xc000012340 --show-values"
    )]
    Why(WhyArgs),
    /// List the goroutines by what they do, leaked ones first
    #[command(
        after_long_help = "Leaked are those that wait for something that nothing which can still run leads to, by the rule of Go 1.27's own profile.\n\nEXAMPLES\n  leakscope goroutines 4242\n  leakscope goroutines leak.lks --json"
    )]
    Goroutines(HeapArgs),
    /// List a JVM's threads: stacks, and what each of them holds
    #[command(
        after_long_help = "EXAMPLES\n  leakscope threads heap.hprof\n  leakscope threads heap.hprof --all --json"
    )]
    Threads(HeapArgs),
    /// List who allocated what is alive, by the runtime's own samples
    #[command(
        after_long_help = "What is alive is told as of the capture; what the program's own heap profile says stands beside it. Nothing is told of programs that link nothing that reads a profile.\n\nEXAMPLES\n  leakscope sites 4242\n  leakscope sites leak.lks --json"
    )]
    Sites(HeapArgs),
    /// Show where every resident byte is, and how the collector is paced
    #[command(
        after_long_help = "Adds up to the kernel's own count of each mapping; what differs is told as a remainder.\n\nEXAMPLES\n  leakscope ledger 4242\n  leakscope ledger leak.lks --json"
    )]
    Ledger(HeapArgs),
    /// Show what grew between captures
    #[command(
        after_long_help = "EXAMPLES\n  leakscope diff before.lks 4242\n  leakscope diff monday.lks tuesday.lks wednesday.lks"
    )]
    Diff(DiffArgs),
    /// Show what runtimes count of themselves, again and again
    #[command(
        after_long_help = "Nothing is stopped: counters are read while the processes run. With -o FILE, once.\n\nEXAMPLES\n  leakscope top 4242\n  leakscope top 4242 sessiond --once --json"
    )]
    Top(TopArgs),
    /// Save what it takes to analyse a process elsewhere, in one file
    #[command(
        after_long_help = "The file is NAME-PID.lks unless -o says otherwise, and every command takes it in place of a process.\n\nEXAMPLES\n  leakscope snap 4242\n  leakscope snap 4242 -o leak.lks --no-values\n  leakscope analyze leak.lks"
    )]
    Snap(SnapArgs),
    /// Print the catalogue of leak patterns, or the page of one
    #[command(
        after_long_help = "A page says what the pattern is, why it leaks, how it is decided, when that is wrong, and what to do.\n\nEXAMPLES\n  leakscope rule\n  leakscope rule GO-MAP-NEVER-SHRINKS"
    )]
    Rule {
        /// The pattern's id; without it, all are listed
        #[arg(value_name = "ID")]
        id: Option<String>,
    },
    /// Simulate the maps of Go releases: claims about them, or a trace
    #[command(
        after_long_help = "Without WHAT, the scenarios are listed. A trace names a map type, then a step a line: make 100, put 1..1000, delete 1..500, clear, range, begin, turn 1000 500000 (that many times, delete the oldest of 1000 keys and put a new one).\n\nEXAMPLES\n  leakscope simulate\n  leakscope simulate chain-length\n  leakscope simulate growth-spike --go 1.23,1.27 --svg spike.svg\n  leakscope simulate trace.txt --json"
    )]
    Simulate(SimulateArgs),
    /// Judge a recorded history: what would have been a leak, when, why
    #[command(
        after_long_help = "HISTORY is CSV under the header time_unix_s,channel,value, or the JSON that Prometheus answers to /api/v1/query_range. Channels: heap_floor, rss, native, count, load, limit, heap_max, gogc, start_time. With --json, a line for each change of a verdict.\n\nEXAMPLES\n  leakscope replay history.csv --runtime go\n  leakscope replay range.json --runtime jvm --svg floors.svg --json\n  leakscope replay --prometheus http://localhost:9090 --query 'heap_floor=go_gc_heap_live_bytes{pod=\"a\"}'"
    )]
    Replay(ReplayArgs),
    /// Watch Go programs and JVMs, and say which one leaks
    #[command(
        after_long_help = "Nothing is stopped or changed: counters that runtimes keep, and what the kernel tells, are read every 30 s. Each verdict that changes is a line of JSON. docs/agent.md lists the keys of the configuration.\n\nEXAMPLES\n  leakscope agent --observe\n  leakscope agent --observe sessiond --store watch.db --listen 127.0.0.1:9464\n  leakscope agent --observe --config leakscope.toml"
    )]
    Agent(AgentArgs),
    /// Show a verdict again: series, tests, what would have changed it
    #[command(
        after_long_help = "EXAMPLES\n  leakscope explain 17 --store watch.db\n  leakscope explain 17 --config leakscope.toml --json"
    )]
    Explain(ExplainArgs),
    /// Show this machine's Go programs and JVMs, and which can be read
    #[command(after_long_help = "EXAMPLES\n  leakscope ps\n  leakscope ps --json")]
    Ps(Rows),
    /// Check each precondition, and say what helps
    #[command(after_long_help = "EXAMPLES\n  leakscope doctor\n  leakscope doctor 4242")]
    Doctor {
        /// Process id; without it, only this machine is checked
        #[arg(value_name = "PID")]
        pid: Option<i32>,
    },
    /// Print the script that completes commands and options in a shell
    #[command(
        after_long_help = "EXAMPLES\n  leakscope completions bash > /etc/bash_completion.d/leakscope"
    )]
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
}

/// Whose heap to read, and how.
#[derive(Args, Debug)]
pub(crate) struct HeapArgs {
    #[command(flatten)]
    pub(crate) target: TargetArgs,
    #[command(flatten)]
    pub(crate) rows: Rows,
}

/// Whose heap to read, how, and which findings matter.
#[derive(Args, Debug)]
pub(crate) struct AnalyzeArgs {
    #[command(flatten)]
    pub(crate) heap: HeapArgs,
    #[command(flatten)]
    pub(crate) selection: SelectionArgs,
}

/// Which findings matter.
#[derive(Args, Debug)]
#[command(next_help_heading = "Findings")]
pub(crate) struct SelectionArgs {
    /// Exit with 1 if there is one: leak, waste, ...; or a pattern
    ///
    /// Verdicts are leak, waste, suspect and needs-second-capture; suspect also means places where memory accumulates that
    /// are called so. Patterns are those of leakscope rule. With --baseline, only what is new counts.
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    #[arg(env = "LEAKSCOPE_FAIL_ON", hide_env = true)]
    pub(crate) fail_on: Vec<String>,
    /// Look for these patterns only
    #[arg(long, value_name = "PATTERNS", value_delimiter = ',')]
    #[arg(env = "LEAKSCOPE_ONLY", hide_env = true)]
    pub(crate) only: Vec<String>,
    /// Do not look for these patterns
    #[arg(long, value_name = "PATTERNS", value_delimiter = ',')]
    #[arg(env = "LEAKSCOPE_IGNORE", hide_env = true)]
    pub(crate) ignore: Vec<String>,
    /// Mark what is not in an earlier --json --all document
    #[arg(long, value_name = "FILE")]
    #[arg(env = "LEAKSCOPE_BASELINE", hide_env = true)]
    pub(crate) baseline: Option<PathBuf>,
    /// Leave out the fingerprints in FILE
    ///
    /// One a line; what follows # is a comment.
    #[arg(long, value_name = "FILE")]
    #[arg(env = "LEAKSCOPE_SUPPRESS", hide_env = true)]
    pub(crate) suppress: Option<PathBuf>,
}

/// Whose heap to read, how, and whether to say what is held alone.
#[derive(Args, Debug)]
pub(crate) struct SumsArgs {
    #[command(flatten)]
    pub(crate) heap: HeapArgs,
    /// Also what each alone keeps in memory
    #[arg(long, help_heading = "Output", env = "LEAKSCOPE_RETAINED", hide_env = true, value_parser = BoolishValueParser::new())]
    pub(crate) retained: bool,
}

/// Whose counters to read, and how often.
#[derive(Args, Debug)]
#[command(next_help_heading = "Target")]
pub(crate) struct TopArgs {
    /// Process ids, or names of processes
    #[arg(value_name = "PROCESS", required = true, help_heading = "Arguments")]
    pub(crate) processes: Vec<OsString>,
    /// Once, instead of until Ctrl-C
    #[arg(long, env = "LEAKSCOPE_ONCE", hide_env = true, value_parser = BoolishValueParser::new())]
    pub(crate) once: bool,
    /// Time between two samples
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = duration)]
    #[arg(env = "LEAKSCOPE_INTERVAL", hide_env = true)]
    pub(crate) interval: Duration,
}

/// What to simulate.
#[derive(Args, Debug)]
pub(crate) struct SimulateArgs {
    /// A scenario, or the file of a trace; - is standard input
    #[arg(value_name = "WHAT", help_heading = "Arguments")]
    pub(crate) what: Option<OsString>,
    /// Releases, such as 1.23,1.27; all by default
    #[arg(
        long,
        value_name = "LIST",
        value_delimiter = ',',
        help_heading = "Simulation"
    )]
    #[arg(env = "LEAKSCOPE_GO", hide_env = true)]
    pub(crate) go: Vec<String>,
    /// Seed of the hashes in a trace
    #[arg(
        long,
        value_name = "N",
        default_value_t = 1,
        help_heading = "Simulation"
    )]
    #[arg(env = "LEAKSCOPE_SEED", hide_env = true)]
    pub(crate) seed: u64,
    /// Draw the memory into FILE
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    #[arg(env = "LEAKSCOPE_SVG", hide_env = true)]
    pub(crate) svg: Option<PathBuf>,
}

/// Whose heap to read, and what about it.
#[derive(Args, Debug)]
pub(crate) struct WhyArgs {
    #[command(flatten)]
    pub(crate) target: TargetArgs,
    /// An address, a type, or the owner of a map
    #[arg(value_name = "ABOUT", help_heading = "Arguments")]
    pub(crate) about: String,
    /// Tell the keys of maps: strings, integers, truth values
    #[arg(long, help_heading = "Output", env = "LEAKSCOPE_SHOW_VALUES", hide_env = true, value_parser = BoolishValueParser::new())]
    pub(crate) show_values: bool,
    #[command(flatten)]
    pub(crate) rows: Rows,
}

/// What to compare.
#[derive(Args, Debug)]
pub(crate) struct DiffArgs {
    /// Captures, oldest first: snapshots, cores, processes
    #[arg(value_name = "TARGET", num_args = 2.., required = true, help_heading = "Arguments")]
    pub(crate) targets: Vec<OsString>,
    #[command(flatten)]
    pub(crate) how: HowArgs,
    #[command(flatten)]
    pub(crate) rows: Rows,
}

/// What to save, and how.
#[derive(Args, Debug)]
pub(crate) struct SnapArgs {
    #[command(flatten)]
    pub(crate) target: TargetArgs,
    /// Leave out what strings, numbers and buffers hold
    #[arg(long, help_heading = "Output", env = "LEAKSCOPE_NO_VALUES", hide_env = true, value_parser = BoolishValueParser::new())]
    pub(crate) no_values: bool,
}

/// A target, and how it may be treated.
#[derive(Args, Debug)]
pub(crate) struct TargetArgs {
    /// Process id, core file, snapshot, or name of a process
    #[arg(value_name = "TARGET", help_heading = "Arguments")]
    pub(crate) target: OsString,
    #[command(flatten)]
    pub(crate) how: HowArgs,
}

/// How targets may be treated.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Target")]
pub(crate) struct HowArgs {
    /// Executable of a core, if not where the core says
    #[arg(long, value_name = "PATH", env = "LEAKSCOPE_EXE", hide_env = true)]
    pub(crate) exe: Option<PathBuf>,
    /// Longest stop of a live process
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = duration)]
    #[arg(env = "LEAKSCOPE_MAX_STOP", hide_env = true)]
    pub(crate) max_stop: Duration,
    /// Do not stop a live process; the result may be torn
    #[arg(long, env = "LEAKSCOPE_NO_STOP", hide_env = true, value_parser = BoolishValueParser::new())]
    pub(crate) no_stop: bool,
    /// Most memory for a JVM's heap dump; more goes to a temporary file in TMPDIR or /var/tmp
    #[arg(long, value_name = "SIZE", value_parser = size)]
    #[arg(env = "LEAKSCOPE_MAX_MEMORY", hide_env = true)]
    pub(crate) max_memory: Option<u64>,
}

impl Command {
    /// Whether its result may be a pprof profile.
    pub(crate) fn makes_profiles(&self) -> bool {
        matches!(self, Self::Analyze(_) | Self::Histo(_))
    }

    /// Whether -o names something else than a document.
    pub(crate) fn writes_no_document(&self) -> bool {
        matches!(self, Self::Snap(_) | Self::Completions { .. })
    }
}

impl HowArgs {
    /// One target treated like this.
    pub(crate) fn of(&self, target: &OsString) -> TargetArgs {
        TargetArgs {
            target: target.clone(),
            how: self.clone(),
        }
    }
}

/// Options of every command.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Output")]
pub(crate) struct Common {
    /// Print JSON
    #[arg(long, global = true, env = "LEAKSCOPE_JSON", hide_env = true, value_parser = BoolishValueParser::new())]
    pub(crate) json: bool,
    /// Write to FILE, mode 0600; x.json, x.pb.gz: as such
    ///
    /// The file is only for you (mode 0600); - is standard output. A name that ends in .json asks for JSON, one that ends
    /// in .pb.gz, of analyze and histo, for a pprof profile whose stacks are the ways from roots to objects.
    #[arg(
        short,
        long,
        global = true,
        value_name = "FILE",
        env = "LEAKSCOPE_OUTPUT",
        hide_env = true
    )]
    pub(crate) output: Option<PathBuf>,
    /// Replace FILE where it exists
    #[arg(hide_short_help = true)]
    #[arg(long, global = true, env = "LEAKSCOPE_FORCE", hide_env = true, value_parser = BoolishValueParser::new())]
    pub(crate) force: bool,
    /// Colours: auto, always, never
    #[arg(hide_short_help = true)]
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        default_value = "auto",
        hide_possible_values = true
    )]
    #[arg(env = "LEAKSCOPE_COLOR", hide_env = true, hide_default_value = true)]
    pub(crate) color: ColorChoice,
    /// Progress on standard error: auto, plain, never
    #[arg(hide_short_help = true)]
    #[arg(
        long,
        global = true,
        value_name = "HOW",
        default_value = "auto",
        hide_possible_values = true
    )]
    #[arg(env = "LEAKSCOPE_PROGRESS", hide_env = true, hide_default_value = true)]
    pub(crate) progress: ProgressKind,
    /// No progress and no remarks on standard error
    #[arg(hide_short_help = true)]
    #[arg(short, long, global = true, env = "LEAKSCOPE_QUIET", hide_env = true)]
    #[arg(value_parser = BoolishValueParser::new(), conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Print what each phase took to standard error
    #[arg(hide_short_help = true)]
    #[arg(short, long, global = true, env = "LEAKSCOPE_VERBOSE", hide_env = true)]
    #[arg(value_parser = BoolishValueParser::new())]
    pub(crate) verbose: bool,
}

/// How progress is shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum ProgressKind {
    /// A line that is rewritten, if standard error is a terminal; else nothing.
    Auto,
    /// A line per phase.
    Plain,
    /// Nothing.
    Never,
}

/// How many rows tables have.
#[derive(Args, Clone, Copy, Debug)]
#[command(next_help_heading = "Output")]
pub(crate) struct Rows {
    /// Most rows of each table
    #[arg(
        long,
        value_name = "N",
        env = "LEAKSCOPE_LIMIT",
        hide_env = true,
        conflicts_with = "all"
    )]
    pub(crate) limit: Option<NonZeroUsize>,
    /// All rows; JSON of lists has them anyway
    #[arg(long, env = "LEAKSCOPE_ALL", hide_env = true, value_parser = BoolishValueParser::new())]
    pub(crate) all: bool,
}

impl Common {
    /// Whether the result is to be a pprof profile.
    pub(crate) fn wants_profile(&self) -> bool {
        self.output_ends_with(b".pb.gz")
    }

    /// Whether the name of the result asks for JSON.
    pub(crate) fn names_json(&self) -> bool {
        self.output_ends_with(b".json")
    }

    fn output_ends_with(&self, end: &[u8]) -> bool {
        let name = self.output.as_ref().map(|o| o.as_os_str().as_bytes());
        name.is_some_and(|name| name.ends_with(end))
    }
}

impl Rows {
    /// Most rows of a table for people, where `usual` is the number without options.
    pub(crate) fn of_text(self, usual: usize) -> Option<usize> {
        if self.all {
            None
        } else {
            Some(self.limit.map_or(usual, NonZeroUsize::get))
        }
    }

    /// Most rows of a list in JSON, where `usual` is the number without options (`None`: all).
    pub(crate) fn of_json(self, usual: Option<usize>) -> Option<usize> {
        if self.all {
            None
        } else {
            self.limit.map(NonZeroUsize::get).or(usual)
        }
    }
}

/// A number of bytes such as `600M` or `1.5GiB`: K, M and G are powers of 1000.
fn size(text: &str) -> Result<u64, String> {
    let unit_at = text
        .find(|c: char| !(c.is_ascii_digit() || c == '.'))
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    let unit = match unit.trim() {
        "K" | "KB" | "kB" => 1e3,
        "M" | "MB" => 1e6,
        "G" | "GB" => 1e9,
        "KiB" => 1024.0,
        "MiB" => 1024.0 * 1024.0,
        "GiB" => 1024.0 * 1024.0 * 1024.0,
        "" => return Err("a unit is missing: 600M, 2G".to_owned()),
        other => {
            return Err(format!(
                "{other:?} is no unit of size: K, M, G, KiB, MiB, GiB"
            ));
        }
    };
    let number: f64 = number
        .parse()
        .map_err(|_| format!("{number:?} is no number"))?;
    Ok((number * unit) as u64)
}

/// A span of time such as `250ms` or `1.5s`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let unit_at = text
        .find(|c: char| !(c.is_ascii_digit() || c == '.'))
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    let seconds = match unit.trim() {
        "us" | "µs" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        "d" => 86_400.0,
        "" => return Err("a unit is missing: 250ms, 2s".to_owned()),
        other => {
            return Err(format!(
                "{other:?} is no unit of time: us, ms, s, min, h, d"
            ));
        }
    };
    let number: f64 = number
        .parse()
        .map_err(|_| format!("{number:?} is no number"))?;
    let span = Duration::try_from_secs_f64(number * seconds).map_err(|_| "too long".to_owned())?;
    if span.is_zero() {
        Err("must be more than nothing; to never stop, use --no-stop".to_owned())
    } else {
        Ok(span)
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn sizes_have_units() {
        assert_eq!(size("600M"), Ok(600_000_000));
        assert_eq!(size("1.5 GiB"), Ok(3 << 29));
        for bad in ["", "5", "M", "1.2.3M", "-1M", "1T"] {
            assert!(size(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn times_have_units() {
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(duration("1.5s"), Ok(Duration::from_millis(1500)));
        assert_eq!(duration("2 min"), Ok(Duration::from_secs(120)));
        assert_eq!(duration("1h"), Ok(Duration::from_secs(3600)));
        for bad in [
            "",
            "5",
            "ms",
            "1.2.3s",
            "-1s",
            "0s",
            "1y",
            "1e9s",
            "99999999999999999999999s",
        ] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }
}
