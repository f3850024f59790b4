//! Histories in long form: `time_unix_s,channel,value`.

use leakscope_trend::Config;

use super::history::{History, MAX_SAMPLES, Sample, Unread, is_used, millis};

/// The first line of such a file.
pub(super) const HEADER: &str = "time_unix_s,channel,value";

/// Reads a file. A line that cannot be read is named and left out.
pub(super) fn read(text: &[u8], config: &Config) -> (History, Unread) {
    let mut history = History::default();
    let mut unread = Unread::default();
    for (at, line) in text.split(|b| *b == b'\n').enumerate() {
        let number = at + 1;
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() || at == 0 {
            continue;
        }
        if history.samples.len() >= MAX_SAMPLES {
            unread.add(format!("line {number} and all after it: too many samples"));
            break;
        }
        match row(line, config, &mut history) {
            Ok(sample) => history.samples.push(sample),
            Err(why) => unread.add(format!("line {number}: {why}")),
        }
    }
    (history, unread)
}

fn row(line: &[u8], config: &Config, history: &mut History) -> Result<Sample, String> {
    let text = std::str::from_utf8(line).map_err(|_| "not UTF-8".to_owned())?;
    let mut fields = text.split(',').map(|f| f.trim().trim_matches('"'));
    let (Some(time), Some(name), Some(value), None) =
        (fields.next(), fields.next(), fields.next(), fields.next())
    else {
        return Err("not three fields".to_owned());
    };
    let number = |field: &str, what: &str| {
        let number = field.parse::<f64>().ok().filter(|n| n.is_finite());
        number.ok_or_else(|| format!("{field:?} is no {what}"))
    };
    let at = millis(number(time, "time")?).ok_or_else(|| format!("{time:?} is no time"))?;
    if !is_used(name, config) {
        return Err(format!("{name:?} is no channel"));
    }
    let value = number(value, "value")?;
    if value < 0.0 && name != leakscope_trend::Signal::Gogc.name() {
        return Err(format!("{value} is negative"));
    }
    Ok(Sample {
        at,
        name: history.series(name),
        value,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_cannot_be_read_are_named_and_the_rest_goes_on() {
        let text = b"time_unix_s,channel,value\r\n1,rss,5\r\n2,rss,\nx,rss,1\n3,what,1\n4,rss,1,2\n\n\xff,rss,1\n5,rss,nan\n6,rss,-1\n1e300,rss,1\n7.5,heap_floor,9";
        let (history, unread) = read(text, &Config::default());
        assert_eq!(history.samples.len(), 2);
        assert_eq!(
            (history.samples[1].at, history.samples[1].value),
            (7500, 9.0)
        );
        let lines: Vec<&str> = unread
            .named
            .iter()
            .filter_map(|l| l.split(':').next())
            .collect();
        assert_eq!(
            lines,
            [
                "line 3", "line 4", "line 5", "line 6", "line 8", "line 9", "line 10", "line 11"
            ]
        );
    }
}
