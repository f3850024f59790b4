//! Metrics that a program offers itself: the text format of Prometheus and OpenMetrics, read strictly.
//!
//! Only samples are looked at: `name{labels} value [timestamp]`. Anything else than such a line, a comment or an empty line
//! makes the whole answer garbage: half an answer would be taken for a fall.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// Longest answer that is read: a large service has some thousand series of 100 bytes.
const MAX_ANSWER: usize = 4 << 20;

/// Why metrics could not be taken.
#[derive(Debug, thiserror::Error)]
pub enum MetricsError {
    /// Nothing listens, or it does not answer in time.
    #[error("its metrics endpoint does not answer: {0}")]
    Silent(#[from] std::io::Error),
    /// It answers something else than 200.
    #[error("its metrics endpoint answers without success")]
    Refused,
    /// The answer has no end within what is read of one.
    #[error("its metrics endpoint answers more than {} MiB", MAX_ANSWER >> 20)]
    TooLong,
    /// The answer is no metrics.
    #[error("its metrics endpoint says what is no metrics, at line {line}")]
    Garbage {
        /// Where, counted from 1.
        line: usize,
    },
}

/// Fetches `path` from `address` by HTTP/1.0, so that the answer ends with the connection. From connecting to its last byte
/// it may take `patience`: an endpoint that drips holds nothing up.
///
/// # Errors
///
/// See [`MetricsError`].
pub fn fetch(address: SocketAddr, path: &str, patience: Duration) -> Result<String, MetricsError> {
    let end = Instant::now() + patience;
    let mut stream = TcpStream::connect_timeout(&address, left(end)?)?;
    stream.set_write_timeout(Some(left(end)?))?;
    let request = format!(
        "GET {path} HTTP/1.0\r\nHost: {address}\r\nAccept: text/plain\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    let mut part = vec![0; 64 << 10];
    loop {
        stream.set_read_timeout(Some(left(end)?))?;
        let count = stream.read(&mut part)?;
        if count == 0 {
            break;
        }
        answer.extend_from_slice(&part[..count]);
        if answer.len() > MAX_ANSWER {
            return Err(MetricsError::TooLong);
        }
    }
    let text = String::from_utf8(answer).map_err(|_| MetricsError::Garbage { line: 0 })?;
    let (head, body) = text.split_once("\r\n\r\n").ok_or(MetricsError::Refused)?;
    let status = head.split(' ').nth(1);
    if !head.starts_with("HTTP/1.") || status != Some("200") {
        return Err(MetricsError::Refused);
    }
    Ok(body.to_owned())
}

/// What is left of the time until `end`.
fn left(end: Instant) -> std::io::Result<Duration> {
    let left = end.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(std::io::ErrorKind::TimedOut.into());
    }
    Ok(left)
}

/// Sums of the samples of each of these metrics, over all labels. A metric without samples is not in the answer.
///
/// # Errors
///
/// [`MetricsError::Garbage`] where any line is neither a sample nor a comment.
pub fn sums<'a>(
    text: &str,
    wanted: impl Fn(&str) -> Option<&'a str>,
) -> Result<BTreeMap<&'a str, f64>, MetricsError> {
    let mut sums = BTreeMap::new();
    for (at, line) in text.lines().enumerate() {
        let line = line.trim_end();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (name, value) = sample(line).ok_or(MetricsError::Garbage { line: at + 1 })?;
        if let Some(known) = wanted(name)
            && value.is_finite()
        {
            *sums.entry(known).or_insert(0.0) += value;
        }
    }
    Ok(sums)
}

/// Name and value of a sample.
fn sample(line: &str) -> Option<(&str, f64)> {
    let end = line.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':'))?;
    let (name, rest) = line.split_at(end);
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let rest = match rest.strip_prefix('{') {
        Some(labels) => &labels[end_of_labels(labels)?..],
        None => rest,
    };
    let mut words = rest.split_ascii_whitespace();
    let value = number(words.next()?)?;
    // A timestamp, and an exemplar behind a hash.
    match words.next() {
        None | Some("#") => {}
        Some(timestamp) => {
            timestamp.parse::<f64>().ok()?;
        }
    }
    Some((name, value))
}

/// Where the labels end: behind a brace that does not stand in quotes.
fn end_of_labels(labels: &str) -> Option<usize> {
    let mut quoted = false;
    let mut escaped = false;
    for (at, c) in labels.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '}' if !quoted => return Some(at + 1),
            _ => {}
        }
    }
    None
}

fn number(word: &str) -> Option<f64> {
    match word {
        "+Inf" | "Inf" => Some(f64::INFINITY),
        "-Inf" => Some(f64::NEG_INFINITY),
        "NaN" => Some(f64::NAN),
        _ if word.bytes().any(|b| b.is_ascii_digit()) => word.parse().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_of_a_metric_are_summed_over_labels() {
        let text = "# HELP pool_size Threads.\n# TYPE pool_size gauge\n\
            pool_size{pool=\"a\",odd=\"} \\\" {\"} 3\npool_size{pool=\"b\"} 4.5 1700000000000\n\
            other_total 1e9 # {trace=\"x\"} 1\nnot_a_number NaN\nhuge +Inf\n# EOF\n";
        let known = ["pool_size", "not_a_number", "missing"];
        let sums = sums(text, |name| known.iter().copied().find(|k| *k == name)).unwrap();
        assert_eq!(sums.into_iter().collect::<Vec<_>>(), [("pool_size", 7.5)]);
    }

    #[test]
    fn one_line_of_garbage_drops_the_whole_answer_and_says_where() {
        for bad in [
            "<html>",
            "9lives 3",
            "a",
            "a{",
            "a{b=\"c} 3",
            "a nan-ish",
            "a 1 soon",
            "{x=\"y\"} 1",
            "a{b=\"c\"}",
        ] {
            let text = format!("ok 1\n{bad}\n");
            assert!(
                matches!(
                    sums(&text, |_| Some("x")),
                    Err(MetricsError::Garbage { line: 2 })
                ),
                "{bad}"
            );
        }
    }
}
