//! The series that are kept about a process, and how each is judged.

use std::sync::Arc;

use leakscope_trend::{Channel, Fold, Runtime, Signal};

/// A series about a process.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Series {
    /// One of those that the trend engine knows, but [`Signal::Count`].
    Signal(Signal),
    /// Goroutines.
    Goroutines,
    /// Threads of the process.
    Threads,
    /// Open descriptors.
    Fds,
    /// Classes that are loaded.
    Classes,
    /// Bytes of goroutines' stacks.
    Stacks,
    /// Anonymous bytes of the whole control group.
    GroupAnonymous,
    /// Share of time, in percent, in which the control group waited for memory.
    Pressure,
    /// From the program's own metrics, under the name that the configuration gives it.
    Metric(Arc<str>),
}

/// How a series is kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kept {
    /// As floors, folded so.
    Floors(Fold),
    /// Each change.
    Changes,
}

impl Series {
    /// Its name in output, in the store and in signatures.
    pub fn name(&self) -> &str {
        match self {
            Self::Signal(signal) => signal.name(),
            Self::Goroutines => "goroutines",
            Self::Threads => "threads",
            Self::Fds => "fds",
            Self::Classes => "classes",
            Self::Stacks => "stacks",
            Self::GroupAnonymous => "cgroup_anon",
            Self::Pressure => "memory_pressure",
            Self::Metric(name) => name,
        }
    }

    /// The series of that name; any name that is no other's is a metric's.
    pub fn named(name: &str) -> Self {
        const OWN: [Series; 7] = [
            Series::Goroutines,
            Series::Threads,
            Series::Fds,
            Series::Classes,
            Series::Stacks,
            Series::GroupAnonymous,
            Series::Pressure,
        ];
        let own = OWN.into_iter().find(|series| series.name() == name);
        own.or_else(|| Signal::named(name).map(Self::Signal))
            .unwrap_or_else(|| Self::Metric(name.into()))
    }

    /// How it is kept.
    pub fn kept(&self) -> Kept {
        match self {
            Self::Signal(Signal::Limit | Signal::HeapMax | Signal::Gogc | Signal::StartTime) => {
                Kept::Changes
            }
            Self::Signal(Signal::HeapFloor) => Kept::Floors(Fold::Min),
            Self::Signal(Signal::Load) => Kept::Floors(Fold::Mean),
            _ => Kept::Floors(Fold::Low),
        }
    }

    /// Whether it is a count that gets a verdict.
    pub fn is_judged_count(&self) -> bool {
        matches!(
            self,
            Self::Goroutines | Self::Threads | Self::Fds | Self::Classes
        )
    }

    /// The count that stands for a process of this runtime in patterns of several series.
    pub fn main_count(runtime: Runtime) -> Self {
        match runtime {
            Runtime::Go => Self::Goroutines,
            Runtime::Jvm => Self::Threads,
        }
    }

    /// The series that a channel's verdict is about.
    pub fn of_channel(channel: Channel, runtime: Runtime) -> Self {
        match channel {
            Channel::HeapFloor => Self::Signal(Signal::HeapFloor),
            Channel::Rss => Self::Signal(Signal::Rss),
            Channel::Native => Self::Signal(Signal::Native),
            Channel::Count => Self::main_count(runtime),
        }
    }

    /// Whether its values are bytes.
    pub fn is_bytes(&self) -> bool {
        matches!(self, Self::Stacks | Self::GroupAnonymous)
            || matches!(self, Self::Signal(s) if matches!(s, Signal::HeapFloor | Signal::Rss | Signal::Native | Signal::Limit | Signal::HeapMax))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_series_is_found_by_its_name() {
        let signals = Signal::ALL.into_iter().map(Series::Signal);
        let others = ["goroutines", "threads", "fds", "classes", "stacks"].map(Series::named);
        for series in signals.chain(others) {
            assert_eq!(Series::named(series.name()), series);
        }
        assert_eq!(
            Series::named("pool_size"),
            Series::Metric("pool_size".into())
        );
    }
}
