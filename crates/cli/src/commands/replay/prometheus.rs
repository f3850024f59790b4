//! Histories from Prometheus: what `/api/v1/query_range` answers, from a file or from a server.

use std::io::Read as _;
use std::time::Duration;

use leakscope_trend::{Config, Signal};
use serde::Deserialize;

use super::history::{History, MAX_SAMPLES, Sample, Unread, is_used, millis};

/// Longest answer that is read.
const MAX_ANSWER: u64 = 1 << 30;

/// How long a server may take.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Most processes of one answer.
const MAX_PROCESSES: usize = 1000;

/// Metrics that are known to be a channel, by the exporters that name them so.
const KNOWN: &[(&str, Signal)] = &[
    ("go_gc_heap_live_bytes", Signal::HeapFloor),
    ("jvm_memory_used_after_last_gc_bytes", Signal::HeapFloor),
    ("jvm_memory_pool_collection_used_bytes", Signal::HeapFloor),
    ("jvm_gc_live_data_size_bytes", Signal::HeapFloor),
    ("leakscope_heap_floor_bytes", Signal::HeapFloor),
    ("process_resident_memory_bytes", Signal::Rss),
    ("container_memory_rss", Signal::Rss),
    ("leakscope_native_bytes", Signal::Native),
    ("go_goroutines", Signal::Count),
    ("jvm_threads_current", Signal::Count),
    ("jvm_threads_live_threads", Signal::Count),
    ("process_open_fds", Signal::Count),
    ("container_spec_memory_limit_bytes", Signal::Limit),
    ("jvm_memory_max_bytes", Signal::HeapMax),
    ("go_gc_gomemlimit_bytes", Signal::HeapMax),
    ("go_gc_gogc_percent", Signal::Gogc),
    ("process_start_time_seconds", Signal::StartTime),
];

/// Labels that tell series of one process apart, not processes.
const OF_SERIES: [&str; 4] = ["__name__", "channel", "pool", "area"];

/// A query and the channel that its answer is, where the query itself says so.
#[derive(Clone, Debug)]
pub(super) struct Query {
    pub(super) channel: Option<String>,
    pub(super) text: String,
}

impl Query {
    /// `CHANNEL=QUERY`, or a query whose metric is known.
    pub(super) fn parse(given: &str, config: &Config) -> Self {
        match given.split_once('=') {
            Some((channel, text)) if is_used(channel.trim(), config) => Self {
                channel: Some(channel.trim().to_owned()),
                text: text.trim().to_owned(),
            },
            _ => Self {
                channel: None,
                text: given.to_owned(),
            },
        }
    }
}

#[derive(Deserialize)]
struct Answer {
    status: String,
    error: Option<String>,
    data: Option<Data>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Data {
    result_type: String,
    result: Vec<Series>,
}

#[derive(Deserialize)]
struct Series {
    metric: std::collections::BTreeMap<String, String>,
    #[serde(default)]
    values: Vec<(f64, String)>,
}

/// Reads an answer into the histories of the processes in it. `channel` is what all of its series are, if that is known.
///
/// # Errors
///
/// In words, where it is no such answer.
pub(super) fn read(
    text: &[u8],
    channel: Option<&str>,
    config: &Config,
    histories: &mut Vec<History>,
    unread: &mut Unread,
) -> Result<(), String> {
    let answer: Answer = serde_json::from_slice(text).map_err(|e| e.to_string())?;
    let data = match answer.data {
        Some(data) if answer.status == "success" => data,
        _ => {
            let error = answer.error.unwrap_or_default();
            return Err(format!("the server says {}: {error}", answer.status));
        }
    };
    if data.result_type != "matrix" {
        return Err(format!(
            "a range is wanted, and this is a {}",
            data.result_type
        ));
    }
    for series in data.result {
        let metric = series.metric.get("__name__").map_or("", String::as_str);
        let named = channel
            .or_else(|| series.metric.get("channel").map(String::as_str))
            .filter(|name| is_used(name, config))
            .or_else(|| channel_of(metric, config));
        let Some(name) = named.map(str::to_owned) else {
            unread.add(format!("series {metric:?}: no known channel"));
            continue;
        };
        let labels = labels(&series.metric);
        let place = histories.iter().position(|h| h.labels == labels);
        let place = place.unwrap_or_else(|| {
            histories.push(History {
                labels,
                ..History::default()
            });
            histories.len() - 1
        });
        if place >= MAX_PROCESSES {
            histories.pop();
            unread.add(format!("more than {MAX_PROCESSES} processes"));
            return Ok(());
        }
        let total: usize = histories.iter().map(|h| h.samples.len()).sum();
        let history = &mut histories[place];
        let index = history.series(&name);
        for (at, value) in series
            .values
            .iter()
            .take(MAX_SAMPLES - total.min(MAX_SAMPLES))
        {
            let value = value.parse::<f64>().ok();
            match (millis(*at), value) {
                // Prometheus writes NaN for what is stale.
                (Some(_), Some(value)) if value.is_nan() => {}
                (Some(at), Some(value)) if value.is_finite() => history.samples.push(Sample {
                    at,
                    name: index,
                    value,
                }),
                _ => unread.add(format!("series {metric:?} at {at}: no number")),
            }
        }
    }
    Ok(())
}

fn channel_of<'a>(metric: &'a str, config: &Config) -> Option<&'a str> {
    let known = KNOWN.iter().find(|(name, _)| *name == metric);
    known
        .map(|(_, signal)| signal.name())
        .or_else(|| is_used(metric, config).then_some(metric))
}

