//! What happens to the processes of the benchmark.

/// What happens to a process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scenario {
    /// Leak: the heap grows by a steady rate.
    LinearLeak,
    /// Leak: as slow as can still end the process within the history.
    SlowLeak,
    /// Leak: by so much per request, under the traffic of days and nights.
    TrafficLeak,
    /// Leak: faster and faster.
    AcceleratingLeak,
    /// Leak: outside of the heap.
    NativeLeak,
    /// Leak: goroutines or threads, with their stacks.
    CountLeak,
    /// Leak: under a daily wave of the heap that is larger than what leaks in hours.
    DiurnalLeak,
    /// Leak: begins after hours of health.
    LateLeak,
    /// Leak: in a heap whose pages were all touched at the start, or under `GOMEMLIMIT`: resident memory shows nothing.
    PretouchedLeak,
    /// Leak: in lumps, every hour or two.
    BurstyLeak,
    /// Benign: noise around a level.
    Flat,
    /// Benign: classes, pools and compiled code in the first hours.
    WarmUp,
    /// Benign: a cache fills up to its maximum.
    CacheToCap,
    /// Benign: more by day than by night.
    Diurnal,
    /// Benign: traffic grows over days, and the heap with it.
    TrafficGrowth,
    /// Benign: a collector that waits for hours between cycles.
    GcSawtooth,
    /// Benign: `GOGC=off` under `GOMEMLIMIT`, or a heap touched at the start.
    MemoryLimitFill,
    /// Benign: page cache fills the cgroup.
    PageCache,
    /// Benign: a table is loaded once.
    OneStep,
    /// Benign: entries live for hours, then all go at once.
    TtlSawtooth,
    /// Benign: a batch job every few hours.
    BatchSpikes,
    /// Benign: fragmentation of the native heap, ever slower.
    NativeCreep,
    /// Benign: a new version every few hours, each with its warm-up.
    Rollouts,
    /// Leak beyond the 23: class loaders, one per redeployment.
    MetaspaceSteps,
    /// Leak beyond the 23: threads.
    ThreadLeak,
    /// Leak beyond the 23: descriptors, which cost no memory to speak of.
    DescriptorLeak,
    /// Leak beyond the 23: slow, over two weeks with a weekly wave.
    WeeklyLeak,
    /// Benign beyond the 23: the weekly wave without the leak.
    WeeklySeason,
    /// Beyond the 23: the collector finishes no cycle; nothing can be known of the heap.
    MissingFloors,
    /// Beyond the 23: a leak that stops halfway, and is to be cleared.
    LeakThatStops,
    /// Leak beyond the 23: one in the heap and one outside of it.
    TwoLeaks,
    /// Leak beyond the 23: under `GOMEMLIMIT` (or a heap at its maximum), with the collector working ever harder.
    MemoryLimitPressure,
    /// Leak beyond the 23: ends the process again and again, under restarts that change nothing.
    RestartedLeak,
}

impl Scenario {
    /// The ten leaks and thirteen benign cases that the gates are about.
    pub const CORE: [Self; 23] = [
        Self::LinearLeak,
        Self::SlowLeak,
        Self::TrafficLeak,
        Self::AcceleratingLeak,
        Self::NativeLeak,
        Self::CountLeak,
        Self::DiurnalLeak,
        Self::LateLeak,
        Self::PretouchedLeak,
        Self::BurstyLeak,
        Self::Flat,
        Self::WarmUp,
        Self::CacheToCap,
        Self::Diurnal,
        Self::TrafficGrowth,
        Self::GcSawtooth,
        Self::MemoryLimitFill,
        Self::PageCache,
        Self::OneStep,
        Self::TtlSawtooth,
        Self::BatchSpikes,
        Self::NativeCreep,
        Self::Rollouts,
    ];

    /// The further ones.
    pub const EXTRA: [Self; 10] = [
        Self::MetaspaceSteps,
        Self::ThreadLeak,
        Self::DescriptorLeak,
        Self::WeeklyLeak,
        Self::WeeklySeason,
        Self::MissingFloors,
        Self::LeakThatStops,
        Self::TwoLeaks,
        Self::MemoryLimitPressure,
        Self::RestartedLeak,
    ];

    /// Whether it is to be called a leak.
    pub fn is_leak(self) -> bool {
        matches!(
            self,
            Self::LinearLeak
                | Self::SlowLeak
                | Self::TrafficLeak
                | Self::AcceleratingLeak
                | Self::NativeLeak
                | Self::CountLeak
                | Self::DiurnalLeak
                | Self::LateLeak
                | Self::PretouchedLeak
                | Self::BurstyLeak
                | Self::MetaspaceSteps
                | Self::ThreadLeak
                | Self::DescriptorLeak
                | Self::WeeklyLeak
                | Self::LeakThatStops
                | Self::TwoLeaks
                | Self::MemoryLimitPressure
                | Self::RestartedLeak
        )
    }

    /// Whether what grows is bounded by its own rule, which a look into the heap shows.
    pub fn is_bounded_cache(self) -> bool {
        matches!(self, Self::CacheToCap | Self::TtlSawtooth)
    }

    /// Hours that its history covers.
    pub fn hours(self) -> f64 {
        match self {
            Self::WeeklyLeak | Self::WeeklySeason => 360.0,
            Self::RestartedLeak => 72.0,
            _ => 48.0,
        }
    }

    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::LinearLeak => "linear leak",
            Self::SlowLeak => "slow leak",
            Self::TrafficLeak => "leak per request",
            Self::AcceleratingLeak => "accelerating leak",
            Self::NativeLeak => "native leak",
            Self::CountLeak => "goroutine or thread leak",
            Self::DiurnalLeak => "leak under a daily wave",
            Self::LateLeak => "leak after hours of health",
            Self::PretouchedLeak => "leak in a touched heap",
            Self::BurstyLeak => "leak in lumps",
            Self::Flat => "flat",
            Self::WarmUp => "warm-up",
            Self::CacheToCap => "cache to its maximum",
            Self::Diurnal => "daily wave",
            Self::TrafficGrowth => "growing traffic",
            Self::GcSawtooth => "lazy collector",
            Self::MemoryLimitFill => "memory limit filled",
            Self::PageCache => "page cache",
            Self::OneStep => "one step",
            Self::TtlSawtooth => "entries with an age limit",
            Self::BatchSpikes => "batch jobs",
            Self::NativeCreep => "fragmentation",
            Self::Rollouts => "rollouts",
            Self::MetaspaceSteps => "class loader per redeploy",
            Self::ThreadLeak => "thread leak",
            Self::DescriptorLeak => "descriptor leak",
            Self::WeeklyLeak => "slow leak, weekly wave",
            Self::WeeklySeason => "weekly wave",
            Self::MissingFloors => "missing floors",
            Self::LeakThatStops => "leak that stops",
            Self::TwoLeaks => "two leaks",
            Self::MemoryLimitPressure => "leak under a memory limit",
            Self::RestartedLeak => "restarts under a leak",
        }
    }
}
