//! Everything that decides, as configuration. The defaults are those of the published benchmark.

mod read;
mod value;

use crate::signature::{self, Signature};
use crate::{Millis, minutes};

pub use read::ConfigError;
pub use value::{bytes, duration};

/// Milliseconds of an hour.
const HOUR: Millis = minutes(60);

/// How early to speak. Earlier is less certain.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Sensitivity {
    /// When a third of the room is gone.
    Early,
    /// When half of the room is gone.
    #[default]
    Normal,
    /// When two thirds of the room are gone.
    Quiet,
}

impl Sensitivity {
    /// Least ratio of the time watched growing to the time left at which growth is a leak.
    pub const fn pace(self) -> f64 {
        match self {
            Self::Early => 0.5,
            Self::Normal => 1.0,
            Self::Quiet => 2.0,
        }
    }
}

/// Windows, thresholds and rules.
#[derive(Clone, PartialEq, Debug)]
pub struct Config {
    /// How early to speak.
    pub sensitivity: Sensitivity,
    /// Length of the span of time that one floor stands for.
    pub bucket: Millis,
    /// How long floors are kept.
    pub keep: Millis,
    /// Time between two evaluations.
    pub every: Millis,
    /// Windows beside that of the whole life, longest first.
    pub windows: Vec<Millis>,
    /// Evaluations in a row after which growth counts.
    pub hits: u32,
    /// Evaluations in a row without growth after which a leak is cleared.
    pub clear_after: u32,
    /// Least time after the start that is not looked at.
    pub warm_up: Millis,
    /// Share of the age that is not looked at.
    pub warm_up_share: f64,
    /// Without a floor for this long, a series is unknown.
    pub stale: Millis,
    /// Share by which resident memory falls at once when the process was started again, where no start time is known.
    pub restart_drop: f64,
    /// A channel fuller than this is judged by its trend, whatever is known of the objects in it.
    pub evidence_until: f64,
    /// The tests of each window.
    pub tests: Tests,
    /// How replicas are compared.
    pub fleet: Fleet,
    /// Patterns and thresholds: the built-in ones, then the user's.
    pub signatures: Vec<Signature>,
}

/// Thresholds of the tests that a window must pass.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Tests {
    /// Most groups of floors in a window.
    pub groups: usize,
    /// Least groups with a floor.
    pub min_groups: usize,
    /// Least time from the first group to the last.
    pub min_span: Millis,
    /// Least Mann-Kendall z.
    pub z: f64,
    /// Least growth as a share of the capacity.
    pub min_growth_share: f64,
    /// Least growth in bytes.
    pub min_growth: f64,
    /// Least growth in standard deviations of the noise.
    pub noise_factor: f64,
    /// Parts of the ratchet.
    pub steps: usize,
    /// Steps between parts that need not rise.
    pub steps_missing: usize,
    /// Share of a part's growth from which a step counts as rising.
    pub step_share: f64,
    /// Most share of the growth in one step.
    pub biggest_step: f64,
    /// Least slope of the last third, as a share of the whole slope.
    pub plateau: f64,
    /// Share of the pace (and of a count's growth) from which growth is suspect.
    pub suspect: f64,
    /// Least factor of a count's growth.
    pub count_factor: f64,
    /// Least growth of a count.
    pub count_growth: f64,
    /// Least factor of growth of bytes that nothing bounds.
    pub unbounded_factor: f64,
}

/// How replicas of one workload are compared.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Fleet {
    /// Time between two comparisons.
    pub every: Millis,
    /// How far back they look.
    pub span: Millis,
    /// Least replicas.
    pub min_replicas: usize,
    /// Least difference of two replicas' uptimes for a comparison.
    pub min_gap: Millis,
    /// Least share of pairs in which the older replica holds more.
    pub agree: f64,
    /// Most share of pairs in which it does when what grows follows the clock on the wall.
    pub disagree: f64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            sensitivity: Sensitivity::default(),
            bucket: minutes(5),
            keep: 14 * 24 * HOUR,
            every: minutes(10),
            windows: vec![24 * HOUR, 12 * HOUR, 6 * HOUR, 3 * HOUR, minutes(90)],
            hits: 2,
            clear_after: 12,
            warm_up: minutes(10),
            warm_up_share: 0.1,
            stale: 6 * HOUR,
            restart_drop: 0.6,
            evidence_until: 0.97,
            tests: Tests::default(),
            fleet: Fleet::default(),
            signatures: signature::built_in(),
        }
    }
}

impl Default for Tests {
    fn default() -> Self {
        Self {
            groups: 24,
            min_groups: 8,
            min_span: minutes(45),
            z: 3.09,
            min_growth_share: 0.03,
            min_growth: 16.0 * 1024.0 * 1024.0,
            noise_factor: 4.0,
            steps: 6,
            steps_missing: 1,
            step_share: 0.25,
            biggest_step: 0.6,
            plateau: 0.75,
            suspect: 0.25,
            count_factor: 3.0,
            count_growth: 1000.0,
            unbounded_factor: 2.0,
        }
    }
}

impl Default for Fleet {
    fn default() -> Self {
        Self {
            every: HOUR,
            span: 12 * HOUR,
            min_replicas: 3,
            min_gap: HOUR,
            agree: 0.8,
            disagree: 0.65,
        }
    }
}

impl Config {
    /// Reads TOML. What it does not name stays as in [`Config::default`].
    ///
    /// # Errors
    ///
    /// Every error of the text, each with its line: syntax, unknown keys, values of the wrong kind or out of range.
    pub fn from_toml(text: &str) -> Result<Self, Vec<ConfigError>> {
        read::read(text)
    }

    /// Buckets that are kept.
    pub(crate) fn kept_buckets(&self) -> usize {
        usize::try_from(self.keep / self.bucket.max(1)).map_or(1, |n| n.max(1))
    }
}
