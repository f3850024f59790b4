//! What earlier lives of a workload reached.

use crate::Channel;

/// Lives that are remembered. Older ones are forgotten: what a program needs changes with its versions.
const LIVES: usize = 8;

/// The highest floors of earlier lives of one workload. A new process must rise above them before growth counts.
///
/// Lives that ended for lack of memory or as a leak are not remembered: else the size of a leak would become normal.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct WorkloadMemory {
    peaks: [Vec<f64>; Channel::ALL.len()],
}

impl WorkloadMemory {
    /// Remembers the highest floor of a life that ended well.
    pub fn remember(&mut self, channel: Channel, peak: f64) {
        let peaks = &mut self.peaks[channel as usize];
        if peaks.len() >= LIVES {
            peaks.remove(0);
        }
        peaks.push(peak);
    }

    /// The highest floor of any life that is remembered.
    pub fn peak(&self, channel: Channel) -> Option<f64> {
        self.peaks[channel as usize]
            .iter()
            .copied()
            .reduce(f64::max)
    }
}
