//! Replicas on this machine: processes of one workload that started at different times are compared with each other.

use std::collections::BTreeMap;

use leakscope_trend::{Config, FleetVerdict, Millis, Replica, judge_fleet};
use serde::{Deserialize, Serialize};

use crate::series::Series;
use crate::watched::Watched;

/// What comparing a process with its replicas found, of one series.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct FleetSeen {
    /// What growth follows: `uptime` (a leak), `clock` (traffic), or `unknown`.
    pub follows: String,
    /// Replicas on this machine, itself among them.
    pub replicas: usize,
    /// Share of them that grow by their own trend.
    pub growing: f64,
    /// Share of pairs, at all moments, in which the older one holds more.
    pub older_holds_more: f64,
    /// The first version of which at least half grow, after one of which fewer did.
    pub onset: Option<String>,
}

impl FleetSeen {
    /// The verdict in the trend engine's terms.
    pub(crate) fn verdict(&self) -> FleetVerdict {
        match self.follows.as_str() {
            "uptime" => FleetVerdict::Uptime,
            "clock" => FleetVerdict::Clock,
            _ => FleetVerdict::Unknown,
        }
    }
}

/// What was found of each series.
type Seen = Vec<(Series, FleetSeen)>;

/// When replicas were compared last.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Fleets {
    turn: Option<i64>,
}

impl Fleets {
    /// Compares every workload's replicas, at most once in [`leakscope_trend::FleetConfig::every`], and tells each of them
    /// what was found.
    pub(crate) fn compare(&mut self, watched: &mut [Watched], now: Millis, config: &Config) {
        let turn = now.div_euclid(config.fleet.every.max(1));
        if self.turn.replace(turn) == Some(turn) {
            return;
        }
        let mut workloads: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (index, one) in watched.iter().enumerate() {
            workloads.entry(&one.who.workload).or_default().push(index);
        }
        let found: Vec<(Vec<usize>, Seen)> = workloads
            .into_values()
            .filter(|members| members.len() >= config.fleet.min_replicas)
            .map(|members| {
                let seen = compared(watched, &members, now, config);
                (members, seen)
            })
            .collect();
        for one in watched.iter_mut() {
            one.case.set_fleet(&[]);
        }
        for (members, seen) in found {
            for index in members {
                if let Some(one) = watched.get_mut(index) {
                    one.case.set_fleet(&seen);
                }
            }
        }
    }
}

/// What comparing these replicas says of every series that any of them is judged by.
fn compared(watched: &[Watched], members: &[usize], now: Millis, config: &Config) -> Seen {
    let members: Vec<&Watched> = members.iter().filter_map(|i| watched.get(*i)).collect();
    let mut judged: Vec<Series> = members.iter().flat_map(|one| one.case.judged()).collect();
    judged.sort();
    judged.dedup();
    judged
        .into_iter()
        .filter_map(|series| {
            let replicas: Vec<Replica<'_>> = members
                .iter()
                .filter_map(|one| {
                    Some(Replica {
                        version: one.who.version.as_deref().unwrap_or_default(),
                        born: one.who.started,
                        floors: one.case.floors(&series)?,
                        grows: one.case.grows(&series),
                    })
                })
                .collect();
            if replicas.len() < config.fleet.min_replicas {
                return None;
            }
            let report = judge_fleet(&replicas, now, config);
            let follows = match report.verdict {
                FleetVerdict::Uptime => "uptime",
                FleetVerdict::Clock => "clock",
                FleetVerdict::Unknown => "unknown",
            };
            let seen = FleetSeen {
                follows: follows.to_owned(),
                replicas: replicas.len(),
                growing: report.growing_share,
                older_holds_more: report.older_holds_more,
                onset: report.onset,
            };
            Some((series, seen))
        })
        .collect()
}
