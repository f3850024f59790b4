//! `leakscope completions`: scripts for shells.

use clap::CommandFactory;
use clap_complete::Shell;

use crate::args::{Cli, Common};
use crate::failure::Failure;
use crate::output;

pub(crate) fn run(shell: Shell, options: &Common) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "leakscope", &mut script);
    output::write(&script, options)
}
