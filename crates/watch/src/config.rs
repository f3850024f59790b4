//! What to watch and how: the section `[watch]` of the configuration. Everything else in it is the trend engine's.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use leakscope_trend::{Config as TrendConfig, ConfigError, Millis, bytes, duration, minutes};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Shortest time between two rounds: below, sampling costs more than it tells.
const MIN_INTERVAL: Millis = 50;

/// Longest time that may be configured for an endpoint: rounds wait for it.
const MAX_TIMEOUT: Millis = 60_000;

/// Most endpoints, and most series of one.
const MAX_METRICS: usize = 256;

/// A configuration.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Config {
    /// What decides.
    pub trend: TrendConfig,
    /// What is watched.
    pub watch: WatchConfig,
}

/// What to watch and how.
#[derive(Clone, PartialEq, Debug)]
pub struct WatchConfig {
    /// Time between two rounds of samples.
    pub interval: Millis,
    /// The store's file; `None`: everything is forgotten at the end.
    pub store: Option<PathBuf>,
    /// How long verdicts and processes that have ended are kept. Floors are kept as long as the trend engine looks back.
    pub keep: Millis,
    /// Where the metrics of the watcher itself are offered.
    pub listen: Option<SocketAddr>,
    /// Bytes that a process may take where no control group limits it; `None`: the memory of the machine.
    pub limit: Option<f64>,
    /// Names of processes, executables or main classes; empty: every one.
    pub only: Vec<String>,
    /// Metrics that programs offer themselves.
    pub metrics: Vec<MetricsConfig>,
    /// Longest time that the answer of one of them may take; all together may take twice that in a round.
    pub metrics_timeout: Millis,
}

/// Metrics of one program.
#[derive(Clone, PartialEq, Debug)]
pub struct MetricsConfig {
    /// Name of the process, its executable or its main class.
    pub process: String,
    /// Where it listens.
    pub address: SocketAddr,
    /// Path of the metrics.
    pub path: String,
    /// Name of a series by the name of its metric.
    pub series: BTreeMap<String, Arc<str>>,
}

impl Default for WatchConfig {
    fn default() -> Self {
        Self {
            interval: 30_000,
            store: None,
            keep: minutes(60 * 24 * 30),
            listen: None,
            limit: None,
            only: Vec::new(),
            metrics: Vec::new(),
            metrics_timeout: 1_000,
        }
    }
}

impl Config {
    /// Reads TOML. What it does not name stays as in [`Config::default`].
    ///
    /// # Errors
    ///
    /// Every error of the text, each with its line.
    pub fn from_toml(text: &str) -> Result<Self, Vec<ConfigError>> {
        let mut reader = Reader {
            text,
            errors: Vec::new(),
        };
        let mut watch = WatchConfig::default();
        // Errors of syntax are the trend engine's to tell.
        let (table, _) = DeTable::parse_recoverable(text);
        for (key, value) in table.get_ref() {
            if key.get_ref().as_ref() == "watch" {
                reader.section(value, &mut watch);
            }
        }
        let mut errors = reader.errors;
        match TrendConfig::from_toml(text) {
            Ok(trend) if errors.is_empty() => return Ok(Self { trend, watch }),
            Ok(_) => {}
            Err(others) => errors.extend(others),
        }
        errors.sort();
        errors.dedup();
        Err(errors)
    }
}

type Value<'i> = Spanned<DeValue<'i>>;

struct Reader<'a> {
    text: &'a str,
    errors: Vec<ConfigError>,
}

