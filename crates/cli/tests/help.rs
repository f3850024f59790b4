//! What the binary says of itself.

mod support;

use anyhow::{Result, ensure};
use support::{leakscope, run};

const COMMANDS: [&str; 19] = [
    "threads",
    "rule",
    "sites",
    "ledger",
    "analyze",
    "histo",
    "maps",
    "why",
    "goroutines",
    "diff",
    "simulate",
    "snap",
    "top",
    "replay",
    "agent",
    "explain",
    "ps",
    "doctor",
    "completions",
];

/// Lines of a small screen: the list of commands takes most of one.
const LINES: usize = 32;

#[test]
fn short_help_fits_one_screen() -> Result<()> {
    for arguments in [vec!["-h"]]
        .into_iter()
        .chain(COMMANDS.map(|c| vec![c, "-h"]))
    {
        let help = leakscope(&arguments)?;
        let page = help.page()?;
        ensure!(
            page.lines().count() <= LINES,
            "{arguments:?} takes {} lines:\n{page}",
            page.lines().count()
        );
    }
    Ok(())
}

#[test]
fn long_help_has_examples_and_exit_codes() -> Result<()> {
    for command in COMMANDS {
        let help = leakscope([command, "--help"])?;
        ensure!(
            help.status == Some(0) && help.out.contains("EXAMPLES\n  leakscope "),
            "{command}: {}",
            help.out
        );
    }
    let help = leakscope(["--help"])?;
    for word in ["EXIT STATUS", "EXAMPLES", "LEAKSCOPE_", "130"] {
        ensure!(help.out.contains(word), "no {word} in {}", help.out);
    }
    Ok(())
}

#[test]
fn completions_know_every_command() -> Result<()> {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = leakscope(["completions", shell])?;
        ensure!(
            script.status == Some(0) && script.err.is_empty(),
            "{}",
            script.err
        );
        for word in COMMANDS.into_iter().chain(["max-stop"]) {
            ensure!(
                script.out.contains(word),
                "{shell} does not complete {word}"
            );
        }
    }
    Ok(())
}

#[test]
fn options_come_from_the_environment_too_and_the_command_line_wins() -> Result<()> {
    run(support::command().arg("doctor").env("LEAKSCOPE_JSON", "1"))?.document("doctor")?;
    let text = run(support::command().arg("doctor").env("LEAKSCOPE_JSON", "no"))?;
    ensure!(text.page()?.contains("CAP_SYS_PTRACE"), "{}", text.out);
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("doctor.txt");
    let to_stdout = run(support::command()
        .args(["doctor", "-o", "-"])
        .env("LEAKSCOPE_OUTPUT", &file))?;
    ensure!(!to_stdout.out.is_empty() && !file.exists());
    Ok(())
}

#[test]
fn colour_is_only_where_it_is_wanted() -> Result<()> {
    let plain = leakscope(["doctor"])?;
    ensure!(!plain.out.contains('\x1b'), "styles in a pipe");
    let styled = leakscope(["doctor", "--color", "always"])?;
    ensure!(styled.out.contains('\x1b'), "no styles though asked for");
    let forced = run(support::command().arg("doctor").env("CLICOLOR_FORCE", "1"))?;
    ensure!(
        forced.out.contains('\x1b'),
        "CLICOLOR_FORCE is not honoured"
    );
    let stripped: String = anstream::adapter::strip_str(&styled.out).to_string();
    // Free memory changes from one run to the next.
    let words = |text: &str| text.replace(|c: char| c.is_ascii_digit() || c == '.', "");
    ensure!(
        words(&stripped) == words(&plain.out),
        "colour changes what is said: {stripped}\n{}",
        plain.out
    );
    Ok(())
}

#[test]
fn quiet_is_silent_and_the_version_is_one_line() -> Result<()> {
    let quiet = leakscope(["doctor", "--quiet"])?;
    ensure!(quiet.err.is_empty(), "{}", quiet.err);
    let version = leakscope(["--version"])?;
    ensure!(version.out.starts_with("leakscope ") && version.out.lines().count() == 1);
    Ok(())
}
