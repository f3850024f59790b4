//! Options of `leakscope replay`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::{Rows, duration};

/// Which history to judge, and how.
#[derive(Args, Debug)]
#[command(next_help_heading = "Replay")]
pub(crate) struct ReplayArgs {
    /// Lines of time_unix_s,channel,value, or Prometheus JSON
    #[arg(value_name = "HISTORY", help_heading = "Arguments")]
    #[arg(required_unless_present = "prometheus", conflicts_with = "prometheus")]
    pub(crate) history: Option<PathBuf>,
    /// Runtime of the process: go, jvm
    #[arg(long, value_name = "WHICH", hide_possible_values = true)]
    #[arg(env = "LEAKSCOPE_RUNTIME", hide_env = true)]
    pub(crate) runtime: Option<ReplayRuntime>,
    /// Windows, thresholds, signatures (TOML)
    #[arg(long, value_name = "FILE", env = "LEAKSCOPE_CONFIG", hide_env = true)]
    pub(crate) config: Option<PathBuf>,
    /// Draw the floors and verdicts into FILE
    #[arg(long, value_name = "FILE", env = "LEAKSCOPE_SVG", hide_env = true)]
    pub(crate) svg: Option<PathBuf>,
    /// Ask this server, such as http://localhost:9090
    #[arg(long, value_name = "URL", requires = "queries")]
    #[arg(env = "LEAKSCOPE_PROMETHEUS", hide_env = true)]
    pub(crate) prometheus: Option<String>,
    /// What to ask, or CHANNEL=QUERY; may be given again
    #[arg(long = "query", value_name = "QUERY", requires = "prometheus")]
    pub(crate) queries: Vec<String>,
    /// How far back to ask
    #[arg(long, value_name = "TIME", default_value = "48h", value_parser = duration)]
    #[arg(env = "LEAKSCOPE_SINCE", hide_env = true)]
    pub(crate) since: Duration,
    /// Time between two values asked for
    #[arg(long, value_name = "TIME", default_value = "1m", value_parser = duration)]
    #[arg(env = "LEAKSCOPE_STEP", hide_env = true)]
    pub(crate) step: Duration,
    #[command(flatten)]
    pub(crate) rows: Rows,
}

/// Runtime of a process whose history is judged.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum ReplayRuntime {
    /// Go.
    Go,
    /// A JVM.
    Jvm,
}
