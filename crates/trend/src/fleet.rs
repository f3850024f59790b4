//! Replicas of one workload against each other: a leak follows each one's uptime, traffic follows the clock on the wall.
//!
//! At any moment all replicas see the same hour and share the same traffic. Where the older ones hold more than the
//! younger ones, at every moment, something accumulates with uptime.

use crate::Millis;
use crate::config::Config;
use crate::floors::Floors;
use crate::stats::median;

/// Moments at which replicas are compared.
const MOMENTS: i64 = 48;

/// Share of the span for which a floor holds where no newer one is known: collections are rare in quiet programs.
const LOOK_BACK: i64 = 6;

/// Most replicas that are compared: pairs grow with the square, and more say nothing new.
const MAX_REPLICAS: usize = 64;

/// What a comparison of replicas says about growth in one of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum FleetVerdict {
    /// Too few replicas, or all of an age.
    #[default]
    Unknown,
    /// Memory grows with uptime.
    Uptime,
    /// Memory follows the clock on the wall: young replicas hold as much as old ones.
    Clock,
}

/// One replica: its version and its floors.
#[derive(Clone, Copy, Debug)]
pub struct Replica<'a> {
    /// Digest of its image, or another name of its version.
    pub version: &'a str,
    /// When it started.
    pub born: Millis,
    /// Floors of the channel that is compared.
    pub floors: &'a Floors,
    /// Whether its own trend says that it grows.
    pub grows: bool,
}

/// How many replicas of a version grow.
#[derive(Clone, PartialEq, Debug)]
pub struct VersionShare {
    /// The version.
    pub version: String,
    /// Start of its first replica.
    pub since: Millis,
    /// Replicas.
    pub replicas: usize,
    /// Those that grow.
    pub growing: usize,
}

/// What comparing replicas gives.
#[derive(Clone, PartialEq, Debug)]
pub struct FleetReport {
    /// Whether growth follows uptime or the clock.
    pub verdict: FleetVerdict,
    /// Share of pairs, at all moments, in which the older replica holds more.
    pub older_holds_more: f64,
    /// Growth per second of uptime, the median over pairs; in the channel's unit.
    pub slope: f64,
    /// Share of replicas that grow by their own trend.
    pub growing_share: f64,
    /// Versions by the start of their first replica.
    pub versions: Vec<VersionShare>,
    /// The first version of which at least half grow, after one of which fewer did.
    pub onset: Option<String>,
    /// The two replicas that a closer look is worth most at: those that grow and are oldest.
    pub pick: Vec<usize>,
}

/// Compares replicas of one workload over the past [`crate::FleetConfig::span`], without their warm-up.
pub fn judge(replicas: &[Replica<'_>], now: Millis, config: &Config) -> FleetReport {
    let span = config.fleet.span;
    let mut order: Vec<usize> = (0..replicas.len()).collect();
    order.sort_by_key(|i| (replicas[*i].born, *i));
    // Spread over all ages, so that the cut keeps old and young ones.
    let step = replicas.len().div_ceil(MAX_REPLICAS).max(1);
    let chosen: Vec<&Replica<'_>> = order.iter().step_by(step).map(|i| &replicas[*i]).collect();
    let mut slopes = Vec::new();
    let mut more = 0_usize;
    for moment in 0..MOMENTS {
        let at = now - span * moment / MOMENTS;
        let holding: Vec<(Millis, f64)> = chosen
            .iter()
            .filter_map(|replica| Some((replica.born, held(replica, at, config)?)))
            .collect();
        for (i, (old, holds)) in holding.iter().enumerate() {
            for (young, less) in &holding[i + 1..] {
                let gap = young - old;
                if gap >= config.fleet.min_gap {
                    more += usize::from(holds > less);
                    slopes.push((holds - less) / (gap as f64 / 1e3));
                }
            }
        }
    }
    let share = more as f64 / slopes.len().max(1) as f64;
    let compared =
        chosen.len() >= config.fleet.min_replicas && slopes.len() >= MOMENTS as usize / 2;
    let verdict = if !compared {
        FleetVerdict::Unknown
    } else if share >= config.fleet.agree {
        FleetVerdict::Uptime
    } else if share <= config.fleet.disagree {
        FleetVerdict::Clock
    } else {
        FleetVerdict::Unknown
    };
    let growing = replicas.iter().filter(|r| r.grows).count();
    let versions = versions(replicas, &order);
    let onset = versions
        .windows(2)
        .find(|pair| !half_grow(&pair[0]) && half_grow(&pair[1]))
        .map(|pair| pair[1].version.clone());
    FleetReport {
        verdict,
        older_holds_more: share,
        slope: median(&mut slopes).unwrap_or(0.0),
        growing_share: growing as f64 / replicas.len().max(1) as f64,
        versions,
        onset,
        pick: order
            .into_iter()
            .filter(|i| replicas[*i].grows)
            .take(2)
            .collect(),
    }
}

fn half_grow(version: &VersionShare) -> bool {
    2 * version.growing >= version.replicas
}

/// What a replica held then, if it was warm.
fn held(replica: &Replica<'_>, at: Millis, config: &Config) -> Option<f64> {
    if at - replica.born < config.warm_up {
        return None;
    }
    // Floors of a heap are irregular: the newest one counts until it is too old.
    let bucket = replica.floors.bucket();
    let newest = at.div_euclid(bucket);
    let back = config.fleet.span / LOOK_BACK / bucket;
    let warm = (replica.born + config.warm_up).div_euclid(bucket);
    (newest.saturating_sub(back).max(warm)..=newest)
        .rev()
        .find_map(|bucket| replica.floors.get(bucket))
        .map(f64::from)
}

fn versions(replicas: &[Replica<'_>], order: &[usize]) -> Vec<VersionShare> {
    let mut versions: Vec<VersionShare> = Vec::new();
    for replica in order.iter().map(|i| &replicas[*i]) {
        let known = versions.iter_mut().find(|v| v.version == replica.version);
        let version = match known {
            Some(version) => version,
            None => {
                versions.push(VersionShare {
                    version: replica.version.to_owned(),
                    since: replica.born,
                    replicas: 0,
                    growing: 0,
                });
                let last = versions.len() - 1;
                &mut versions[last]
            }
        };
        version.replicas += 1;
        version.growing += usize::from(replica.grows);
    }
    versions
}
