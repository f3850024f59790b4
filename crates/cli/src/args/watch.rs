//! Arguments of `agent` and `explain`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use clap::builder::BoolishValueParser;

use super::duration;

/// What to watch, and how.
#[derive(Args, Debug)]
#[command(next_help_heading = "Watch")]
pub(crate) struct AgentArgs {
    /// Process ids, or names of processes or main classes; all by default
    #[arg(value_name = "PROCESS", help_heading = "Arguments")]
    pub(crate) processes: Vec<String>,
    /// Only watch: stop, change and capture nothing
    #[arg(long, required = true, env = "LEAKSCOPE_OBSERVE", hide_env = true, value_parser = BoolishValueParser::new())]
    pub(crate) observe: bool,
    /// Configuration, TOML
    #[arg(long, value_name = "FILE", env = "LEAKSCOPE_CONFIG", hide_env = true)]
    pub(crate) config: Option<PathBuf>,
    /// Keep floors and verdicts in FILE, mode 0600
    #[arg(long, value_name = "FILE", env = "LEAKSCOPE_STORE", hide_env = true)]
    pub(crate) store: Option<PathBuf>,
    /// Offer metrics at this address
    #[arg(
        long,
        value_name = "ADDRESS",
        env = "LEAKSCOPE_LISTEN",
        hide_env = true
    )]
    pub(crate) listen: Option<SocketAddr>,
    /// Time between two rounds of samples; 30s by default
    #[arg(long, value_name = "TIME", value_parser = duration, env = "LEAKSCOPE_INTERVAL", hide_env = true)]
    pub(crate) interval: Option<Duration>,
    /// One round, instead of until told to stop
    #[arg(long, env = "LEAKSCOPE_ONCE", hide_env = true, value_parser = BoolishValueParser::new())]
    pub(crate) once: bool,
}

/// Which verdict, and where it is.
#[derive(Args, Debug)]
#[command(next_help_heading = "Watch")]
pub(crate) struct ExplainArgs {
    /// Number of the verdict
    #[arg(value_name = "ID", help_heading = "Arguments")]
    pub(crate) id: i64,
    /// The agent's configuration, which names its store
    #[arg(long, value_name = "FILE", env = "LEAKSCOPE_CONFIG", hide_env = true)]
    pub(crate) config: Option<PathBuf>,
    /// The agent's store
    #[arg(long, value_name = "FILE", env = "LEAKSCOPE_STORE", hide_env = true)]
    pub(crate) store: Option<PathBuf>,
}