impl Reader<'_> {
    fn error(&mut self, at: usize, message: impl Into<String>) {
        let before = self.text.as_bytes().get(..at).unwrap_or_default();
        let line = 1 + before.iter().filter(|b| **b == b'\n').count();
        self.errors.push(ConfigError {
            line,
            message: message.into(),
        });
    }

    fn table<'v, 'i>(&mut self, value: &'v Value<'i>, what: &str) -> Option<&'v DeTable<'i>> {
        let table = value.get_ref().as_table();
        if table.is_none() {
            self.error(value.span().start, format!("{what} is a table"));
        }
        table
    }

    fn section(&mut self, value: &Value<'_>, watch: &mut WatchConfig) {
        const KNOWN: &str = "interval, store, keep, listen, limit, only, metrics, metrics_timeout";
        let Some(table) = self.table(value, "[watch]") else {
            return;
        };
        for (key, value) in table {
            match key.get_ref().as_ref() {
                "interval" => {
                    if let Some(interval) = self.text(value, duration) {
                        if interval < MIN_INTERVAL {
                            self.error(value.span().start, "interval is 50 ms at least");
                        }
                        watch.interval = interval;
                    }
                }
                "store" => watch.store = self.text(value, path).or(watch.store.take()),
                "keep" => watch.keep = self.text(value, duration).unwrap_or(watch.keep),
                "listen" => watch.listen = self.text(value, address).or(watch.listen),
                "limit" => watch.limit = self.text(value, bytes).or(watch.limit),
                "only" => watch.only = self.names(value),
                "metrics" => self.endpoints(value, watch),
                "metrics_timeout" => {
                    if let Some(timeout) = self.text(value, duration) {
                        if !(1..=MAX_TIMEOUT).contains(&timeout) {
                            self.error(value.span().start, "metrics_timeout is 1 ms to 60 s");
                        }
                        watch.metrics_timeout = timeout.clamp(1, MAX_TIMEOUT);
                    }
                }
                other => self.error(
                    key.span().start,
                    format!("unknown key {other:?} in [watch]; there are: {KNOWN}"),
                ),
            }
        }
    }

    /// A text, read by `parse`.
    fn text<T>(
        &mut self,
        value: &Value<'_>,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        let Some(text) = value.get_ref().as_str() else {
            self.error(value.span().start, "a text in quotes is wanted here");
            return None;
        };
        match parse(text) {
            Ok(parsed) => Some(parsed),
            Err(message) => {
                self.error(value.span().start, message);
                None
            }
        }
    }

    fn names(&mut self, value: &Value<'_>) -> Vec<String> {
        let Some(array) = value.get_ref().as_array() else {
            self.error(value.span().start, "a list of names is wanted here");
            return Vec::new();
        };
        let mut names = Vec::new();
        for name in array.iter() {
            names.extend(self.text(name, |text| Ok(text.to_owned())));
        }
        names
    }

    fn endpoints(&mut self, value: &Value<'_>, watch: &mut WatchConfig) {
        let Some(array) = value.get_ref().as_array() else {
            self.error(value.span().start, "[[watch.metrics]] is a list of tables");
            return;
        };
        if array.len() > MAX_METRICS {
            self.error(value.span().start, "more than 256 endpoints");
            return;
        }
        for entry in array.iter() {
            watch.metrics.extend(self.endpoint(entry));
        }
    }

    fn endpoint(&mut self, value: &Value<'_>) -> Option<MetricsConfig> {
        let (mut process, mut url, mut series) = (None, None, None);
        for (key, value) in self.table(value, "[[watch.metrics]]")? {
            match key.get_ref().as_ref() {
                "process" => process = self.text(value, |text| Ok(text.to_owned())),
                "url" => url = self.text(value, self::url),
                "series" => series = self.series(value),
                other => self.error(
                    key.span().start,
                    format!(
                        "unknown key {other:?} in [[watch.metrics]]; there are: process, url, series"
                    ),
                ),
            }
        }
        let (Some(process), Some((address, path)), Some(series)) = (process, url, series) else {
            self.error(
                value.span().start,
                "[[watch.metrics]] needs process, url and series",
            );
            return None;
        };
        Some(MetricsConfig {
            process,
            address,
            path,
            series,
        })
    }

    /// `name = "metric"` lines, by metric.
    fn series(&mut self, value: &Value<'_>) -> Option<BTreeMap<String, Arc<str>>> {
        let table = self.table(value, "series")?;
        if table.len() > MAX_METRICS {
            self.error(value.span().start, "more than 256 series");
            return None;
        }
        let mut series = BTreeMap::new();
        for (name, metric) in table {
            let plain = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'_';
            if !name.get_ref().bytes().all(plain) {
                self.error(
                    name.span().start,
                    "names of series have lower-case letters, digits and _",
                );
            }
            if let Some(metric) = self.text(metric, |text| Ok(text.to_owned())) {
                series.insert(metric, Arc::from(name.get_ref().as_ref()));
            }
        }
        Some(series)
    }
}

fn path(text: &str) -> Result<PathBuf, String> {
    if text.is_empty() {
        return Err("a path is missing".to_owned());
    }
    Ok(PathBuf::from(text))
}

fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse()
        .map_err(|_| format!("{text:?} is no address such as \"127.0.0.1:9464\""))
}

/// Address and path of `http://127.0.0.1:9090/metrics`. Names of hosts are not looked up: that may hang.
fn url(text: &str) -> Result<(SocketAddr, String), String> {
    let wrong = || format!("{text:?} is no address such as \"http://127.0.0.1:9090/metrics\"");
    if text.starts_with("https://") {
        return Err(format!(
            "{text:?}: https is not asked; only plain http is, as programs offer it on the loopback"
        ));
    }
    let rest = text.strip_prefix("http://").ok_or_else(wrong)?;
    let (host, path) = rest
        .find('/')
        .map_or((rest, "/metrics"), |slash| rest.split_at(slash));
    if path.bytes().any(|b| b <= b' ' || b == 0x7f) {
        return Err(wrong());
    }
    let host = host.replacen("localhost", "127.0.0.1", 1);
    let address = host.parse().map_err(|_| wrong())?;
    Ok((address, path.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_configuration_is_read() {
        let config = Config::from_toml(
            "sensitivity = \"early\"\n[watch]\ninterval = \"5s\"\nstore = \"w.db\"\nkeep = \"2d\"\n\
             listen = \"127.0.0.1:0\"\nlimit = \"1 GiB\"\nonly = [\"shop\"]\n\
             [[watch.metrics]]\nprocess = \"shop\"\nurl = \"http://localhost:9090/m\"\n\
             series = { pool_size = \"jdbc_connections\" }\n",
        )
        .unwrap();
        let watch = config.watch;
        assert_eq!((watch.interval, watch.keep), (5_000, 2 * 86_400_000));
        assert_eq!(watch.limit, Some(1024.0_f64.powi(3)));
        assert_eq!((watch.only.len(), watch.store.is_some()), (1, true));
        let metrics = &watch.metrics[0];
        assert_eq!(
            (metrics.address.port(), metrics.path.as_str()),
            (9090, "/m")
        );
        assert_eq!(metrics.series["jdbc_connections"].as_ref(), "pool_size");
        assert_eq!(Config::from_toml("").unwrap(), Config::default());
    }

    #[test]
    fn all_errors_are_told_at_once_with_their_lines() {
        let errors = Config::from_toml(
            "sensitivity = \"asleep\"\n[watch]\ninterval = \"soon\"\nstoer = \"x\"\nlimit = 7\n\
             listen = \"here\"\n[[watch.metrics]]\nprocess = \"a\"\nurl = \"gopher://x\"\n",
        )
        .unwrap_err();
        let lines: Vec<usize> = errors.iter().map(|e| e.line).collect();
        assert_eq!(lines, [1, 3, 4, 5, 6, 7, 9], "{errors:?}");
        assert!(errors[2].message.contains("stoer"), "{errors:?}");
    }
}
