//! How far a channel can grow before the process ends.

use crate::{Channel, Runtime};

/// What is known of a process's bounds and of its parts, each the newest value.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Bounds {
    pub(crate) limit: Option<f64>,
    pub(crate) heap_max: Option<f64>,
    pub(crate) gogc: Option<f64>,
    pub(crate) rss: Option<f64>,
    pub(crate) native: Option<f64>,
    pub(crate) heap_floor: Option<f64>,
}

/// `GOGC` where nothing says otherwise (`runtime/mgcpacer.go`, `readGOGC`).
const DEFAULT_GOGC: f64 = 100.0;

impl Bounds {
    /// The value of `channel` at which `runtime` cannot go on. `None` where nothing bounds it, or nothing known does.
    pub(crate) fn capacity(&self, channel: Channel, runtime: Runtime) -> Option<f64> {
        let capacity = match (channel, runtime) {
            (Channel::Count, _) => None,
            (Channel::Rss, _) => self.limit,
            (Channel::Native, _) => Some(self.limit? - self.committed(runtime)?),
            (Channel::HeapFloor, Runtime::Jvm) => self.heap_max.or(self.limit),
            (Channel::HeapFloor, Runtime::Go) => self.go_heap(),
        };
        capacity.filter(|c| *c > 0.0)
    }

    /// Go collects when the heap has grown by `GOGC` percent over what was live, so that much must fit under the limit;
    /// with `GOMEMLIMIT` it collects more often instead, until what is live fills the limit alone.
    fn go_heap(&self) -> Option<f64> {
        let native = self.native.unwrap_or(0.0);
        let goal = match (self.heap_max, self.limit) {
            (Some(goal), Some(limit)) if goal <= limit => Some(goal),
            (Some(goal), None) => Some(goal),
            _ => None,
        };
        if let Some(goal) = goal {
            return Some(goal - native);
        }
        let gogc = self.gogc.unwrap_or(DEFAULT_GOGC);
        let growth = if gogc < 0.0 { 0.0 } else { gogc / 100.0 };
        Some((self.limit? - native) / (1.0 + growth))
    }

    /// What the heap takes of the limit.
    fn committed(&self, runtime: Runtime) -> Option<f64> {
        if let (Some(rss), Some(native)) = (self.rss, self.native) {
            return Some((rss - native).max(0.0));
        }
        match runtime {
            Runtime::Jvm => self.heap_max.or(self.heap_floor),
            Runtime::Go => self.heap_floor,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_channel_is_bounded_by_what_ends_the_process() {
        let all = Bounds {
            limit: Some(1000.0),
            heap_max: Some(600.0),
            gogc: Some(100.0),
            rss: Some(500.0),
            native: Some(100.0),
            heap_floor: Some(200.0),
        };
        let no_goal = Bounds {
            heap_max: None,
            ..all
        };
        let heap = |b: &Bounds, r| b.capacity(Channel::HeapFloor, r);
        assert_eq!(heap(&all, Runtime::Jvm), Some(600.0));
        assert_eq!(heap(&all, Runtime::Go), Some(500.0));
        assert_eq!(heap(&no_goal, Runtime::Go), Some(450.0));
        assert_eq!(all.capacity(Channel::Native, Runtime::Go), Some(600.0));
        assert_eq!(all.capacity(Channel::Rss, Runtime::Jvm), Some(1000.0));
        assert_eq!(all.capacity(Channel::Count, Runtime::Go), None);
        assert_eq!(Bounds::default().capacity(Channel::Rss, Runtime::Go), None);
    }

    #[test]
    fn a_goal_above_the_limit_is_none() {
        let bounds = Bounds {
            limit: Some(1000.0),
            heap_max: Some(2000.0),
            gogc: Some(-1.0),
            ..Bounds::default()
        };
        assert_eq!(
            bounds.capacity(Channel::HeapFloor, Runtime::Go),
            Some(1000.0)
        );
    }
}
