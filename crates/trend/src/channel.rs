//! What is fed in, and what is judged.

use crate::floors::Fold;

/// The runtime of a process: it decides what a heap's capacity is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Runtime {
    /// Go: the heap may grow until it, with its garbage, meets the memory limit.
    Go,
    /// A JVM: the heap may grow to its maximum.
    Jvm,
}

/// A series that can be fed in.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum Signal {
    /// Live bytes right after a collection. Irregular: one value per collection.
    HeapFloor,
    /// Anonymous resident bytes.
    Rss,
    /// Anonymous resident bytes less those that the heap has committed.
    Native,
    /// Goroutines, threads, classes, descriptors or mappings.
    Count,
    /// What the process is asked to do: requests per second, or CPU seconds per second.
    Load,
    /// Bytes at which the kernel ends it: of its cgroup, or the machine's.
    Limit,
    /// A JVM's largest heap in bytes; a Go program's `GOMEMLIMIT`.
    HeapMax,
    /// `GOGC` in percent; below 0: off.
    Gogc,
    /// When the process started, in seconds since 1970. A change is another process.
    StartTime,
}

impl Signal {
    /// Every signal.
    pub const ALL: [Self; 9] = [
        Self::HeapFloor,
        Self::Rss,
        Self::Native,
        Self::Count,
        Self::Load,
        Self::Limit,
        Self::HeapMax,
        Self::Gogc,
        Self::StartTime,
    ];

    /// Its name in histories and configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::HeapFloor => "heap_floor",
            Self::Rss => "rss",
            Self::Native => "native",
            Self::Count => "count",
            Self::Load => "load",
            Self::Limit => "limit",
            Self::HeapMax => "heap_max",
            Self::Gogc => "gogc",
            Self::StartTime => "start_time",
        }
    }

    /// The signal of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.name() == name)
    }

    /// The channel that judges it, if one does.
    pub const fn channel(self) -> Option<Channel> {
        match self {
            Self::HeapFloor => Some(Channel::HeapFloor),
            Self::Rss => Some(Channel::Rss),
            Self::Native => Some(Channel::Native),
            Self::Count => Some(Channel::Count),
            _ => None,
        }
    }
}

/// A series that gets a verdict.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum Channel {
    /// See [`Signal::HeapFloor`].
    HeapFloor,
    /// See [`Signal::Rss`]. Judged only where there is no source of heap floors: a heap that fills up before its
    /// collector sees a reason to work looks like a leak from outside.
    Rss,
    /// See [`Signal::Native`].
    Native,
    /// See [`Signal::Count`].
    Count,
}

impl Channel {
    /// Every channel, in the order in which they are judged.
    pub const ALL: [Self; 4] = [Self::HeapFloor, Self::Rss, Self::Native, Self::Count];

    /// Its name: that of its signal.
    pub const fn name(self) -> &'static str {
        match self {
            Self::HeapFloor => Signal::HeapFloor.name(),
            Self::Rss => Signal::Rss.name(),
            Self::Native => Signal::Native.name(),
            Self::Count => Signal::Count.name(),
        }
    }

    /// Whether it counts bytes.
    pub const fn is_bytes(self) -> bool {
        !matches!(self, Self::Count)
    }

    pub(crate) const fn fold(self) -> Fold {
        match self {
            Self::HeapFloor => Fold::Min,
            _ => Fold::Low,
        }
    }
}
