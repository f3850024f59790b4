//! How long something took, by the processor's time: a busy or stalled machine does not make it longer.

use std::fs;
use std::time::Duration;

/// Of `/proc/self/stat`, in 1/100 s on every Linux (`USER_HZ`).
const TICK: Duration = Duration::from_millis(10);

/// Processor time of this test process since a moment.
#[derive(Debug)]
pub struct CpuTime {
    start: Duration,
}

impl CpuTime {
    /// Counts from now on.
    pub fn start() -> Self {
        Self { start: spent() }
    }

    /// User and system time of all threads of this process since then.
    pub fn elapsed(&self) -> Duration {
        spent().saturating_sub(self.start)
    }
}

/// User and system time of this process so far.
fn spent() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").expect("procfs is mounted");
    // The name before may hold spaces: what follows it begins at the state, field 3 of proc_pid_stat(5).
    let after = stat.rsplit_once(')').map_or("", |(_, after)| after);
    let times = after.split_whitespace().skip(11).take(2);
    let ticks = times.map(|t| t.parse::<u32>().expect("a number of ticks"));
    TICK * ticks.sum::<u32>()
}
