//! Documents as text for a terminal.
//!
//! The text carries ANSI styles, which whoever prints it strips where they are not wanted; nothing is said by colour
//! alone. Names in it are escaped, so that every escape sequence in the text is one of ours.

mod analyze;
mod diff;
mod doctor;
mod explain;
mod findings;
mod goroutines;
mod head;
mod histo;
mod ledger;
mod maps;
mod pacing;
mod ps;
mod replay;
mod replay_plot;
mod simulate;
mod sites;
mod snap;
mod suspects;
mod table;
mod threads;
mod top;
mod why;

use anstyle::{AnsiColor, Style};

pub use replay_plot::svg as replay_svg;

/// The page a document is rendered for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Page {
    /// Columns of the terminal.
    pub columns: usize,
    /// Most rows of a table; `None` for all.
    pub limit: Option<usize>,
}

/// A document that can be shown.
pub trait Render {
    /// The document as lines of text with ANSI styles, each ended by a newline.
    fn render(&self, page: &Page) -> String;
}

const HEADER: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
const GOOD: Style = AnsiColor::Green.on_default();
const CAUTION: Style = AnsiColor::Yellow.on_default();
const BAD: Style = AnsiColor::Red.on_default().bold();

/// What stands for a value that is not known.
const UNKNOWN: &str = "unknown";

/// The first rows of a table, as many as the page wants.
fn shown<'a, T>(rows: &'a [T], page: &Page) -> &'a [T] {
    &rows[..rows.len().min(page.limit.unwrap_or(usize::MAX))]
}

/// `text` cut into lines of at most `columns` columns at spaces, each but the first behind `indent` spaces.
/// A word that is wider than a line is shortened in its middle.
fn wrap(text: &str, columns: usize, indent: usize) -> String {
    let room = columns.saturating_sub(indent).max(1);
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        let word = crate::text::shorten(word, room);
        match lines.last_mut() {
            Some(line) if crate::text::width(line) + 1 + crate::text::width(&word) <= room => {
                line.push(' ');
                line.push_str(&word);
            }
            _ => lines.push(word.into_owned()),
        }
    }
    lines.join(&format!("\n{}", " ".repeat(indent)))
}
