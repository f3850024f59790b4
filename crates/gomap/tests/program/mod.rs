//! A fixture that runs to its end, line by line.

use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::str::FromStr;

use anyhow::{Context, Result, anyhow, ensure};
use leakscope_testkit::Fixture;

/// Variables that would change what the runtime under test does.
const FOREIGN: [&str; 4] = ["GOGC", "GOMEMLIMIT", "GODEBUG", "GOMAXPROCS"];

/// A running fixture.
pub(crate) struct Program {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Program {
    /// Starts it.
    pub(crate) fn run(fixture: &Fixture, arguments: &[&str]) -> Result<Program> {
        let mut command = Command::new(fixture.path());
        for name in FOREIGN {
            command.env_remove(name);
        }
        let mut child = command
            .args(arguments)
            .env("FIXTURE_DIE_WITH_PARENT", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot run the fixture")?;
        let out = child.stdout.take().context("no output")?;
        Ok(Program {
            child,
            lines: BufReader::with_capacity(1 << 20, out).lines(),
        })
    }

    /// Its lines; the last is an error if it did not end well.
    pub(crate) fn lines(mut self) -> impl Iterator<Item = Result<String>> {
        let mut ended = false;
        std::iter::from_fn(move || {
            if ended {
                return None;
            }
            match self.lines.next() {
                Some(line) => Some(line.context("cannot read the fixture's output")),
                None => {
                    ended = true;
                    match self.child.wait() {
                        Ok(status) if status.success() => None,
                        Ok(status) => Some(Err(anyhow!("the fixture ended with {status}"))),
                        Err(error) => Some(Err(error.into())),
                    }
                }
            }
        })
    }
}

/// The next word.
pub(crate) fn word<'a>(words: &mut impl Iterator<Item = &'a str>) -> Result<&'a str> {
    words.next().context("the line is too short")
}

/// The next number.
pub(crate) fn number<'a, T: FromStr>(words: &mut impl Iterator<Item = &'a str>) -> Result<T> {
    let text = word(words)?;
    text.parse().map_err(|_| anyhow!("no number: {text}"))
}

/// The next `N` numbers.
pub(crate) fn numbers<'a, T: FromStr, const N: usize>(
    words: &mut impl Iterator<Item = &'a str>,
) -> Result<[T; N]> {
    let found = (0..N).map(|_| number(words)).collect::<Result<Vec<T>>>()?;
    ensure!(found.len() == N, "too few numbers");
    found.try_into().map_err(|_| anyhow!("not {N} numbers"))
}