/// The labels of the process of a series.
fn labels(metric: &std::collections::BTreeMap<String, String>) -> String {
    let of_process = metric
        .iter()
        .filter(|(k, _)| !OF_SERIES.contains(&k.as_str()));
    let pairs: Vec<String> = of_process.map(|(k, v)| format!("{k}={v:?}")).collect();
    pairs.join(", ")
}

/// Asks a server for a range.
///
/// # Errors
///
/// In words, where it cannot be reached or does not answer with a range.
pub(super) fn fetch(
    server: &str,
    query: &str,
    (from, to): (f64, f64),
    step: Duration,
) -> Result<Vec<u8>, String> {
    if !server.starts_with("http://") {
        return Err(format!(
            "{server} is no http:// address; over https, save the answer of /api/v1/query_range with curl and replay the file"
        ));
    }
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_global(Some(TIMEOUT))
        .http_status_as_error(false)
        .build()
        .into();
    let address = format!("{}/api/v1/query_range", server.trim_end_matches('/'));
    let mut answer = agent
        .get(&address)
        .query("query", query)
        .query("start", format!("{from:.3}"))
        .query("end", format!("{to:.3}"))
        .query("step", format!("{}", step.as_secs_f64()))
        .call()
        .map_err(|e| e.to_string())?;
    let mut body = Vec::new();
    let status = answer.status();
    let reader = answer.body_mut().as_reader();
    let read = reader.take(MAX_ANSWER + 1).read_to_end(&mut body);
    read.map_err(|e| e.to_string())?;
    if body.len() as u64 > MAX_ANSWER {
        return Err(
            "the answer is larger than 1 GiB; ask for less, or with a larger step".to_owned(),
        );
    }
    // Prometheus explains itself in JSON also where it fails.
    if !status.is_success() && !body.starts_with(b"{") {
        return Err(format!("the server answers {status}"));
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_become_channels_of_processes() {
        let text = br#"{"status":"success","data":{"resultType":"matrix","result":[
            {"metric":{"__name__":"go_gc_heap_live_bytes","pod":"a"},"values":[[1,"5"],[2,"NaN"],[3,"x"]]},
            {"metric":{"__name__":"process_resident_memory_bytes","pod":"a"},"values":[[1,"9"]]},
            {"metric":{"__name__":"go_gc_heap_live_bytes","pod":"b"},"values":[[1,"7"]]},
            {"metric":{"__name__":"up","pod":"b"},"values":[[1,"1"]]}]}}"#;
        let (mut histories, mut unread) = (Vec::new(), Unread::default());
        let config = Config::default();
        read(text, None, &config, &mut histories, &mut unread).unwrap();
        assert_eq!(histories.len(), 2);
        assert_eq!(histories[0].labels, "pod=\"a\"");
        assert_eq!(histories[0].names, ["heap_floor", "rss"]);
        assert_eq!(histories[0].samples.len(), 2);
        assert_eq!(unread.named.len(), 2);
    }

    #[test]
    fn what_is_no_range_is_refused_by_its_cause() {
        let config = Config::default();
        let said = |text: &[u8]| {
            read(text, None, &config, &mut Vec::new(), &mut Unread::default()).unwrap_err()
        };
        assert!(said(b"{\"status\":\"error\",\"error\":\"bad query\"}").contains("bad query"));
        assert!(
            said(b"{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[]}}")
                .contains("vector")
        );
        assert!(!said(b"{").is_empty());
        assert!(!said(b"[]").is_empty());
    }

    #[test]
    fn a_query_may_say_which_channel_it_is() {
        let config = Config::default();
        let query = Query::parse("rss=sum(x{a=\"b\"})", &config);
        assert_eq!(query.channel.as_deref(), Some("rss"));
        assert_eq!(query.text, "sum(x{a=\"b\"})");
        let plain = Query::parse("x{rss=\"b\"}", &config);
        assert_eq!((plain.channel, plain.text.as_str()), (None, "x{rss=\"b\"}"));
    }
}
