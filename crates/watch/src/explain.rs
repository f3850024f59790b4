//! A decision again: the series it rests on, every window and test, and what would have changed it.

use leakscope_trend::{Config as TrendConfig, ConfigError, Millis, Scratch, Sensitivity};

use crate::case::Case;
use crate::config::Config;
use crate::recorder::Row;
use crate::replay::replay;
use crate::series::Series;
use crate::store::{Store, StoreError};
use crate::verdict::{TestSeen, Verdict};

/// Why a decision cannot be shown again.
#[derive(Debug, thiserror::Error)]
pub enum ExplainError {
    /// The store failed, or has no such verdict.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The configuration that was stored cannot be read by this release.
    #[error("the configuration of that time cannot be read any more: {}", .0.first().map_or(String::new(), ToString::to_string))]
    Config(Vec<ConfigError>),
}

/// A decision, shown again.
#[derive(Clone, PartialEq, Debug)]
pub struct Explanation {
    /// As it was decided.
    pub verdict: Verdict,
    /// The series it is about and those it was weighed against, from the start of the process to the decision.
    pub series: Vec<SeriesShown>,
    /// Bytes or count at which it is full; `None` where nothing bounds it.
    pub capacity: Option<f64>,
    /// Every window that was looked at, longest first.
    pub windows: Vec<WindowShown>,
    /// The same decision from the stored floors: its verdict and slope. `None` where the floors of that time are gone.
    pub again: Option<(String, Option<f64>)>,
    /// The verdict at that moment under each other sensitivity, from the stored floors.
    pub sensitivities: Vec<(String, String)>,
    /// What of the deciding window's tests, had it come out otherwise, would have changed the verdict.
    pub turning: Vec<Turning>,
}

/// A stored series.
#[derive(Clone, PartialEq, Debug)]
pub struct SeriesShown {
    /// Its name.
    pub name: String,
    /// Milliseconds since 1970, and the value.
    pub points: Vec<(Millis, f64)>,
}

/// A window and its tests.
#[derive(Clone, PartialEq, Debug)]
pub struct WindowShown {
    /// Its length in milliseconds; `None`: the whole life.
    pub length: Option<Millis>,
    /// Its tests, in the order made. The last one may have failed.
    pub tests: Vec<TestSeen>,
}

/// A test that the verdict hung on.
#[derive(Clone, PartialEq, Debug)]
pub struct Turning {
    /// The test.
    pub test: TestSeen,
    /// By how much what was seen may change before the test comes out otherwise, as a share of its bound.
    pub margin: f64,
}

/// Shows decision `id` again.
///
/// # Errors
///
/// See [`ExplainError`].
pub fn explain(store: &Store, id: i64) -> Result<Explanation, ExplainError> {
    let (verdict, text) = store.verdict(id)?;
    let config = Config::from_toml(&text)
        .map_err(ExplainError::Config)?
        .trend;
    let process = store.process(verdict.process)?;
    // Floors of buckets that had closed by then.
    let rows: Vec<Row> = store
        .rows(verdict.process, verdict.at)?
        .into_iter()
        .filter(|row| row.at < verdict.at)
        .collect();
    let mut scratch = Scratch::default();
    let runtime = match process.who.runtime.as_str() {
        "go" => leakscope_trend::Runtime::Go,
        _ => leakscope_trend::Runtime::Jvm,
    };
    let memory = store.workload(&process.who.workload)?;
    let mut judge = |config: &TrendConfig| {
        let mut case = Case::new(runtime, process.has_floors, memory.clone());
        if let Some(seen) = &verdict.fleet {
            case.set_fleet(&[(Series::named(&verdict.channel), seen.clone())]);
        }
        let mut latest = None;
        replay(
            &mut case,
            &rows,
            verdict.at,
            config,
            &mut scratch,
            |ruling| {
                if ruling.about == verdict.channel {
                    latest = Some((ruling.change.verdict.name().to_owned(), ruling.change.slope));
                }
            },
        );
        let windows = case.windows(&verdict.channel, verdict.at, config, &mut scratch);
        (latest, windows, case.capacity(&verdict.channel))
    };
    let (again, windows, capacity) = judge(&config);
    let others = [
        (Sensitivity::Early, "early"),
        (Sensitivity::Normal, "normal"),
        (Sensitivity::Quiet, "quiet"),
    ];
    let sensitivities = others
        .into_iter()
        .filter(|(s, _)| *s != config.sensitivity)
        .filter_map(|(sensitivity, name)| {
            let other = TrendConfig {
                sensitivity,
                ..config.clone()
            };
            let (latest, ..) = judge(&other);
            latest.map(|(verdict, _)| (name.to_owned(), verdict))
        })
        .collect();
    Ok(Explanation {
        series: shown(&rows, &verdict.channel),
        capacity,
        windows: windows
            .into_iter()
            .map(|(length, tests)| WindowShown {
                length,
                tests: tests.iter().map(TestSeen::of).collect(),
            })
            .collect(),
        again,
        sensitivities,
        turning: turning(&verdict),
        verdict,
    })
}

/// The series itself, then the load and what bounds it.
fn shown(rows: &[Row], about: &str) -> Vec<SeriesShown> {
    let mut names: Vec<&Series> = rows.iter().map(|row| &row.series).collect();
    names.sort();
    names.dedup();
    // Of a pattern, every series may matter.
    let is_pattern = !names.iter().any(|series| series.name() == about);
    let context = ["load", "limit", "heap_max", "gogc"];
    names
        .into_iter()
        .filter(|s| is_pattern || s.name() == about || context.contains(&s.name()))
        .map(|series| SeriesShown {
            name: series.name().to_owned(),
            points: rows
                .iter()
                .filter(|row| row.series == *series)
                .map(|row| (row.at, row.value))
                .collect(),
        })
        .collect()
}

/// Of a verdict that rose, each passed test could have kept it down: the closest first. Of one that fell or stayed low,
/// those that failed.
fn turning(verdict: &Verdict) -> Vec<Turning> {
    let rose = matches!(verdict.verdict.as_str(), "leak" | "suspect");
    let margin = |test: &TestSeen| {
        let (value, bound) = test.value.zip(test.bound)?;
        Some((value - bound).abs() / bound.abs().max(f64::MIN_POSITIVE))
    };
    let mut turning: Vec<Turning> = verdict
        .tests
        .iter()
        .filter(|test| test.passed == rose)
        .filter_map(|test| {
            Some(Turning {
                margin: margin(test)?,
                test: test.clone(),
            })
        })
        .collect();
    turning.sort_by(|a, b| a.margin.total_cmp(&b.margin));
    turning
}
