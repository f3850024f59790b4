//! Progress on standard error. Nothing here runs by itself: what is shown changes only when a phase is told, and none
//! is told while the target is stopped.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::args::{Common, ProgressKind};

/// Where the run stands, for a person who waits, and how long each phase took.
pub(crate) struct Progress {
    shown: Shown,
    verbose: bool,
    quiet: bool,
    phases: Vec<(String, Duration)>,
    current: Option<(String, Instant)>,
}

enum Shown {
    Nothing,
    Lines,
    Bar(ProgressBar),
}

impl Progress {
    /// As the options say.
    pub(crate) fn new(options: &Common) -> Self {
        let kind = if options.quiet {
            ProgressKind::Never
        } else {
            options.progress
        };
        let shown = match kind {
            ProgressKind::Never => Shown::Nothing,
            ProgressKind::Plain => Shown::Lines,
            ProgressKind::Auto if std::io::stderr().is_terminal() => Shown::Bar(bar()),
            ProgressKind::Auto => Shown::Nothing,
        };
        Self {
            shown,
            verbose: options.verbose,
            quiet: options.quiet,
            phases: Vec::new(),
            current: None,
        }
    }

    /// A phase begins; the one before it has ended.
    pub(crate) fn phase(&mut self, name: impl Into<String>) {
        let name = name.into();
        self.end_phase();
        match &self.shown {
            Shown::Nothing => {}
            Shown::Lines => line(&name),
            Shown::Bar(bar) => {
                bar.set_message(name.clone());
                bar.tick();
            }
        }
        self.current = Some((name, Instant::now()));
    }

    /// How far the present phase has come.
    pub(crate) fn step(&self, text: String) {
        if let Shown::Bar(bar) = &self.shown {
            bar.set_message(text);
            bar.tick();
        }
    }

    /// Something the user should know about the answer.
    pub(crate) fn remark(&self, text: &str) {
        if !self.quiet {
            self.aside(&format!("leakscope: {text}"));
        }
    }

    /// Takes the progress off the terminal, where the result is about to be written.
    pub(crate) fn pause(&self) {
        if let Shown::Bar(bar) = &self.shown {
            bar.finish_and_clear();
        }
    }

    /// The run has ended: nothing of the progress stays behind, but the times where they were asked for.
    pub(crate) fn finish(&mut self) {
        self.end_phase();
        self.pause();
        if self.verbose {
            for (name, took) in &self.phases {
                line(&format!("{:>10.1} ms  {name}", took.as_secs_f64() * 1e3));
            }
            let total: Duration = self.phases.iter().map(|(_, took)| *took).sum();
            line(&format!("{:>10.1} ms  in all", total.as_secs_f64() * 1e3));
        }
        self.phases.clear();
    }

    fn end_phase(&mut self) {
        if let Some((name, began)) = self.current.take() {
            self.phases.push((name, began.elapsed()));
        }
    }

    fn aside(&self, text: &str) {
        match &self.shown {
            Shown::Bar(bar) => bar.suspend(|| line(text)),
            _ => line(text),
        }
    }
}

/// A line to standard error. That it cannot be written is no reason to fail.
pub(crate) fn line(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// A spinner without a ticker: it moves only when it is told to.
fn bar() -> ProgressBar {
    let style = ProgressStyle::with_template("{spinner} {msg} [{elapsed}]")
        .unwrap_or_else(|_| ProgressStyle::default_spinner());
    ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr()).with_style(style)
}
