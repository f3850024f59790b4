//! Where results go: standard output or a file, with or without colours, as text or JSON.

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

use anstream::AutoStream;
use clap::ColorChoice;
use leakscope_report::{Page, Render, to_json};
use leakscope_target::PrivateFile;
use serde::Serialize;

use crate::args::Common;
use crate::failure::Failure;
use crate::interrupt;

/// Columns of a page that is no terminal.
const COLUMNS: usize = 80;

/// No terminal is taken to be wider or narrower than this: tables get unreadable beyond.
const SANE_COLUMNS: std::ops::RangeInclusive<usize> = 60..=240;

/// Fails early where the result could not be written later: the target should not be stopped for nothing.
pub(crate) fn check(options: &Common) -> Result<(), Failure> {
    match file(options) {
        Some(path) if !options.force && path.symlink_metadata().is_ok() => Err(Failure::Output {
            path: path.to_owned(),
            source: io::ErrorKind::AlreadyExists.into(),
        }),
        Some(path) => match path
            .parent()
            .filter(|p| !p.as_os_str().is_empty())
            .map(Path::metadata)
        {
            Some(Err(source)) => Err(Failure::Output {
                path: path.to_owned(),
                source,
            }),
            _ => Ok(()),
        },
        None => Ok(()),
    }
}

/// Writes a document as the options say; `limit` is the most rows of a table in text.
pub(crate) fn document<D: Serialize + Render>(
    doc: &D,
    options: &Common,
    limit: Option<usize>,
) -> Result<(), Failure> {
    let bytes = if options.json {
        to_json(doc).map_err(|e| unwritable(e.into()))?
    } else {
        let page = Page {
            columns: columns(options),
            limit,
        };
        styled(doc.render(&page), options)
    };
    write(&bytes, options)
}

/// Writes pages, one after another, as text.
pub(crate) fn pages<D: Render>(
    docs: &[D],
    options: &Common,
    limit: Option<usize>,
) -> Result<(), Failure> {
    let page = Page {
        columns: columns(options),
        limit,
    };
    let pages: Vec<String> = docs.iter().map(|doc| doc.render(&page)).collect();
    write(&styled(pages.join("\n"), options), options)
}

/// A result that could not be put together.
pub(crate) fn unwritable(source: io::Error) -> Failure {
    Failure::Output {
        path: PathBuf::new(),
        source,
    }
}

/// Writes ready bytes as the options say.
pub(crate) fn write(bytes: &[u8], options: &Common) -> Result<(), Failure> {
    let Some(path) = file(options) else {
        return to_stdout(bytes);
    };
    let failed = |source| Failure::Output {
        path: path.to_owned(),
        source,
    };
    // An interrupt in here waits until the file is whole or gone.
    interrupt::held(|| {
        let mut file = PrivateFile::create(path, options.force).map_err(failed)?;
        file.write_all(bytes).map_err(failed)?;
        file.commit().map_err(failed)
    })
}

/// Writes a line of a log: to standard output at once, or to the end of the file, which the first line makes.
pub(crate) fn append(line: &[u8], options: &Common) -> Result<(), Failure> {
    use std::os::unix::fs::OpenOptionsExt;
    let Some(path) = file(options) else {
        return to_stdout(line);
    };
    std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut log| log.write_all(line))
        .map_err(|source| Failure::Output {
            path: path.to_owned(),
            source,
        })
}

/// The file to write to, if it is not standard output.
fn file(options: &Common) -> Option<&Path> {
    options
        .output
        .as_deref()
        .filter(|path| *path != Path::new("-"))
}

/// That nobody wants the rest is no failure.
fn to_stdout(bytes: &[u8]) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(source) => Err(Failure::Output {
            path: "standard output".into(),
            source,
        }),
        Ok(()) => Ok(()),
    }
}

/// The text with its styles where they are wanted, and without where not.
fn styled(text: String, options: &Common) -> Vec<u8> {
    let wanted = match (options.color, file(options)) {
        (ColorChoice::Always, _) => true,
        (ColorChoice::Never, _) | (ColorChoice::Auto, Some(_)) => false,
        (ColorChoice::Auto, None) => {
            AutoStream::choice(&io::stdout()) != anstream::ColorChoice::Never
        }
    };
    if wanted {
        text.into_bytes()
    } else {
        anstream::adapter::strip_str(&text).to_string().into_bytes()
    }
}

fn columns(options: &Common) -> usize {
    let terminal =
        || terminal_size::terminal_size_of(io::stdout()).map(|(width, _)| usize::from(width.0));
    match file(options) {
        None if io::stdout().is_terminal() => terminal().map_or(COLUMNS, |c| {
            c.clamp(*SANE_COLUMNS.start(), *SANE_COLUMNS.end())
        }),
        _ => COLUMNS,
    }
}
